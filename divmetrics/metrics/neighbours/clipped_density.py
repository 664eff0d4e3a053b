"""Clipped density."""

from typing import Any

import numpy as np
from torch import Tensor

from divmetrics.arrays.pairs import PAIRS, Ties, capped_within, half_error, neighbour_pass, split_hits, support
from divmetrics.arrays.share_intervals import share_ends
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import MeasureError
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric


def _ratios(pool: TwoSamplePool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    """The value before it is cut at 1, on each split."""
    hits = split_hits(pool, splits, k, ties, capped=True)
    crowd, own = hits.mean((hits.balls_over / k).clip(max=1), FAKE), hits.mean((hits.own_over / k).clip(max=1), REAL)
    return crowd / own


def _resample(pool: TwoSamplePool, splits: Splits, **options: Any) -> Tensor:
    return _ratios(pool, splits, **options).clamp(max=1)


def _interval(
    pool: TwoSamplePool,
    level: float,
    **options: Any,
) -> tuple[float, float] | None:
    """Of what the cut leaves on average of the ratio, which is nearly normal: at the cap the value itself is silent."""
    error = half_error(pool, lambda splits: _ratios(pool, splits, **options))
    if error is None:
        return None
    crowd, own = _scores(pool.real, pool.fake, **options)
    return share_ends(
        lambda ratio: np.clip(ratio, 0, 1), float(crowd.mean()) / own, error, PAIRS, level, min(pool.n, pool.m)
    )


def _scores(real: Rows, fake: Rows, *, k: int, ties: Ties) -> tuple[Tensor, float]:
    """The score of each fake `[m]`, and the mean score of the reals."""
    crowd = (support(real, fake, k, ties, capped=True).balls_over_fake.cpu().double() / k).clamp(max=1)
    own = (capped_within(real, k, ties).cpu().double() / k).clamp(max=1).mean().item()
    if own == 0:
        raise MeasureError(f"no real lies in the ball of another, there is nothing to compare with; raise k={k}.")
    return crowd, own


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
        interval=Interval("half-samples of the unclipped ratio", _interval), resample=_resample
    ),
    about=About(
        formula=r"\min\Bigl(1,\frac{\frac1m\sum_j\min(1,c(y_j)/k)}{\frac1n\sum_i\min(1,c_{-i}(x_i)/k)}\Bigr),\;"
        r"c(y)=\#\{i:|y-x_i|\le\min(\mathrm{NND}_k(x_i),\mathrm{median})\}",
        sees="Fakes off the manifold of the reals, in proportion: a tenth of bad fakes costs about a tenth, whatever "
        "outliers there are among the reals.",
        blind="Dropped and shrunken modes; fakes crowding where reals are densest, which count once.",
        bias="Equal distributions reach about 1, a little less for the clip: half of their draws would lie above it.",
        cost="That of all neighbour metrics, and half a pass over the pairs of the reals for what they score "
        "themselves.",
    ),
)
def clipped_density(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "closed") -> Measured:
    """Number of real balls over a fake, over k and at most 1, mean of the fakes, over that of the reals; in [0, 1].

    Higher is better, 1 is what reals score. Salvy 2026: radii are cut at their median and each fake counts at most
    once, so that neither an outlying real nor a crowd of fakes outweighs bad ones. `ties="closed"` counts what is no
    farther than the k-th nearest other real, which makes it k of its own kind, as many as the fakes have on average.
    Per fake: `clipped_density`. Extras: `unclipped`, and `real`, what the reals score one by one.
    Raises TooFewSamples below k + 1 rows, MeasureError where no real lies in a ball of another.
    """
    crowd, own = _scores(real, fake, k=k, ties=ties)
    ratio = crowd.mean().item() / own
    return Measured(min(1.0, ratio), fake={"clipped_density": crowd}, extras={"unclipped": ratio, "real": own})
