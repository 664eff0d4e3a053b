"""Intervals, null bands and biases, on metrics whose sampling distribution is known."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
import torch
from scipy import stats

from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits
from divmetrics.arrays.summaries import Moments, Rows
from divmetrics.errors import FeatureError
from divmetrics.inference.replicates import SharedSplits
from divmetrics.inference.student_band import student_band
from divmetrics.inference.uncertainty import Asked, Estimate, Uncertainty, uncertainty_of
from divmetrics.records.metric import Interval, Laws, Metric, Null, UncertaintySpec, Variance
from divmetrics.records.results import Side
from divmetrics.scoring.collected import Collected, EncoderInfo
from divmetrics.scoring.plan import Plan, Request, Task
from divmetrics.scoring.task_inputs import TaskInputs

PLAN = Plan.of("fid", "pixels")


def gap(real: Rows, fake: Rows) -> float:
    """Difference of the means: its variance is s²/n + s²/m, and its null is centred at 0."""
    return float(fake.features.mean() - real.features.mean())


def share(real: Rows, fake: Rows) -> float:
    return float((fake.features < real.features.min() - 9).double().mean())


def squared(fake: Rows) -> float:
    """Square of the mean: biased upwards by s²/m."""
    return float(fake.features.mean()) ** 2


GAP = Metric(
    "gap", function=gap, real=Rows.on("pooled"), fake=Rows.on("pooled"), better="lower", laws=Laws(), cite="nobody"
)
SHARE = Metric(
    "share",
    function=share,
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, 1)),
    cite="nobody",
)
SQUARE = Metric(
    "square",
    function=squared,
    real=None,
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, inf)),
    cite="nobody",
)


def resampled(pool: Pool, splits: Splits) -> torch.Tensor:
    values = pool.features()[:, 0].double()
    real, fake = ((splits.side == side).double() for side in (REAL, FAKE))
    return fake @ values / fake.sum(1) - real @ values / real.sum(1)


FAST = replace(GAP, uncertainty=UncertaintySpec(resample=resampled))


def sides(seed: int = 0, n: int = 400, m: int = 400, shift: float = 0.0) -> TaskInputs:
    rng = np.random.default_rng(seed)
    values = {"real": rng.normal(size=(n, 1)), "fake": shift + rng.normal(size=(m, 1))}
    collected = {
        side: Collected(
            Side(side, len(rows), None),
            {"features": EncoderInfo("", "none", "none")},
            {("features", "pooled", "Rows"): Rows.from_array(rows)},
        )
        for side, rows in values.items()
    }
    return TaskInputs(collected, seed)


def uncertainty_in(metric: Metric, given: TaskInputs, plan: Plan = PLAN) -> tuple[float, Uncertainty]:
    task = Task(Request(metric, {}, metric.name, explicit=True), "features", "pooled")
    value = metric.function(*(given.summary(task, side) for side in task.request.sides))
    estimate = Estimate(metric, {}, value, given.pool(task))
    asked = Asked(plan.questions.ci_level, null=plan.questions.null)
    found, _ = uncertainty_of(estimate, SharedSplits(given.seed), asked)
    return value, found


@pytest.mark.parametrize("metric", [GAP, FAST], ids=["computed anew", "re-indexed"])
def test_half_samples_find_the_standard_error(metric: Metric) -> None:
    value, found = uncertainty_in(metric, sides())
    draws = 20 if metric is GAP else 100
    half = (found.ci[1] - found.ci[0]) / 2
    assert found.method == f"{draws} half-samples"
    assert np.mean(found.ci) == pytest.approx(value)
    assert half == pytest.approx(stats.t.ppf(0.975, draws - 1) * (2 / 400) ** 0.5, rel=0.35 if metric is GAP else 0.15)


def test_intervals_cover_as_often_as_they_say() -> None:
    plan = Plan.of("fid", "pixels", null=False)
    found = [uncertainty_in(FAST, sides(seed, 60, 90, 0.5), plan)[1].ci for seed in range(200)]
    covered = [ci[0] <= 0.5 <= ci[1] for ci in found]
    assert 0.91 <= np.mean(covered) <= 0.985


@pytest.mark.parametrize(("metric", "draws"), [(GAP, 20), (FAST, 199)], ids=["few", "many"])
def test_the_null_keeps_its_level(metric: Metric, draws: int) -> None:
    plan = Plan.of("fid", "pixels", ci_level=0)
    bands = [uncertainty_in(metric, sides(seed, 40, 40), plan) for seed in range(300)]
    p = np.array([found.null.p for _, found in bands])
    assert bands[0][1].null.permutations.draws == draws
    assert 0.02 <= (p <= 0.05).mean() <= 0.085  # 99 % of binomial draws
    permuted = [(value, found.null.permutations) for value, found in bands]
    outside = [not found.low <= value <= found.high for value, found in permuted]
    assert 0.02 <= np.mean(outside) <= 0.085


def test_few_draws_of_a_distance_keep_the_level_far_out() -> None:
    """Weighted chi squares, as the null of FID, far from 0; with Student's t alone p <= .01 in 4 % of the draws."""
    drawn = 20 + (np.random.default_rng(0).chisquare(1, (2000, 21, 5)) / np.arange(1, 6)).sum(2)
    distance = replace(GAP, laws=Laws(range=(0, inf), scaling=2.0))
    share = replace(GAP, laws=Laws(range=(0, 1)))
    found = np.array(
        [student_band(value, few, distance, 0.95) for value, few in zip(drawn[:, 0], drawn[:, 1:], strict=True)]
    )
    low, high, p = found.T
    assert student_band(0.5, np.array([0.4, 0.6]), share, 0.95)[:2] == pytest.approx((-1.7, 2.7), abs=0.1), "symmetric"
    assert 0.004 <= (p <= 0.01).mean() <= 0.024
    assert 0.035 <= (p <= 0.05).mean() <= 0.07
    assert (low >= 0).all()
    assert 0.03 <= np.mean((drawn[:, 0] < low) | (drawn[:, 0] > high)) <= 0.07


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_few_draws_of_a_share_near_its_end(better: str) -> None:
    """25 bins of which one differs by chance, or as many that do not: p <= .01 in 3 % of draws by Student's t alone."""
    metric = replace(SHARE, better=better)
    drawn = np.random.default_rng(0).binomial(25, 0.04, (2000, 21)) / 25
    drawn = drawn if better == "lower" else 1 - drawn
    p = np.array([student_band(row[0], row[1:], metric, 0.95)[2] for row in drawn])
    assert (p <= 0.01).mean() <= 0.014
    assert 0.03 <= (p <= 0.05).mean() <= 0.06


def test_a_shift_has_a_small_p_and_a_shift_to_the_good_side_has_not() -> None:
    assert uncertainty_in(FAST, sides(shift=0.5))[1].null.p == pytest.approx(1 / 200)
    assert uncertainty_in(GAP, sides(shift=0.5))[1].null.p < 1e-4
    assert uncertainty_in(FAST, sides(shift=-0.5))[1].null.p > 0.99


def test_a_variance_of_its_own_is_preferred_and_may_decline() -> None:
    known = replace(GAP, uncertainty=UncertaintySpec(variance=Variance("closed form", lambda pool: 4.0)))
    value, found = uncertainty_in(known, sides())
    assert found.method == "closed form"
    assert found.ci == pytest.approx((value - 2 * 1.95996, value + 2 * 1.95996), rel=1e-4)
    declined = replace(GAP, uncertainty=UncertaintySpec(variance=Variance("closed form", lambda pool: None)))
    assert uncertainty_in(declined, sides())[1].method == "20 half-samples"


def test_an_interval_of_its_own_is_preferred_and_may_decline() -> None:
    uncertainty = UncertaintySpec(
        Variance("closed form", lambda pool: 1.0), interval=Interval("exact", lambda pool, level: (0, level))
    )
    _, found = uncertainty_in(replace(GAP, uncertainty=uncertainty), sides())
    assert (found.ci, found.method) == ((0, 0.95), "exact")
    declined = replace(uncertainty, interval=Interval("exact", lambda pool, level: None))
    assert uncertainty_in(replace(GAP, uncertainty=declined), sides())[1].method == "closed form"


def test_a_caveat_stands_where_an_interval_or_a_null_does() -> None:
    metric = replace(GAP, uncertainty=UncertaintySpec(caveat="intervals are too narrow"))
    assert uncertainty_in(metric, sides())[1].warnings == ("intervals are too narrow",)
    only_null = Plan.of("fid", "pixels", ci_level=0)
    assert uncertainty_in(metric, sides(), only_null)[1].warnings == ("intervals are too narrow",)
    neither = Plan.of("fid", "pixels", ci_level=0, null=False)
    assert uncertainty_in(metric, sides(), neither)[1].warnings == ()


def test_few_degrees_of_freedom_widen_the_interval() -> None:
    widths = []
    for freedom in (inf, 15.0):
        uncertainty = UncertaintySpec(Variance("closed form", lambda pool: 1.0, freedom))
        (low, high) = uncertainty_in(replace(GAP, uncertainty=uncertainty), sides())[1].ci
        widths.append(high - low)
    assert widths == pytest.approx([2 * 1.96, 2 * 2.131], rel=1e-3)


def test_a_closed_null_needs_no_draws() -> None:
    known = replace(GAP, uncertainty=UncertaintySpec(null=lambda pool: Null(0.0, 1.0)))
    value, found = uncertainty_in(known, sides(shift=3.0))
    assert (found.null.method, found.null.draws) == ("closed form", None)
    assert found.null.high == pytest.approx(1.95996, rel=1e-4)
    assert found.null.p == pytest.approx(stats.norm.sf(value))


def test_a_share_of_zero_is_not_certain() -> None:
    value, found = uncertainty_in(SHARE, sides())
    assert value == 0
    assert found.ci[0] == 0
    assert found.ci[1] == pytest.approx(0.0095, abs=0.002)  # Wilson's upper end at 0 of 400


def test_the_bias_of_a_square_is_found() -> None:
    biased = replace(SQUARE, uncertainty=UncertaintySpec(bias="1/n"))
    plan = Plan.of("fid", "pixels", ci_level=0.9)
    found = [uncertainty_in(biased, sides(seed, 10, 50), plan)[1].extras for seed in range(60)]
    assert np.mean([entry["bias"] for entry in found]) == pytest.approx(1 / 50, rel=0.35)
    assert np.mean([entry["debiased"] for entry in found]) == pytest.approx(0, abs=0.01)


def test_an_excess_is_over_the_mean_of_the_null() -> None:
    value, found = uncertainty_in(replace(GAP, uncertainty=UncertaintySpec(bias="null")), sides(shift=1.0))
    assert found.extras == {"excess": pytest.approx(value - found.null.permutations.mean)}


def test_what_is_not_wanted_is_not_made() -> None:
    assert uncertainty_in(GAP, sides(), Plan.of("fid", "pixels", ci_level=0, null=True))[1].ci is None
    assert uncertainty_in(GAP, sides(), Plan.of("fid", "pixels", null=False))[1].null is None
    assert uncertainty_in(SQUARE, sides())[1].null is None  # one side has no null


def test_the_level_widens_the_interval() -> None:
    narrow, wide = (
        uncertainty_in(GAP, sides(), Plan.of("fid", "pixels", ci_level=level))[1].ci for level in (0.5, 0.99)
    )
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_statistics_without_samples_have_no_interval_and_say_so() -> None:
    given = sides()
    moments = {("features", "pooled", "Moments"): Moments.from_array(np.eye(3))}
    collected = {**given.collected, "real": replace(given.collected["real"], summaries=moments)}
    task = Task(Request(GAP, {}, "gap", explicit=True), "features", "pooled")
    estimate = Estimate(GAP, {}, 1.0, TaskInputs(collected, 0).pool(task))
    found, replicates = uncertainty_of(estimate, SharedSplits(0), Asked(0.95, null=True))
    assert replicates is None
    assert (found.ci, found.null) == (None, None)
    assert "statistics hold no samples" in found.warnings[0]


def test_an_error_of_the_chance_is_a_warning_of_the_result() -> None:
    def fails(pool: Pool, splits: Splits) -> torch.Tensor:
        raise FeatureError("too few of them.")

    _, found = uncertainty_in(replace(GAP, uncertainty=UncertaintySpec(resample=fails)), sides())
    assert found.ci is None
    assert "too few of them" in found.warnings[0]


def test_equal_sizes_are_drawn_by_the_seed() -> None:
    task = Task(Request(replace(GAP, equal_n=True), {}, "gap", explicit=True), "features", "pooled")
    given = sides(n=100, m=30)
    assert given.equal_size(task) == 30
    assert [given.summary(task, side).n for side in ("real", "fake")] == [30, 30]
    assert given.summary(task, "real") is given.summary(task, "real")
    assert given.pool(task).n == 30
    other = TaskInputs(given.collected, 1).summary(task, "real").index
    assert not torch.equal(given.summary(task, "real").index, other)
