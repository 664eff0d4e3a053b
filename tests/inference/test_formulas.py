"""Intervals, null bands, p-values and biases against their formulas, number by number, on scripted replicates."""

from collections.abc import Callable
from dataclasses import replace
from math import inf

import numpy as np
import pytest
import torch
from scipy import stats

from divmetrics.arrays.splits import OneSamplePool, Pool, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.inference.replicates import SharedSplits
from divmetrics.inference.student_band import student_band
from divmetrics.inference.uncertainty import (
    Asked,
    Estimate,
    Uncertainty,
    uncertainties_of,
    uncertainty_of,
)
from divmetrics.records.metric import Interval, Laws, Metric, Null, ReplicateCost, UncertaintySpec, Variance

HALF_SAMPLES = np.random.default_rng(1).normal(size=100)
PERMUTATIONS = np.random.default_rng(2).normal(size=199)
REALS, FAKES = np.random.default_rng(3).normal(size=(2, 32))


def scripted(
    half_samples: np.ndarray, permutations: np.ndarray, reals: np.ndarray, fakes: np.ndarray
) -> Callable[..., torch.Tensor]:
    """Replicates that are known: half-samples, permutations (no sample is absent), real samples alone, and fakes."""

    def resample(pool: Pool, splits: object) -> torch.Tensor:
        side = splits.side.numpy()
        whole, alone = (side != 0).all(1), (side[:, pool.n :] == 0).all(1)
        kinds = np.where(whole, 1, np.where(alone, 2, np.where(np.maximum.accumulate(whole), 3, 0)))
        used = (side != 0).sum(1)
        kinds[alone & (used < used[alone].max(initial=0))] = 3  # two thirds
        values = np.empty(len(side))
        for kind, script in enumerate((half_samples, permutations, reals, fakes)):
            values[kinds == kind] = script[: (kinds == kind).sum()]
        return torch.from_numpy(values)

    return resample


def metric(
    better: str = "lower",
    low: float = -inf,
    high: float = inf,
    half_samples: np.ndarray = HALF_SAMPLES,
    permutations: np.ndarray = PERMUTATIONS,
    reals: np.ndarray = REALS,
    fakes: np.ndarray = FAKES,
    **spec: object,
) -> Metric:
    return Metric(
        "scripted",
        function=lambda real, fake: 0.0,
        real=Rows.on("pooled"),
        fake=Rows.on("pooled"),
        better=better,
        laws=Laws(range=(low, high)),
        cite="nobody",
        uncertainty=UncertaintySpec(**{"resample": scripted(half_samples, permutations, reals, fakes), **spec}),
    )


def pool(n: int = 8, m: int = 6) -> TwoSamplePool:
    return TwoSamplePool(Rows.from_array(np.eye(n)), Rows.from_array(np.eye(m, n)))


def assessed(
    scored: Metric, value: float, level: float = 0.95, samples: Pool | None = None, *, null: bool = True
) -> Uncertainty:
    estimate = Estimate(scored, {}, value, samples or pool())
    return uncertainty_of(estimate, SharedSplits(0), Asked(level, null=null))[0]


@pytest.mark.parametrize(("m", "factor"), [(6, 1.0), (5, (2 / 3) ** 0.5), (3, 0.5**0.5)])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_is_students_with_the_error_of_half_samples(m: int, factor: float, level: float) -> None:
    error = HALF_SAMPLES.std(ddof=1) * factor
    reach = stats.t.ppf((1 + level) / 2, 99) * error
    found = assessed(metric(), 3.0, level, pool(m=m))
    assert found.ci == pytest.approx((3 - reach, 3 + reach), rel=1e-12)
    assert found.method == "100 half-samples"


def test_half_samples_that_are_not_finite_are_left_out() -> None:
    some = HALF_SAMPLES.copy()
    some[[3, 50]] = np.nan, np.inf
    kept = np.delete(HALF_SAMPLES, [3, 50])
    found = assessed(metric(half_samples=some), 0.0)
    assert found.method == "98 half-samples"
    assert found.ci[1] == pytest.approx(stats.t.ppf(0.975, 97) * kept.std(ddof=1), rel=1e-12)
    one = np.append(np.full(99, np.nan), 1.0)
    assert assessed(metric(half_samples=one), 0.0).ci is None, "one value has no spread"
    two = np.append(np.full(98, np.nan), [0.0, 2.0])
    assert assessed(metric(half_samples=two), 0.0).method == "2 half-samples"


def test_intervals_and_bands_end_at_the_range() -> None:
    found = assessed(metric(low=-0.1, high=0.2), 0.0)
    assert found.ci == (-0.1, 0.2)
    assert (found.null.low, found.null.high) == (-0.1, 0.2)
    assert (found.null.permutations.low, found.null.permutations.high) == (-0.1, 0.2)
    closed = assessed(metric(low=-0.1, high=0.2, null=lambda pool: Null(0.0, 1.0)), 0.0).null
    assert (closed.low, closed.high) == (-0.1, 0.2)


def test_an_own_variance_is_one_of_the_value() -> None:
    for freedom, quantile in ((inf, stats.norm.ppf(0.9)), (4.0, stats.t.ppf(0.9, 4))):
        known = metric(variance=Variance("closed form", lambda pool: 0.25, freedom))
        assert assessed(known, 3.0, 0.8).ci == pytest.approx((3 - 0.5 * quantile, 3 + 0.5 * quantile), rel=1e-9)
        assert assessed(known, 3.0, 0.8).method == "closed form"
        assert assessed(known, 3.0, 0).ci is None
        with_null = metric(variance=known.uncertainty.variance, null=lambda pool: Null(0.0, 1.0))
        assert assessed(with_null, 3.0).null.method == "closed form"


def test_an_own_interval_is_told_the_level_and_may_decline_to_half_samples() -> None:
    own = metric(interval=Interval("exact", lambda pool, level: (-level, level)))
    assert assessed(own, 0.0, 0.8).ci == (-0.8, 0.8)
    both = assessed(replace(own, uncertainty=replace(own.uncertainty, null=lambda pool: Null(0.0, 1.0))), 0.0, 0.8)
    assert (both.method, both.null.method) == ("exact", "closed form")
    assert assessed(own, 0.0, 0).ci is None
    declined = metric(
        interval=Interval("exact", lambda pool, level: None), variance=Variance("closed form", lambda pool: None)
    )
    assert assessed(declined, 0.0).method == "100 half-samples"


@pytest.mark.parametrize(("level", "rank"), [(0.95, 5), (0.9, 10), (0.8, 20), (0.999, 1), (0.5, 50), (0, 5)])
def test_the_band_of_many_permutations_lies_between_two_of_them(level: float, rank: int) -> None:
    """B + 1 values are exchangeable: rank k of 199 leaves k in 200 below it. A level of 0 is that of 95 %."""
    ordered = np.sort(PERMUTATIONS)
    found = assessed(metric(), 0.0, level).null.permutations
    assert (found.low, found.high) == (ordered[rank - 1], ordered[199 - rank])
    assert found.mean == pytest.approx(PERMUTATIONS.mean())
    assert found.sd == pytest.approx(PERMUTATIONS.std(ddof=1), rel=1e-12)
    assert found.draws == 199


@pytest.mark.parametrize("level", [0.8, 0.95, 0])
@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_band_is_where_one_more_score_of_real_samples_lies(better: str, level: float) -> None:
    """Of 8 real samples two sets, 4 against 3, as 8 stand against 6; the fakes have values at these sizes too."""
    found = assessed(metric(better), 9.0, level).null
    reach = stats.t.ppf((1 + (level or 0.95)) / 2, 31) * REALS.std(ddof=1) * (1 + 1 / 32) ** 0.5
    assert (found.low, found.high) == pytest.approx((REALS.mean() - reach, REALS.mean() + reach), rel=1e-9)
    assert (found.mean, found.sd) == pytest.approx((REALS.mean(), REALS.std(ddof=1)), rel=1e-12)
    assert (found.draws, found.method, found.n_real, found.n_fake, found.split) == (32, "real samples", 4, 3, (4, 3))
    assert found.fakes == pytest.approx(FAKES.mean(), rel=1e-12)


def test_a_law_in_n_carries_the_band_to_the_sizes_of_the_value() -> None:
    found = assessed(metric(null_power=0.5, null_power_from=3 / 8), 9.0).null
    factor = ((1 / 8 + 1 / 6) / (1 / 4 + 1 / 3)) ** 0.5
    low, high, _ = student_band(0.0, factor * REALS, metric(), 0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((factor * REALS.mean(), low, high), rel=1e-9)
    assert (found.n_real, found.n_fake, found.split, found.fakes) == (8, 6, (4, 3), None)
    below = assessed(metric(null_power=0.5, null_power_from=0.5), 9.0).null  # 3 samples for 8 columns are fewer
    assert (below.n_real, below.n_fake) == (4, 3)
    assert below.fakes == pytest.approx(FAKES.mean())


@pytest.mark.parametrize(("trend", "steps"), [(0, 1.70951), (0.5, 1.303225), (1, 1.0)])
def test_a_trend_from_smaller_sets_to_halves_goes_on(trend: float, steps: float) -> None:
    """c + b log n: log 2 / log 1.5; c + b / sqrt n: (1 - 1 / sqrt 2) / (sqrt 1.5 - 1); c + b / n: .5 / .5."""
    smaller = 2 + np.random.default_rng(4).normal(size=32)
    found = assessed(metric(null_trend=trend, fakes=smaller), 9.0, samples=pool(32, 32)).null
    low, high, _ = student_band(0.0, REALS, metric(), 0.95)
    shift = steps * (REALS.mean() - smaller.mean())
    assert (found.mean, found.low, found.high) == pytest.approx(
        (REALS.mean() + shift, low + shift, high + shift), rel=1e-3
    )
    assert (found.n_real, found.n_fake, found.split, found.fakes) == (32, 32, (16, 16), None)
    ended = assessed(metric(low=0.0, high=1.0, null_trend=trend, fakes=smaller - 9), 0.0, samples=pool(32, 32)).null
    assert (ended.mean, ended.high) == (1, 1), "no share is above 1"
    few = replace(metric(null_trend=trend), minimum=lambda options: 6)
    assert assessed(few, 9.0, samples=pool(32, 32)).null.n_real == 16, "10 a side are too few for a trend"


def test_real_samples_with_infinite_missing_or_no_scores() -> None:
    some = np.concatenate([np.full(3, np.nan), [np.inf], REALS[:28]])
    found = assessed(metric(reals=some), 0.0).null
    assert (found.draws, found.mean, found.high) == (29, None, None)
    assert found.low == pytest.approx(student_band(0.0, REALS[:28], metric(), 0.95)[0])
    none = assessed(metric(reals=np.full(32, np.nan)), 0.0)
    assert (none.null.mean, none.null.low, none.null.high, none.null.draws) == (None, None, None, None)
    assert none.null.p == assessed(metric(), 0.0).null.p, "the permutations do not need them"
    assert none.warnings == ("8 real samples are too few to be split in two, so what real samples score is not known",)
    few = replace(metric(), minimum=lambda options: 4)
    assert assessed(few, 0.0).null.draws is None, "a metric that needs 4 a side has no value on 4 against 3"


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_p_counts_the_permutations_at_least_as_bad_and_the_value_itself(better: str) -> None:
    drawn = np.repeat([1.0, 2.0, 3.0, 4.0], [100, 50, 40, 9])
    scored = metric(better, permutations=drawn)
    counts = {0.5: 199, 1.0: 199, 1.5: 99, 3.0: 49, 4.0: 9, 5.0: 0}
    if better == "higher":
        counts = {0.5: 0, 1.0: 100, 1.5: 100, 3.0: 190, 4.0: 199, 5.0: 199}
    assert {value: assessed(scored, value).null.p for value in counts} == pytest.approx(
        {value: (1 + count) / 200 for value, count in counts.items()}
    )


def test_an_infinite_permutation_has_its_rank_and_a_missing_one_none() -> None:
    drawn = np.concatenate([np.full(3, np.inf), np.full(9, np.nan), np.arange(187.0)])
    null = assessed(metric(permutations=drawn), 186.0).null
    found = null.permutations
    assert found.draws == 190
    assert null.p == pytest.approx(5 / 191)
    assert (found.low, found.high) == (3, 186), "the fourth of 190 from either end"
    assert found.mean == pytest.approx(93)
    assert found.sd == pytest.approx(np.arange(187.0).std(ddof=1))
    wide = assessed(metric(permutations=np.concatenate([np.full(99, np.inf), np.zeros(100)])), 0.0).null.permutations
    assert (wide.low, wide.high) == (0, None), "JSON has no infinity: an open end"
    lone = assessed(metric(permutations=np.append(np.full(198, np.inf), 1.0)), 0.0).null.permutations
    assert (lone.mean, lone.sd) == (None, None)


def test_infinite_values_among_few_permutations() -> None:
    """Student's band is of the finite ones; where there are none, or one, ranks are all there is."""
    some = np.append(PERMUTATIONS[:18], [np.inf, np.inf])
    found = assessed(metric(permutations=some, replicate_cost="recomputed"), 0.3).null
    permuted = found.permutations
    assert permuted.draws == 20
    assert (permuted.low, permuted.high, found.p) == student_band(0.3, PERMUTATIONS[:18], metric(), 0.95)
    for finite in ([], [1.0]):
        few = np.append(np.full(20 - len(finite), np.inf), finite)
        found = assessed(metric(permutations=few, replicate_cost="recomputed"), 2.0).null
        assert found.p == (1 + 20 - len(finite)) / 21
        assert (found.permutations.low, found.permutations.high) == (finite[0] if finite else None, None)
        assert assessed(metric("higher", permutations=few, replicate_cost="recomputed"), 2.0).null.p > 1 / 22


def test_one_permutation_is_no_band() -> None:
    assert assessed(metric(permutations=np.append(np.full(198, np.nan), 1.0)), 0.0).null is None
    assert assessed(metric(permutations=np.append(np.full(197, np.nan), [1.0, 2.0])), 0.0).null.permutations.draws == 2


@pytest.mark.parametrize(("cost", "count"), [("recomputed", 20), ("projected", 50)])
def test_from_fifty_permutations_on_the_band_is_their_own(cost: ReplicateCost, count: int) -> None:
    drawn = PERMUTATIONS[:count]
    null = assessed(metric(permutations=drawn, replicate_cost=cost), 0.3).null
    found = null.permutations
    assert found.draws == count
    if count == 50:
        assert (found.low, found.high) == (drawn.min(), drawn.max())
        assert null.p == (1 + (drawn >= 0.3).sum()) / 51
    else:
        low, high, p = student_band(0.3, drawn, metric(), 0.95)
        assert (found.low, found.high, null.p) == (low, high, p)


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_few_permutations_of_no_known_shape_give_students_prediction_interval(better: str) -> None:
    drawn = PERMUTATIONS[:20]
    low, high, p = student_band(0.7, drawn, metric(better), 0.9)
    spread = drawn.std(ddof=1) * (1 + 1 / 20) ** 0.5
    reach = stats.t.ppf(0.95, 19) * spread
    assert (low, high) == pytest.approx((drawn.mean() - reach, drawn.mean() + reach), rel=1e-9)
    distance = (0.7 - drawn.mean()) / spread
    assert p == pytest.approx(stats.t.sf(distance, 19) if better == "lower" else stats.t.cdf(distance, 19), rel=1e-9)


def skewed_band(value: float, drawn: np.ndarray, skewness: float, better: str) -> tuple[float, float, float]:
    """Pearson type III quantiles, widened as Student's t are wider than normal ones; central 95 % and p."""
    freedom, spread = len(drawn) - 1, drawn.std(ddof=1) * (1 + 1 / len(drawn)) ** 0.5
    ends = [stats.t.ppf(stats.norm.cdf(stats.pearson3.ppf(q, skewness)), freedom) for q in (0.025, 0.975)]
    distance = (value - drawn.mean()) / spread
    at = stats.norm.ppf(stats.t.cdf(distance, freedom))
    p = stats.pearson3.sf(at, skewness) if better == "lower" else stats.pearson3.cdf(at, skewness)
    return *(drawn.mean() + end * spread for end in ends), p


def test_few_permutations_of_a_distance_lean_to_large_values() -> None:
    drawn = 5 + PERMUTATIONS[:20]
    found = student_band(6.5, drawn, metric(low=0.0), 0.95)
    assert found == pytest.approx(skewed_band(6.5, drawn, 1.0, "lower"), rel=1e-6)
    low, high, _ = found
    assert high - drawn.mean() > 1.5 * (drawn.mean() - low)
    symmetric = student_band(6.5, drawn, metric(better="higher", low=0.0), 0.95)
    assert symmetric[:2] == pytest.approx(skewed_band(6.5, drawn, 0.0, "higher")[:2], rel=1e-6)
    assert student_band(6.5, drawn, metric(low=-1.0), 0.95)[:2] == pytest.approx(symmetric[:2]), "no distance"


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (2.0, 6.0)])
@pytest.mark.parametrize("middle", [0.1, 0.8])
def test_few_permutations_of_a_share_lean_away_from_its_near_end(
    better: str, low: float, high: float, middle: float
) -> None:
    """The skewness is that of the beta distribution of the same mean and variance."""
    drawn = low + (high - low) * (middle + 0.05 * PERMUTATIONS[:20])
    mean, variance = (drawn.mean() - low) / (high - low), drawn.var(ddof=1) / (high - low) ** 2
    total = mean * (1 - mean) / variance - 1
    skewness = float(stats.beta.stats(mean * total, (1 - mean) * total, moments="s"))
    assert (skewness > 0.1) if middle == 0.1 else (skewness < -0.1)
    value = low + (high - low) * (middle + 0.08)
    found = student_band(value, drawn, metric(better, low, high), 0.95)
    assert found == pytest.approx(skewed_band(value, drawn, skewness, better), rel=1e-6)


def test_the_skewness_of_a_share_is_bounded() -> None:
    share = metric(low=0.0, high=1.0)
    for rare, skewness in ((np.append(np.zeros(19), 1.0), 2.0), (np.append(np.ones(19), 0.0), -2.0)):
        found = student_band(0.5, rare, share, 0.95)
        assert found[:2] == pytest.approx(skewed_band(0.5, rare, skewness, "lower")[:2], rel=1e-6)
    tiny = 1e-4 * (1 + PERMUTATIONS[:20])  # a mean so near to the end is taken as 0.001
    total = 0.001 * 0.999 / tiny.var(ddof=1) - 1
    skewness = float(stats.beta.stats(0.001 * total, 0.999 * total, moments="s"))
    assert student_band(2e-4, tiny, share, 0.95) == pytest.approx(skewed_band(2e-4, tiny, skewness, "lower"), rel=1e-6)
    scattered = np.array([0.0, 1.0] * 9 + [0.0] * 2)  # more spread than any beta distribution has: total is 0.5
    mean = scattered.mean()
    skewness = float(stats.beta.stats(mean * 0.5, (1 - mean) * 0.5, moments="s"))
    assert student_band(0.5, scattered, share, 0.95) == pytest.approx(
        skewed_band(0.5, scattered, skewness, "lower"), rel=1e-6
    )


@pytest.mark.parametrize(("better", "worse"), [("lower", 2.5), ("higher", 1.5)])
def test_permutations_without_spread_leave_no_doubt(better: str, worse: float) -> None:
    alike = np.full(20, 2.0)
    scored = metric(better)
    assert student_band(worse, alike, scored, 0.95)[2] == 0
    assert student_band(4 - worse, alike, scored, 0.95)[2] == 1
    assert student_band(2.0, alike, scored, 0.95) == (2, 2, 1)
    share = metric(better, low=0.0, high=4.0)
    assert student_band(worse, alike, share, 0.95) == (2, 2, 0)


@pytest.mark.parametrize("level", [0.8, 0.95, 0])
@pytest.mark.parametrize("better", ["lower", "higher"])
def test_a_closed_null_is_normal(better: str, level: float) -> None:
    found = assessed(metric(better, null=lambda pool: Null(1.0, 0.5)), 1.6, level).null
    reach = 0.5 * stats.norm.ppf((1 + (level or 0.95)) / 2)
    assert (found.low, found.high) == pytest.approx((1 - reach, 1 + reach), rel=1e-9)
    assert (found.mean, found.sd, found.draws, found.method) == (1.0, 0.5, None, "closed form")
    assert found.p == pytest.approx(stats.norm.sf(1.2) if better == "lower" else stats.norm.cdf(1.2), rel=1e-9)


def test_a_closed_null_that_declines_leaves_it_to_permutations() -> None:
    assert assessed(metric(null=lambda pool: None), 0.0).null.permutations.draws == 199
    assert assessed(metric(null=lambda pool: Null(0.0, 1.0)), 0.0, null=False).null is None
    one_side = OneSamplePool(Rows.from_array(np.eye(4)))
    assert assessed(metric(null=lambda pool: Null(0.0, 1.0)), 0.0, samples=one_side).null is None


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_the_interval_of_a_share_is_wilsons_for_as_many_samples_as_its_error_is_worth(share: float) -> None:
    for error in (0.02, 0.1, 0.9):
        known = metric(low=0.0, high=1.0, variance=Variance("closed form", lambda pool, error=error: error**2))
        samples, quantile = share * (1 - share) / error**2, stats.norm.ppf(0.975)
        centre = (share + quantile**2 / (2 * samples)) / (1 + quantile**2 / samples)
        half = quantile / (1 + quantile**2 / samples) * (error**2 + quantile**2 / (4 * samples**2)) ** 0.5
        assert assessed(known, share).ci == pytest.approx((centre - half, centre + half), rel=1e-9)
    for low, high in ((0.0, 100.0), (-100.0, 1.0)):
        percent = metric(low=low, high=high, variance=Variance("closed form", lambda pool: 1e-4))
        assert assessed(percent, share).ci[1] == pytest.approx(share + 0.01 * quantile), "Student's beyond [0, 1]"


@pytest.mark.parametrize(("n", "m"), [(40, 25), (25, 40), (0, 25)])
@pytest.mark.parametrize(("share", "error"), [(0.0, 0.0), (1.0, 0.0), (0.3, 0.0), (0.0, 0.1)])
def test_a_share_without_spread_has_the_samples_of_the_smaller_side(n: int, m: int, share: float, error: float) -> None:
    known = metric(low=0.0, high=1.0, variance=Variance("closed form", lambda pool: error**2))
    samples = pool(n, m) if n else OneSamplePool(Rows.from_array(np.eye(m)))
    test = stats.binomtest(round(share * 25 * 40), 25 * 40) if share == 0.3 else stats.binomtest(round(share * 25), 25)
    low, high = assessed(known, share, samples=samples).ci
    if share in (0.0, 1.0):
        expected = test.proportion_ci(0.95, method="wilson")
        assert low == pytest.approx(expected.low, abs=1e-9)
        assert high == pytest.approx(max(expected.high, share + 1.959964 * error if error else 0), abs=1e-6)
    else:
        assert high - low == pytest.approx(2 * 1.96 * (0.21 / 25) ** 0.5, rel=0.1)


def test_a_bias_of_1_over_n_is_what_half_samples_add() -> None:
    found = assessed(metric(bias="1/n"), 0.5).extras
    assert found == pytest.approx({"bias": HALF_SAMPLES.mean() - 0.5, "debiased": 1 - HALF_SAMPLES.mean()})
    six = metric(bias="1/n", variance=Variance("closed form", lambda pool: 1.0))
    assert assessed(six, 0.5).extras["bias"] == pytest.approx(HALF_SAMPLES[:6].mean() - 0.5)
    assert assessed(six, 0.5).method == "closed form", "half-samples for the bias make no interval"
    assert assessed(six, 0.5, 0).extras == {}, "no half-samples are drawn where no interval is wanted"
    assert assessed(metric(bias="1/n", half_samples=np.full(100, np.nan)), 0.5).extras == {}


def test_an_excess_is_over_the_mean_of_the_null() -> None:
    assert assessed(metric(bias="null"), 0.5).extras == {"excess": pytest.approx(0.5 - PERMUTATIONS.mean())}
    assert assessed(metric(bias="null", null=lambda pool: Null(0.2, 1.0)), 0.5).extras == {"excess": 0.3}
    assert assessed(metric(bias="null"), 0.5, null=False).extras == {}
    assert assessed(metric(bias="null", permutations=np.full(199, np.inf)), 0.5).extras == {}
    assert assessed(metric(), 0.5).extras == {}


@pytest.mark.parametrize(("level", "null"), [(0.95, True), (0.95, False), (0, True), (0, False)])
def test_a_caveat_stands_where_something_is_shown(level: float, null: bool) -> None:
    expected = ("too narrow",) if level or null else ()
    assert assessed(metric(caveat="too narrow"), 0.0, level, null=null).warnings == expected
    assert assessed(metric(), 0.0, level, null=null).warnings == ()


def drawn(scored: Metric, level: float, samples: Pool | None = None, *, null: bool) -> tuple[int, int]:
    """(half-samples, permutations) that were drawn; real samples against each other wherever there are permutations."""
    estimate = Estimate(scored, {}, 0.0, samples or pool())
    _, replicates = uncertainty_of(estimate, SharedSplits(0), Asked(level, null=null))
    assert len(replicates.reals) == len(replicates.fakes) == (32 if len(replicates.permutations) else 0)
    return len(replicates.half_samples), len(replicates.permutations)


def test_no_more_is_drawn_than_is_needed() -> None:
    known, closed = Variance("closed form", lambda pool: 1.0), (lambda pool: Null(0.0, 1.0))
    assert drawn(metric(), 0.95, null=True) == (100, 199)
    assert drawn(metric(), 0.95, null=False) == (100, 0)
    assert drawn(metric(), 0, null=True) == (0, 199)
    assert drawn(metric(variance=known), 0.95, null=True) == (0, 199)
    assert drawn(metric(variance=known, bias="1/n"), 0.95, null=True) == (6, 199)
    assert drawn(metric(variance=known, bias="null"), 0.95, null=True) == (0, 199)
    assert drawn(metric(bias="1/n"), 0, null=True) == (0, 199)
    assert drawn(metric(null=closed), 0.95, null=True) == (100, 0)
    assert drawn(metric(null=closed, variance=known), 0.95, null=True) == (0, 0)
    assert drawn(metric(), 0.95, OneSamplePool(Rows.from_array(np.eye(4))), null=True) == (100, 0)
    assert drawn(metric(null=closed), 0, OneSamplePool(Rows.from_array(np.eye(4))), null=True) == (0, 0)


def test_options_reach_every_function_of_the_metric() -> None:
    seen = []

    def noted(kind: str, found: object) -> Callable[..., object]:
        def function(pool: Pool, *given: object, k: int) -> object:
            seen.append((kind, k))
            return torch.zeros(len(given[0])) if kind == "resample" else found

        return function

    scored = metric(
        resample=noted("resample", None),
        interval=Interval("exact", noted("interval", None)),
        variance=Variance("closed form", noted("variance", None)),
        null=noted("null", None),
    )
    uncertainty_of(Estimate(scored, {"k": 7}, 0.0, pool()), SharedSplits(0), Asked(0.95, null=True))
    assert sorted(seen) == [("interval", 7), ("null", 7), ("resample", 7), ("variance", 7)]


def test_all_estimates_are_judged_on_splits_of_one_seed() -> None:
    def places(pool: Pool, splits: object) -> torch.Tensor:
        return splits.side[:, 0].double() + 10 * splits.side[:, 5].double()

    one = replace(metric(), uncertainty=UncertaintySpec(resample=places))
    estimates = {"one": Estimate(one, {}, 0.0, pool()), "two": Estimate(one, {}, 0.0, pool())}
    lost = Estimate(one, {}, 0.0, None)
    found, replicates = uncertainties_of({**estimates, "lost": lost}, 3, Asked(0.95, null=True))
    assert list(found) == ["one", "two", "lost"]
    assert found["lost"].warnings
    assert (replicates.seed, list(replicates.rows)) == (3, ["one", "two"])
    first, second = replicates.matrix("permutations", ["one", "two"])
    assert (first == second).all()
    assert found["one"] == found["two"]
    narrow, only_intervals = uncertainties_of(estimates, 3, Asked(0.8, null=False))
    assert narrow["one"].null is None
    assert len(only_intervals.rows["one"].permutations) == 0
    assert np.ptp(narrow["one"].ci) < np.ptp(found["one"].ci)
    _, others = uncertainties_of(estimates, 4, Asked(0.95, null=True))
    assert (others.rows["one"].permutations != first).any()
    assert (others.rows["one"].half_samples != replicates.rows["one"].half_samples).any()
