"""The one room for optimal transport: `wasserstein` exact over all pairs, `line_costs` averaged over lines."""

from divmetrics.transport.exact import wasserstein
from divmetrics.transport.sliced import directions, line_costs

__all__ = ["directions", "line_costs", "wasserstein"]
