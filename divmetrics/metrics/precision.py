"""Improved precision."""

from divmetrics.declare import Laws, Measured, metric
from divmetrics.pairs import SUPPORT, Ties, support
from divmetrics.summaries import Rows


@metric(
    "precision",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="better"),
    cite="Kynkaanniemi 2019, arXiv:1904.06991",
    presets=("quick", "default"),
    family=SUPPORT,
    minimum=lambda options: int(options["k"]) + 1,
)
def precision(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """Share of fakes that lie in the k-nearest-neighbour ball of at least one real; in [0, 1], higher is better.

    It says how realistic the fakes are, not how diverse: a collapsed generator can reach 1. `ties="open"` counts what
    is nearer than the k-th nearest other real (Naeem 2020), `"closed"` what is no farther (Kynkaanniemi 2019).
    Per fake: `inside`. Raises TooFewSamples below k + 1 rows.
    """
    inside = (support(real, fake, k, ties).balls_over_fake > 0).cpu()
    return Measured(inside.double().mean().item(), fake={"inside": inside})
