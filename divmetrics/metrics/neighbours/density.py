"""Density."""

from math import inf

from torch import Tensor

from divmetrics.arrays.pairs import Ties, neighbour_pass, neighbour_uncertainty, split_hits, support
from divmetrics.arrays.splits import FAKE, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    hits = split_hits(pool, splits, k, ties)
    return hits.mean(hits.balls_over / k, FAKE)


@metric(
    "density",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="better"),
    cite="Naeem 2020, arXiv:2002.09797",
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    uncertainty=neighbour_uncertainty(_resample, relative=True),
    about=About(
        formula=r"\frac1{km}\sum_j\sum_i\mathbf 1\bigl[|y_j-x_i|<\mathrm{NND}_k(x_i)\bigr]",
        sees="Fakes off the manifold of the reals, and fakes that crowd where reals are densest (far above 1).",
        blind="Dropped modes. A few reals amid all others, as many dimensions have them, carry most of it.",
        bias="1 on average for equal distributions of any sizes. Where fakes crowd, it grows with the number of "
        "samples.",
        cost="O(nmd) time in blocks, shared by all neighbour metrics; the lists of the chance take 268 MB at most.",
    ),
)
def density(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """Number of real k-nearest-neighbour balls over a fake, over k, mean of the fakes; >= 0, 1 for equal distributions.

    Higher is better, but far above 1 is fakes crowding where reals are densest. `ties="open"` counts what is nearer
    than the k-th nearest other real (Naeem 2020), `"closed"` what is no farther.
    Per fake: `density`. Raises TooFewSamples below k + 1 rows.
    """
    crowd = support(real, fake, k, ties).balls_over_fake.cpu().double() / k
    return Measured(crowd.mean().item(), fake={"density": crowd})
