"""F_8 of the precision-recall curve of distributions: its recall-like end."""

from __future__ import annotations

from torch import Tensor

from divmetrics.declare import About, Chance, Laws, Measured, metric
from divmetrics.pool import Pool, Splits
from divmetrics.prd import PRD, prd, prd_on_splits
from divmetrics.summaries import Rows

BETA = 8.0


def _resample(pool: Pool, splits: Splits, *, clusters: int, runs: int, angles: int, seed: int) -> Tensor:
    return prd_on_splits(pool, splits, BETA, clusters, runs, angles, seed)


@metric(
    "prd_f8",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    # no row order: mini-batches are drawn by place
    laws=Laws(range=(0, 1), row_order=False, translation=True, rotation=True, scaling=0.0, on_copies=1.0),
    cite="Sajjadi 2018, arXiv:1806.00035",
    family=PRD,
    minimum=lambda options: (int(options["clusters"]) + 1) // 2,
    equal_n=True,
    chance=Chance(resample=_resample),
    about=About(
        formula=r"\max_\lambda \frac{65\, \alpha \beta}{64\, \alpha + \beta}, \quad "
        r"\alpha(\lambda) = \sum_c \min(\lambda p_c, q_c), \quad \beta = \alpha / \lambda",
        sees="Dropped modes and modes with too few fakes, where a mode fills cells of its own.",
        blind="Fakes in places without reals (that is `prd_f1_8`); collapse within a cell.",
        bias="Below 1 for two samples of one distribution, and lower the fewer samples: read it beside the null.",
        cost="`runs` mini-batch k-means of n + m rows, shared with `prd_f1_8`: 3 s at 5,000 + 5,000 x 1280.",
    ),
)
def prd_f8(
    real: Rows, fake: Rows, *, clusters: int = 20, runs: int = 10, angles: int = 1001, seed: int = 0
) -> Measured:
    """Greatest F_8 on the precision-recall curve, recall weighing 8 times; in [0, 1]; higher is better.

    Shares of reals and fakes in `clusters` cells of a k-means on both together, the curve a mean over `runs` of them at
    `angles` exchange rates. Recall is about the reals. (The original's example hands its sides over in the opposite
    order and reads as recall what is precision.) Extras: `curve`, its precision and recall at about 100 rates.
    Sajjadi 2018. Raises UsageError for an option that cannot be, TooFewSamples for fewer samples than clusters.
    """
    return prd(real, fake, BETA, clusters, runs, angles, seed)
