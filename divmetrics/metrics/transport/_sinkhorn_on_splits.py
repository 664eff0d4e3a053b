"""Sinkhorn divergences on many splits of one pool, computed in batches on one kernel over the pooled samples."""

from __future__ import annotations

import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits
from divmetrics.errors import MeasureError
from divmetrics.metrics.transport._costs import centred, costs
from divmetrics.metrics.transport._sinkhorn import (
    check_cells,
    row_scaling,
    scalings,
    solve_entropic,
    symmetric_scaling,
)

MAX_FLOAT64 = 4096
"""Pooled samples up to which the kernel is float64; above, float32 halves it to 400 MB at 10,000, accurate to 1e-6."""
ITERATIONS = 25
"""Sinkhorn iterations for all splits at once; splits that have not converged are then solved one by one."""
TOLERANCE = 1e-4
"""Mean marginal error at convergence; the error of a value is of the order of its square."""


def divergences(pool: Pool, splits: Splits, entropy: float, p: float) -> Tensor:
    """Sinkhorn divergence on each of `splits` `[B]` at one `entropy`; NaN where the scaling does not converge."""
    n = pool.n + pool.m
    check_cells(n // 2)
    rows = pool.features()
    dtype = torch.float64 if n <= MAX_FLOAT64 else torch.float32
    x, _ = centred(rows, rows, dtype)
    kernel = costs(x, x, p).div_(-entropy).exp_()
    scale = symmetric_scaling(kernel)  # relative to the scaling of the whole pool, those of a split are near 1
    kernel.mul_(scale[:, None]).mul_(scale)
    values = []
    for part in torch.split(splits.side.to(x.device), 32):
        a, b = ((part == side).T.to(dtype) for side in (REAL, FAKE))  # [N, 32]
        values.append(entropy * _batched_divergences(kernel, a / a.sum(0), b / b.sum(0)))
    divergence = torch.cat(values).cpu()
    for split in (~divergence.isfinite()).nonzero()[:, 0].tolist():  # the sides are too far apart for one kernel
        real, fake = (rows[places.to(rows.device)] for places in (splits.real(split), splits.fake(split)))
        divergence[split] = _value_or_nan(real, fake, p, entropy)
    return divergence


def _batched_divergences(kernel: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Divergences `[B]` in units of the entropy, for weights `a`, `b` `[N, B]`; NaN where the kernel underflows."""
    count = a.shape[1]
    r, s, u, v = (torch.ones_like(a) for _ in range(4))  # scalings of (a, a), of (b, b), and of (a, b) on either side
    for _ in range(ITERATIONS):
        sums = kernel @ torch.cat([r * a, s * b, v * b], 1)
        masses = torch.cat([r, s, u], 1) * sums
        errors = ((masses - 1).abs() * torch.cat([a, b, a], 1)).sum(0).view(3, count)
        if float(errors.max()) < TOLERANCE:
            break
        mass_a, mass_b, _ = torch.split(masses, count, 1)
        # 1 where the weight is 0: the update of absent samples may overflow
        r, s = (r * mass_a.rsqrt()).where(a > 0, 1.0), (s * mass_b.rsqrt()).where(b > 0, 1.0)
        u = (1 / sums[:, 2 * count :]).where(a > 0, 1.0)
        v = (1 / (kernel @ (u * a))).where(b > 0, 1.0)
    cross = _mean_log(u, a) + _mean_log(v, b)
    for split in (~(errors[2] < TOLERANCE)).nonzero()[:, 0].tolist():
        cross[split] = _cross_value(kernel[a[:, split] > 0][:, b[:, split] > 0])
    mass = (masses * torch.cat([a, b, a], 1)).sum(0).view(3, count)
    self_values = [2 * _mean_log(side, w) - (m - 1) for side, w, m in ((r, a, mass[0]), (s, b, mass[1]))]
    return (cross - (self_values[0] + self_values[1]) / 2).where((errors[:2] < TOLERANCE).all(0), torch.nan)


def _mean_log(scale: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean `[B]` float64 of the log of scalings `[N, B]`."""
    return float64(scale.log() * weight).sum(0)


def _cross_value(kernel: Tensor) -> float:
    """OT(a, b) in units of the entropy on one split's stabilised `kernel` `[n, m]`; NaN without convergence."""
    if not bool((kernel.amax(0) > 0).all() and (kernel.amax(1) > 0).all()):
        return torch.nan
    log_u = row_scaling(kernel, TOLERANCE)
    u, v, mass = scalings(kernel, log_u)
    if not float((mass - 1).abs().mean()) < 10 * TOLERANCE:
        return torch.nan
    return float(u.log().double().mean() + v.log().double().mean())


def _value_or_nan(real: Tensor, fake: Tensor, p: float, entropy: float) -> float:
    """Sinkhorn divergence of one split solved on its own; NaN without convergence."""
    try:
        return solve_entropic(real, fake, p, entropy=entropy).value
    except MeasureError:
        return torch.nan
