"""Sinkhorn divergences on many splits of one pool, scaled together on one kernel over the pooled samples."""

from __future__ import annotations

import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits
from divmetrics.errors import MeasureError
from divmetrics.metrics.transport._costs import centred, costs
from divmetrics.metrics.transport._sinkhorn import best_scale, check_cells, plan, settle_alone, solve_entropic

FINE = 4096
"""Pooled samples up to which the kernel is float64; above, float32 halves it to 400 MB at 10,000, good to 1e-6."""
ROUNDS = 25
"""Rounds of plain scaling for all splits at once; those that need more are then taken one by one."""
TOLERANCE = 1e-4
"""Mean error of masses; a value's error is its square."""


def divergences(pool: Pool, splits: Splits, entropy: float, p: float) -> Tensor:
    """The Sinkhorn divergence on each of `splits` `[B]` at one `entropy`; NaN where the scaling does not converge."""
    n = pool.n + pool.m
    check_cells(n // 2)
    rows = pool.features()
    dtype = torch.float64 if n <= FINE else torch.float32
    x, _ = centred(rows, rows, dtype)
    kernel = costs(x, x, p).div_(-entropy).exp_()
    scale = settle_alone(kernel)  # with prices of the pool by itself taken off, those of a split are near 1
    kernel.mul_(scale[:, None]).mul_(scale)
    values = []
    for part in torch.split(splits.side.to(x.device), 32):
        a, b = ((part == side).T.to(dtype) for side in (REAL, FAKE))  # [N, 32]
        values.append(entropy * _scaled(kernel, a / a.sum(0), b / b.sum(0)))
    found = torch.cat(values).cpu()
    for split in (~found.isfinite()).nonzero()[:, 0].tolist():  # sides too far apart for one kernel
        real, fake = (rows[places.to(rows.device)] for places in (splits.real(split), splits.fake(split)))
        found[split] = _afresh(real, fake, p, entropy)
    return found


def _scaled(kernel: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Divergences `[B]` in units of the entropy, from weights `a`, `b` `[N, B]`; NaN where the kernel underflows."""
    count = a.shape[1]
    r, s, u, v = (torch.ones_like(a) for _ in range(4))  # scales of (a, a), of (b, b), and of (a, b) on either side
    for _ in range(ROUNDS):
        sums = kernel @ torch.cat([r * a, s * b, v * b], 1)
        masses = torch.cat([r, s, u], 1) * sums
        slips = ((masses - 1).abs() * torch.cat([a, b, a], 1)).sum(0).view(3, count)
        if float(slips.max()) < TOLERANCE:
            break
        mass_a, mass_b, _ = torch.split(masses, count, 1)
        # 1 where there is no weight: what a kernel says of absent samples may overflow
        r, s = (r * mass_a.rsqrt()).where(a > 0, 1.0), (s * mass_b.rsqrt()).where(b > 0, 1.0)
        u = (1 / sums[:, 2 * count :]).where(a > 0, 1.0)
        v = (1 / (kernel @ (u * a))).where(b > 0, 1.0)
    joint = _mean_log(u, a) + _mean_log(v, b)
    for split in (~(slips[2] < TOLERANCE)).nonzero()[:, 0].tolist():
        joint[split] = _one_by_one(kernel[a[:, split] > 0][:, b[:, split] > 0])
    mass = (masses * torch.cat([a, b, a], 1)).sum(0).view(3, count)
    alone = [2 * _mean_log(side, w) - (m - 1) for side, w, m in ((r, a, mass[0]), (s, b, mass[1]))]
    return (joint - (alone[0] + alone[1]) / 2).where((slips[:2] < TOLERANCE).all(0), torch.nan)


def _mean_log(scale: Tensor, weight: Tensor) -> Tensor:
    """Mean log of a scale `[N, B]` under weights, `[B]` float64."""
    return float64(scale.log() * weight).sum(0)


def _one_by_one(kernel: Tensor) -> float:
    """Value of OT(a, b), in units of the entropy and without the prices taken off, on one split's `kernel` `[n, m]`."""
    if not bool((kernel.amax(0) > 0).all() and (kernel.amax(1) > 0).all()):
        return torch.nan
    log_u = best_scale(kernel, TOLERANCE)
    u, v, mass = plan(kernel, log_u)
    if not float((mass - 1).abs().mean()) < 10 * TOLERANCE:
        return torch.nan
    return float(u.log().double().mean() + v.log().double().mean())


def _afresh(real: Tensor, fake: Tensor, p: float, entropy: float) -> float:
    try:
        return solve_entropic(real, fake, p, entropy=entropy).value
    except MeasureError:
        return torch.nan
