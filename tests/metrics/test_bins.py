"""ndb and mode_js: brute-force formulas, number of bins, empty bins, collapse, null band, intervals and variance."""

from math import log

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, norm

from divmetrics.arrays.share_intervals import clopper_pearson, wilson
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, UsageError
from divmetrics.metrics.clusters._bins import FITS, bin_counts, bin_counts_by_halves
from divmetrics.records.metric import METRICS, Metric

ndb, mode_js = METRICS["ndb"], METRICS["mode_js"]
BOTH = pytest.mark.parametrize("metric", [ndb, mode_js], ids=lambda metric: metric.name)


def modes(n: int, kept: int, rng: np.random.Generator, d: int = 6, total: int = 8) -> np.ndarray:
    middles = 4 * np.random.default_rng(9).normal(size=(total, d))
    return middles[rng.integers(0, kept, n)] + rng.normal(size=(n, d))


def pair(n: int = 400, kept: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return modes(n, 8, rng), modes(n, kept, rng)


def counts(real: np.ndarray, fake: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    return bin_counts(Rows.from_array(real), Rows.from_array(fake), bins, 0)


def test_ndb_is_the_number_of_two_proportion_tests_that_reject() -> None:
    real, fake = pair(kept=6)
    reals, fakes = counts(real, fake, 20)
    p = []
    for r, f in zip(reals, fakes, strict=True):
        table = np.array([[r, 400 - r], [f, 400 - f]])
        p.append(chi2_contingency(table, correction=False).pvalue)  # z squared is chi square
    found = ndb.measure(real, fake, bins=20)
    assert found.value == pytest.approx(np.mean(np.array(p) < 0.05))
    assert found.extras == {"bins": 20, "different": int((np.array(p) < 0.05).sum()), "expected": pytest.approx(1.0)}
    assert ndb(real, fake, bins=20, alpha=0.001) == pytest.approx(np.mean(np.array(p) < 0.001))


def z_of(reals: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    tables = [np.array([[r, reals.sum() - r], [f, fakes.sum() - f]]) for r, f in zip(reals, fakes, strict=True)]
    return np.array([chi2_contingency(table, correction=False).statistic ** 0.5 for table in tables])


@pytest.mark.parametrize("alpha", [0.05, 0.3])
def test_the_interval_of_ndb_is_of_bins_that_differ_independently(alpha: float) -> None:
    real, fake = pair(kept=7)
    z, grid = z_of(*counts(real, fake, 20)), norm.ppf((np.arange(2000) + 0.5) / 2000)
    power = norm.sf(norm.isf(alpha / 2) - z[:, None] - grid) + norm.cdf(-norm.isf(alpha / 2) - z[:, None] - grid)
    variance, share = (power * (1 - power)).mean(1).sum() / 20**2, float((z > norm.isf(alpha / 2)).mean())
    pool, options = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake)), {"bins": 20, "alpha": alpha, "seed": 0}
    assert ndb.uncertainty.interval is not None
    found = ndb.uncertainty.interval.function(pool, 0.9, **options)
    observations = max(19, share * (1 - share) / variance)
    expected = clopper_pearson(share * observations, observations, 0.9)[0], wilson(share, observations, 1.644854)[1]
    assert found == pytest.approx(expected, abs=1e-3)
    assert found[0] < share < found[1]


def test_no_bin_that_differs_of_twenty_is_no_certainty() -> None:
    real = Rows.from_array(np.random.default_rng(0).normal(size=(200, 3)))
    assert ndb.uncertainty.interval is not None
    found = ndb.uncertainty.interval.function(TwoSamplePool(real, real), 0.95, bins=20, alpha=0.05, seed=0)
    assert found == pytest.approx((0, wilson(0.0, 19, 1.96)[1]), abs=1e-3), "0 of 20 bins, not of 200 samples"


def test_three_of_twelve_bins_that_differ_do_not_exclude_one_by_chance() -> None:
    """In the world `shrunken` of `benchmarks/calibration.py` .0975 differ on average, a quarter in one draw of ten."""
    counts = [10] * 12, [21, 21, 2, *[8] * 5, *[9] * 4]
    reals, fakes = (np.repeat(np.arange(12.0)[:, None], side, 0) for side in counts)
    pool = TwoSamplePool(Rows.from_array(reals), Rows.from_array(fakes))
    options = {"bins": 12, "alpha": 0.05, "seed": 0}
    assert ndb(reals, fakes, bins=12) == 3 / 12
    assert ndb.uncertainty.interval is not None
    assert ndb.uncertainty.interval.function(pool, 0.95, **options)[0] < 0.0975


@pytest.mark.parametrize("bins", [7, 30])  # 7 bins cut one of 8 modes in two
def test_the_variance_of_mode_js_is_of_counts_and_of_borders(bins: int) -> None:
    pool = TwoSamplePool(*(Rows.from_array(side) for side in pair(300, kept=6)))
    reals, fakes = bin_counts(pool.real, pool.fake, bins, 0)
    q, p = reals / 300, fakes / 300
    slopes = [np.log(np.where(side > 0, side, 1) / ((p + q) / 2)) / 2 * (side > 0) for side in (q, p)]
    first = sum((side @ slope**2 - (side @ slope) ** 2) / 300 for side, slope in zip((q, p), slopes, strict=True))
    second = (len(q) - 1) / 32 * (2 / 300) ** 2
    counting = max(first - second, second)
    halves = bin_counts_by_halves(pool, bins, 0)
    borders = np.var([jensenshannon(r / 300, f / 300) ** 2 for r, f in zip(*halves, strict=True)], ddof=1)
    found = mode_js.uncertainty.variance.spread(pool, bins=bins, seed=0)
    assert found.variance == pytest.approx(counting + borders)
    assert found.freedom < 11 * (counting / borders + 1) ** 2


def test_bins_by_halves_count_all_samples_in_different_bins() -> None:
    pool = TwoSamplePool(*(Rows.from_array(side) for side in pair(300)))
    reals, fakes = bin_counts_by_halves(pool, 30, 0)
    assert reals.shape == fakes.shape == (FITS, 30)
    assert (reals.sum(1) == 300).all()
    assert (fakes.sum(1) == 300).all()
    assert len({tuple(row) for row in reals.tolist()}) == FITS
    assert not np.array_equal(reals, bin_counts_by_halves(pool, 30, 1)[0])


def test_mode_js_is_in_nats_and_knows_its_floor() -> None:
    real, fake = pair(kept=6)
    reals, fakes = counts(real, fake, 20)
    found = mode_js.measure(real, fake, bins=20)
    assert found.value == pytest.approx(jensenshannon(reals / 400, fakes / 400) ** 2)
    assert found.extras == {"bins": 20, "null_floor": pytest.approx(19 / 8 * (2 / 400))}
    assert mode_js(real, real + 1e6, bins=8) <= log(2)


def test_the_floor_is_what_faithful_samples_score_where_modes_are_plain() -> None:
    values = [mode_js.measure(*pair(seed=seed), bins=8) for seed in range(60)]
    assert np.mean([one.value for one in values]) == pytest.approx(values[0].extras["null_floor"], rel=0.2)


def test_bins_are_at_most_one_per_ten_reals() -> None:
    real, fake = pair()
    assert ndb.measure(real, fake).extras["bins"] == 40
    assert ndb.measure(real[:55], fake).extras["bins"] == 5
    assert ndb.measure(real[:3], fake).extras["bins"] == 1


def test_bins_without_any_sample_do_not_differ() -> None:
    point = np.zeros((50, 3))
    assert ndb(point, point) == 0
    assert mode_js(point, point) == 0
    assert ndb(np.repeat(np.eye(3), 20, 0), np.eye(3)[:1].repeat(60, 0)) == 1


@BOTH
def test_lost_modes_raise_it(metric: Metric) -> None:
    values = [metric(*pair(kept=kept), bins=16) for kept in (8, 6, 3, 1)]
    assert values == sorted(values)
    assert values[-1] > 0.45


@BOTH
def test_options_move_the_number(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(1500, 3)), 0.8 * rng.normal(size=(1500, 3))
    assert metric(real, fake) == metric(real, fake)
    assert metric(real, fake) != metric(real, fake, bins=50)
    assert metric(real, fake) != metric(real, fake, seed=1)


@BOTH
def test_resplits_fit_the_bins_again(metric: Metric) -> None:
    real, fake = pair(200, kept=6)
    pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))
    splits = Splits.permutations(200, 200, 3, 0)
    options = metric.resolve({"bins": 12})
    found = metric.uncertainty.resample(pool, splits, **options)
    for b in range(3):
        sides = [pool.part((splits.side[b] == side).nonzero()[:, 0]) for side in (REAL, FAKE)]
        assert float(found[b]) == pytest.approx(metric(*sides, bins=12))


@BOTH
def test_the_null_is_that_of_fresh_faithful_draws(metric: Metric) -> None:
    """Where bins are few samples each, counting again in the same bins would not do: their own reals are more even."""
    values, nulls = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        pool = TwoSamplePool(*(Rows.from_array(rng.normal(size=(300, 12))) for _ in range(2)))
        values.append(metric(pool.real, pool.fake))
        nulls.append(metric.uncertainty.resample(pool, Splits.permutations(300, 300, 12, seed), **metric.resolve({})))
    spread = np.std(np.stack(nulls), axis=1).mean()
    assert abs(np.mean(values) - np.mean(nulls)) < 3 * spread / 12**0.5


@pytest.mark.parametrize("kept", [8, 5])
@BOTH
def test_the_standard_error_is_that_of_fresh_draws(metric: Metric, kept: int) -> None:
    options = metric.resolve({"bins": 16})
    values, errors = [], []
    for seed in range(60):
        pool = TwoSamplePool(*(Rows.from_array(side) for side in pair(300, kept, seed)))
        values.append(metric(pool.real, pool.fake, bins=16))
        if metric.uncertainty.interval is not None:
            low, high = metric.uncertainty.interval.function(pool, 0.95, **options)
            errors.append((high - low) / 3.92)
        else:
            errors.append((metric.uncertainty.variance(pool, **options) or 0.0) ** 0.5)
    assert 0.75 < np.mean(errors) / np.std(values) < 1.6


def test_wide_rows_are_compared_on_components_of_both_sides() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(200, 150)).astype(np.float32), rng.normal(size=(200, 150)).astype(np.float32)
    fake[:, 140] += 30  # a direction that no real uses
    assert ndb(real, fake, bins=5) == ndb(real, fake, bins=5)
    assert sum(len(side) for side in counts(real, fake, 5)) == 10
    assert torch.is_tensor(torch.from_numpy(counts(real, fake, 5)[0]))


def test_bad_input() -> None:
    real, fake = pair(30)
    for metric in (ndb, mode_js):
        with pytest.raises(UsageError, match="bins=0 is not possible"):
            metric(real, fake, bins=0)
        with pytest.raises(FeatureError, match="columns"):
            metric(real[:, :2], fake)
    for alpha in (0.0, 1.0):
        with pytest.raises(UsageError, match="between 0 and 1"):
            ndb(real, fake, alpha=alpha)
