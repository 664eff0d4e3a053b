"""Mode counts: number of modes found, divergences between the class distributions, effective number of modes.

The modes are the classes that occur among the real samples. Fake samples of any other class are *outside*: they find no
mode and count in full for `mode_tv`. They would make the KL divergence infinite, so `mode_kl` and `effective_modes`
condition on being inside and report the share outside as an extra (as VEEGAN and PacGAN do).
"""

from __future__ import annotations

from math import inf

import numpy as np
from scipy.special import bdtrc, erf, ndtr, rel_entr

from divmetrics.arrays.class_counts import (
    both_counts,
    corrected_variance,
    counts_on_splits,
    entropy,
    pool_counts,
    shares,
    variance_of_mean,
)
from divmetrics.arrays.skewness import curvature_of_square, spread_of
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import ClassTally
from divmetrics.errors import MeasureError, UsageError
from divmetrics.records.metric import About, Laws, Measured, Spread, UncertaintySpec, Variance, metric

TALLY = ClassTally.on("labels", "classes", "logits")
VERY_FEW = 3
"""Fake samples of a mode up to which the next draw might have none: with 3 it does in 5 % of draws."""
HALF = 0.5
"""Corrected counts of a classifier are no whole numbers: those from half a sample on are rounded up."""
NEVER = 1e-12
"""Probability below which a mode is not in doubt."""
MANY_IN_DOUBT = 1000
"""Modes in doubt from which their number is normal."""
COST = "O(n + m) to count labels; 199 re-splits of 10,000 labels take 0.2 s."


def _inside(real_counts: np.ndarray, fake_counts: np.ndarray) -> np.ndarray:
    """Counts `[..., K]` of the fake samples in the modes; zero in other classes."""
    return np.where(real_counts > 0, fake_counts, 0)


def _outside(real_counts: np.ndarray, fake_counts: np.ndarray) -> float:
    """Share of the fake samples that are in no mode."""
    return float(1 - _inside(real_counts, fake_counts).sum() / fake_counts.sum())


def _modes_found(real_counts: np.ndarray, fake_counts: np.ndarray, min_count: int) -> np.ndarray:
    """Number of modes `[...]` with at least `min_count` fake samples, from counts `[..., K]`."""
    return np.asarray(((real_counts > 0) & (fake_counts >= min_count - HALF)).sum(-1), dtype=float)


def _mode_kl(real_counts: np.ndarray, fake_counts: np.ndarray) -> np.ndarray:
    """KL(fake shares inside || real shares) `[...]`, from counts `[..., K]`."""
    return np.asarray(rel_entr(shares(_inside(real_counts, fake_counts)), shares(real_counts)).sum(-1))


def _mode_tv(real_counts: np.ndarray, fake_counts: np.ndarray) -> np.ndarray:
    """Total variation of the shares `[...]`, from counts `[..., K]`."""
    return np.asarray(np.abs(shares(fake_counts) - shares(real_counts)).sum(-1) / 2)


def _effective_modes(real_counts: np.ndarray, fake_counts: np.ndarray) -> np.ndarray:
    """exp of the entropy of the fake shares inside `[...]`, from counts `[..., K]`; 0 where none is inside."""
    inside = _inside(real_counts, fake_counts)
    return np.where(inside.any(-1), np.exp(entropy(inside)), 0.0)


def _each(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The value `[n]` of each sample, by its class; corrected counts are rounded."""
    return np.repeat(values, np.rint(counts).astype(np.int64))


def _modes_total(pool: TwoSamplePool) -> float:
    """Number of classes that occur among the real samples."""
    return float((pool_counts(pool)[0] > 0).sum())


def _found_variance(pool: TwoSamplePool, *, min_count: int) -> float | None:
    """Sum of the Bernoulli variances of "mode found": an upper bound, as the fixed total makes covariances negative.

    A mode without fake samples may have some in the next draw. It is taken to be so for as many of these modes as there
    are modes with very few (Good 1953, doi:10.1093/biomet/40.3-4.237, estimates the unseen from those).
    """
    real_counts, fake_counts = pool_counts(pool)
    n, m = round(real_counts.sum()), max(round(fake_counts.sum()), 1)
    probability = bdtrc(0, n, shares(real_counts)) * bdtrc(min_count - 1, m, shares(fake_counts))
    inside = fake_counts[real_counts > 0]
    unseen = min((inside < HALF).sum(), ((inside >= HALF) & (inside <= VERY_FEW)).sum())
    return float((probability * (1 - probability)).sum() + unseen / 4) or None


def _exchanged(first: np.ndarray, second: np.ndarray, *, min_count: int) -> float:
    """p-value of the difference of the modes that two generators found, if each sample is as likely to be of either.

    Of c samples of a mode, binomial(c, 1/2) are of the first; the differences of the modes are added up as independent
    ones, exactly where few modes are in doubt, by a normal distribution where many are.
    """
    pooled = np.rint(first + second).astype(np.int64)
    difference = abs(int((first >= min_count - HALF).sum()) - int((second >= min_count - HALF).sum()))
    pooled = pooled[pooled >= min_count]
    alone = bdtrc(np.maximum(min_count, pooled - min_count + 1) - 1, pooled, 0.5)  # found by the first one only
    alone = alone[alone > NEVER]
    if difference == 0:
        return 1.0
    if len(alone) > MANY_IN_DOUBT:
        return float(min(1.0, 2 * ndtr(-(difference - HALF) / np.sqrt(2 * alone.sum()))))
    chances = np.ones(1)
    for share in alone:
        chances = np.convolve(chances, [share, max(0.0, 1 - 2 * share), share])
    return float(chances[np.abs(np.arange(len(chances)) - len(alone)) >= difference].sum())


def _kl_variance(pool: TwoSamplePool) -> Spread | None:
    """Spread of `mode_kl` by its influence function on both sides, with the second order of class_counts."""
    real_counts, fake_counts = pool_counts(pool)
    inside = _inside(real_counts, fake_counts)
    if not inside.any():
        return None
    p, q, occurs = shares(inside), shares(real_counts), inside > 0
    ratio = np.divide(p, q, out=np.zeros_like(q), where=q > 0)
    log_ratio = np.log(ratio, out=np.zeros_like(q), where=occurs)
    first = variance_of_mean(log_ratio, inside) + variance_of_mean(ratio, real_counts)
    level = (occurs.sum() - 1) / 2 * (1 / inside.sum() + 1 / real_counts.sum()) ** 2
    variance = corrected_variance(first, level)
    if not variance > 0:
        return None
    excess = float(_mode_kl(real_counts, fake_counts)) - _null_floor(real_counts, fake_counts)
    linear = min(1.0, max(0.0, (first - 2 * level) / variance))
    influence = [_each(log_ratio, inside), _each(-ratio, real_counts)]
    curvature = curvature_of_square(excess, variance, linear)  # near 0 it is one, that of the roots of the shares
    return spread_of(variance, influence, curvature=curvature, linear=linear)


def _effective_variance(pool: TwoSamplePool) -> Spread | None:
    """Spread of `effective_modes`: of the fake entropy, and of which classes occur in the real set."""
    real_counts, fake_counts = pool_counts(pool)
    inside = _inside(real_counts, fake_counts)
    if not inside.any():
        return None
    p, effective = shares(inside), float(np.exp(entropy(inside)))
    surprise = -np.log(p, out=np.zeros_like(p), where=p > 0)
    level = ((p > 0).sum() - 1) / (2 * inside.sum() ** 2)
    rest = np.maximum(1 - p, 1e-300)
    without_class = np.where(p < 1, np.exp((np.log(effective) - p * surprise) / rest + np.log(rest)), 0.0)
    occurs = bdtrc(0, round(real_counts.sum()), shares(real_counts))  # probability that a class occurs in the real set
    of_classes = (occurs * (1 - occurs) * (effective - without_class) ** 2)[real_counts > 0].sum()
    variance = corrected_variance(variance_of_mean(surprise, inside), level)
    of_entropy = spread_of(variance, [_each(surprise, inside)]).exponential(effective).plus(float(of_classes))
    return of_entropy if of_entropy.variance > 0 else None


def _tv_variance(pool: TwoSamplePool) -> float | None:
    """Sampling variance of `mode_tv`, half a sum of |gap|: folded normals, covariances by Price's theorem.

    The squared gap overestimates the squared mean by its variance, which is subtracted first.
    """
    real_counts, fake_counts = pool_counts(pool)
    p, q = shares(fake_counts), shares(real_counts)
    spread = p * (1 - p) / fake_counts.sum() + q * (1 - q) / real_counts.sum()
    sd = np.sqrt(np.where(spread > 0, spread, 1.0))
    gap = np.sqrt(np.maximum((p - q) ** 2 - spread, 0))
    slope = erf(gap / sd / np.sqrt(2)) * np.sign(p - q)
    folded = sd * np.sqrt(2 / np.pi) * np.exp(-((gap / sd) ** 2) / 2) + gap * erf(gap / sd / np.sqrt(2))
    own = np.where(spread > 0, np.maximum(sd**2 + gap**2 - folded**2, 0), 0)
    joint = variance_of_mean(slope, fake_counts) + variance_of_mean(
        slope, real_counts
    )  # with slope^2 spread on its diagonal
    return float(own.sum() - (slope**2 * spread).sum() + joint) / 4 or None


def _check_min_count(min_count: int) -> None:
    if min_count < 1:
        raise UsageError(f"min_count={min_count} is not possible; give 1 or more.")


@metric(
    "modes_found",
    real=TALLY,
    fake=TALLY,
    better="higher",
    laws=Laws(range=(0, inf), scaling=0.0),
    cite="Srivastava 2017 (VEEGAN), arXiv:1705.07761",
    minimum=lambda _: 1,
    uncertainty=UncertaintySpec(
        variance=Variance("closed form", _found_variance),
        most=_modes_total,
        exchanged=_exchanged,
        resample=lambda pool, splits, *, min_count: _modes_found(*counts_on_splits(pool, splits), min_count),
    ),
    about=About(
        formula=r"\sum_{k \le K} 1[\#\{j : c(y_j) = k\} \ge c_{\min}]",
        sees="Classes that the generator never produces.",
        blind="Imbalance: a class of weight w is found with probability 1 - (1 - w)^m, so all above 3/m look alike. "
        "Differences within a class.",
        bias="Grows with m, and with classification errors: an error rate of 1 % turns 10 true modes of 1000 into 247.",
        cost=COST,
    ),
)
def modes_found(real: ClassTally, fake: ClassTally, *, min_count: int = 1) -> Measured:
    """Number of real classes with at least `min_count` fake samples; in [0, modes], higher is better. Srivastava 2017.

    With an imperfect classifier, or many more fake samples than modes, misclassified samples find modes that the
    generator does not produce: raise `min_count` then.

    Args:
        real: Integer class labels of the real samples, `[n]`, or class logits, `[n, classes]`.
        fake: Labels or logits of the generated samples, `[m]` or `[m, classes]`.
        min_count: Fake samples needed for a class to count as found; >= 1. 1 by default, as in the papers.

    Returns:
        The number of modes found. Extras: `modes_total`, and `missing`, the modes not found, by the names of the
        classes or, where they have none, by number.

    Raises:
        UsageError: `min_count` is below 1.

    Example:
        >>> import divmetrics as dm
        >>> dm.metrics.modes_found([0, 0, 1, 2], [0, 1, 1, 1])  # integer labels: class 2 is missing
        2.0
        >>> dm.metrics.modes_found([[9.0, 0.0], [0.0, 9.0]], [[9.0, 0.0], [8.0, 1.0]])  # logits of two classes
        1.0
    """
    _check_min_count(min_count)
    real_counts, fake_counts = both_counts(real, fake)
    missing = np.flatnonzero((real_counts > 0) & (fake_counts < min_count - HALF)).tolist()
    names = [real.names[number] for number in missing] if real.names else missing
    extras = {"modes_total": int((real_counts > 0).sum()), "missing": names}
    return Measured(float(_modes_found(real_counts, fake_counts, min_count)), extras=extras)


def _null_floor(real_counts: np.ndarray, fake_counts: np.ndarray) -> float:
    """Expected divergence between two samples of these sizes from one distribution."""
    return float(
        ((real_counts > 0).sum() - 1) / 2 * (1 / _inside(real_counts, fake_counts).sum() + 1 / real_counts.sum())
    )


@metric(
    "mode_kl",
    real=TALLY,
    fake=TALLY,
    better="lower",
    laws=Laws(range=(0, inf), scaling=0.0, on_copies=0.0),
    cite="Srivastava 2017 (VEEGAN), arXiv:1705.07761",
    minimum=lambda _: 1,
    uncertainty=UncertaintySpec(
        variance=Variance("influence function with skewness", _kl_variance),
        resample=lambda pool, splits: _mode_kl(*counts_on_splits(pool, splits)),
        bias="1/n",
        null_power=1,
        null_power_from=5,
    ),
    about=About(
        formula=r"\sum_{k \le K} \hat p_k \ln(\hat p_k / \hat q_k),\quad \hat p_k \text{ over fake samples inside}",
        sees="Classes that are missing or too rare among the fake samples: ln(K/k) if k of K equal classes are left.",
        blind="Fake samples outside all real classes (reported as `outside`), and differences within a class.",
        bias="Too large by (K - 1)/2 (1/n + 1/m) where both distributions agree.",
        cost=COST,
    ),
)
def mode_kl(real: ClassTally, fake: ClassTally) -> Measured:
    """KL divergence of the fake from the real class shares; nats, >= 0, lower is better. Srivastava 2017.

    KL(fake || real), over the real classes. The fake shares are conditional on being in one of the real classes.

    Args:
        real: Integer class labels of the real samples, `[n]`, or class logits, `[n, classes]`.
        fake: Labels or logits of the generated samples, `[m]` or `[m, classes]`.

    Returns:
        The divergence, in nats. Extras: `outside`, the share of fake samples in no real class; `null_floor`, the
        expected value for two samples of these sizes from one distribution, (K - 1)/2 (1/n + 1/m) for K modes.

    Raises:
        MeasureError: No fake sample is in a real class.

    Example:
        >>> import divmetrics as dm
        >>> round(dm.metrics.mode_kl([0, 0, 1, 1], [0, 0, 0, 1]), 4)  # 3/4 ln(3/2) + 1/4 ln(1/2)
        0.1308
    """
    real_counts, fake_counts = both_counts(real, fake)
    if not _inside(real_counts, fake_counts).any():
        raise MeasureError(
            "no fake sample is in a class of the real samples, so there are no shares to compare; use mode_tv."
        )
    extras = {"outside": _outside(real_counts, fake_counts), "null_floor": _null_floor(real_counts, fake_counts)}
    return Measured(max(0.0, float(_mode_kl(real_counts, fake_counts))), extras=extras)


@metric(
    "mode_tv",
    real=TALLY,
    fake=TALLY,
    better="lower",
    laws=Laws(range=(0, 1), scaling=0.0, on_copies=0.0),
    cite="Levin and Peres 2017, Markov Chains and Mixing Times, ch. 4",
    minimum=lambda _: 1,
    uncertainty=UncertaintySpec(
        variance=Variance("delta method", _tv_variance),
        resample=lambda pool, splits: _mode_tv(*counts_on_splits(pool, splits)),
        null_power=0.5,
        null_power_from=5,
    ),
    about=About(
        formula=r"\tfrac12 \sum_k |\hat p_k - \hat q_k|",
        sees="Any shift of weight between classes, and fake samples outside all real classes.",
        blind="Differences within a class.",
        bias="Positive where both distributions agree, of order sqrt(K (1/n + 1/m)); compare with the null band.",
        cost=COST,
    ),
)
def mode_tv(real: ClassTally, fake: ClassTally) -> Measured:
    """Total variation distance between both class distributions; in [0, 1], lower is better. Levin and Peres, 4.1.

    The share of fake samples that would have to change class for the shares to agree.

    Args:
        real: Integer class labels of the real samples, `[n]`, or class logits, `[n, classes]`.
        fake: Labels or logits of the generated samples, `[m]` or `[m, classes]`.

    Returns:
        The distance. Extras: `outside`, the share of fake samples in no real class.

    Raises:
        FeatureError: A side is empty, or holds NaN or Inf.

    Example:
        >>> import divmetrics as dm
        >>> dm.metrics.mode_tv([0, 0, 1, 1], [0, 0, 0, 1])
        0.25
    """
    real_counts, fake_counts = both_counts(real, fake)
    return Measured(float(_mode_tv(real_counts, fake_counts)), extras={"outside": _outside(real_counts, fake_counts)})


def _effective_modes_on_splits(pool: TwoSamplePool, splits: Splits) -> np.ndarray:
    return _effective_modes(*counts_on_splits(pool, splits))


@metric(
    "effective_modes",
    real=TALLY,
    fake=TALLY,
    better="higher",
    laws=Laws(range=(0, inf), scaling=0.0),
    cite="Hill 1973, doi:10.2307/1934352",
    presets=("default",),
    minimum=lambda _: 1,
    uncertainty=UncertaintySpec(
        variance=Variance("influence function with skewness", _effective_variance),
        resample=_effective_modes_on_splits,
        bias="1/n",
        most=_modes_total,
    ),
    about=About(
        formula=r"\exp(-\sum_{k \le K} \hat p_k \ln \hat p_k)",
        sees="Missing classes and imbalance, in units of classes: 7.2 of 10 means as diverse as 7.2 equal classes.",
        blind="Which classes they are: a uniform fake distribution scores higher than a non-uniform real one.",
        bias="Too low by a factor of about 1 - (K - 1)/(2 m) (Miller and Madow).",
        cost=COST,
    ),
)
def effective_modes(real: ClassTally, fake: ClassTally) -> Measured:
    """exp of the entropy of the fake shares of the real classes; in [0, modes], higher is better. Hill 1973.

    The number of equally frequent classes with the same entropy: K for uniform shares, 1 for a single class, 0 where no
    fake sample is in a real class.

    Args:
        real: Integer class labels of the real samples, `[n]`, or class logits, `[n, classes]`.
        fake: Labels or logits of the generated samples, `[m]` or `[m, classes]`.

    Returns:
        The effective number of modes. Extras: `real`, the same number of the real samples; `outside`, the share of fake
        samples in no real class.

    Raises:
        FeatureError: A side is empty, or holds NaN or Inf.

    Example:
        >>> import divmetrics as dm
        >>> round(dm.metrics.effective_modes([0, 1, 2], [0, 1, 1, 0]), 6)
        2.0
    """
    real_counts, fake_counts = both_counts(real, fake)
    extras = {"real": float(np.exp(entropy(real_counts))), "outside": _outside(real_counts, fake_counts)}
    return Measured(float(_effective_modes(real_counts, fake_counts)), extras=extras)
