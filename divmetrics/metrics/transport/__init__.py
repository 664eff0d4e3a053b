"""The one room for optimal transport: exact over all pairs, entropic, and averaged over lines; and its chance.

`transport` and `divergence` are remembered beside the two sets, for a value and its variance are one solution.
"""

from divmetrics.metrics.transport._chance import VARIANCE, transport_variance, variance
from divmetrics.metrics.transport._dealt import divergences
from divmetrics.metrics.transport._exact import solve, transport, wasserstein
from divmetrics.metrics.transport._replanned import distances_on_splits
from divmetrics.metrics.transport._sinkhorn import divergence, solve_entropic
from divmetrics.metrics.transport._sliced import directions, line_costs, line_costs_on_splits, line_potentials

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
