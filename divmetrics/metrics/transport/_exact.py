"""Exact optimal transport between two samples: an assignment where the sizes agree, else a linear program."""

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
from divmetrics.metrics.transport._warm_start_duals import near_prices

MAX_CELLS = 20_000**2
"""Largest cost matrix that is built, in cells of 8 bytes: 3.2 GB."""
MAX_PIVOTS = 10**9
"""Steps of the network simplex after which it has failed; 5,000 x 4,000 samples take about a million."""
BLOCK = 1024
"""Rows of a cost matrix looked at together."""
FOLDED = 0.25
"""Share of the pairs that must be left, once repeated rows are folded, for the linear program to be the faster way."""
SLACK = 1e-6
"""Share of the largest cost by which the prices of a plan may be off: round-off of float32 must not go in circles."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Pairs that carry all mass at the least cost, and the prices of both sides."""

    lengths: np.ndarray  # [pairs] float64, |x - y|
    mass: np.ndarray  # [pairs]
    real: Tensor  # [n] float64
    fake: Tensor  # [m]

    def cost(self, p: float) -> float:
        """Mean of |x - y|^p."""
        return float((self.mass * self.lengths**p).sum())


@dataclass(frozen=True, eq=False)
class Transport:
    """The least cost, and how it responds to the samples: adding mass at a sample adds its potential to the cost."""

    cost: float  # mean of |x - y|^p over the best plan
    real: Tensor  # [n] float64, potentials
    fake: Tensor  # [m]


def transport(real: Rows, fake: Rows, p: float) -> Transport:
    """`solve` for two sets, remembered as long as both live: the value and its variance are one solution."""
    return once((real, fake), ("exact transport", p), lambda: solve(real.features, fake.features, p))


def wasserstein(real: Tensor, fake: Tensor, p: float = 1.0) -> float:
    """p-Wasserstein distance under Euclidean ground distance; >= 0, feature units. See `solve`."""
    return float(solve(real, fake, p).cost ** (1 / p))


def solve(real: Tensor, fake: Tensor, p: float) -> Transport:
    """The least cost under |x - y|^p, and the prices of its plan. See `best_plan`."""
    found = best_plan(real, fake, p)
    return Transport(found.cost(p), found.real, found.fake)


def best_plan(real: Tensor, fake: Tensor, p: float) -> Plan:
    """Best plan under the cost |x - y|^p, every row of `real` `[n, d]` and of `fake` `[m, d]` with equal weight.

    Raises MeasureError where the `[n, m]` cost matrix would be larger than 20,000 x 20,000, and where the solver does
    not converge.
    """
    same_width(real.shape[1], fake.shape[1])
    cells = len(real) * len(fake)
    if cells > MAX_CELLS:
        raise MeasureError(
            f"exact transport of {len(real)} to {len(fake)} samples needs a cost matrix of {cells * 8e-9:.1f} GB, "
            f"the limit is {MAX_CELLS * 8e-9:.1f} GB. Take fewer samples (--num 10000) or use sliced_wasserstein."
        )
    x, y = centred(real, fake)
    left, right = UniqueRows.of(x), UniqueRows.of(y)  # a collapsed generator repeats itself: few rows with much mass
    if len(x) == len(y) and len(left.rows) * len(right.rows) > FOLDED * cells:
        rows, columns, u, v = _assign(costs(x, y, p).cpu())
        mass = np.full(len(x), 1 / len(x))
    else:
        weights = left.copies.cpu().numpy() * float(len(y)), right.copies.cpu().numpy() * float(len(x))
        rows, columns, mass, u, v = _flow(costs(left.rows, right.rows, p).cpu().numpy(), *weights)
        x, y, u, v = left.rows, right.rows, u[left.place.cpu()], v[right.place.cpu()]
    # Summed over the chosen pairs afresh: in the matrix a distance of 0 reads as 1e-8 |x|
    lengths = np.linalg.norm(x.cpu().numpy()[rows] - y.cpu().numpy()[columns], axis=1)
    return Plan(lengths, mass, u, v)


def _assign(cost: Tensor) -> tuple[np.ndarray, np.ndarray, Tensor, Tensor]:
    """Optimal one-to-one pairs of a square `cost` `[n, n]`, overwritten, and the prices of rows and columns."""
    # With good prices taken off, most rows have a free zero and few augmenting paths are searched. scipy alone searches
    # 10 times longer at n=5000: some columns are near to every row (hubs), and all rows compete for them. In float64,
    # for in float32 ties abound, and the search is again 10 times longer.
    u, v = near_prices(cost)
    cost -= u[:, None]
    cost -= v
    low = cost.amin(1)
    cost -= low[:, None]
    high = cost.amin(0)
    cost -= high
    rows, columns = scipy.optimize.linear_sum_assignment(cost.numpy())
    matched = torch.from_numpy(columns)
    paid = cost[torch.arange(len(cost)), matched]
    fall = _relaxed(cost, matched, paid)
    v = v + high
    v[matched] += fall
    return rows, columns, u + low + paid - fall, v


def _relaxed(cost: Tensor, matched: Tensor, paid: Tensor) -> Tensor:
    """The greatest fall <= 0 `[n]` of the prices of the matched columns after which no other pair is cheaper.

    Shortest paths by Bellman and Ford from all rows at once: fall_j <= fall_i + cost_ij - paid_i. No cycle is negative,
    for the pairs are optimal. A few passes over the matrix, as only rows whose price fell are looked at again.
    """
    blocks = zip(torch.split(cost, BLOCK), torch.split(paid, BLOCK), strict=True)
    excess = torch.cat([(part - due[:, None]).float()[:, matched] for part, due in blocks])
    slack = SLACK * float(excess.max())
    fall = torch.zeros(len(excess))
    moved = torch.arange(len(excess))
    for _ in range(len(excess)):
        least = torch.stack([(excess[s] + fall[s, None]).amin(0) for s in torch.split(moved, BLOCK)]).amin(0)
        moved = (least < fall - slack).nonzero()[:, 0]
        fall[moved] = least[moved]
        if not len(moved):
            break
    return fall.double()


def _flow(
    cost: np.ndarray, supply: np.ndarray, demand: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Tensor, Tensor]:
    """Optimal flow of an `[n, m]` cost: at most n + m - 1 pairs, the mass each carries, and the prices of both sides.

    `supply` and `demand` are whole numbers of equal sum, so that flows are whole numbers and carry no round-off.
    """
    import ot  # slow to import, and needed where the sizes differ only

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the same warning stands in the log, and becomes an error below
        plan, log = ot.lp.emd(supply, demand, cost, numItermax=MAX_PIVOTS, log=True)
    if log["warning"] is not None:
        raise MeasureError(
            f"exact transport did not converge: {log['warning']} Take equal numbers of samples with --num."
        )
    rows, columns = np.nonzero(plan)
    u, v = (torch.from_numpy(np.asarray(log[name])) for name in "uv")
    return rows, columns, plan[rows, columns] / supply.sum(), u, v
