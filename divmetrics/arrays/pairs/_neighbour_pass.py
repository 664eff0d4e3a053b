"""What all neighbour metrics share: one pass over all pairs, remembered beside the two sets.

Whatever is asked first, the pass looks for all that any of them reads, for that costs little beside the products: who
lies in whose ball, also with radii cut to their median, the smallest ball over each fake, the nearest sample of the
other side, and the ball that comes closest to each fake for its size.
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


@dataclass(frozen=True, eq=False)
class NearestSample:
    """The nearest sample of the other side: its place `[n]` int64 and the distance to it `[n]` float64."""

    index: Tensor
    distance: Tensor


@dataclass(frozen=True, eq=False)
class _PairResults:
    """Results of all passes over the pairs of two sets so far."""

    plain: dict[tuple[int, Ties], BallCounts] = field(default_factory=dict)
    capped: dict[tuple[int, Ties], BallCounts] = field(default_factory=dict)
    realism: dict[int, Tensor] = field(default_factory=dict)
    nearest: dict[str, NearestSample] = field(default_factory=dict)


def ball_counts(real: Rows, fake: Rows, k: int, ties: Ties, *, capped: bool = False) -> BallCounts:
    """Counts `[n]` and `[m]` of who lies in whose k-nearest-neighbour ball; remembered where the pass was made before.

    `capped`: balls of the reals alone, their radii at most the median of the reals' radii.
    Raises UsageError on k < 1, TooFewSamples below k + 1 rows a side, FeatureError on different widths.
    """
    with _pair_results(real, fake) as results:
        _extend(results, real, fake, [(k, ties)])
        return (results.capped if capped else results.plain)[k, ties]


def capped_balls_within(real: Rows, k: int, ties: Ties) -> Tensor:
    """How many capped balls of other reals hold each real, `[n]` int64; see `ball_counts`."""

    def compute() -> Tensor:
        points, squared = _radii(real, [k])
        closed = torch.tensor([ties == "closed"], device=squared.device)
        return count_balls_within(points, _capped(points, squared), closed)[:, 0]

    return once((real,), ("capped balls within", k, ties), compute)


def realism_scores(real: Rows, fake: Rows, k: int) -> Tensor:
    """Greatest ratio `[m]` float64 of a real's radius to its distance, over reals with radii up to the median.

    inf for a copy of one of them. Raises as `ball_counts` does.
    """
    with _pair_results(real, fake) as results:
        if k not in results.realism:
            _extend(results, real, fake, [(k, "open")])
        return results.realism[k]


def nearest_of_other_side(real: Rows, fake: Rows) -> tuple[NearestSample, NearestSample]:
    """For each real the nearest fake, then for each fake the nearest real; exact, one of several equally near.

    Raises TooFewSamples below two rows a side, FeatureError on different widths.
    """
    with _pair_results(real, fake) as results:
        if not results.nearest:
            _extend(results, real, fake, [(1, "open")])
        return results.nearest["real"], results.nearest["fake"]


def ball_radii(side: Rows, k: int) -> Tensor:
    """Distance `[n]` float64 of each sample to the k-th nearest other one of its set."""
    points, found = _radii(side, [k])
    return found[points.place, 0].sqrt()


def neighbour_pass(real: Rows, fake: Rows, options: Sequence[Mapping[str, Any]]) -> None:
    """One pass over all pairs of samples for every `k` and `ties` among the options of the metrics that share it."""
    with _pair_results(real, fake) as results:
        _extend(results, real, fake, [(wanted.get("k", 1), wanted.get("ties", "open")) for wanted in options])


def _pair_results(real: Rows, fake: Rows) -> AbstractContextManager[_PairResults]:
    return growing((real, fake), "neighbour pass", _PairResults)


def _extend(results: _PairResults, real: Rows, fake: Rows, wanted: Sequence[tuple[int, Ties]]) -> None:
    """Make one more pass for those (k, ties) of `wanted` that `results` lack."""
    missing = sorted({pair for pair in wanted if pair not in results.plain})
    if missing:
        same_width(real.d, fake.d)
        for k, _ in missing:
            check_enough_rows(k, real.n, fake.n)
        _pass(real, fake, missing, results)


def _pass(real: Rows, fake: Rows, wanted: Sequence[tuple[int, Ties]], results: _PairResults) -> None:
    """One pass over all pairs: a column for each plain ball, one for each capped one, and the watchers."""
    ks = [k for k, _ in wanted]
    _radii(real, [1, *ks])  # the first neighbours of the reals cost nothing here and a pass later
    (reals, real_radii), (fakes, fake_radii) = _radii(real, ks), _radii(fake, ks)
    closed = torch.tensor([ties == "closed" for _, ties in wanted], device=real_radii.device)
    across = (NearestObserver(reals.rows, fakes.rows), NearestObserver(fakes.rows, reals.rows, of_columns=True))
    lifts = {k: _lift(reals, fakes, radius) for k, radius in zip(ks, real_radii.T, strict=True)}
    both = torch.cat([real_radii, _capped(reals, real_radii)], 1)
    no_balls = torch.full_like(fake_radii, -inf)
    watchers = [*across, *(closest for closest, _ in lifts.values())]
    found = count_balls(reals, fakes, both, torch.cat([fake_radii, no_balls], 1), closed.repeat(2), watchers=watchers)
    for column, ask in enumerate(wanted):
        results.plain[ask], results.capped[ask] = found.column(column), found.column(column + len(wanted))
    if not results.nearest:
        for side, queries, base, closest in (("real", reals, fakes, across[0]), ("fake", fakes, reals, across[1])):
            squared, place = closest.found()
            results.nearest[side] = NearestSample(base.first[place][queries.place], squared[queries.place].sqrt())
    for k, (closest, unit) in lifts.items():
        results.realism[k] = (unit / closest.found()[0]).sqrt()[fakes.place]


def _middle(points: UniqueRows, values: Tensor) -> tuple[Tensor, Tensor]:
    """The two middle ones of `values` `[u, C]` over all samples, `[C]` each; of an odd number, the same one twice."""
    ordered = values[points.place].sort(dim=0).values
    return ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]


def _capped(points: UniqueRows, squared: Tensor) -> Tensor:
    """`squared` radii `[u, C]`, none above the square of the median radius."""
    low, high = _middle(points, squared)
    return torch.minimum(squared, ((low.sqrt() + high.sqrt()) / 2).square().where(low < high, low))


def _lift(reals: UniqueRows, fakes: UniqueRows, squared: Tensor) -> tuple[NearestObserver, float]:
    """The search for the ball that comes closest to each fake for its size, and the unit of what it finds."""
    median = _middle(reals, squared[:, None])[0]
    unit = float(median) or 1.0
    weights = torch.where(squared > 0, unit / squared, 1e200)  # a ball of radius 0 comes close to its own centre alone
    return NearestObserver(fakes.rows, reals.rows, weights.where(squared <= median, inf), of_columns=True), unit


def _radii(side: Rows, ks: Sequence[int]) -> tuple[UniqueRows, Tensor]:
    """The distinct rows of a set and their squared radii `[u, len(ks)]`, shared by all sets it is compared with."""
    points = once((side,), "distinct rows", lambda: UniqueRows.of(side.features))
    with growing((side,), "squared ball radii", dict[int, Tensor]) as of_k:
        missing = sorted(set(ks) - of_k.keys())
        if missing:
            of_k.update(zip(missing, squared_ball_radii(points, missing).unbind(1), strict=True))
        return points, torch.stack([of_k[k] for k in ks], 1)


def check_enough_rows(k: int, real: int, fake: int) -> None:
    """Raise UsageError unless k >= 1, TooFewSamples unless both sides have a k-th nearest other sample."""
    if k < 1:
        raise UsageError(f"k={k} must be at least 1.")
    side, fewest = min(("real", real), ("fake", fake), key=lambda pair: pair[1])
    if fewest <= k:
        lower_bounds = f"Lower it with k={fewest - 1} or add" if fewest > 1 else "Add"
        raise TooFewSamples(f"k={k} needs at least {k + 1} rows per side, {side} has {fewest}. {lower_bounds} samples.")
