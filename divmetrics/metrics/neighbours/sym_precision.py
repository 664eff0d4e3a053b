"""Symmetric precision."""

from torch import Tensor, minimum

from divmetrics.arrays.pairs import Ties, neighbour_pass, neighbour_uncertainty, split_hits, support
from divmetrics.arrays.splits import FAKE, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    hits = split_hits(pool, splits, k, ties)
    return minimum(hits.mean(hits.balls_over > 0, FAKE), hits.mean(hits.in_ball > 0, FAKE))


@metric(
    "sym_precision",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    role="fidelity",
    cite="Khayatkhoei and AbdAlmageed 2023, arXiv:2306.09618",
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    equal_n=True,
    uncertainty=neighbour_uncertainty(_resample),
    about=About(
        formula=r"\min\Bigl(\mathrm{precision},"
        r"\;\frac1m\sum_j\mathbf 1\bigl[\min_i|y_j-x_i|<\mathrm{NND}_k(y_j)\bigr]\Bigr)",
        sees="Fakes off the manifold of the reals, inside or outside of it: in many dimensions precision alone sees "
        "only the outside.",
        blind="Dropped modes.",
        bias="The second term is .969 for equal distributions at k = 5 and equal sizes and falls with the number of "
        "fakes for each real, so sizes are made equal.",
        cost="O(nmd) time in blocks, shared by all neighbour metrics; the lists of the chance take 268 MB at most.",
    ),
)
def sym_precision(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """The smaller of precision and the share of fakes whose own ball holds a real; in [0, 1], higher is better.

    Khayatkhoei and AbdAlmageed 2023: in many dimensions the balls of reals hold everything that lies further in, so
    that precision cannot see a generator that shrinks; the fakes' own balls can. `ties` as for precision.
    Per fake: `own_ball_holds_real`. Extras: `precision`, `complement`. Raises TooFewSamples below k + 1 rows.
    """
    hits = support(real, fake, k, ties)
    inside, holds = ((counts > 0).cpu().double() for counts in (hits.balls_over_fake, hits.reals_in_ball))
    terms = {"precision": inside.mean().item(), "complement": holds.mean().item()}
    return Measured(min(terms.values()), fake={"own_ball_holds_real": holds.bool()}, extras=terms)
