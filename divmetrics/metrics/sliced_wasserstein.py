"""Sliced Wasserstein distance: optimal transport along many random lines."""

from __future__ import annotations

from math import inf, isfinite

from divmetrics.declare import Laws, metric
from divmetrics.errors import UsageError
from divmetrics.summaries import Rows
from divmetrics.transport import directions, line_costs


@metric(
    "sliced_wasserstein",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    # no rotation: a finite number of lines looks at the rotated sets from elsewhere
    laws=Laws(range=(0, inf), translation=True, scaling=1.0, on_copies=0.0),
    cite="Bonneel 2015, doi:10.1007/s10851-014-0506-3",
    presets=("default",),
    minimum=lambda _: 1,
)
def sliced_wasserstein(real: Rows, fake: Rows, *, projections: int = 500, p: float = 2.0, seed: int = 0) -> float:
    """p-th root of the mean W_p^p over random lines; >= 0, feature units; lower is better. Bonneel 2015, eq. 8.

    `p` = 2 as in Bonneel 2015 and in POT; sizes may differ, their quantiles are then coupled exactly. A line in d
    dimensions sees 1/sqrt(d) of a shift. Raises UsageError for `projections` < 1 or `p` outside [1, inf).
    """
    if projections < 1:
        raise UsageError(f"projections={projections} is not possible; give 1 or more, 500 by default.")
    if p < 1 or not isfinite(p):
        raise UsageError(f"p={p} is not possible; give a finite number from 1 on.")
    lines = directions(real.d, projections, seed)
    return float(line_costs(real.features, fake.features, lines, p).mean() ** (1 / p))
