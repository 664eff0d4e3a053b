"""Optimal transport distances: exact (emd, w2), entropic (sinkhorn), sliced, and their sampling variance.

`transport` and `divergence` are memoised beside the two sets, so that a value and its variance share one solution.
"""

from divmetrics.metrics.transport._exact import solve, transport, wasserstein
from divmetrics.metrics.transport._exact_on_splits import distances_on_splits
from divmetrics.metrics.transport._sinkhorn import divergence, solve_entropic
from divmetrics.metrics.transport._sinkhorn_on_splits import divergences
from divmetrics.metrics.transport._sliced import directions, line_costs, line_costs_on_splits, line_potentials
from divmetrics.metrics.transport._uncertainty import VARIANCE, transport_variance, variance

__all__ = [
    "VARIANCE",
    "directions",
    "distances_on_splits",
    "divergence",
    "divergences",
    "line_costs",
    "line_costs_on_splits",
    "line_potentials",
    "solve",
    "solve_entropic",
    "transport",
    "transport_variance",
    "variance",
    "wasserstein",
]
