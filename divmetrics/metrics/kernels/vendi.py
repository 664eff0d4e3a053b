"""Vendi score: the effective number of different samples, with no reference at all."""

from __future__ import annotations

from math import exp, inf

import torch

from divmetrics.arrays.linalg import entropy_pull, float64, spectral_entropy
from divmetrics.arrays.splits import Pool
from divmetrics.arrays.summaries import UnitGram
from divmetrics.errors import UsageError
from divmetrics.records.metric import About, Laws, UncertaintySpec, Variance, metric

ENOUGH = 8
"""Samples, in units of the score, from which its influence function holds: below, many are directions of their own."""


def _variance(pool: Pool, *, order: float) -> float | None:
    pull = entropy_pull(torch.nn.functional.normalize(float64(pool.fake.features), dim=1), order)
    value = _score(UnitGram.of(pool.fake.features, pool.fake.index), order)
    return None if pull is None or pool.m < ENOUGH * value else pull.variance * value**2


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
    uncertainty=UncertaintySpec(variance=Variance("influence function", _variance)),
    about=About(
        formula=r"\exp\left(-\sum_i \lambda_i \ln \lambda_i\right), \quad \lambda = \mathrm{eig}(K / n), "
        r"\quad K_{ij} = \cos(y_i, y_j)",
        sees="Dropped modes, shrunken modes and repeated samples, all as a smaller number.",
        blind="Where the samples are: noise and invented modes read as diversity. On features far from 0, as networks "
        "give them, all cosines are near 1 and it moves little: see vendi_ratio.",
        bias="Downwards, at most n and at most d: compare sets of one size.",
        cost="O(n d² + d³): 0.3 s at 5,000 x 1280; the interval 1 s.",
    ),
)
def vendi(fake: UnitGram, *, order: float = 1.0) -> float:
    """Effective number of distinct samples; in [1, n], higher is more diverse. Friedman and Dieng 2023, eq. 3.

    exp of the Renyi entropy of the eigenvalues of K / n, K the cosine similarities: n orthogonal rows give n, copies 1.
    `order` from 0 (rank) to inf (one over the largest eigenvalue): small orders weigh rare modes more, large ones less.
    Raises UsageError on a negative order. There is no reference: compare with the same number of reals.
    """
    if not order >= 0:
        raise UsageError(f"order={order} is not possible; give a number from 0 to inf, such as order=1.")
    return _score(fake, order)
