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
from divmetrics.arrays.pairs import blocks, check_enough_rows, distance_to_different, nearest_rows, squared_distances
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.metrics.densities._pooled_distances import PooledDistances, SplitCounts, pooled_distances

CANDIDATES = 4
"""Nearest rows by a matrix product, the exactly nearest of which is taken."""
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
    """1 - 2 times the integral of |share - q| over q, as the authors' code sums it: every level has the step's width.

    1 on the diagonal. Where all shares are 0, that sum gives -1 / (levels - 1), for the integral 1/2 takes a step more;
    that is the least possible, and 0 here.
    """
    levels = len(shares)
    return max(0.0, float(1 - 2 * np.abs(shares - np.linspace(0, 1, levels)).sum() / (levels - 1)))


def ten_points(shares: np.ndarray) -> list[list[float]]:
    """At most ten points of a curve, as [q, share]."""
    places = np.unique(np.linspace(0, len(shares) - 1, 10).round().astype(int))
    return [[float(place / (len(shares) - 1)), float(shares[place])] for place in places]


def distances_from_mean(rows: Tensor, of: Tensor) -> Tensor:
    """Distances `[n]` float64 of `rows` `[n, d]` from the mean of the rows `of` `[m, d]`."""
    return (float64(rows) - float64(of).mean(0)).square().sum(1).sqrt()


def recall_curve(covered: Tensor, of_nearest: Tensor, levels: int) -> np.ndarray:
    """R(beta): share of real samples that are `covered` and whose nearest fake lies in the ball of beta, `[levels]`.

    `of_nearest` `[n]` are distances of the nearest fakes from the mean of the fakes. As in the authors' code the ball
    of beta holds a share beta of these nearest fakes, one for each real sample, not of all fakes as in the paper.
    """
    return curve(of_nearest, torch.where(covered, of_nearest, torch.inf), levels)


def covered_by_nearest(real: Rows, fake: Rows) -> tuple[Tensor, Tensor]:
    """Whether each real sample has a fake one as near as the nearest different real `[n]`; the nearest fake `[n]`."""
    check_enough_rows(1, real.n, max(fake.n, 2))
    own = distance_to_different(real)
    squared, place = nearest_rows(real.features, fake.features)
    return squared.sqrt() <= own, place


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
        others = (real[index[members]] > 0) & (index[members] != members[:, None])  # neither itself nor its copies
        to_real, _ = _first(others, squared[members], index[members])
        for found, at, counts in ((to_fake, nearest_fake, fake), (to_real, None, real)):
            slots = found.isinf().nonzero()[:, 0]  # none of its listed neighbours is on that side
            found[slots], places = _nearest_members(parts.distances, members[slots], counts)
            if at is not None:
                at[slots] = places
        own = real[members].long()
        of_nearest = distance[nearest_fake].repeat_interleave(own)
        values.append(integrated(recall_curve((to_fake <= to_real).repeat_interleave(own), of_nearest, levels)))
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


def _nearest_members(distances: PooledDistances, places: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance and place of the nearest other row with positive `counts` `[u]` of each of `places` `[s]`.

    0 and the row itself where there is no other, as in `distance_to_different`.
    """
    squared, nearest = torch.zeros(len(places), dtype=torch.float64, device=places.device), places.clone()
    members = counts.nonzero()[:, 0]
    for part in blocks(len(places)):
        block = distances.of_rows(places[part])[:, members]
        block = block.masked_fill(places[part][:, None] == members, torch.inf)
        few = members[block.topk(min(CANDIDATES, len(members)), largest=False).indices]  # [s, C]
        own = places[part][:, None].expand_as(few)
        exact = squared_distances(distances.rows, distances.rows, own.flatten(), few.flatten()).view(few.shape)
        best = exact.masked_fill(few == own, torch.inf).min(1)
        found = best.values.isfinite()
        squared[part] = torch.where(found, best.values, 0.0)
        nearest[part] = torch.where(found, few.gather(1, best.indices[:, None])[:, 0], nearest[part])
    return squared, nearest
