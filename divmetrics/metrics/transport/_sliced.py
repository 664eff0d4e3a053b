"""Sliced optimal transport: along a line transport is sorting, so average over many lines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.dist import spread
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits
from divmetrics.arrays.summaries import same_width
from divmetrics.metrics.transport._costs import centred

BLOCK = 2**23
"""Projected values held at a time, about 64 MB."""


def directions(d: int, count: int, seed: int) -> Tensor:
    """`count` unit vectors `[count, d]`, uniform on the sphere, float64, from a generator of their own."""
    drawn: Tensor = torch.randn(count, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=1)


def line_costs(real: Tensor, fake: Tensor, lines: Tensor, p: float) -> Tensor:
    """W_p^p between `real` `[n, d]` and `fake` `[m, d]` projected on each of `lines` `[count, d]`; `[count]`."""
    same_width(real.shape[1], fake.shape[1])
    x, y = centred(real, fake)  # the distance is that of the shifted sets, at full precision
    lines = lines.to(x.device)
    steps = _couple(len(x), len(y), x.device)

    def costs(part: range) -> Tensor:
        mine = lines[part.start : part.stop]
        found = [
            _mean_cost((some @ x.T).sort(1).values, (some @ y.T).sort(1).values, steps, p)
            for some in _blocks(mine, len(x) + len(y))
        ]
        return torch.cat([torch.empty(0, dtype=torch.float64, device=x.device), *found])

    return spread(len(lines), costs)


def line_potentials(real: Tensor, fake: Tensor, lines: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """Potentials `[n]` and `[m]` of the cost that `line_costs` finds on average: those along each line, averaged."""
    x, y = centred(real, fake)
    of_x, of_y = (torch.zeros(len(side), dtype=torch.float64, device=x.device) for side in (x, y))
    i, j, _ = _couple(len(x), len(y), x.device)
    first_i, first_j = (torch.searchsorted(at, torch.arange(int(at[-1]) + 1, device=at.device)) for at in (i, j))
    for some in _blocks(lines.to(x.device), len(x) + len(y)):
        near, from_x = (some @ x.T).sort(1)
        far, from_y = (some @ y.T).sort(1)
        here, there = near[:, i], far[:, j]
        paid = (here - there).abs().pow(p)
        # From pair (i, j) to pair (k, l) of the plan, the potential of the reals rises by c_kj - c_ij and by
        # c_kl - c_il: one of them where one end moves, and anything between them where both do. Their mean is taken.
        by_old = (here[:, 1:] - there[:, :-1]).abs().pow(p) - paid[:, :-1]
        by_new = paid[:, 1:] - (here[:, :-1] - there[:, 1:]).abs().pow(p)
        u = torch.nn.functional.pad(((by_old + by_new) / 2).cumsum(1), (1, 0))
        v = paid - u
        for total, potential, first, place in ((of_x, u, first_i, from_x), (of_y, v, first_j, from_y)):
            centred_here = potential[:, first] - potential[:, first].mean(1, keepdim=True)
            total.index_add_(0, place.flatten(), centred_here.flatten())
    return of_x / len(lines), of_y / len(lines)


def line_costs_on_splits(pool: Pool, splits: Splits, lines: Tensor, p: float) -> Tensor:
    """Mean over `lines` of W_p^p on each of `splits` `[B]`: the pool is projected and sorted once."""
    features = pool.features()
    rows, _ = centred(features, features)
    total = torch.zeros(len(splits), dtype=torch.float64)
    sides = splits.side.cpu().numpy()
    for some in _blocks(lines.to(rows.device), len(rows)):
        ordered, order = (part.cpu().numpy() for part in (some @ rows.T).sort(1))
        for b, side in enumerate(sides):
            there = side[order].ravel()  # the side of each sample, in the order along each line
            # numpy's compress is ten times faster than a mask in torch, and keeps the order along each line
            near, far = (
                torch.from_numpy(np.compress(there == which, ordered.ravel()).reshape(len(some), -1))
                for which in (REAL, FAKE)
            )
            total[b] += _mean_cost(near, far, _couple(near.shape[1], far.shape[1], near.device), p).sum()
    return total / len(lines)


def _blocks(lines: Tensor, values: int) -> Iterator[Tensor]:
    """`lines` in blocks of as many as project to `BLOCK` values, `values` a line."""
    step = max(1, BLOCK // values)
    return (lines[start : start + step] for start in range(0, len(lines), step))


def _mean_cost(near: Tensor, far: Tensor, steps: tuple[Tensor, Tensor, Tensor], p: float) -> Tensor:
    """W_p^p `[count]` between sorted values `[count, n]` and `[count, m]`."""
    i, j, mass = steps
    if near.shape == far.shape:
        return (near - far).abs().pow(p).mean(1)
    return (near[:, i] - far[:, j]).abs().pow(p) @ mass


def _couple(n: int, m: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Which of n sorted values goes to which of m, and with what mass: the steps of both distributions, merged."""
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)  # in units of 1 / (n m), so exact
    i, j, mass = (ends - 1) // m, (ends - 1) // n, np.diff(ends, prepend=0) / (n * m)
    return tuple(torch.from_numpy(part).to(device) for part in (i, j, mass))  # type: ignore[return-value]
