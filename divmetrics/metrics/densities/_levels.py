"""Balls about the mean of a set that hold given shares of it, and how much of another set they hold. Alaa 2022.

The original learns a one-class network whose ball is the support; here the features are taken as they are, and the
centre is the mean of the set. So a support that is no ball, such as separate modes, is measured by distance alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64
from divmetrics.arrays.pairs import Distinct, enough_rows, nearest, radii, squared_distances
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.metrics.densities._field import Field, Parts, field_of

NEAREST = 24
"""Neighbours kept of each row of a pool: that none of them is in a random half has a chance of 1e-7."""


def curve(balls: Tensor, others: Tensor, levels: int) -> np.ndarray:
    """For each of `levels` shares from 0 to 1: share of `others` `[m]` within the ball that holds it of `balls` `[n]`.

    Both are distances from the centre; inf is in no ball. Raises UsageError below 2 levels.
    """
    if levels < 2:
        raise UsageError(f"levels={levels} must be at least 2, for shares from 0 to 1.")
    reach = np.quantile(balls.cpu().numpy(), np.linspace(0, 1, levels))
    shares: np.ndarray = np.searchsorted(np.sort(others.cpu().numpy()), reach, side="right") / len(others)
    return shares


def integrated(shares: np.ndarray) -> float:
    """1 less twice the mean distance of a curve from the diagonal: 1 on it, 0 where it is all 0 or all 1."""
    return float(1 - 2 * np.abs(shares - np.linspace(0, 1, len(shares))).mean())


def thinned(shares: np.ndarray) -> list[list[float]]:
    """Ten points of a curve at most, as [level, share]."""
    places = np.unique(np.linspace(0, len(shares) - 1, 10).round().astype(int))
    return [[float(place / (len(shares) - 1)), float(shares[place])] for place in places]


def from_mean(rows: Tensor, centre: Tensor) -> Tensor:
    """Distances `[n]` float64 of rows from the mean of `centre` `[m, d]`."""
    return (float64(rows) - float64(centre).mean(0)).square().sum(1).sqrt()


def covered(real: Rows, fake: Rows) -> tuple[Tensor, Tensor]:
    """Whether a fake is as near to each real as its nearest other real, `[n]` bool, and which is the nearest `[n]`."""
    enough_rows(1, real.n, max(fake.n, 2))
    points = Distinct.of(real.features)
    own = radii(points, [1])[points.place, 0]
    squared, which = nearest(real.features, fake.features)
    return squared <= own, which


def alpha_on_splits(pool: TwoSamplePool, splits: Splits, levels: int) -> Tensor:
    """Integrated share of fakes in the balls of the reals, on each split `[B]` float64."""
    rows = pool.features()
    sides = splits.side.T.to(rows.device)  # [n + m, B]
    away = _from_means(rows, sides == REAL)
    found = [
        integrated(curve(out[side == REAL], out[side == FAKE], levels))
        for out, side in zip(away.T, sides.T, strict=True)
    ]
    return torch.tensor(found, dtype=torch.float64)


def beta_on_splits(pool: TwoSamplePool, splits: Splits, levels: int) -> Tensor:
    """Integrated share of reals that a fake within the balls of the fakes covers, on each split `[B]` float64."""
    parts = Parts.of(field_of(pool.real, pool.fake), splits)
    rows = parts.field.rows
    away = _from_means(rows, parts.fake)
    squared, index = _neighbours(parts.field)
    found = []
    for real, fake, out in zip(parts.real.T, parts.fake.T, away.T, strict=True):
        members = real.nonzero()[:, 0]
        to_fake, which = _first(fake[index[members]] > 0, squared[members], index[members])
        others = real[index[members]] - (index[members] == members[:, None]).to(real.dtype)  # not the sample itself
        to_real, _ = _first(others > 0, squared[members], index[members])
        for slot in (to_fake.isinf() & to_real.isinf()).nonzero()[:, 0].tolist():  # all its neighbours are absent
            to_fake[slot], which[slot] = _among(rows, members[slot], fake)
            to_real[slot], _ = _among(rows, members[slot], real)
        reached = torch.where((to_fake <= to_real) & to_fake.isfinite(), out[which], torch.inf)
        balls = out.repeat_interleave(fake.long())
        found.append(integrated(curve(balls, reached.repeat_interleave(real[members].long()), levels)))
    return torch.tensor(found, dtype=torch.float64)


def _from_means(rows: Tensor, counts: Tensor) -> Tensor:
    """Distances `[s, B]` float64 of all `rows` `[s, d]` from the mean of each part, `counts` `[s, B]` of each row."""
    exact = float64(rows)
    exact = exact - exact.mean(0)
    weights = counts.double()
    means = exact.T @ (weights / weights.sum(0))  # [d, B]
    squared = exact.square().sum(1)[:, None] - 2 * exact @ means + means.square().sum(0)
    return squared.clamp_(min=0).sqrt_()


def _neighbours(field: Field) -> tuple[Tensor, Tensor]:
    """Squared distances, exact, and places `[u, NEAREST]` of the nearest rows, itself the first, ascending."""
    rows = field.rows
    _, index = field.nearest(NEAREST)
    own = torch.arange(len(rows), device=rows.device).repeat_interleave(index.shape[1])
    squared = squared_distances(rows, rows, own, index.flatten()).view(index.shape)
    squared, order = torch.sort(squared, dim=1, stable=True)
    return squared, index.gather(1, order)


def _first(mask: Tensor, squared: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Distance and place of the first that `mask` marks in each row; inf where none is."""
    slot = mask.to(torch.uint8).argmax(1, keepdim=True)
    distance = squared.gather(1, slot)[:, 0].masked_fill(~mask.any(1), torch.inf)
    return distance, index.gather(1, slot)[:, 0]


def _among(rows: Tensor, place: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Least squared distance of one row to others that a part has, and which that is; inf where it has none."""
    members = counts.nonzero()[:, 0]
    members = members[members != place]
    if not len(members):
        return rows.new_tensor(torch.inf, dtype=torch.float64), place
    found = squared_distances(rows, rows, place.expand(len(members)), members)
    return found.min(), members[found.argmin()]
