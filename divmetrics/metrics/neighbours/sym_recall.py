"""Symmetric recall."""

from torch import Tensor, minimum

from divmetrics.arrays.pairs import Ties, neighbour_pass, neighbour_uncertainty, split_hits, support
from divmetrics.arrays.splits import REAL, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    hits = split_hits(pool, splits, k, ties)
    return minimum(hits.mean(hits.balls_over > 0, REAL), hits.mean(hits.in_ball > 0, REAL))


@metric(
    "sym_recall",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    cite="Khayatkhoei and AbdAlmageed 2023, arXiv:2306.09618",
    presets=("quick", "default"),
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    equal_n=True,
    uncertainty=neighbour_uncertainty(_resample),
    about=About(
        formula=r"\min(\mathrm{recall},\mathrm{coverage})",
        sees="Dropped and shrunken modes; unlike recall also those that a few fakes with large balls span.",
        blind="Imbalance between modes.",
        bias="That of recall, whose null is the lower one, but on few fakes that of coverage; sizes are made equal.",
        cost="O(nmd) time in blocks, shared by all neighbour metrics; the lists of the chance take 268 MB at most.",
    ),
)
def sym_recall(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """The smaller of recall and coverage; in [0, 1], higher is better. Khayatkhoei and AbdAlmageed 2023.

    In many dimensions recall cannot see fakes that lie further out than the reals: their balls hold everything. The
    reals' own balls see it. `ties` as for recall.
    Extras: `recall`, `coverage`. Raises TooFewSamples below k + 1 rows.
    """
    hits = support(real, fake, k, ties)
    recalled, covered = ((counts > 0).double().mean().item() for counts in (hits.balls_over_real, hits.fakes_in_ball))
    return Measured(min(recalled, covered), extras={"recall": recalled, "coverage": covered})
