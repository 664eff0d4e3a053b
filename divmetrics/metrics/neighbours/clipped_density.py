"""Clipped density."""

from typing import Any

import numpy as np
from torch import Tensor

from divmetrics.arrays.pairs import (
    SUBSET_FREEDOM,
    Ties,
    ball_counts,
    ball_counts_on_splits,
    capped_balls_within,
    neighbour_pass,
    subset_error,
)
from divmetrics.arrays.share_intervals import share_ends
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import MeasureError
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric


def _ratios(pool: TwoSamplePool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    """The ratio before clipping at 1, on each split `[B]`."""
    balls = ball_counts_on_splits(pool, splits, k, ties, capped=True)
    of_fake = balls.mean(lambda part: (part.balls_over / k).clip(max=1), FAKE)
    of_real = balls.mean(lambda part: (part.own_over / k).clip(max=1), REAL)
    return of_fake / of_real


def _resample(pool: TwoSamplePool, splits: Splits, **options: Any) -> Tensor:
    return _ratios(pool, splits, **options).clamp(max=1)


def _interval(
    pool: TwoSamplePool,
    level: float,
    **options: Any,
) -> tuple[float, float] | None:
    """Interval of the ratio, which is approximately normal, carried through the clipping at 1."""
    error = subset_error(pool, lambda splits: _ratios(pool, splits, **options))
    if error is None:
        return None
    of_fake, of_real = _scores(pool.real, pool.fake, **options)
    return share_ends(
        lambda ratio: np.clip(ratio, 0, 1),
        float(of_fake.mean()) / of_real,
        error,
        SUBSET_FREEDOM,
        level,
        min(pool.n, pool.m),
    )


def _scores(real: Rows, fake: Rows, *, k: int, ties: Ties) -> tuple[Tensor, float]:
    """Clipped number of balls over k: of each fake sample `[m]`, and the mean over the real samples."""
    of_fake = (ball_counts(real, fake, k, ties, capped=True).balls_over_fake.cpu().double() / k).clamp(max=1)
    of_real = (capped_balls_within(real, k, ties).cpu().double() / k).clamp(max=1).mean().item()
    if of_real == 0:
        raise MeasureError(
            f"no real sample lies in the ball of another, so there is nothing to compare with; raise k={k}."
        )
    return of_fake, of_real


@metric(
    "clipped_density",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="blind"),
    cite="Salvy 2026, arXiv:2507.01761",
    presets=("quick", "default"),
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    uncertainty=UncertaintySpec(
        interval=Interval("subsets of 70 %, of the unclipped ratio", _interval), resample=_resample, null_trend=0
    ),
    about=About(
        formula=r"\min\Bigl(1,\frac{\frac1m\sum_j\min(1,c(y_j)/k)}{\frac1n\sum_i\min(1,c_{-i}(x_i)/k)}\Bigr),\;"
        r"c(y)=\#\{i:|y-x_i|\le\min(\mathrm{NND}_k(x_i),\mathrm{median})\}",
        sees="Fake samples off the real manifold, in proportion: a tenth of bad samples costs about a tenth, whatever "
        "outliers there are among the real samples.",
        blind="Dropped and shrunken modes; fake samples that crowd where real ones are densest, since each counts "
        "once.",
        bias="Equal distributions reach about 1, a little less because of the clipping: half of their draws are cut "
        "to 1.",
        cost="That of all nearest-neighbour metrics, and half a pass over the pairs of real samples for their own "
        "score.",
    ),
)
def clipped_density(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "closed") -> Measured:
    """Mean number of real balls that hold a fake sample, clipped at k, relative to that of a real sample; in [0, 1],
    higher is better.

    Radii are cut at their median and each fake sample counts at most once, so that neither an outlying real sample nor
    a crowd of fake ones outweighs bad samples: the value falls in proportion to the share of bad samples. Salvy 2026.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n > k.
        fake: Fake samples: `[m, d]`, m > k, in the same feature space.
        k: Rank of the nearest neighbour that a ball reaches to, within its own set (default 5). Counts are divided by
            it and clipped at 1.
        ties: `"closed"` counts a distance up to the radius (default; Salvy 2026), `"open"` only one below it. They
            differ where distances tie, as among copies, and a k-th neighbour lies exactly on the radius.

    Returns:
        min(1, ratio). `measure` adds the column `clipped_density` of the fake side, `[m]` float64, and the extras
        `unclipped` (the ratio) and `real` (the mean over the real samples, each without its own ball).

    Raises:
        TooFewSamples: A side has k samples or fewer.
        UsageError: `k` is below 1, or an option has the wrong type.
        FeatureError: The two sides have different numbers of columns.
        MeasureError: No real sample lies in the ball of another, so there is nothing to compare with.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [1.0], [2.0], [3.0]], [[0.5], [2.5], [9.0], [-9.0]]
        >>> dm.metrics.clipped_density(real, fake, k=1)  # 0.5 and 2.5 lie in a ball of radius 1, 9 and -9 do not
        0.5
    """
    of_fake, of_real = _scores(real, fake, k=k, ties=ties)
    ratio = of_fake.mean().item() / of_real
    return Measured(min(1.0, ratio), fake={"clipped_density": of_fake}, extras={"unclipped": ratio, "real": of_real})
