"""Jensen-Shannon divergence over bins of the reals."""

from __future__ import annotations

from math import log

import numpy as np

from divmetrics.arrays.class_counts import jensen_shannon, settled, shares, variance_of_mean
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.clusters._bins import binned, rebinned, reshaped
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _resample(pool: Pool, splits: Splits, *, bins: int, seed: int) -> np.ndarray:
    return jensen_shannon(*rebinned(pool, splits, bins, seed))


def _variance(pool: TwoSamplePool, *, bins: int, seed: int) -> float:
    """The chance of the counts, and that of the borders of the bins: bins of other reals may cut a tight mode in two.

    The spread over other bins holds counting noise as well, for the same samples fall differently: about half of it.
    """
    reals, fakes = binned(pool.real, pool.fake, bins, seed)
    q, p = shares(reals), shares(fakes)
    middle = (p + q) / 2
    slopes = [np.log(side / middle, out=np.zeros_like(p), where=side > 0) / 2 for side in (q, p)]
    first = variance_of_mean(slopes[0], reals) + variance_of_mean(slopes[1], fakes)
    counting = settled(first, (len(p) - 1) / 32 * (1 / pool.n + 1 / pool.m) ** 2)
    borders = float(jensen_shannon(*reshaped(pool, bins, seed)).var(ddof=1))
    return counting + max(borders - counting / 2, 0)


@metric(
    "mode_js",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, log(2)), translation=True, rotation=True, scaling=0, on_copies=0),
    cite="Richardson and Weiss 2018, arXiv:1805.12462; Lin 1991, doi:10.1109/18.61115",
    minimum=lambda _: 2,
    uncertainty=UncertaintySpec(
        variance=Variance("influence function and refitted bins", _variance),
        resample=_resample,
        replicate_cost="recomputed",
    ),
    about=About(
        formula=r"\tfrac12 \mathrm{KL}(p \,\|\, \tfrac{p+q}2) + \tfrac12 \mathrm{KL}(q \,\|\, \tfrac{p+q}2)",
        sees="Shifts of weight between regions of the real data; a region without fakes most of all.",
        blind="What happens within a bin; fakes far from all reals, which fall into the nearest bin like any other.",
        bias="Too large by about (K - 1)/8 (1/n + 1/m) where both sides are alike, which stands in extras.",
        cost="Shares its bins and their re-splits with ndb.",
    ),
)
def mode_js(real: Rows, fake: Rows, *, bins: int = 100, seed: int = 0) -> Measured:
    """Jensen-Shannon divergence of the fakes' and the reals' shares over bins of the reals; nats, in [0, ln 2].

    Lower is better. The bins are those of `ndb` (Richardson and Weiss 2018). Extras: `bins`, and `null_floor`, what
    two samples of these sizes from one distribution give on average, (K - 1)/8 (1/n + 1/m).
    Raises UsageError for `bins` < 1.
    """
    reals, fakes = binned(real, fake, bins, seed)
    floor = (len(reals) - 1) / 8 * (1 / real.n + 1 / fake.n)
    return Measured(max(0.0, float(jensen_shannon(reals, fakes))), extras={"bins": len(reals), "null_floor": floor})
