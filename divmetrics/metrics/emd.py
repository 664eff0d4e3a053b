"""Earth mover's distance: the least work that turns the fakes into the reals."""

from __future__ import annotations

from math import inf

from divmetrics.declare import Laws, metric
from divmetrics.summaries import Rows
from divmetrics.transport import wasserstein


@metric(
    "emd",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=1.0, on_copies=0.0),
    cite="Rubner 2000, doi:10.1023/A:1026543900054; Crouse 2016, doi:10.1109/TAES.2016.140952 (the solver)",
    minimum=lambda _: 1,
)
def emd(real: Rows, fake: Rows) -> float:
    """Exact 1-Wasserstein distance, Euclidean ground distance; >= 0, feature units; lower is better. Rubner 2000.

    Every row of a side weighs the same; sizes may differ. In high dimension two samples of one distribution are far
    from 0, and fakes drawn slightly towards the middle score better: compare with reals against reals. Time grows with
    n^3, memory with n^2; raises MeasureError above 20,000 x 20,000 rows, where `sliced_wasserstein` still works.
    """
    return wasserstein(real.features, fake.features)
