"""Near-duplicates: pairs of fake samples that are no farther apart than the closest pair of different real samples.

The threshold is the distance of the closest pair of real samples, one pair in n (n - 1) / 2, that are not copies of one
another (`_close_pairs.py`). A faithful generator has about as many pairs within it, a collapsed one many more.
Comparisons are exact, as in `divmetrics.arrays.pairs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np
import scipy
import torch
from scipy.special import digamma
from torch import Tensor

from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import Pairs, UniqueRows, ieee_products
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples, UsageError
from divmetrics.metrics.copies._close_pairs import ClosePairs, close_pairs, upper_blocks

KEPT_PAIRS = 512
"""Closest pairs of different samples of a pool kept for splits. At n = m, none is a real pair with probability 1e-60.
Whether a pair is a copy is told within the pool."""
RANK, LAST_RANK = 5, 50
"""Ranks of real pairs. The uncertainty of the threshold is estimated from the number of fake pairs between the closest
and the 5th closest real pair, and from how it grows with the distance from the 5th to the 50th."""
LOWER_SHARE, MANY_PAIRS = 0.1, 20
"""With at least MANY_PAIRS near-duplicates, growth is measured between the threshold and the smaller distance at which
LOWER_SHARE real pairs are expected."""


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """The near-duplicates within a set of m samples; tensors are int64 `[m]`."""

    threshold: float
    """Distance up to which two samples are near-duplicates, feature units."""
    degree: Tensor  # near-duplicates of each sample
    degree_at_rank: (
        Tensor | None
    )  # the same at the distance of the RANK-th closest real pair; None for a given threshold
    dependants: Tensor  # samples of which it is the only near-duplicate
    group: Tensor  # number of its connected component, in the order of their first samples
    copies: Tensor  # samples equal to it, itself included
    growth: float = 0.0
    """Exponent g in [0, 1]: fake pairs grow with the distance as the expected real pairs to the power g; 0 for a given
    threshold."""

    @property
    def pairs(self) -> int:
        """Number of near-duplicate pairs."""
        return int(self.degree.sum()) // 2


def near_duplicates(real: Rows, fake: Rows, threshold: float | None) -> NearDuplicates:
    """Near-duplicates among the fake samples, within `threshold` or, if None, that of the closest different reals.

    Memoised. Raises TooFewSamples below two rows a side, UsageError for a negative threshold.
    """
    same_width(real.d, fake.d)
    if threshold is not None and not threshold >= 0:
        raise UsageError(f"threshold={threshold} is not a distance; give 0 or more.")
    if min(real.n, fake.n) < 2:
        raise TooFewSamples(f"pairs need at least 2 rows per side, got {real.n} and {fake.n}; add samples.")

    def make() -> NearDuplicates:
        squared = [threshold**2] if threshold is not None else _squared_thresholds(real, RANK, LAST_RANK)
        return _pairs_within(UniqueRows.of(fake.features), squared)

    return once((real, fake), ("near-duplicates", threshold), make)


def _squared_thresholds(real: Rows, rank: int, last_rank: int) -> list[float]:
    """Squared distances of the closest real pair, of the pair of `rank`, at LOWER_SHARE pairs, and of `last_rank`.

    Copies among the real samples are left out.

    Close pairs grow as a power of the distance, which is estimated between the two ranks; the third distance is where
    LOWER_SHARE real pairs are expected by that power.
    """
    points = UniqueRows.of(real.features)
    closest = once((real,), ("close pairs", last_rank), lambda: close_pairs(points, last_rank))
    ordered = closest.squared[~closest.copies].tolist()
    if not ordered:  # all reals are equal, or too many copies of one another to go beyond them
        ordered = [closest.edge if closest.edge < inf else 0.0]
    first, middle, last = (ordered[min(place, len(ordered)) - 1] for place in (1, rank, last_rank))
    lower = first * LOWER_SHARE ** (log(last / middle) / _log_growth(rank, last_rank)) if middle > 0 else 0.0
    return [first, middle, lower, last]


def _log_growth(low: int, high: int) -> float:
    """Expected log ratio of the pair rates at the distances of the pairs of rank `high` and `low`."""
    return float(digamma(high) - digamma(low))


def _growth(degrees: Tensor) -> float:
    """`NearDuplicates.growth` from degrees `[m, 4]` at `_squared_thresholds`."""
    pairs, middle, lower, last = (degrees.sum(0) / 2).tolist()
    if pairs >= MANY_PAIRS:
        fewer, more, log_growth = lower, pairs, -log(LOWER_SHARE)
    else:
        fewer, more, log_growth = middle, last, _log_growth(RANK, LAST_RANK)
    return min(1.0, max(0.0, log((more + 0.5) / (fewer + 0.5)) / log_growth))


def _pairs_within(points: UniqueRows, limits: Sequence[float]) -> NearDuplicates:
    """Near-duplicates of `points` at the first of the squared `limits`, degrees at all; the last is the largest."""
    pairs, device, u = Pairs(points.rows, points.rows), points.rows.device, len(points.rows)
    bounds = torch.tensor(limits, dtype=torch.float64, device=device)
    degree = (points.copies - 1)[:, None].repeat(1, len(limits))
    partner = torch.zeros(u, dtype=torch.int64, device=device)
    group = np.arange(u)
    with ieee_products(device):
        for rows, columns, low in upper_blocks(pairs, pairs.float32[0]):
            i, j = (low <= bounds[-1]).nonzero(as_tuple=True)
            if not len(i):
                continue

            def undecided(least: Tensor, most: Tensor) -> Tensor:
                return ((least[:, None] <= bounds) & (bounds <= most[:, None])).any(1)

            inside = pairs.settle(rows, columns, i, j, low, undecided)[:, None] <= bounds
            i, j = i + rows.start, j + columns.start
            degree.index_add_(0, i, inside * points.copies[j, None])
            degree.index_add_(0, j, inside * points.copies[i, None])
            i, j = i[inside[:, 0]], j[inside[:, 0]]
            partner.index_add_(0, i, j)
            partner.index_add_(0, j, i)
            group = _merge_groups(group, i, j)
    place = points.place
    dependants = _dependants(points.copies, degree[:, 0], partner)
    _, first, label = np.unique(group[place.cpu().numpy()], return_index=True, return_inverse=True)
    numbered = torch.from_numpy(np.argsort(np.argsort(first))[label])
    degree = degree[place].cpu()
    degree_at_rank, growth = (degree[:, 1], _growth(degree)) if len(limits) > 1 else (None, 0.0)
    copies = points.copies[place].cpu()
    return NearDuplicates(
        limits[0] ** 0.5, degree[:, 0], degree_at_rank, dependants[place].cpu(), numbered, copies, growth
    )


def _dependants(copies: Tensor, degree: Tensor, partner: Tensor) -> Tensor:
    """`NearDuplicates.dependants` `[u]`; `partner` sums the numbers of near-duplicates, so it names a single one."""
    single = (copies == 1) & (degree == 1)
    return torch.bincount(partner[single], minlength=len(copies)) + ((copies == 2) & (degree == 1))


def _merge_groups(group: np.ndarray, i: Tensor, j: Tensor) -> np.ndarray:
    """Group labels `[u]` after merging the groups of each pair (i, j)."""
    if not len(i):
        return group
    ends = group[i.cpu().numpy()], group[j.cpu().numpy()]
    graph = scipy.sparse.coo_array((np.ones(len(i), bool), ends), shape=(len(group), len(group)))
    return np.asarray(scipy.sparse.csgraph.connected_components(graph, directed=False)[1][group])


def near_duplicates_on_splits(pool: TwoSamplePool, splits: Splits, threshold: float | None) -> tuple[Tensor, Tensor]:
    """Near-duplicate pairs among the fake samples of each split, and samples in such a pair, float64 `[B]` each.

    NaN where the kept closest pairs of the pool do not determine them.
    """

    def make() -> tuple[Tensor, ClosePairs]:
        points = UniqueRows.of(pool.features())
        share = (pool.n + pool.m) / max(pool.n, 1)
        return points.place.cpu(), close_pairs(points, int(KEPT_PAIRS * max(1.0, share**2 / 4)))

    place, closest = once((pool.real, pool.fake), "closest pairs of the pool", make)
    values = [_on_split(place, closest, side, threshold) for side in splits.side.cpu()]
    counts = torch.tensor(values, dtype=torch.float64).reshape(-1, 2)
    return counts[:, 0], counts[:, 1]


def _on_split(place: Tensor, closest: ClosePairs, side: Tensor, threshold: float | None) -> tuple[float, float]:
    """Near-duplicate pairs and samples of one split; `side` is `[n + m]`, `place` `[n + m]` the row of each sample."""
    rows = int(place.max()) + 1
    real_copies, fake_copies = (torch.bincount(place[side == which], minlength=rows) for which in (REAL, FAKE))
    if threshold is not None:
        limit = threshold**2
    else:
        different = (real_copies[closest.i] * real_copies[closest.j] > 0) & ~closest.copies
        first = different.nonzero()[:, 0]
        limit = float(closest.squared[first[0]]) if len(first) else 0.0 if closest.edge == inf else inf
    if limit > 0 and not limit < closest.edge:
        return float("nan"), float("nan")
    inside = closest.squared <= limit
    i, j = closest.i[inside], closest.j[inside]
    pairs = (fake_copies * (fake_copies - 1)).sum() / 2 + (fake_copies[i] * fake_copies[j]).sum()
    touched = fake_copies > 1
    touched[torch.cat([i[fake_copies[j] > 0], j[fake_copies[i] > 0]])] = True
    return float(pairs), float(fake_copies[touched].sum())
