"""Exact optimal transport between two samples: an assignment problem for equal sizes, else a network simplex."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import scipy
import torch
from torch import Tensor

from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import UniqueRows
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import MeasureError
from divmetrics.metrics.transport._costs import centred, costs
from divmetrics.metrics.transport._warm_start_duals import approximate_duals

MAX_CELLS = 20_000**2
"""Entries of the largest cost matrix, 8 bytes each: 3.2 GB."""
MAX_PIVOTS = 10**9
"""Iteration limit of the network simplex; 5,000 x 4,000 samples take about a million."""
BLOCK = 1024
"""Rows of the cost matrix processed at a time."""
DISTINCT_SHARE = 0.25
"""Share of pairs of distinct rows up to which the network simplex on distinct rows is faster than the assignment."""
DUAL_TOLERANCE = 1e-6
"""Error allowed in dual potentials, relative to the largest cost: float32 round-off must not cause endless updates."""


@dataclass(frozen=True, eq=False)
class TransportPlan:
    """An optimal transport plan, stored sparsely, and its dual potentials."""

    lengths: np.ndarray  # [pairs] float64, |x - y|
    mass: np.ndarray  # [pairs] float64, sums to 1
    real_duals: Tensor  # [n] float64
    fake_duals: Tensor  # [m] float64

    def cost(self, p: float) -> float:
        """Mean of |x - y|^p under the plan."""
        return float((self.mass * self.lengths**p).sum())


@dataclass(frozen=True, eq=False)
class Transport:
    """Optimal transport cost and dual potentials, which are the derivative of the cost by the mass at each sample."""

    cost: float  # mean of |x - y|^p under the optimal plan
    real_duals: Tensor  # [n] float64
    fake_duals: Tensor  # [m] float64


def transport(real: Rows, fake: Rows, p: float) -> Transport:
    """`solve`, memoised beside the two sets: the value and its variance share one solution."""
    return once((real, fake), ("exact transport", p), lambda: solve(real.features, fake.features, p))


def wasserstein(real: Tensor, fake: Tensor, p: float = 1.0) -> float:
    """p-Wasserstein distance between `real` `[n, d]` and `fake` `[m, d]`, Euclidean ground distance."""
    return float(solve(real, fake, p).cost ** (1 / p))


def solve(real: Tensor, fake: Tensor, p: float) -> Transport:
    """Optimal transport between `real` `[n, d]` and `fake` `[m, d]` under the cost |x - y|^p; see `best_plan`."""
    plan = best_plan(real, fake, p)
    return Transport(plan.cost(p), plan.real_duals, plan.fake_duals)


def best_plan(real: Tensor, fake: Tensor, p: float) -> TransportPlan:
    """Optimal plan under the cost |x - y|^p; every row of `real` `[n, d]` and of `fake` `[m, d]` has equal weight.

    Raises FeatureError for unequal widths, MeasureError if the `[n, m]` cost matrix would exceed 20,000 x 20,000
    entries or the solver does not converge.
    """
    same_width(real.shape[1], fake.shape[1])
    cells = len(real) * len(fake)
    if cells > MAX_CELLS:
        raise MeasureError(
            f"exact transport of {len(real)} to {len(fake)} samples needs a cost matrix of {cells * 8e-9:.1f} GB, "
            f"the limit is {MAX_CELLS * 8e-9:.1f} GB. Take fewer samples (--num 10000) or use sliced_wasserstein."
        )
    x, y = centred(real, fake)
    left, right = UniqueRows.of(x), UniqueRows.of(y)  # collapsed generators repeat rows: few atoms, much mass
    if len(x) == len(y) and len(left.rows) * len(right.rows) > DISTINCT_SHARE * cells:
        rows, columns, u, v = _solve_assignment(costs(x, y, p).cpu())
        mass = np.full(len(x), 1 / len(x))
    else:
        weights = left.copies.cpu().numpy() * float(len(y)), right.copies.cpu().numpy() * float(len(x))
        rows, columns, mass, u, v = _solve_network_simplex(costs(left.rows, right.rows, p).cpu().numpy(), *weights)
        x, y, u, v = left.rows, right.rows, u[left.place.cpu()], v[right.place.cpu()]
    # Recomputed for the chosen pairs: in the cost matrix a distance of 0 can appear as 1e-8 |x|
    lengths = np.linalg.norm(x.cpu().numpy()[rows] - y.cpu().numpy()[columns], axis=1)
    return TransportPlan(lengths, mass, u, v)


def _solve_assignment(cost: Tensor) -> tuple[np.ndarray, np.ndarray, Tensor, Tensor]:
    """Optimal assignment of a square `cost` `[n, n]` (overwritten): rows, columns, and the duals of both `[n]`."""
    # On reduced costs most rows have an unmatched zero and few augmenting paths are searched. Without the warm start
    # scipy takes 10 times longer at n=5000: some columns are near to every row (hubs), and all rows compete for them.
    # Float64, because float32 has many ties, which make the search 10 times longer again.
    u, v = approximate_duals(cost)
    cost -= u[:, None]
    cost -= v
    row_minima = cost.amin(1)
    cost -= row_minima[:, None]
    column_minima = cost.amin(0)
    cost -= column_minima
    rows, columns = scipy.optimize.linear_sum_assignment(cost.numpy())
    matched = torch.from_numpy(columns)
    matched_cost = cost[torch.arange(len(cost)), matched]
    shift = _bellman_ford_shift(cost, matched, matched_cost)
    v = v + column_minima
    v[matched] += shift
    return rows, columns, u + row_minima + matched_cost - shift, v


def _bellman_ford_shift(cost: Tensor, matched: Tensor, matched_cost: Tensor) -> Tensor:
    """Shift <= 0 `[n]` of the duals of the matched columns that makes the duals of the assignment feasible.

    Bellman-Ford shortest paths from all rows at once: shift_j <= shift_i + cost_ij - matched_cost_i. The assignment is
    optimal, so no cycle is negative. Only rows whose shift changed are revisited: a few passes over the matrix.
    """
    blocks = zip(torch.split(cost, BLOCK), torch.split(matched_cost, BLOCK), strict=True)
    excess = torch.cat([(part - own[:, None]).float()[:, matched] for part, own in blocks])
    tolerance = DUAL_TOLERANCE * float(excess.max())
    shift = torch.zeros(len(excess))
    changed = torch.arange(len(excess))
    for _ in range(len(excess)):
        candidates = [(excess[rows] + shift[rows, None]).amin(0) for rows in torch.split(changed, BLOCK)]
        least = torch.stack(candidates).amin(0)
        changed = (least < shift - tolerance).nonzero()[:, 0]
        shift[changed] = least[changed]
        if not len(changed):
            break
    return shift.double()


def _solve_network_simplex(
    cost: np.ndarray, supply: np.ndarray, demand: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Tensor, Tensor]:
    """Optimal flow of an `[n, m]` cost: rows and columns of at most n + m - 1 pairs, their mass, and the duals.

    `supply` `[n]` and `demand` `[m]` are integers of equal sum, so that flows are integers and free of round-off.
    """
    import ot  # slow to import, and needed only for unequal sizes or repeated rows

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the log holds the same warning, which becomes an error below
        plan, log = ot.lp.emd(supply, demand, cost, numItermax=MAX_PIVOTS, log=True)
    if log["warning"] is not None:
        raise MeasureError(
            f"exact transport did not converge: {log['warning']} Take equal numbers of samples with --num."
        )
    rows, columns = np.nonzero(plan)
    u, v = (torch.from_numpy(np.asarray(log[name])) for name in "uv")
    return rows, columns, plan[rows, columns] / supply.sum(), u, v
