"""Coverage."""

from math import prod

from divmetrics.declare import Laws, Measured, metric
from divmetrics.pairs import SUPPORT, Ties, support
from divmetrics.summaries import Rows


@metric(
    "coverage",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    cite="Naeem 2020, arXiv:2002.09797",
    presets=("quick", "default"),
    family=SUPPORT,
    minimum=lambda options: int(options["k"]) + 1,
)
def coverage(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """Share of reals whose k-nearest-neighbour ball holds at least one fake; in [0, 1], higher is better.

    Equal distributions do not reach 1 but `extras["expected"]`, which depends on k and on both sample sizes.
    `ties="open"` counts what is nearer than the k-th nearest other real (Naeem 2020), `"closed"` what is no farther.
    Per real: `covered`. Raises TooFewSamples below k + 1 rows.
    """
    covered = (support(real, fake, k, ties).fakes_in_ball > 0).cpu()
    # Naeem 2020, lemma 2: the k nearest of a real are all reals, drawn without order from the n - 1 + m others.
    expected = 1 - prod((real.n - i) / (real.n + fake.n - i) for i in range(1, k + 1))
    return Measured(covered.double().mean().item(), real={"covered": covered}, extras={"expected": expected})
