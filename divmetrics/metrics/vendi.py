"""Vendi score: the effective number of different samples, with no reference at all."""

from __future__ import annotations

from math import exp, inf

from divmetrics.declare import Laws, metric
from divmetrics.errors import UsageError
from divmetrics.linalg import spectral_entropy
from divmetrics.summaries import UnitGram


@metric(
    "vendi",
    fake=UnitGram.on("pooled"),
    better="higher",
    laws=Laws(range=(1, inf), rotation=True, scaling=0.0),
    cite="Friedman and Dieng 2023, arXiv:2210.02410; Pasarkar and Dieng 2024, arXiv:2310.12952",
    presets=("quick", "default"),
    minimum=lambda _: 1,
)
def vendi(fake: UnitGram, *, order: float = 1.0) -> float:
    """Effective number of distinct samples; in [1, n], higher is more diverse. Friedman and Dieng 2023, eq. 3.

    exp of the Renyi entropy of the eigenvalues of K / n, K the cosine similarities: n orthogonal rows give n, copies 1.
    `order` from 0 (rank) to inf (one over the largest eigenvalue): small orders weigh rare modes more, large ones less.
    Raises UsageError on a negative order. There is no reference: compare with the same number of reals.
    """
    if not order >= 0:
        raise UsageError(f"order={order} is not possible; give a number from 0 to inf, such as order=1.")
    return exp(spectral_entropy(fake.similarity(), order))
