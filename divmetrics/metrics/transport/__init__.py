"""The one room for optimal transport: exact over all pairs, entropic, and averaged over lines; and its chance.

`transport` and `divergence` are remembered beside the two sets, for a value and its variance are one solution.
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
