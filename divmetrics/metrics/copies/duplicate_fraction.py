"""Share of fakes that are nearly the same as another one."""

from __future__ import annotations

import torch
from torch import Tensor

from divmetrics.arrays.splits import FAKE, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.copies._near_duplicates import RANK, near, renear
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _resample(pool: TwoSamplePool, splits: Splits, *, threshold: float | None) -> Tensor:
    _, touched = renear(pool, splits, threshold)
    return touched / (splits.side == FAKE).sum(1)


def _variance(pool: TwoSamplePool, *, threshold: float | None) -> float:
    """The smaller of two estimates that are both too large where the other is right, and the chance of the limit.

    Delete-one jackknife: without a sample, it and those near to no other no longer count. It is twice too large where
    duplicates are rare pairs (Efron and Stein 1981). Compound Poisson: groups come independently, given their total
    size; too large where a few groups hold many. The limit, as a count of pairs of reals, is a first arrival, of
    standard deviation one pair.
    """
    found, m = near(pool.real, pool.fake, threshold), pool.m
    loss = (found.degree > 0).double() + found.leaning
    sizes = torch.bincount(found.group).double()
    grouped = float((sizes[sizes > 1] ** 2).sum())
    counting = min(float(loss.var()) * m, grouped - grouped**2 / float((sizes**2).sum()))
    slope = 0.0
    if found.further is not None:
        slope = int((found.further > 0).sum() - (found.degree > 0).sum()) / (RANK - 1)
    return (max(counting, 4.0) + slope**2) / m**2  # never less than if one pair were expected


@metric(
    "duplicate_fraction",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0),
    cite="Arora and Zhang 2017, arXiv:1706.08224",
    minimum=lambda _: 2,
    uncertainty=UncertaintySpec(variance=Variance("jackknife and compound Poisson", _variance), resample=_resample),
    about=About(
        formula=r"\frac1m \#\{i : \exists j \ne i : \|y_i - y_j\| \le t\},\quad t = \min_{i<j} \|x_i - x_j\|",
        sees="Samples that come again and again, and which they are.",
        blind="Missing modes, as long as what is left is varied; copies of training samples that come once.",
        bias="Grows with m: the more samples, the more of the same few come twice. Compare at equal sizes.",
        cost="O((n^2 + m^2) d), shared with birthday_support.",
    ),
    equal_n=True,
)
def duplicate_fraction(real: Rows, fake: Rows, *, threshold: float | None = None) -> Measured:
    """Share of fakes with another fake no farther than the closest two reals; in [0, 1], lower is better.

    After Arora and Zhang 2017. `threshold` gives the distance instead, in feature units. Per fake: `duplicate_group`,
    the number of its connected group of near-duplicates, None where it has none. Extras: `groups`, `largest`,
    `exact`, the share of fakes that equal another, and `threshold`.
    Raises TooFewSamples below two rows a side, UsageError on a negative threshold.
    """
    found = near(real, fake, threshold)
    members = found.degree > 0
    numbers, place, sizes = torch.unique(found.group[members], return_inverse=True, return_counts=True)
    column: list[int | None] = [None] * fake.n
    for sample, number in zip(members.nonzero()[:, 0].tolist(), place.tolist(), strict=True):
        column[sample] = number
    extras = {
        "groups": len(numbers),
        "largest": int(sizes.max()) if len(sizes) else 0,
        "exact": float((found.copies > 1).double().mean()),
        "threshold": found.limit,
    }
    return Measured(float(members.double().mean()), fake={"duplicate_group": column}, extras=extras)
