"""Sliced optimal transport: one-dimensional transport, which is sorting, averaged over random projections."""

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
"""Projected values in memory at a time, about 64 MB."""


def directions(d: int, count: int, seed: int) -> Tensor:
    """`count` unit vectors `[count, d]` float64, uniform on the sphere, from a generator seeded with `seed`."""
    drawn: Tensor = torch.randn(count, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=1)


def line_costs(real: Tensor, fake: Tensor, lines: Tensor, p: float) -> Tensor:
    """W_p^p `[count]` between `real` `[n, d]` and `fake` `[m, d]` projected on each of `lines` `[count, d]`."""
    same_width(real.shape[1], fake.shape[1])
    x, y = centred(real, fake)  # a common shift changes no distance and keeps full precision
    lines = lines.to(x.device)
    coupling = _quantile_coupling(len(x), len(y), x.device)

    def costs(part: range) -> Tensor:
        values = [
            _mean_cost((block @ x.T).sort(1).values, (block @ y.T).sort(1).values, coupling, p)
            for block in _blocks(lines[part.start : part.stop], len(x) + len(y))
        ]
        return torch.cat([torch.empty(0, dtype=torch.float64, device=x.device), *values])

    return spread(len(lines), costs)


def line_potentials(real: Tensor, fake: Tensor, lines: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """Dual potentials `[n]` and `[m]` of the mean of `line_costs`: the centred potentials of all lines, averaged."""
    x, y = centred(real, fake)
    of_x, of_y = (torch.zeros(len(side), dtype=torch.float64, device=x.device) for side in (x, y))
    i, j, _ = _quantile_coupling(len(x), len(y), x.device)
    first_i, first_j = (torch.searchsorted(at, torch.arange(int(at[-1]) + 1, device=at.device)) for at in (i, j))
    for block in _blocks(lines.to(x.device), len(x) + len(y)):
        sorted_x, order_x = (block @ x.T).sort(1)
        sorted_y, order_y = (block @ y.T).sort(1)
        left, right = sorted_x[:, i], sorted_y[:, j]
        pair_cost = (left - right).abs().pow(p)
        # From pair (i, j) to pair (k, l) of the plan, the real potential rises by c_kj - c_ij or by c_kl - c_il: they
        # agree where one index moves, and any value between them is optimal where both do. Their mean is taken.
        rise_before = (left[:, 1:] - right[:, :-1]).abs().pow(p) - pair_cost[:, :-1]
        rise_after = pair_cost[:, 1:] - (left[:, :-1] - right[:, 1:]).abs().pow(p)
        u = torch.nn.functional.pad(((rise_before + rise_after) / 2).cumsum(1), (1, 0))
        v = pair_cost - u
        for total, potential, first, order in ((of_x, u, first_i, order_x), (of_y, v, first_j, order_y)):
            centred_potential = potential[:, first] - potential[:, first].mean(1, keepdim=True)
            total.index_add_(0, order.flatten(), centred_potential.flatten())
    return of_x / len(lines), of_y / len(lines)


def line_costs_on_splits(pool: Pool, splits: Splits, lines: Tensor, p: float) -> Tensor:
    """Mean over `lines` `[count, d]` of W_p^p on each of `splits`, `[B]`: the pool is projected and sorted once."""
    features = pool.features()
    rows, _ = centred(features, features)
    total = torch.zeros(len(splits), dtype=torch.float64)
    sides = splits.side.cpu().numpy()
    for block in _blocks(lines.to(rows.device), len(rows)):
        ordered, order = (part.cpu().numpy() for part in (block @ rows.T).sort(1))
        for b, side in enumerate(sides):
            side_in_order = side[order].ravel()
            # numpy's compress is ten times faster than a mask in torch, and keeps the order along each line
            real, fake = (
                torch.from_numpy(np.compress(side_in_order == which, ordered.ravel()).reshape(len(block), -1))
                for which in (REAL, FAKE)
            )
            total[b] += _mean_cost(real, fake, _quantile_coupling(real.shape[1], fake.shape[1], real.device), p).sum()
    return total / len(lines)


def _blocks(lines: Tensor, values: int) -> Iterator[Tensor]:
    """`lines` `[count, d]` in blocks that project to at most `BLOCK` values, `values` a line."""
    step = max(1, BLOCK // values)
    return (lines[start : start + step] for start in range(0, len(lines), step))


def _mean_cost(real: Tensor, fake: Tensor, coupling: tuple[Tensor, Tensor, Tensor], p: float) -> Tensor:
    """W_p^p `[count]` between sorted values `[count, n]` and `[count, m]`."""
    i, j, mass = coupling
    if real.shape == fake.shape:
        return (real - fake).abs().pow(p).mean(1)
    return (real[:, i] - fake[:, j]).abs().pow(p) @ mass


def _quantile_coupling(n: int, m: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Monotone coupling of n sorted values with m: indices i and j and the mass of at most n + m - 1 pairs."""
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)  # in units of 1 / (n m), so exact
    i, j, mass = (ends - 1) // m, (ends - 1) // n, np.diff(ends, prepend=0) / (n * m)
    return tuple(torch.from_numpy(part).to(device) for part in (i, j, mass))  # type: ignore[return-value]
