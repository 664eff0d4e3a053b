"""The pass over all pairs of real and fake samples that all nearest-neighbour metrics share; its results are memoised.

Whichever metric comes first, the pass computes what any of them reads, because that costs little beside the matrix
products: ball counts, also with radii capped at their median, the smallest ball that contains each fake sample, and the
nearest sample of the other side. Realism scores cost as much as all of these, and are computed where they are wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

import torch
from torch import Tensor

from divmetrics.arrays.memo import growing, once
from divmetrics.arrays.pairs._ball_counts import BallCounts, count_balls, count_balls_within
from divmetrics.arrays.pairs._neighbours import NearestObserver, squared_ball_radii
from divmetrics.arrays.pairs._unique_rows import UniqueRows
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples, UsageError

Ties = Literal["open", "closed"]
"""Whether a ball contains the samples at exactly its radius: `"closed"` does (see `divmetrics.arrays.pairs`)."""


@dataclass(frozen=True, eq=False)
class NearestSample:
    """The nearest sample of the other side, for each sample of one side."""

    index: Tensor  # [n] int64, its number
    distance: Tensor  # [n] float64, the distance to it in feature units


@dataclass(frozen=True, eq=False)
class _PairResults:
    """Results of all passes over the pairs of two sets so far."""

    plain: dict[tuple[int, Ties], BallCounts] = field(default_factory=dict)
    capped: dict[tuple[int, Ties], BallCounts] = field(default_factory=dict)
    realism: dict[int, Tensor] = field(default_factory=dict)
    nearest: dict[str, NearestSample] = field(default_factory=dict)


def ball_counts(real: Rows, fake: Rows, k: int, ties: Ties, *, capped: bool = False) -> BallCounts:
    """How many samples of one side lie in the k-nearest-neighbour ball of each sample of the other, and the converse.

    Args:
        real: Real samples `[n, d]`.
        fake: Fake samples `[m, d]`.
        k: Rank of the nearest neighbour that a ball reaches to, within its own set.
        ties: `"open"` counts distances below the radius, `"closed"` also those equal to it.
        capped: Count the balls of real samples alone, with radii of at most the median of their radii (default False).

    Returns:
        Counts `[n]` of the real and `[m]` of the fake samples; exact.

    Raises:
        UsageError: `k` is below 1.
        TooFewSamples: A side has k samples or fewer.
        FeatureError: The two sets have different numbers of columns.

    Example:
        >>> from divmetrics.arrays.summaries import Rows
        >>> real, fake = Rows.from_array([[0.0], [1.0], [5.0]]), Rows.from_array([[0.5], [0.6], [9.0]])
        >>> counts = ball_counts(real, fake, 1, "open")
        >>> counts.fakes_in_ball.tolist()  # the balls of the real samples have the radii 1, 1 and 4
        [2, 2, 0]
    """
    with _pair_results(real, fake) as results:
        _extend(results, real, fake, [(k, ties)])
        return (results.capped if capped else results.plain)[k, ties]


def capped_balls_within(real: Rows, k: int, ties: Ties) -> Tensor:
    """How many capped balls of other real samples contain each real sample; see `ball_counts`.

    Args:
        real: Real samples `[n, d]`.
        k: Rank of the nearest neighbour that a ball reaches to; its radius is at most the median of all.
        ties: `"open"` counts distances below the radius, `"closed"` also those equal to it.

    Returns:
        `[n]` int64.
    """

    def compute() -> Tensor:
        points, squared = _squared_radii(real, [k])
        closed = torch.tensor([ties == "closed"], device=squared.device)
        return count_balls_within(points, _capped(points, squared), closed)[:, 0]

    return once((real,), ("capped balls within", k, ties), compute)


def realism_scores(real: Rows, fake: Rows, k: int) -> Tensor:
    """Realism score of each fake sample: the greatest ratio of radius to distance over real samples.

    Only the balls of real samples whose radius is at most the median of all count. Kynkaanniemi 2019, eq. 3.

    Args:
        real: Real samples `[n, d]`.
        fake: Fake samples `[m, d]`.
        k: Rank of the nearest neighbour that a ball reaches to, within the real samples.

    Returns:
        `[m]` float64; inf for a copy of one of those real samples.

    Raises:
        UsageError: `k` is below 1.
        TooFewSamples: A side has k samples or fewer.
        FeatureError: The two sets have different numbers of columns.
    """
    with _pair_results(real, fake) as results:
        _extend(results, real, fake, [(k, "open")], realism=[k])
        return results.realism[k]


def nearest_of_other_side(real: Rows, fake: Rows) -> tuple[NearestSample, NearestSample]:
    """The nearest fake sample of each real sample, and the nearest real sample of each fake sample; exact.

    Args:
        real: Real samples `[n, d]`.
        fake: Fake samples `[m, d]`.

    Returns:
        For each real sample, then for each fake sample; one of several equally near.

    Raises:
        TooFewSamples: A side has fewer than two samples.
        FeatureError: The two sets have different numbers of columns.
    """
    with _pair_results(real, fake) as results:
        if not results.nearest:
            _extend(results, real, fake, [(1, "open")])
        return results.nearest["real"], results.nearest["fake"]


def ball_radii(side: Rows, k: int) -> Tensor:
    """Distance of each sample to its k-th nearest other sample of the same set: the radius of its ball.

    Args:
        side: Samples `[n, d]`, n > k.
        k: Rank of the neighbour.

    Returns:
        `[n]` float64, in feature units.

    Example:
        >>> from divmetrics.arrays.summaries import Rows
        >>> ball_radii(Rows.from_array([[0.0], [1.0], [5.0]]), 1).tolist()
        [1.0, 1.0, 4.0]
    """
    points, squared = _squared_radii(side, [k])
    return squared[points.place, 0].sqrt()


def distance_to_different(side: Rows) -> Tensor:
    """Distance of each sample to the nearest sample of the same set that is not equal to it.

    Args:
        side: Samples `[n, d]`, n > 1.

    Returns:
        `[n]` float64, in feature units; 0 where all samples are equal.

    Example:
        >>> from divmetrics.arrays.summaries import Rows
        >>> distance_to_different(Rows.from_array([[0.0], [0.0], [5.0]])).tolist()
        [5.0, 5.0, 5.0]
    """
    points, squared = _squared_radii(side, [1])
    distinct = len(points.rows)
    if distinct == 1 or distinct == side.n:
        return squared[points.place, 0].sqrt()

    def make() -> Tensor:
        return squared_ball_radii(points.once_each, [1])[points.place, 0].sqrt()

    return once((side,), "distance to different", make)


def neighbour_pass(real: Rows, fake: Rows, options: Sequence[Mapping[str, Any]]) -> None:
    """The `shared_pass` of the nearest-neighbour metrics: one pass for every `k` and `ties` among their options.

    Args:
        real: Real samples `[n, d]`.
        fake: Fake samples `[m, d]`.
        options: Options of each metric; `k` is 1 and `ties` is `"open"` where a metric lacks them. One with `k` alone
            may read realism scores.
    """
    pairs = [(wanted.get("k", 1), wanted.get("ties", "open")) for wanted in options]
    realism = [wanted["k"] for wanted in options if "k" in wanted and "ties" not in wanted]
    with _pair_results(real, fake) as results:
        _extend(results, real, fake, pairs, realism)


def _pair_results(real: Rows, fake: Rows) -> AbstractContextManager[_PairResults]:
    return growing((real, fake), "neighbour pass", _PairResults)


def _extend(
    results: _PairResults, real: Rows, fake: Rows, wanted: Sequence[tuple[int, Ties]], realism: Sequence[int] = ()
) -> None:
    """Make one more pass for those (k, ties) of `wanted`, and those k of `realism`, that are not in `results` yet."""
    new = sorted({k for k in realism if k not in results.realism})
    missing = sorted({pair for pair in wanted if pair not in results.plain} | {(k, "open") for k in new})
    if missing:
        same_width(real.d, fake.d)
        for k, _ in missing:
            check_enough_rows(k, real.n, fake.n)
        _pass(real, fake, missing, new, results)


def _pass(
    real: Rows, fake: Rows, wanted: Sequence[tuple[int, Ties]], scored: Sequence[int], results: _PairResults
) -> None:
    """One pass over all pairs: a column for each plain and each capped radius, and the observers of its blocks."""
    ks = [k for k, _ in wanted]
    _squared_radii(real, [1, *ks])  # the nearest neighbours of real samples cost nothing here and a pass later
    (reals, real_radii), (fakes, fake_radii) = _squared_radii(real, ks), _squared_radii(fake, ks)
    closed = torch.tensor([ties == "closed" for _, ties in wanted], device=real_radii.device)
    across = (NearestObserver(reals.rows, fakes.rows), NearestObserver(fakes.rows, reals.rows, of_columns=True))
    realism = {k: _realism_observer(reals, fakes, real_radii[:, ks.index(k)]) for k in scored}
    both = torch.cat([real_radii, _capped(reals, real_radii)], 1)
    no_balls = torch.full_like(fake_radii, -inf)
    counts = count_balls(
        reals,
        fakes,
        both,
        torch.cat([fake_radii, no_balls], 1),
        closed.repeat(2),
        observers=[*across, *(observer for observer, _ in realism.values())],
    )
    for column, pair in enumerate(wanted):
        results.plain[pair], results.capped[pair] = counts.column(column), counts.column(column + len(wanted))
    if not results.nearest:
        for side, queries, base, observer in (("real", reals, fakes, across[0]), ("fake", fakes, reals, across[1])):
            squared, place = observer.result()
            results.nearest[side] = NearestSample(base.first[place][queries.place], squared[queries.place].sqrt())
    for k, (observer, unit) in realism.items():
        results.realism[k] = (unit / observer.result()[0]).sqrt()[fakes.place]


def _middle(points: UniqueRows, values: Tensor) -> tuple[Tensor, Tensor]:
    """The two middle order statistics `[C]` of `values` `[u, C]` over all samples; equal for an odd number of them."""
    ordered = values[points.place].sort(dim=0).values
    return ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]


def _capped(points: UniqueRows, squared: Tensor) -> Tensor:
    """Squared radii `[u, C]`, cut at the square of their median radius over all samples."""
    low, high = _middle(points, squared)
    return torch.minimum(squared, ((low.sqrt() + high.sqrt()) / 2).square().where(low < high, low))


def _realism_observer(reals: UniqueRows, fakes: UniqueRows, squared: Tensor) -> tuple[NearestObserver, float]:
    """Observer that minimises distance² / radius² over balls up to the median radius, and the unit of its result."""
    median = _middle(reals, squared[:, None])[0]
    unit = float(median) or 1.0
    weights = torch.where(squared > 0, unit / squared, 1e200)  # a ball of radius 0 is near to its own centre alone
    return NearestObserver(fakes.rows, reals.rows, weights.where(squared <= median, inf), of_columns=True), unit


def _squared_radii(side: Rows, ks: Sequence[int]) -> tuple[UniqueRows, Tensor]:
    """The unique rows of a set and their squared radii `[u, len(ks)]`; shared by all sets it is compared with."""
    points = once((side,), "unique rows", lambda: UniqueRows.of(side.features))
    with growing((side,), "squared ball radii", dict[int, Tensor]) as of_k:
        missing = sorted(set(ks) - of_k.keys())
        if missing:
            of_k.update(zip(missing, squared_ball_radii(points, missing).unbind(1), strict=True))
        return points, torch.stack([of_k[k] for k in ks], 1)


def check_enough_rows(k: int, real: int, fake: int) -> None:
    """Check that every sample of two sets has a k-th nearest other sample of its set.

    Args:
        k: Rank of the neighbour.
        real: Number of real samples.
        fake: Number of fake samples.

    Raises:
        UsageError: `k` is below 1.
        TooFewSamples: A side has k samples or fewer.
    """
    if k < 1:
        raise UsageError(f"k={k} must be at least 1.")
    side, fewest = min(("real", real), ("fake", fake), key=lambda pair: pair[1])
    if fewest <= k:
        way_out = f"Lower it with k={fewest - 1} or add" if fewest > 1 else "Add"
        raise TooFewSamples(f"k={k} needs at least {k + 1} rows per side, {side} has {fewest}. {way_out} samples.")
