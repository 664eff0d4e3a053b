"""Balls around the mean of one set that hold given shares of it, and the share of another set inside them. Alaa 2022.

The original learns a one-class network in whose output the support is a ball; here the features are used as they are,
and the centre is the mean of the set. A support of another shape, such as separate modes, is measured by distance
alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64
from divmetrics.arrays.pairs import UniqueRows, check_enough_rows, nearest_rows, squared_ball_radii, squared_distances
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.metrics.densities._pooled_distances import PooledDistances, SplitCounts, pooled_distances

NEAREST = 24
"""Neighbours kept of each row of a pool; with probability 1e-7 none of them is in a random half."""


def curve(own: Tensor, others: Tensor, levels: int) -> np.ndarray:
    """Share of the `others` `[m]` inside the ball that holds a share q of the `own` `[n]`, for `levels` q from 0 to 1.

    Both are distances from the centre of the balls; inf is in no ball. Raises UsageError below 2 levels.
    """
    if levels < 2:
        raise UsageError(f"levels={levels} must be at least 2, for shares from 0 to 1.")
    radii = np.quantile(own.cpu().numpy(), np.linspace(0, 1, levels))
    shares: np.ndarray = np.searchsorted(np.sort(others.cpu().numpy()), radii, side="right") / len(others)
    return shares


def integrated(shares: np.ndarray) -> float:
    """1 - 2 mean |share - q| of a curve over q: 1 on the diagonal, 0 where all shares are 0 or all are 1."""
    return float(1 - 2 * np.abs(shares - np.linspace(0, 1, len(shares))).mean())


def ten_points(shares: np.ndarray) -> list[list[float]]:
    """At most ten points of a curve, as [q, share]."""
    places = np.unique(np.linspace(0, len(shares) - 1, 10).round().astype(int))
    return [[float(place / (len(shares) - 1)), float(shares[place])] for place in places]


def distances_from_mean(rows: Tensor, of: Tensor) -> Tensor:
    """Distances `[n]` float64 of `rows` `[n, d]` from the mean of the rows `of` `[m, d]`."""
    return (float64(rows) - float64(of).mean(0)).square().sum(1).sqrt()


def covered_by_nearest(real: Rows, fake: Rows) -> tuple[Tensor, Tensor]:
    """Whether each real sample has a fake one as near as its nearest other real one `[n]`; the nearest fake `[n]`."""
    check_enough_rows(1, real.n, max(fake.n, 2))
    points = UniqueRows.of(real.features)
    own = squared_ball_radii(points, [1])[points.place, 0]
    squared, place = nearest_rows(real.features, fake.features)
    return squared <= own, place


def alpha_precision_on_splits(pool: TwoSamplePool, splits: Splits, levels: int) -> Tensor:
    """Alpha-precision on each split, `[B]` float64."""
    rows = pool.features()
    sides = splits.side.T.to(rows.device)  # [n + m, B]
    distances = _distances_from_means(rows, sides == REAL)
    values = [
        integrated(curve(distance[side == REAL], distance[side == FAKE], levels))
        for distance, side in zip(distances.T, sides.T, strict=True)
    ]
    return torch.tensor(values, dtype=torch.float64)


def beta_recall_on_splits(pool: TwoSamplePool, splits: Splits, levels: int) -> Tensor:
    """Beta-recall on each split, `[B]` float64."""
    parts = SplitCounts.of(pooled_distances(pool.real, pool.fake), splits)
    rows = parts.distances.rows
    distances = _distances_from_means(rows, parts.fake)
    squared, index = _neighbours(parts.distances)
    values = []
    for real, fake, distance in zip(parts.real.T, parts.fake.T, distances.T, strict=True):
        members = real.nonzero()[:, 0]
        to_fake, nearest_fake = _first(fake[index[members]] > 0, squared[members], index[members])
        others = real[index[members]] - (index[members] == members[:, None]).to(real.dtype)  # not the sample itself
        to_real, _ = _first(others > 0, squared[members], index[members])
        for slot in (to_fake.isinf() & to_real.isinf()).nonzero()[:, 0].tolist():  # none of its neighbours takes part
            to_fake[slot], nearest_fake[slot] = _nearest_member(rows, members[slot], fake)
            to_real[slot], _ = _nearest_member(rows, members[slot], real)
        covered = (to_fake <= to_real) & to_fake.isfinite()
        of_covering = torch.where(covered, distance[nearest_fake], torch.inf).repeat_interleave(real[members].long())
        values.append(integrated(curve(distance.repeat_interleave(fake.long()), of_covering, levels)))
    return torch.tensor(values, dtype=torch.float64)


def _distances_from_means(rows: Tensor, counts: Tensor) -> Tensor:
    """Distances `[s, B]` float64 of `rows` `[s, d]` from the mean of each part, with `counts` `[s, B]` of each row."""
    centred = float64(rows)
    centred = centred - centred.mean(0)
    weights = counts.double()
    means = centred.T @ (weights / weights.sum(0))  # [d, B]
    squared = centred.square().sum(1)[:, None] - 2 * centred @ means + means.square().sum(0)
    return squared.clamp_(min=0).sqrt_()


def _neighbours(distances: PooledDistances) -> tuple[Tensor, Tensor]:
    """Exact squared distances and places `[u, NEAREST]` of the nearest rows of each row, itself first, ascending."""
    rows = distances.rows
    _, index = distances.nearest(NEAREST)
    own = torch.arange(len(rows), device=rows.device).repeat_interleave(index.shape[1])
    squared = squared_distances(rows, rows, own, index.flatten()).view(index.shape)
    squared, order = torch.sort(squared, dim=1, stable=True)
    return squared, index.gather(1, order)


def _first(mask: Tensor, squared: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance and place of the first entry in each row where `mask` holds; inf where there is none."""
    slot = mask.to(torch.uint8).argmax(1, keepdim=True)
    distance = squared.gather(1, slot)[:, 0].masked_fill(~mask.any(1), torch.inf)
    return distance, index.gather(1, slot)[:, 0]


def _nearest_member(rows: Tensor, place: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance and place of the nearest other row with positive `counts` `[u]`; inf where there is none."""
    members = counts.nonzero()[:, 0]
    members = members[members != place]
    if not len(members):
        return rows.new_tensor(torch.inf, dtype=torch.float64), place
    squared = squared_distances(rows, rows, place.expand(len(members)), members)
    return squared.min(), members[squared.argmin()]
