"""Entropic transport by Sinkhorn's scaling, and the divergence that its debiasing makes of it.

OT(a, b) = min <plan, |x - y|^p> + entropy KL(plan | a b) = max <f, a> + <g, b>, the entropic term included. The scaling
runs on a kernel from which prices are taken off (float64, so that nothing underflows), at entropies that fall from the
spread of the costs to the one wanted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64
from divmetrics.arrays.memo import once
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError, MeasureError
from divmetrics.metrics.transport._costs import centred, costs

MAX_CELLS = 12_000**2
"""Largest cost matrix, in cells of 16 bytes, for its kernel lies beside it: 2.3 GB."""
MISPLACED = 1e-5
"""Relative error of a sample's mass under a plan that counts as converged: values are then good to 1e-6."""
ROUNDS = 5000
"""Rounds after which the scaling has failed."""
MEMORY = 10
"""Rounds that a step looks back on."""
RANGE, COOLING, WARM = 20.0, 4.0, 10
"""Where costs span more entropies than RANGE, the scaling starts hotter and cools by COOLING after WARM rounds."""


@dataclass(frozen=True, eq=False)
class Divergence:
    """The Sinkhorn divergence of two sets, and how it responds to the samples of each."""

    value: float  # OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2
    entropy: float  # in units of the cost
    real: Tensor  # [n] float64, f of (a, b) - f of (a, a)
    fake: Tensor  # [m]


def divergence(real: Rows, fake: Rows, eps: float, p: float) -> Divergence:
    """The divergence at an entropy of `eps` times the median cost between two reals, remembered as long as both live.

    Raises MeasureError above 12,000 x 12,000 rows and where the scaling does not converge, FeatureError where that
    median is 0.
    """
    return once(
        (real, fake),
        ("Sinkhorn divergence", eps, p),
        lambda: solve_entropic(real.features, fake.features, p, eps=eps),
    )


def solve_entropic(
    real: Tensor,
    fake: Tensor,
    p: float,
    *,
    eps: float = 0.0,
    entropy: float | None = None,
    misplaced: float = MISPLACED,
) -> Divergence:
    """The divergence of `real` `[n, d]` and `fake` `[m, d]` at an `entropy`, or at `eps` times the reals' median cost.

    `misplaced` is the relative error that the mass of a sample may have under the plan between them.
    """
    same_width(real.shape[1], fake.shape[1])
    check_cells(max(len(real), len(fake)))
    if p == 2:  # squared costs split into those of the means and those about them, which keeps the kernel's range small
        x, y = (float64(side) - float64(side).mean(0) for side in (real, fake))
        gap = float64(real).mean(0) - float64(fake).mean(0).to(x.device)
    else:
        x, y = centred(real, fake)
        gap = torch.zeros_like(x[0])
    cost = costs(x, x, p)
    heat = entropy or eps * _median(cost)
    f, own = _alone(cost, heat)
    g, other = _alone(costs(y, y, p), heat)
    f_ab, g_ab, joint = _between(costs(x, y, p), heat, f, g, misplaced)
    value = float(gap.square().sum()) + joint - (own + other) / 2
    return Divergence(value, heat, f_ab - f + 2 * x @ gap, g_ab - g - 2 * y @ gap)


def check_cells(n: int) -> None:
    """Raise MeasureError where an `[n, n]` matrix would be too large."""
    if n * n > MAX_CELLS:
        raise MeasureError(
            f"entropic transport of {n} samples needs {n * n * 16e-9:.1f} GB, the limit is {MAX_CELLS * 16e-9:.1f} GB. "
            "Take fewer samples (--num 10000) or use sliced_wasserstein."
        )


def _median(cost: Tensor) -> float:
    """Median cost between two different samples of one set."""
    n = len(cost)
    middle = float(cost.flatten().kthvalue(n + max(1, n * (n - 1) // 2)).values) if n > 1 else 0.0
    if middle == 0:
        raise FeatureError("half of the pairs of reals are alike, so there is no scale for the entropy; use emd.")
    return middle


def _alone(cost: Tensor, entropy: float) -> tuple[Tensor, float]:
    """Potential `[n]` and value of OT(a, a), from symmetric costs with a zero diagonal, which are overwritten."""
    kernel = cost.div_(-entropy).exp_()
    scale = settle_alone(kernel)
    return entropy * scale.log(), entropy * float(
        2 * scale.log().mean() - (scale * (kernel @ scale)).mean() / len(scale) + 1
    )


def settle_alone(kernel: Tensor) -> Tensor:
    """The scale s `[n]` with s_i (K s)_i / n = 1: geometric mean of the old and the new, a handful of rounds."""
    scale = torch.ones_like(kernel[0])
    tolerance = 1e-5 * MISPLACED if kernel.dtype == torch.float64 else 1e-6
    for _ in range(ROUNDS):
        mass = scale * (kernel @ scale) / len(scale)
        if float((mass - 1).abs().mean()) < tolerance:
            return scale
        scale = scale * mass.rsqrt()
    raise MeasureError(f"entropic transport of a set to itself did not converge in {ROUNDS} rounds; raise eps.")


def _between(cost: Tensor, entropy: float, f: Tensor, g: Tensor, tolerance: float) -> tuple[Tensor, Tensor, float]:
    """Potentials `[n]`, `[m]` and value of OT(a, b), starting from potentials `f` and `g`."""
    f = f + (cost - f[:, None] - g).amin(1)  # no entry of the kernel above 1, and one in each row that is 1
    heat = max(entropy, float((cost - f[:, None] - g).amax()) / RANGE)
    while True:
        last = heat == entropy
        kernel = (f[:, None] + g - cost).div_(heat).exp_()
        log_u = best_scale(kernel, tolerance if last else 1e-2, ROUNDS if last else WARM)
        _, v, mass = plan(kernel, log_u)
        f, g = f + heat * log_u, g + heat * v.log()
        if not last:
            heat = max(entropy, heat / COOLING)
        elif float((mass - 1).abs().mean()) < 10 * tolerance:
            return f, g, float(f.mean() + g.mean())  # every fake has its mass, so the entropic term of the dual is 0
        else:
            raise MeasureError(f"entropic transport did not converge in {ROUNDS} rounds; raise eps, or use emd.")


def plan(kernel: Tensor, log_u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scales u `[n]` and v `[m]`, v such that every column has its mass, and the mass of each row `[n]`."""
    u = log_u.exp()
    v = len(u) / (u @ kernel)
    return u, v, u * (kernel @ v) / len(v)


def best_scale(kernel: Tensor, tolerance: float, rounds: int = ROUNDS) -> Tensor:
    """log u `[n]` that maximises the dual, v being best given u: concave, and its gradient is what the rows lack.

    Sinkhorn's rounds are its gradient ascent, and take tens of thousands where far modes weigh otherwise on the two
    sides; with a quasi-Newton step each (L-BFGS, Liu and Nocedal 1989, doi:10.1007/BF01589116) it is tens.
    """

    def dual(at: np.ndarray) -> tuple[float, np.ndarray]:
        log_u = torch.from_numpy(at).to(kernel)
        _, v, mass = plan(kernel, log_u)
        return -float(log_u.sum() + len(at) * v.log().mean()), (mass - 1).double().cpu().numpy()

    limits = {"maxcor": MEMORY, "gtol": tolerance, "ftol": 0.0, "maxiter": rounds, "maxfun": 4 * rounds}
    found = scipy.optimize.minimize(dual, np.zeros(len(kernel)), jac=True, method="L-BFGS-B", options=limits)
    return torch.from_numpy(found.x).to(kernel)
