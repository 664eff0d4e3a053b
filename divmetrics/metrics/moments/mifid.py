"""Memorisation-informed FID: FID, made worse for fakes that are too near to their nearest real."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor

from divmetrics.arrays.pairs import mean_angles, nearest_angles
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.metrics.moments import _frechet as frechet
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric

TINY = 1e-14
"""Added to the distance that is divided by, as in the competition: for all fakes copied it is 0."""
REALS_TOO = 1.2
"""The mean distance varies this much more than the fakes' own distances say, for the reals vary too; 1.1 to 1.3."""
SURELY = 1e-6
"""Chance of the other side of tau that counts as none."""
DUST = 1e-8
"""Of the traces of both covariances; a smaller FID is round-off, and any number once divided by TINY."""


def _fid(real: Rows, fake: Rows) -> float:
    fits = frechet.fit(real), frechet.fit(fake)
    found = sum(frechet.frechet(*fits))
    return 0.0 if abs(found) <= DUST * sum(float(one.covariance.trace()) for one in fits) else found


def _interval(pool: TwoSamplePool, level: float, *, tau: float) -> tuple[float, float] | None:
    """By the influence functions of FID and of the distance, of which a fake moves both at once.

    Where the distance may fall on either side of tau the value is one of two numbers, and what is expected is their
    mean, weighed by the chance of each, which itself is known within limits.
    """
    known, pulls = frechet.variance(pool.real, pool.fake), frechet.influence(pool.real, pool.fake)
    if known is None or pulls is None:
        return None
    angles = nearest_angles(pool.real, pool.fake).cpu().numpy()
    mean, error = float(angles.mean()), REALS_TOO * float(angles.std(ddof=1)) / pool.m**0.5
    fid, n, m = _fid(pool.real, pool.fake), pool.n, pool.m
    reach = float(ndtri((1 + level) / 2))
    ends = np.array([fid - reach * known**0.5, fid + reach * known**0.5])
    below = ndtr((tau - mean) / max(error, TINY) + np.array([-reach, reach]))
    if below[1] > SURELY:
        of_fid = float(pulls[0].var(ddof=1) / n + pulls[1].var(ddof=1) / m)
        scaled = pulls[0] / (mean + TINY), pulls[1] / (mean + TINY) - fid / (mean + TINY) ** 2 * (angles - mean)
        of_both = float(scaled[0].var(ddof=1) / n + scaled[1].var(ddof=1) / m)
        spread = max(0.0, of_both + (known - of_fid) / (mean + TINY) ** 2) ** 0.5
        raised = fid / (mean + TINY) + reach * spread * np.array([-1, 1])
        ends = raised if below[0] > 1 - SURELY else ends + below * (raised - ends)
    value = fid / (mean + TINY) if mean < tau else fid
    return max(0.0, min(float(ends[0]), value)), max(float(ends[1]), value)


def _resample(pool: Pool, splits: Splits, **options: Any) -> Tensor:
    fid, mean = frechet.on_splits(pool, splits), mean_angles(pool, splits).cpu()
    return torch.where(mean < options["tau"], fid / (mean + TINY), fid)


@metric(
    "mifid",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, inf), rotation=True, scaling=2.0, on_copies=0.0),
    role="distance",
    cite="Bai 2021, arXiv:2106.03062",
    protocols={"inception-2015": {"tau": 0.1}},
    uncertainty=UncertaintySpec(
        interval=Interval("influence function", _interval), resample=_resample, replicate_cost="decomposed"
    ),
    about=About(
        formula=r"\mathrm{FID} / \bar m \text{ if } \bar m < \tau \text{ else FID}, \quad "
        r"\bar m = \frac{1}{m} \sum_j \min_i (1 - |\cos(y_j, x_i)|)",
        sees="What FID sees, and fakes that lie on the directions of samples in `real`: give training data there.",
        blind="A few copied images: the mean distance stays above tau. Copies and a shrunken mode look alike.",
        bias="FID's, upwards with 1/n; the distance falls as reals are added. tau is meant for Inception features.",
        cost="FID and one pass over the pairs, 1 s at 5,000 + 5,000 x 1280; the null shares FID's draws.",
    ),
)
def mifid(real: Rows, fake: Rows, *, tau: float = 0.1) -> Measured:
    """FID over the mean distance of a fake to its nearest real where that is below `tau`, else FID; lower is better.

    Bai 2021; >= 0, feature units squared. The distance is 1 - |cos|, in [0, 1]; its mean is taken over the *fakes*
    (torchmetrics takes it over the reals, and so misses fakes that are copies of few reals). `real` should be what the
    generator was trained on. Extras: `fid`, `distance`. Per fake: `distance`. Raises UsageError for `tau` outside
    [0, 1], TooFewSamples below two rows on a side, FeatureError on a row of zeros.
    """
    if not 0 <= tau <= 1:
        raise UsageError(f"tau={tau} is not possible; give a number from 0 to 1, such as tau=0.1.")
    fid, angles = _fid(real, fake), nearest_angles(real, fake).cpu()
    mean = float(angles.mean())
    value = fid / (mean + TINY) if mean < tau else fid
    return Measured(value, fake={"distance": angles}, extras={"fid": fid, "distance": mean})
