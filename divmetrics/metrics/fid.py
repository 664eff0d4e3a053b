"""Frechet inception distance: how far the Gaussian fits of two feature sets are from each other."""

from __future__ import annotations

from divmetrics.declare import Laws, Measured, metric
from divmetrics.errors import TooFewSamples
from divmetrics.linalg import bures, bures_of_factors
from divmetrics.summaries import Moments, same_width


@metric(
    "fid",
    real=Moments.on("pooled"),
    fake=Moments.on("pooled"),
    better="lower",
    laws=Laws(range=(0, float("inf")), translation=True, rotation=True, scaling=2.0, on_copies=0.0),
    cite="Heusel 2017, arXiv:1706.08500",
    presets=("quick", "default"),
    protocols={"inception-2015": {}},
)
def fid(real: Moments, fake: Moments) -> Measured:
    """Squared Frechet distance of Gaussian fits; >= 0, feature units squared; lower is better. Heusel 2017, eq. 6.

    |m_r - m_f|^2 + tr(S_r + S_f - 2 (S_r S_f)^1/2), covariances with ddof 1. Biased upwards by about 1/n: compare only
    values taken at the same two sample sizes. Equal sets give 0 up to round-off of either sign, below 1e-8 of the
    traces; it is not clipped. Extras: the two terms. Raises TooFewSamples below two rows on a side.
    """
    for side, moments in (("real", real), ("fake", fake)):
        if moments.n < 2:
            raise TooFewSamples(f"a covariance needs at least 2 rows per side, {side} has {moments.n}; add samples.")
    same_width(len(real.mean), len(fake.mean))
    mean_term = float((real.mean - fake.mean.to(real.mean.device)).square().sum())
    if real.factor is not None and fake.factor is not None:
        covariance_term = bures_of_factors(real.factor, fake.factor)
    else:
        covariance_term = bures(real.covariance, fake.covariance)
    return Measured(mean_term + covariance_term, extras={"mean_term": mean_term, "covariance_term": covariance_term})
