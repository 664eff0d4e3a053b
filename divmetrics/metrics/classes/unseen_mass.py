"""Good-Turing: the probability that the next fake is of a class that no fake was of."""

from __future__ import annotations

import numpy as np

from divmetrics.arrays.class_counts import both_counts, pool_counts, pool_recount
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import ClassTally
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _resample(pool: TwoSamplePool, splits: Splits) -> np.ndarray:
    _, fakes = pool_recount(pool, splits)
    return np.asarray((fakes == 1).sum(-1) / fakes.sum(-1))


def _variance(pool: TwoSamplePool) -> float:
    """Of the number of singletons, from Poisson counts: sum P(1 - P), less what their fixed total takes away."""
    _, fakes = pool_counts(pool)
    once, twice = float((fakes == 1).sum()), float((fakes == 2).sum())
    squares = float((fakes**2 * np.exp(-2.0 * fakes)).sum())  # of P = k exp(-k)
    return max(once - squares - (once - 2 * twice) ** 2 / pool.m, 1.0) / pool.m**2  # at least that of one singleton


@metric(
    "unseen_mass",
    real=ClassTally.on("labels", "logits"),
    fake=ClassTally.on("labels", "logits"),
    better="lower",
    laws=Laws(range=(0, 1), scaling=0.0, on_collapse="blind"),
    role="diversity",
    cite="Good 1953, doi:10.1093/biomet/40.3-4.237",
    minimum=lambda _: 1,
    uncertainty=UncertaintySpec(variance=Variance("closed form", _variance), resample=_resample),
    about=About(
        formula=r"f_1 / m,\quad f_1 = \#\{k : \text{class } k \text{ has exactly one fake}\}",
        sees="Whether m fakes suffice to see what the generator makes: how much of it has not come up yet.",
        blind="Collapse as such: a generator of one class has nothing unseen. Read `real_mass_missing` beside it.",
        bias="Unbiased for the unseen probability at m - 1 samples. Every rare error of the classifier is a singleton.",
        cost="Instant once classes are counted.",
    ),
)
def unseen_mass(real: ClassTally, fake: ClassTally) -> Measured:
    """Share of fakes that are the only one of their class, f1 / m; in [0, 1], lower is better. Good 1953.

    It estimates how likely the next fake is of a class that has none yet: a count of modes is then too low. Extras:
    `singletons` f1, `doubletons` f2; `unseen_modes`, the bias-corrected lower bound f1 (f1 - 1) / (2 (f2 + 1)) on the
    classes still to come (Chao 1984); `real_mass_missing`, the share of reals in classes without any fake.
    """
    reals, fakes = both_counts(real, fake)
    once, twice = int((fakes == 1).sum()), int((fakes == 2).sum())
    extras = {
        "singletons": once,
        "doubletons": twice,
        "unseen_modes": once * (once - 1) / (2 * (twice + 1)),
        "real_mass_missing": float(reals[fakes == 0].sum() / reals.sum()),
    }
    return Measured(once / fake.n, extras=extras)
