"""Good-Turing estimate of the probability that the next fake sample is of a class not seen so far."""

from __future__ import annotations

import numpy as np

from divmetrics.arrays.class_counts import both_counts, counts_on_splits, pool_counts
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import ClassTally
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _resample(pool: TwoSamplePool, splits: Splits) -> np.ndarray:
    _, fake_counts = counts_on_splits(pool, splits)
    return np.asarray((fake_counts == 1).sum(-1) / fake_counts.sum(-1))


def _variance(pool: TwoSamplePool) -> float:
    """Sampling variance from Poisson counts: sum P(1 - P) over singletons, minus a term for their fixed total."""
    _, fake_counts = pool_counts(pool)
    once, twice = float((fake_counts == 1).sum()), float((fake_counts == 2).sum())
    squares = float(
        (fake_counts**2 * np.exp(-2.0 * fake_counts)).sum()
    )  # of P = k exp(-k), the probability of a singleton
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
        sees="Whether m fake samples suffice to see all that the generator produces.",
        blind="Collapse itself: a generator of one class has no unseen mass. Read `real_mass_missing` beside it.",
        bias="Unbiased for the unseen probability at m - 1 samples. Rare classification errors count as singletons.",
        cost="O(n + m) to count labels.",
    ),
)
def unseen_mass(real: ClassTally, fake: ClassTally) -> Measured:
    """Good-Turing unseen mass: share of fake samples that are alone in their class, f1 / m; in [0, 1], lower is better.

    Good 1953. It estimates the probability that the next fake sample is of a class not seen so far; where it is large,
    a count of modes is too low.

    Args:
        real: Integer class labels of the real samples, `[n]`, or class logits, `[n, classes]`.
        fake: Labels or logits of the generated samples, `[m]` or `[m, classes]`.

    Returns:
        The estimate. Extras: `singletons` f1 and `doubletons` f2, the classes with one and with two fake samples;
        `unseen_modes`, the bias-corrected lower bound f1 (f1 - 1) / (2 (f2 + 1)) on the number of unseen classes (Chao
        1984); `real_mass_missing`, the share of real samples in classes without a fake sample.

    Raises:
        FeatureError: A side is empty, or holds NaN or Inf.

    Example:
        >>> import divmetrics as dm
        >>> dm.metrics.unseen_mass([0, 1, 2], [0, 0, 1, 2])  # two of four fake samples are alone in their class
        0.5
    """
    real_counts, fake_counts = both_counts(real, fake)
    once, twice = int((fake_counts == 1).sum()), int((fake_counts == 2).sum())
    extras = {
        "singletons": once,
        "doubletons": twice,
        "unseen_modes": once * (once - 1) / (2 * (twice + 1)),
        "real_mass_missing": float(real_counts[fake_counts == 0].sum() / real_counts.sum()),
    }
    return Measured(once / fake.n, extras=extras)
