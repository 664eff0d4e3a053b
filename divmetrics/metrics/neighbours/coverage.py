"""Coverage."""

from math import prod

from torch import Tensor

from divmetrics.arrays.pairs import Ties, neighbour_pass, neighbour_uncertainty, split_hits, support
from divmetrics.arrays.splits import REAL, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    hits = split_hits(pool, splits, k, ties)
    return hits.mean(hits.in_ball > 0, REAL)


@metric(
    "coverage",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    cite="Naeem 2020, arXiv:2002.09797",
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    equal_n=True,
    uncertainty=neighbour_uncertainty(_resample),
    about=About(
        formula=r"\frac1n\sum_i\mathbf 1\bigl[\min_j|x_i-y_j|<\mathrm{NND}_k(x_i)\bigr]",
        sees="Dropped, thinned and shrunken modes: reals that have no fake near them.",
        blind="Fakes that fill the middle of all balls: a tight cluster amid reals of many dimensions is near each of "
        "them. Mild imbalance, since one fake in a ball suffices.",
        bias="Equal distributions reach 1 - prod (n - i) / (n + m - i), i = 1..k: .969 for k = 5 and equal sizes, .379 "
        "with ten reals a fake; so sizes are made equal.",
        cost="O(nmd) time in blocks, shared by all neighbour metrics; the lists of the chance take 268 MB at most.",
    ),
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
