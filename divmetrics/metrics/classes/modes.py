"""Class counts against class counts: modes found, and how far the fakes' shares are from the reals'.

The modes are the classes that occur among the reals. Fakes of any other class are *outside*: they find no mode, they
count in full for `mode_tv`, and they would make the divergence infinite, so that `mode_kl` and `effective_modes` are
conditional on being inside and report the share outside beside the value (VEEGAN and PacGAN condition in the same way).
"""

from __future__ import annotations

from math import inf

import numpy as np
from scipy.special import bdtrc, erf, rel_entr

from divmetrics.arrays.class_counts import (
    both_counts,
    entropy,
    pool_counts,
    pool_recount,
    settled,
    shares,
    variance_of_mean,
)
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import ClassTally
from divmetrics.errors import MeasureError, UsageError
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

TALLY = ClassTally.on("labels", "logits")
COST = "Instant once classes are counted: a pass over n + m labels; 199 re-splits of 10,000 labels take 0.2 s."


def _inside(reals: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    """Counts of the fakes within the modes; zero elsewhere."""
    return np.where(reals > 0, fakes, 0)


def _outside(reals: np.ndarray, fakes: np.ndarray) -> float:
    """Share of fakes in no mode."""
    return float(1 - _inside(reals, fakes).sum() / fakes.sum())


def _found(reals: np.ndarray, fakes: np.ndarray, min_count: int) -> np.ndarray:
    return np.asarray(((reals > 0) & (fakes >= min_count)).sum(-1), dtype=float)


def _kl(reals: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    return np.asarray(rel_entr(shares(_inside(reals, fakes)), shares(reals)).sum(-1))


def _tv(reals: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(shares(fakes) - shares(reals)).sum(-1) / 2)


def _effective(reals: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    inside = _inside(reals, fakes)
    return np.where(inside.any(-1), np.exp(entropy(inside)), 0.0)


def _found_variance(pool: TwoSamplePool, *, min_count: int) -> float | None:
    """Each mode is found or not, independently but for the total, which makes this no smaller than it should be."""
    reals, fakes = pool_counts(pool)
    uncertainty = bdtrc(0, pool.n, reals / pool.n) * bdtrc(min_count - 1, pool.m, fakes / pool.m)
    return float((uncertainty * (1 - uncertainty)).sum()) or None


def _kl_variance(pool: TwoSamplePool) -> float | None:
    reals, fakes = pool_counts(pool)
    inside = _inside(reals, fakes)
    if not inside.any():
        return None
    p, q, seen = shares(inside), shares(reals), inside > 0
    ratio = np.divide(p, q, out=np.zeros_like(q), where=q > 0)
    log_ratio = np.log(ratio, out=np.zeros_like(q), where=seen)
    first = variance_of_mean(log_ratio, inside) + variance_of_mean(ratio, reals)
    return settled(first, (seen.sum() - 1) / 2 * (1 / inside.sum() + 1 / pool.n) ** 2) or None


def _effective_variance(pool: TwoSamplePool) -> float | None:
    """Of the fakes' entropy, and of which classes the reals happened to show."""
    reals, fakes = pool_counts(pool)
    inside = _inside(reals, fakes)
    if not inside.any():
        return None
    p, whole = shares(inside), float(np.exp(entropy(inside)))
    surprise = -np.log(p, out=np.zeros_like(p), where=p > 0)
    level = ((p > 0).sum() - 1) / (2 * inside.sum() ** 2)
    rest = np.maximum(1 - p, 1e-300)
    without = np.where(p < 1, np.exp((np.log(whole) - p * surprise) / rest + np.log(rest)), 0.0)
    shown = bdtrc(0, pool.n, reals / pool.n)
    chosen = (shown * (1 - shown) * (whole - without) ** 2)[reals > 0].sum()
    return whole**2 * settled(variance_of_mean(surprise, inside), level) + float(chosen) or None


def _tv_variance(pool: TwoSamplePool) -> float | None:
    """Of half a sum of |gap|, each gap normal: folded normals, correlated as far as their signs are settled (Price).

    The squared gap is too large by its variance on average, which is taken off before it is used as a mean.
    """
    reals, fakes = pool_counts(pool)
    p, q = shares(fakes), shares(reals)
    spread = p * (1 - p) / pool.m + q * (1 - q) / pool.n
    sd = np.sqrt(np.where(spread > 0, spread, 1.0))
    gap = np.sqrt(np.maximum((p - q) ** 2 - spread, 0))
    slope = erf(gap / sd / np.sqrt(2)) * np.sign(p - q)
    folded = sd * np.sqrt(2 / np.pi) * np.exp(-((gap / sd) ** 2) / 2) + gap * erf(gap / sd / np.sqrt(2))
    own = np.where(spread > 0, np.maximum(sd**2 + gap**2 - folded**2, 0), 0)
    joint = variance_of_mean(slope, fakes) + variance_of_mean(slope, reals)  # with slope^2 spread on its diagonal
    return float(own.sum() - (slope**2 * spread).sum() + joint) / 4 or None


def _check(min_count: int) -> None:
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
        resample=lambda pool, splits, *, min_count: _found(*pool_recount(pool, splits), min_count),
    ),
    about=About(
        formula=r"\sum_{k \le K} 1[\#\{j : c(y_j) = k\} \ge c_{\min}]",
        sees="Classes that the generator never makes.",
        blind="Imbalance: a class of weight w is found with probability 1 - (1 - w)^m, so all above 3/m look alike. "
        "Anything within a class.",
        bias="Grows with m, and with every error of the classifier: 1 % turns 10 true modes of 1000 into 247.",
        cost=COST,
    ),
)
def modes_found(real: ClassTally, fake: ClassTally, *, min_count: int = 1) -> Measured:
    """Number of the reals' classes with at least `min_count` fakes; in [0, modes], higher is better. Srivastava 2017.

    One fake suffices by default, as in the papers. With a classifier that errs at all, or with many more fakes than
    modes, that counts modes nobody sees: raise `min_count`. Extras: `modes_total`, and `missing`, the class numbers.
    Raises UsageError for `min_count` < 1.
    """
    _check(min_count)
    reals, fakes = both_counts(real, fake)
    missing = np.flatnonzero((reals > 0) & (fakes < min_count))
    extras = {"modes_total": int((reals > 0).sum()), "missing": missing.tolist()}
    return Measured(float(_found(reals, fakes, min_count)), extras=extras)


def _null_floor(reals: np.ndarray, fakes: np.ndarray) -> float:
    """What two samples of these sizes from one distribution give for the divergence on average."""
    return float(((reals > 0).sum() - 1) / 2 * (1 / _inside(reals, fakes).sum() + 1 / reals.sum()))


@metric(
    "mode_kl",
    real=TALLY,
    fake=TALLY,
    better="lower",
    laws=Laws(range=(0, inf), scaling=0.0, on_copies=0.0),
    cite="Srivastava 2017 (VEEGAN), arXiv:1705.07761",
    minimum=lambda _: 1,
    uncertainty=UncertaintySpec(
        variance=Variance("influence function", _kl_variance),
        resample=lambda pool, splits: _kl(*pool_recount(pool, splits)),
        bias="1/n",
    ),
    about=About(
        formula=r"\sum_{k \le K} \hat p_k \ln(\hat p_k / \hat q_k),\quad \hat p_k \text{ among the fakes inside}",
        sees="Classes that are missing or too rare among the fakes: ln(K/m) if m of K even ones are left.",
        blind="Fakes of no real class, which stand in extras as `outside`, and anything within a class.",
        bias="Too large by (K - 1)/2 (1/n + 1/m) where both sides are alike.",
        cost=COST,
    ),
)
def mode_kl(real: ClassTally, fake: ClassTally) -> Measured:
    """KL(fake shares || real shares) over the reals' classes, in nats; >= 0, lower is better. Srivastava 2017.

    Shares of the fakes are taken among those inside the reals' classes; extras give the share `outside`, and
    `null_floor`, what two samples of these sizes from one distribution give on average: (K - 1)/2 (1/N + 1/M), K modes.
    Raises MeasureError where no fake is inside.
    """
    reals, fakes = both_counts(real, fake)
    if not _inside(reals, fakes).any():
        raise MeasureError("no fake falls in a class of the reals, so there are no shares to compare; see mode_tv.")
    extras = {"outside": _outside(reals, fakes), "null_floor": _null_floor(reals, fakes)}
    return Measured(max(0.0, float(_kl(reals, fakes))), extras=extras)


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
        resample=lambda pool, splits: _tv(*pool_recount(pool, splits)),
    ),
    about=About(
        formula=r"\tfrac12 \sum_k |\hat p_k - \hat q_k|",
        sees="Any shift of weight between classes, and fakes of no real class in full.",
        blind="Anything within a class.",
        bias="Positive where both sides are alike, of the order of the root of K (1/n + 1/m); see the null.",
        cost=COST,
    ),
)
def mode_tv(real: ClassTally, fake: ClassTally) -> Measured:
    """Total variation between the class shares of fakes and reals; in [0, 1], lower is better. Levin and Peres, 4.1.

    The share of fakes that would have to change class, those outside the reals' classes in full. Extras: `outside`.
    """
    reals, fakes = both_counts(real, fake)
    return Measured(float(_tv(reals, fakes)), extras={"outside": _outside(reals, fakes)})


def _effective_on(pool: TwoSamplePool, splits: Splits) -> np.ndarray:
    return _effective(*pool_recount(pool, splits))


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
        variance=Variance("influence function", _effective_variance), resample=_effective_on, bias="1/n"
    ),
    about=About(
        formula=r"\exp(-\sum_{k \le K} \hat p_k \ln \hat p_k)",
        sees="Missing classes and imbalance, in classes: 7.2 of 10 says how many even ones would be as diverse.",
        blind="Which classes they are: fakes spread evenly where the reals are not score higher than the reals.",
        bias="Too low by a factor of about 1 - (K - 1)/(2 m) (Miller and Madow).",
        cost=COST,
    ),
)
def effective_modes(real: ClassTally, fake: ClassTally) -> Measured:
    """exp of the entropy of the fakes' shares over the reals' classes; in [0, modes], higher is better. Hill 1973.

    The number of equally frequent classes that are as diverse: K for uniform shares, 1 for a single class, 0 where no
    fake is inside. Extras: `real`, the same number of the reals, and the share `outside`.
    """
    reals, fakes = both_counts(real, fake)
    extras = {"real": float(np.exp(entropy(reals))), "outside": _outside(reals, fakes)}
    return Measured(float(_effective(reals, fakes)), extras=extras)
