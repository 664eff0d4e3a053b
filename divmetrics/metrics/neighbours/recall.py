"""Improved recall."""

from torch import Tensor

from divmetrics.arrays.pairs import Ties, neighbour_pass, neighbour_uncertainty, split_hits, support
from divmetrics.arrays.splits import REAL, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    hits = split_hits(pool, splits, k, ties)
    return hits.mean(hits.balls_over > 0, REAL)


@metric(
    "recall",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    cite="Kynkaanniemi 2019, arXiv:1904.06991",
    presets=("quick", "default"),
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    uncertainty=neighbour_uncertainty(_resample),
    about=About(
        formula=r"\frac1n\sum_i\mathbf 1\bigl[\exists j:|x_i-y_j|<\mathrm{NND}_k(y_j)\bigr]",
        sees="Dropped and shrunken modes, and fakes that repeat themselves: their balls shrink to points.",
        blind="Imbalance between modes. Fakes scattered off the manifold open large balls, which recall anything.",
        bias="Equal distributions do not reach 1 (about .87 in 16 dimensions, .7 in 64, .47 in 1000 at k = 5); the "
        "null says what they do.",
        cost="O(nmd) time in blocks, shared by all neighbour metrics; the lists of the chance take 268 MB at most.",
    ),
)
def recall(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """Share of reals that lie in the k-nearest-neighbour ball of at least one fake; in [0, 1], higher is better.

    It says how much of the reals the fakes span. `ties="open"` counts what is nearer than the k-th nearest other fake
    (Naeem 2020), `"closed"` what is no farther (Kynkaanniemi 2019).
    Per real: `recalled`. Raises TooFewSamples below k + 1 rows.
    """
    recalled = (support(real, fake, k, ties).balls_over_real > 0).cpu()
    return Measured(recalled.double().mean().item(), real={"recalled": recalled})
