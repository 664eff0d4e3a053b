"""Improved recall."""

from divmetrics.declare import Laws, Measured, metric
from divmetrics.pairs import SUPPORT, Ties, support
from divmetrics.summaries import Rows


@metric(
    "recall",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    cite="Kynkaanniemi 2019, arXiv:1904.06991",
    presets=("quick", "default"),
    family=SUPPORT,
    minimum=lambda options: int(options["k"]) + 1,
)
def recall(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """Share of reals that lie in the k-nearest-neighbour ball of at least one fake; in [0, 1], higher is better.

    It says how much of the reals the fakes span. `ties="open"` counts what is nearer than the k-th nearest other fake
    (Naeem 2020), `"closed"` what is no farther (Kynkaanniemi 2019).
    Per real: `recalled`. Raises TooFewSamples below k + 1 rows.
    """
    recalled = (support(real, fake, k, ties).balls_over_real > 0).cpu()
    return Measured(recalled.double().mean().item(), real={"recalled": recalled})
