"""Duplicate fraction: share of fake samples with a near-duplicate among the fake samples."""

from __future__ import annotations

import torch
from torch import Tensor

from divmetrics.arrays.distributions import NORMAL
from divmetrics.arrays.share_intervals import wilson
from divmetrics.arrays.splits import FAKE, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.copies._near_duplicates import (
    RANK,
    NearDuplicates,
    near_duplicates,
    near_duplicates_on_splits,
)
from divmetrics.metrics.copies._numbers_of_pairs import least_expected
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric


def _resample(pool: TwoSamplePool, splits: Splits, *, threshold: float | None) -> Tensor:
    _, duplicated = near_duplicates_on_splits(pool, splits, threshold)
    return duplicated / (splits.side == FAKE).sum(1)


def _variance(near: NearDuplicates, m: int) -> float:
    """Sampling variance: the smaller of two estimates for a fixed threshold, plus that due to the threshold.

    The delete-one jackknife (without a sample, it and its dependants no longer count) is twice too large where
    duplicates are rare pairs (Efron and Stein 1981). The compound Poisson estimate (groups occur independently, given
    their total size) is too large where a few groups hold most samples. The threshold is the first arrival of a process
    of real pairs, with a standard deviation of one pair.
    """
    loss = (near.degree > 0).double() + near.dependants
    sizes = torch.bincount(near.group).double()
    grouped = float((sizes[sizes > 1] ** 2).sum())
    counting = min(float(loss.var()) * m, grouped - grouped**2 / float((sizes**2).sum()))
    slope = 0.0
    if near.degree_at_rank is not None:
        slope = int((near.degree_at_rank > 0).sum() - (near.degree > 0).sum()) / (RANK - 1)
    return (max(counting, 4.0) + slope**2) / m**2  # at least that of one expected pair


def _interval(pool: TwoSamplePool, level: float, *, threshold: float | None) -> tuple[float, float]:
    """Wilson's interval for as many samples as the variance corresponds to, its lower end no higher than that of pairs.

    Between sets of one distribution the number of near pairs is geometric: it is Poisson at each threshold, and the
    threshold is at the first of the real pairs. Eight pairs where two are expected are no rare event, so the lower end
    is where as many pairs have the probability (1 - level) / 2, in proportion.
    """
    near, m = near_duplicates(pool.real, pool.fake, threshold), pool.m
    share, variance = float((near.degree > 0).double().mean()), _variance(near, m)
    reach = float(NORMAL.ppf((1 + level) / 2))
    if share in (0, 1):
        low, high = wilson(share, min(pool.n, m), reach)
        return min(low, max(0.0, share - reach * variance**0.5)), max(high, min(1.0, share + reach * variance**0.5))
    low, high = wilson(share, share * (1 - share) / variance, reach)
    return min(low, share * least_expected(near, m, (1 - level) / 2) / near.pairs), high


@metric(
    "duplicate_fraction",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0),
    cite="Arora and Zhang 2017, arXiv:1706.08224",
    minimum=lambda _: 2,
    uncertainty=UncertaintySpec(
        interval=Interval("jackknife and compound Poisson, from a mixed Poisson number below", _interval),
        resample=_resample,
    ),
    about=About(
        formula=r"\frac1m \#\{i : \exists j \ne i : \|y_i - y_j\| \le t\},"
        r"\quad t = \min_{x_i \not\approx x_j} \|x_i - x_j\|",
        sees="Repeated samples, and which they are.",
        blind="Missing modes, if the remaining samples are diverse; copies of training samples that occur once.",
        bias="Grows with m: of the same few outputs, more occur twice in a larger sample. Compare at equal sizes.",
        cost="O((n^2 + m^2) d), shared with `birthday_support`.",
    ),
    equal_n=True,
)
def duplicate_fraction(real: Rows, fake: Rows, *, threshold: float | None = None) -> Measured:
    """Share of fake samples that have a near-duplicate among the fake samples; in [0, 1], lower is better.

    After Arora and Zhang 2017. Near-duplicates are no farther apart than the closest pair of real samples. Copies among
    the reals do not count there: equal rows, and pairs so near, compared with the 10th neighbours of both, that sets
    without copies hold one with a probability of 1 %.

    Args:
        real: Features of the real samples, `[n, d]`.
        fake: Features of the generated samples, `[m, d]`.
        threshold: Distance up to which two samples are near-duplicates, >= 0, in feature units; None (the default) for
            the distance of the closest pair of real samples that are not copies of one another.

    Returns:
        The share. Per fake sample: `duplicate_group`, the number of its connected group of near-duplicates, None
        without any. Extras: `groups`, their number; `largest`, the size of the largest; `exact`, the share of fake
        samples that equal another; `threshold`.

    Raises:
        UsageError: `threshold` is negative.
        TooFewSamples: Fewer than two samples on a side.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> dm.metrics.duplicate_fraction([[0.0], [1.0], [3.0]], [[0.0], [0.2], [5.0], [9.0]])
        0.5
    """
    near = near_duplicates(real, fake, threshold)
    members = near.degree > 0
    numbers, place, sizes = torch.unique(near.group[members], return_inverse=True, return_counts=True)
    column: list[int | None] = [None] * fake.n
    for sample, number in zip(members.nonzero()[:, 0].tolist(), place.tolist(), strict=True):
        column[sample] = number
    extras = {
        "groups": len(numbers),
        "largest": int(sizes.max()) if len(sizes) else 0,
        "exact": float((near.copies > 1).double().mean()),
        "threshold": near.threshold,
    }
    return Measured(float(members.double().mean()), fake={"duplicate_group": column}, extras=extras)
