"""Entropic optimal transport by Sinkhorn scaling, and the debiased Sinkhorn divergence.

OT(a, b) = min <plan, |x - y|^p> + entropy KL(plan | a b) = max <f, a> + <g, b>, the entropic term included. The kernel
is stabilised by subtracting the dual potentials so far (float64, so that nothing underflows), and the entropy is
annealed from the spread of the costs down to the requested value.
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
"""Entries of the largest cost matrix, 16 bytes each with its kernel: 2.3 GB."""
MASS_TOLERANCE = 1e-5
"""Relative marginal error of a plan that counts as converged; values are then accurate to 1e-6."""
ITERATIONS = 5000
"""Iteration limit of the scaling."""
LBFGS_HISTORY = 10
"""Past steps that L-BFGS keeps."""
MAX_RANGE, ANNEALING_FACTOR, ANNEALING_ITERATIONS = 20.0, 4.0, 10
"""Where costs span more than MAX_RANGE times the entropy, the scaling starts at a larger entropy, which is divided by
ANNEALING_FACTOR after every ANNEALING_ITERATIONS iterations."""


@dataclass(frozen=True, eq=False)
class Divergence:
    """The Sinkhorn divergence of two sets and its influence functions."""

    value: float  # OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2
    entropy: float  # in units of the cost
    real_influence: Tensor  # [n] float64, dual f of (a, b) minus dual f of (a, a)
    fake_influence: Tensor  # [m] float64, likewise for b


def divergence(real: Rows, fake: Rows, eps: float, p: float) -> Divergence:
    """Sinkhorn divergence at an entropy of `eps` times the median cost between two real samples; memoised.

    Raises MeasureError above 12,000 x 12,000 rows or without convergence, FeatureError where that median is 0.
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
    mass_tolerance: float = MASS_TOLERANCE,
) -> Divergence:
    """Sinkhorn divergence of `real` `[n, d]` and `fake` `[m, d]`.

    The entropy is `entropy`, or if None `eps` times the median cost between two real samples. `mass_tolerance` is the
    relative marginal error at which the plan between the two sides counts as converged.
    """
    same_width(real.shape[1], fake.shape[1])
    check_cells(max(len(real), len(fake)))
    if p == 2:  # centred squared costs plus that of the means, which keeps the kernel's range small
        x, y = (float64(side) - float64(side).mean(0) for side in (real, fake))
        gap = float64(real).mean(0) - float64(fake).mean(0).to(x.device)
    else:
        x, y = centred(real, fake)
        gap = torch.zeros_like(x[0])
    cost = costs(x, x, p)
    target = entropy or eps * _median_cost(cost)
    f, real_self = _self_transport(cost, target)
    g, fake_self = _self_transport(costs(y, y, p), target)
    f_ab, g_ab, cross = _cross_transport(costs(x, y, p), target, f, g, mass_tolerance)
    # The divergence is not negative (Feydy 2019); below 0 is the tolerance of the three scalings, 1e-6 of a cost
    value = max(0.0, float(gap.square().sum()) + cross - (real_self + fake_self) / 2)
    return Divergence(value, target, f_ab - f + 2 * x @ gap, g_ab - g - 2 * y @ gap)


def check_cells(n: int) -> None:
    """Raise MeasureError if an `[n, n]` cost matrix would exceed `MAX_CELLS` entries."""
    if n * n > MAX_CELLS:
        raise MeasureError(
            f"entropic transport of {n} samples needs {n * n * 16e-9:.1f} GB, the limit is {MAX_CELLS * 16e-9:.1f} GB. "
            "Take fewer samples (--num 10000) or use sliced_wasserstein."
        )


def _median_cost(cost: Tensor) -> float:
    """Median off-diagonal entry of the cost matrix `[n, n]` of one set. Raises FeatureError where it is 0."""
    n = len(cost)
    median = float(cost.flatten().kthvalue(n + max(1, n * (n - 1) // 2)).values) if n > 1 else 0.0
    if median == 0:
        raise FeatureError(
            "at least half of the pairs of real samples are identical, so there is no scale for the entropy; use emd."
        )
    return median


def _self_transport(cost: Tensor, entropy: float) -> tuple[Tensor, float]:
    """Dual potential `[n]` and value of OT(a, a), from a symmetric zero-diagonal `cost` `[n, n]` (overwritten)."""
    kernel = cost.div_(-entropy).exp_()
    scale = symmetric_scaling(kernel)
    return entropy * scale.log(), entropy * float(
        2 * scale.log().mean() - (scale * (kernel @ scale)).mean() / len(scale) + 1
    )


def symmetric_scaling(kernel: Tensor) -> Tensor:
    """Scaling s `[n]` with s_i (K s)_i / n = 1, by averaged (geometric mean) Sinkhorn updates; few are needed."""
    scale = torch.ones_like(kernel[0])
    tolerance = 1e-5 * MASS_TOLERANCE if kernel.dtype == torch.float64 else 1e-6
    for _ in range(ITERATIONS):
        mass = scale * (kernel @ scale) / len(scale)
        if float((mass - 1).abs().mean()) < tolerance:
            return scale
        scale = scale * mass.rsqrt()
    raise MeasureError(f"entropic transport of a set to itself did not converge in {ITERATIONS} iterations; raise eps.")


def _cross_transport(
    cost: Tensor, entropy: float, f: Tensor, g: Tensor, tolerance: float
) -> tuple[Tensor, Tensor, float]:
    """Dual potentials `[n]`, `[m]` and value of OT(a, b), starting from potentials `f` and `g`."""
    f = f + (cost - f[:, None] - g).amin(1)  # the kernel then has no entry above 1, and a 1 in every row
    annealed = max(entropy, float((cost - f[:, None] - g).amax()) / MAX_RANGE)
    while True:
        last = annealed == entropy
        kernel = (f[:, None] + g - cost).div_(annealed).exp_()
        log_u = row_scaling(kernel, tolerance if last else 1e-2, ITERATIONS if last else ANNEALING_ITERATIONS)
        _, v, mass = scalings(kernel, log_u)
        f, g = f + annealed * log_u, g + annealed * v.log()
        if not last:
            annealed = max(entropy, annealed / ANNEALING_FACTOR)
        elif float((mass - 1).abs().mean()) < 10 * tolerance:
            return f, g, float(f.mean() + g.mean())  # all fake marginals are exact, so the dual's mass term is 0
        else:
            raise MeasureError(
                f"entropic transport did not converge in {ITERATIONS} iterations; raise eps, or use emd."
            )


def scalings(kernel: Tensor, log_u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scalings u `[n]` and v `[m]`, v with exact column marginals, and the row marginals times n `[n]`."""
    u = log_u.exp()
    v = len(u) / (u @ kernel)
    return u, v, u * (kernel @ v) / len(v)


def row_scaling(kernel: Tensor, tolerance: float, iterations: int = ITERATIONS) -> Tensor:
    """log u `[n]` that maximises the dual with v optimal given u: concave, its gradient is the row marginal error.

    Sinkhorn iterations are gradient ascent on it, and take tens of thousands of steps where distant modes have other
    weights on the two sides; L-BFGS (Liu and Nocedal 1989, doi:10.1007/BF01589116) takes tens.
    """

    def dual(at: np.ndarray) -> tuple[float, np.ndarray]:
        log_u = torch.from_numpy(at).to(kernel)
        _, v, mass = scalings(kernel, log_u)
        return -float(log_u.sum() + len(at) * v.log().mean()), (mass - 1).double().cpu().numpy()

    limits = {"maxcor": LBFGS_HISTORY, "gtol": tolerance, "ftol": 0.0, "maxiter": iterations, "maxfun": 4 * iterations}
    found = scipy.optimize.minimize(dual, np.zeros(len(kernel)), jac=True, method="L-BFGS-B", options=limits)
    return torch.from_numpy(found.x).to(kernel)
