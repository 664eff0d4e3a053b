"""Rarity."""

from math import inf

import numpy as np
from torch import Tensor

from divmetrics.arrays.pairs import Ties, neighbour_pass, neighbour_uncertainty, split_hits, support
from divmetrics.arrays.splits import FAKE, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    hits = split_hits(pool, splits, k, ties, smallest=True)
    inside = (hits.side == FAKE) & (hits.smallest < inf)
    sums = np.sqrt(hits.smallest * hits.scale, where=inside, out=np.zeros(inside.shape)).sum(1)
    number = inside.sum(1)
    return hits.settled(np.where(number > 0, sums / number.clip(1), inf))


@metric(
    "rarity",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=1, on_collapse="worse"),
    cite="Han 2022, arXiv:2206.08549",
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    uncertainty=neighbour_uncertainty(_resample),
    about=About(
        formula=r"\operatorname{mean}_{j\text{ inside}}\;\min\{\mathrm{NND}_k(x_i):|y_j-x_i|\le\mathrm{NND}_k(x_i)\}",
        sees="Whether fakes reach the sparse outskirts of the reals or keep to their dense middle.",
        blind="Fakes off the manifold are left out, and their share is said beside the value; so is which modes are "
        "missing.",
        bias="Falls as reals are added and radii shrink: compare at equal numbers of reals.",
        cost="O(nmd) time in blocks, shared by all neighbour metrics; the lists of the chance take 268 MB at most.",
    ),
)
def rarity(real: Rows, fake: Rows, *, k: int = 3, ties: Ties = "closed") -> Measured:
    """Mean over the fakes inside a ball of the smallest radius of a real ball that holds them; feature units, >= 0.

    Higher is rarer, as far as it stays on the manifold; compare with the null. Han 2022. `ties="closed"` counts what is
    no farther than the k-th nearest other real, `"open"` what is nearer. Infinite where no fake is inside.
    Per fake: `rarity`, None outside. Extras: `excluded`, the share outside. Raises TooFewSamples below k + 1 rows.
    """
    least = support(real, fake, k, ties).least_over_fake.sqrt().cpu()
    inside = least[least < inf]
    column = [radius if radius < inf else None for radius in least.tolist()]
    extras = {"excluded": 1 - len(inside) / fake.n}
    return Measured(inside.mean().item() if len(inside) else inf, fake={"rarity": column}, extras=extras)
