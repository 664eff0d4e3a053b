"""Density."""

from math import inf

from divmetrics.declare import Laws, Measured, metric
from divmetrics.pairs import SUPPORT, Ties, support
from divmetrics.summaries import Rows


@metric(
    "density",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="better"),
    cite="Naeem 2020, arXiv:2002.09797",
    presets=("quick", "default"),
    family=SUPPORT,
    minimum=lambda options: int(options["k"]) + 1,
)
def density(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """Number of real k-nearest-neighbour balls over a fake, over k, mean of the fakes; >= 0, 1 for equal distributions.

    Higher is better, but far above 1 is fakes crowding where reals are densest. `ties="open"` counts what is nearer
    than the k-th nearest other real (Naeem 2020), `"closed"` what is no farther.
    Per fake: `density`. Raises TooFewSamples below k + 1 rows.
    """
    crowd = support(real, fake, k, ties).balls_over_fake.cpu().double() / k
    return Measured(crowd.mean().item(), fake={"density": crowd})
