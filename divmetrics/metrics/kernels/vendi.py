"""Vendi score: the effective number of distinct samples, without a reference."""

from __future__ import annotations

from math import exp, inf

import torch

from divmetrics.arrays.linalg import entropy_influence, float64, spectral_entropy
from divmetrics.arrays.splits import Pool
from divmetrics.arrays.summaries import UnitGram
from divmetrics.errors import UsageError
from divmetrics.records.metric import About, Laws, Spread, UncertaintySpec, Variance, metric

ENOUGH = 8
"""Samples, in units of the score, from which its influence function holds; below, many have their own direction."""


def _variance(pool: Pool, *, order: float) -> Spread | None:
    influence = entropy_influence(torch.nn.functional.normalize(float64(pool.fake.features), dim=1), order)
    value = _score(UnitGram.of(pool.fake.features, pool.fake.index), order)
    if influence is None or pool.m < ENOUGH * value:
        return None
    return influence.spread_of(influence.values).exponential(value)


def _score(fake: UnitGram, order: float) -> float:
    return exp(spectral_entropy(fake.similarity(), order))


@metric(
    "vendi",
    fake=UnitGram.on("pooled"),
    better="higher",
    laws=Laws(range=(1, inf), rotation=True, scaling=0.0),
    cite="Friedman and Dieng 2023, arXiv:2210.02410; Pasarkar and Dieng 2024, arXiv:2310.12952",
    minimum=lambda _: 1,
    equal_n=True,
    uncertainty=UncertaintySpec(variance=Variance("influence function with skewness", _variance)),
    about=About(
        formula=r"\exp\left(-\sum_i \lambda_i \ln \lambda_i\right), \quad \lambda = \mathrm{eig}(K / n), "
        r"\quad K_{ij} = \cos(y_i, y_j)",
        sees="Dropped modes, shrunken modes and repeated samples, all as a smaller number.",
        blind="Where the samples are: noise and invented modes read as diversity. On features far from 0, as networks "
        "give them, all cosines are near 1 and the value hardly moves: see vendi_ratio.",
        bias="Downwards, at most n and at most d: compare sets of one size.",
        cost="O(n d² + d³): 0.3 s at 5,000 x 1280; the interval 1 s.",
    ),
)
def vendi(fake: UnitGram, *, order: float = 1.0) -> float:
    """Effective number of distinct samples; in [1, n], higher is more diverse.

    The exponential of the Renyi entropy of the eigenvalues of K / n, with K the cosine similarities of the samples: n
    orthogonal rows give n, copies of one row give 1. There is no reference: compare with the same number of real
    samples. Friedman and Dieng 2023, eq. 3; orders other than 1 from Pasarkar and Dieng 2024.

    Args:
        fake: Fake samples: `[m, d]` array, tensor or `UnitGram`; no row may be all zeros.
        order: Order of the entropy, from 0 (the rank) over 1 (Shannon, default) to inf (1 over the largest eigenvalue).
            Small orders weigh rare modes more; the value falls as it grows.

    Returns:
        The effective number.

    Raises:
        UsageError: `order` is negative or not a number.
        FeatureError: A row is all zeros and has no direction.

    Example:
        >>> import divmetrics as dm
        >>> fake = [[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]]  # two directions, each twice
        >>> round(dm.metrics.vendi(fake), 6)
        2.0
    """
    if not order >= 0:
        raise UsageError(f"order={order} is not possible; give a number from 0 to inf, such as order=1.")
    return _score(fake, order)
