"""`UncertaintySpec`: how the confidence interval, the p-value and the null band of a metric are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal

ReplicateCost = Literal[
    "reindexed",
    "projected",
    "recomputed",
    "bootstrapped",
    "decomposed",
    "decomposed_repeatedly",
    "entropic_transport",
    "optimal_transport",
]
"""What the value on one more half-sample or permutation costs, cheapest first: an indexing of distances or counts
computed before, a sort along projections, a new clustering or classifier, a bootstrap, one eigenvalue problem of the
features, several, a run of Sinkhorn iterations, an exact transport plan."""


@dataclass(frozen=True)
class Spread:
    """Sampling variance of a metric, and the shape of its sampling distribution: what a `Variance` may return.

    To second order the value is truth + error (Z + curvature (Z² - 1)), where error is its standard error and Z a mean
    of independent terms of this `skewness`. `arrays/skewness.py` makes intervals of it.

    Example:
        >>> Spread(4.0).exponential(10.0)  # of exp(x), from the spread of x
        Spread(variance=400.0, skewness=0.0, curvature=1.0, reserve=0.0, freedom=inf, largest=0.0)
    """

    variance: float
    """Sampling variance."""
    skewness: float = 0.0
    """Skewness of the value to first order, that of the mean of its influence function."""
    curvature: float = 0.0
    """Coefficient of the second-order term, in standard errors."""
    reserve: float = 0.0
    """Curvature in addition that cannot be excluded; it moves the upper end alone."""
    freedom: float = inf
    """Degrees of freedom of the estimate of the variance."""
    largest: float = 0.0
    """Share of the variance that is due to a single sample."""

    def plus(self, variance: float, freedom: float | None = None) -> Spread:
        """With the variance of something independent and symmetric in addition.

        `freedom` are the degrees of freedom of its estimate; None takes it to be known as well as the rest.
        """
        total = self.variance + variance
        share = self.variance / total if total > 0 else 1.0
        kept = share**1.5
        sum_ = replace(self, variance=total, skewness=self.skewness * kept, curvature=self.curvature * kept)
        if freedom is None:
            return sum_
        return replace(sum_, freedom=1 / (share**2 / self.freedom + (1 - share) ** 2 / freedom))

    def times(self, factor: float) -> Spread:
        """Of the value in another unit."""
        return replace(self, variance=self.variance * factor**2)

    def exponential(self, value: float) -> Spread:
        """Of the exponential, `value`, of what this is the spread of."""
        error = self.variance**0.5
        return replace(self, variance=self.variance * value**2, curvature=self.curvature + error / 2)


@dataclass(frozen=True)
class Variance:
    """An estimate of the sampling variance of a metric, where there is a better one than that of half-samples.

    Example:
        >>> def of_mean(pool):
        ...     return float(pool.fake.features.var() / pool.m)
        >>> Variance("closed form", of_mean).freedom
        inf
    """

    method: str
    """As reports name it: `influence function`, `delete-one jackknife`, `closed form`."""
    function: Callable[..., float | Spread | None]
    """`(pool, **options)` -> variance due to sampling all sides, with the shape of the distribution where it is known;
    None where the estimate is not valid for them."""
    freedom: float = inf
    """Degrees of freedom of the estimate, for Student's t."""

    def spread(self, pool: Any, **options: Any) -> Spread | None:
        """Variance and shape of the sampling distribution for these samples."""
        found = self.function(pool, **options)
        return found if found is None or isinstance(found, Spread) else Spread(found)

    def __call__(self, pool: Any, **options: Any) -> float | None:
        """The variance alone."""
        found = self.spread(pool, **options)
        return None if found is None else found.variance


@dataclass(frozen=True)
class Interval:
    """A confidence interval for a value that is far from normal: clipped at an end of its range, or a small count.

    Example:
        >>> Interval("rule of three", lambda pool, level: (0.0, 3 / pool.m)).method
        'rule of three'
    """

    method: str
    """As reports name it: `Wilson`, `Clopper-Pearson`, ..."""
    function: Callable[..., tuple[float, float] | None]
    """`(pool, level, **options)` -> both ends; None where the interval is not valid for these samples."""


@dataclass(frozen=True)
class Null:
    """Mean and standard deviation of a metric where both sides come from one distribution, in closed form.

    Example:
        >>> Null(mean=0.5, sd=0.1).mean
        0.5
    """

    mean: float
    """Mean of the null distribution."""
    sd: float
    """Standard deviation of the null distribution."""


@dataclass(frozen=True)
class UncertaintySpec:
    """How the confidence interval and the null band of a metric are computed.

    By default the metric is computed anew on half-samples (for the interval) and on permutations (for the null band).
    A metric declares what is faster or more accurate: an estimate of its `variance`, an `interval`, a closed-form
    `null`, or `resample`, which computes the values on many splits of a pool from one pass over its pairs.

    Example:
        >>> spec = UncertaintySpec(null=lambda pool: Null(0.0, 1 / pool.m**0.5), bias="1/n")
        >>> spec.variance is None  # so half-samples estimate it
        True
    """

    variance: Variance | None = None
    """Estimate of the sampling variance."""
    resample: Callable[..., Any] | None = None
    """`(pool, splits, **options)` -> float64 `[len(splits)]`: the value on each split of the pool."""
    null: Callable[..., Null | None] | None = None
    """`(pool, **options)` -> closed-form null distribution; None where it is not valid for these samples."""
    replicate_cost: ReplicateCost | None = None
    """Cost of one more replicate, which decides in `inference/replicates.py` how many are drawn; None is `reindexed`
    with `resample` or on class counts, else `recomputed`."""
    bias: Literal["1/n", "null"] | None = None
    """`1/n`: the bias falls with the sample size and is estimated from half-samples. `null`: two samples of one
    distribution differ at any size, and the excess of the value over the mean of the null is reported."""
    null_power: float | None = None
    """Exponent a where the values of two sample sets of one distribution, with both sizes n, are distributed as n ** -a
    times a quantity without n: 1 for squared distances. So what halves of the real samples score against each other
    says what whole sets score."""
    null_power_from: float = 0.0
    """Samples of a side from which `null_power` holds, for each column or, of labels, for each class."""
    null_trend: float | None = None
    """Exponent a where their mean is c + b n ** -a, or c + b log n for 0, with c and b that depend on the distribution:
    halves of the real samples and two thirds of these then say what whole sets score."""
    interval: Interval | None = None
    """Confidence interval; it takes precedence over `variance`."""
    most: Callable[..., float] | None = None
    """`(pool)` -> greatest value that these samples allow, where it is below that of the range: of ten modes, 10."""
    exchanged: Callable[..., float] | None = None
    """`(first, second, **options)` -> p-value of the difference of two generators where each sample of a class is as
    likely to come from either one; arguments are their samples `[K]` in the classes of the real samples. For counts
    whose rare jumps half-samples do not show."""
    caveat: str | None = None
    """Where the interval or the null band was measured not to hold, in one sentence, for every result that shows them
    and for the page of the metric. `benchmarks/calibration.py` measures it, `tests/validation/test_calibrated.py`
    compares."""
