"""Memorisation-informed FID: FID, raised where fake samples are too near to their nearest real sample."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor

from divmetrics.arrays.pairs import mean_cosine_distance_on_splits, nearest_cosine_distances
from divmetrics.arrays.skewness import skewed_ends
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.metrics.moments import _frechet as frechet
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric

TINY = 1e-14
"""Added to the distance before dividing by it, as in the competition: it is 0 where all fake samples are copies."""
REAL_SIDE_FACTOR = 1.2
"""Standard error of the mean distance over that from the fake samples alone, as real ones vary too; 1.1 to 1.3."""
NEGLIGIBLE = 1e-6
"""Probability of falling on the other side of tau that counts as zero."""
ROUND_OFF = 1e-8
"""In units of the traces of both covariances; a smaller FID is round-off, and would be any number once over TINY."""


def _fid(real: Rows, fake: Rows) -> float:
    """FID, with round-off about 0 set to 0."""
    fits = frechet.fit(real), frechet.fit(fake)
    value = frechet.distance(*fits)
    return 0.0 if abs(value) <= ROUND_OFF * sum(one.total_variance for one in fits) else value


def _interval(pool: TwoSamplePool, level: float, *, tau: float) -> tuple[float, float] | None:
    """Interval from the influence functions of FID and of the mean distance, which a fake sample moves together.

    Where the mean distance may fall on either side of tau, the value is one of two numbers. The interval is then that
    of their mean, weighted by the probability of each; the lower end takes the least, the upper end the greatest
    probability of being below tau.
    """
    fid_spread, influence = frechet.spread(pool.real, pool.fake), frechet.influence(pool.real, pool.fake)
    if fid_spread is None or influence is None:
        return None
    angles = nearest_cosine_distances(pool.real, pool.fake).cpu().numpy()
    mean, error = float(angles.mean()), REAL_SIDE_FACTOR * float(angles.std(ddof=1)) / pool.m**0.5
    fid, n, m = _fid(pool.real, pool.fake), pool.n, pool.m
    reach = float(ndtri((1 + level) / 2))
    ends = np.array(skewed_ends(fid, fid_spread, level))
    below_tau = ndtr((tau - mean) / max(error, TINY) + np.array([-reach, reach]))
    if below_tau[1] > NEGLIGIBLE:
        first_order = float(influence[0].var(ddof=1) / n + influence[1].var(ddof=1) / m)
        at_real = influence[0] / (mean + TINY)
        at_fake = influence[1] / (mean + TINY) - fid / (mean + TINY) ** 2 * (angles - mean)
        of_ratio = float(at_real.var(ddof=1) / n + at_fake.var(ddof=1) / m)
        variance = max(0.0, of_ratio + (fid_spread.variance - first_order) / (mean + TINY) ** 2)
        ratio_ends = np.array(skewed_ends(fid / (mean + TINY), replace(fid_spread, variance=variance), level))
        ends = ratio_ends if below_tau[0] > 1 - NEGLIGIBLE else ends + below_tau * (ratio_ends - ends)
    value = fid / (mean + TINY) if mean < tau else fid
    return max(0.0, min(float(ends[0]), value)), max(float(ends[1]), value)


def _resample(pool: Pool, splits: Splits, **options: Any) -> Tensor:
    fid, mean = frechet.on_splits(pool, splits), mean_cosine_distance_on_splits(pool, splits).cpu()
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
        interval=Interval(frechet.METHOD, _interval), resample=_resample, replicate_cost="decomposed"
    ),
    about=About(
        formula=r"\mathrm{FID} / \bar m \text{ if } \bar m < \tau \text{ else FID}, \quad "
        r"\bar m = \frac{1}{m} \sum_j \min_i (1 - |\cos(y_j, x_i)|)",
        sees="What FID sees, and fake samples in the direction of samples in `real`: give the training data there.",
        blind="A few copied images: the mean distance stays above tau. Copies and a shrunken mode look alike.",
        bias="That of FID, upwards with 1/n; the distance falls as real samples are added. tau is meant for Inception "
        "features.",
        cost="FID and one pass over the pairs, 1 s at 5,000 + 5,000 x 1280; the null shares FID's draws.",
    ),
)
def mifid(real: Rows, fake: Rows, *, tau: float = 0.1) -> Measured:
    """FID, divided by the mean cosine distance of a fake sample to its nearest real one where that is below `tau`; >=
    0, lower is better.

    In feature units squared. The distance is 1 - |cos|, in [0, 1], and its mean is taken over the fake samples.
    (torchmetrics takes the mean over the real ones, and so misses fake samples that are copies of few real ones.)
    `real` should be what the generator was trained on. Bai 2021.

    Args:
        real: Real samples, best the training data: `[n, d]` array, tensor or `Rows`, n >= 2.
        fake: Fake samples: `[m, d]`, m >= 2, in the same feature space.
        tau: Mean distance, in [0, 1], below which FID is divided by it (default 0.1, meant for Inception features); 0
            never divides.

    Returns:
        The value. `measure` adds the column `distance` of the fake side, `[m]` float64, and the extras `fid` and
        `distance` (the mean).

    Raises:
        UsageError: `tau` is outside [0, 1].
        TooFewSamples: A side has a single sample.
        FeatureError: A row is all zeros, or the two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]
        >>> round(dm.metrics.mifid(real, fake), 4)  # the distance is 1 - cos 45 degrees = 0.2929: not below 0.1
        1.5
        >>> round(dm.metrics.mifid(real, fake, tau=0.5), 4)  # 1.5 / 0.2929
        5.1213
    """
    if not 0 <= tau <= 1:
        raise UsageError(f"tau={tau} is not possible; give a number from 0 to 1, such as tau=0.1.")
    fid, angles = _fid(real, fake), nearest_cosine_distances(real, fake).cpu()
    mean = float(angles.mean())
    value = fid / (mean + TINY) if mean < tau else fid
    return Measured(value, fake={"distance": angles}, extras={"fid": fid, "distance": mean})
