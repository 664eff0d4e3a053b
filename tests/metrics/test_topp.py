"""TopP and TopR: the definition written out, the defect of the original, collapse, options, splits and intervals."""

import numpy as np
import pytest
import torch
from scipy import stats

from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, MeasureError, TooFewSamples, UsageError
from divmetrics.records.metric import METRICS

NAMES = ("topp", "topr")
TaskInputs = tuple[np.ndarray, np.ndarray]


def gaussians(n: int = 500, d: int = 8) -> TaskInputs:
    """The arrays that top-pr was run on, see `ORIGINAL`."""
    rng = np.random.RandomState(0)
    return rng.randn(n, d), rng.randn(n, d)


def distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(left[:, None] - right).sum(2))


def kernel(far: np.ndarray, bandwidth: float) -> np.ndarray:
    return np.where(far < bandwidth, np.cos(np.pi / 2 * np.minimum(far / bandwidth, 1)), 0)


def bandwidth(rows: np.ndarray, *, later_rows_only: bool) -> float:
    far, k = distances(rows, rows), 5 * rows.shape[1]
    if not later_rows_only:
        return float(np.median(np.sort(far, 1)[:, k]))
    return float(np.median([np.sort(far[i, i + 1 :])[k - 1] for i in range(len(rows) - k)]))


def by_definition(
    real: np.ndarray, fake: np.ndarray, seed: int, *, later_rows_only: bool = False
) -> tuple[float, float]:
    """Kim 2023, section 3, with bootstraps of its own."""
    rng = np.random.default_rng(seed)
    h = [bandwidth(side, later_rows_only=later_rows_only) for side in (real, fake)]
    inside = np.empty((2, len(real) + len(fake)), dtype=bool)
    for which, side in enumerate((real, fake)):
        own = kernel(distances(side, side), h[which])
        moved = [
            abs(own @ (rng.multinomial(len(side), np.full(len(side), 1 / len(side))) - 1)).max() for _ in range(10)
        ]
        at_all = kernel(distances(np.concatenate([real, fake]), side), h[which]).sum(1)
        inside[which] = at_all > np.quantile(moved, 0.9)
    of_real, of_fake = inside[:, : len(real)], inside[:, len(real) :]
    return of_fake.all(0).sum() / of_fake[1].sum(), of_real.all(0).sum() / of_real[0].sum()


def shifted() -> TaskInputs:
    real, fake = gaussians()
    return real, fake + 0.7


# top-pr 0.2.1: compute_top_pr(real_features=X, fake_features=Y, alpha=0.1, kernel="cosine", random_proj=True) on
# r = RandomState(0), X = r.randn(500, 8), Y = r.randn(500, 8), then r.randn(500, 8), r.randn(500, 8) + 1, and so on;
# mean and sd of (fidelity, diversity) over np.random.seed(0..3), for its bootstrap is not seeded.
ORIGINAL = {"alike": (0.966, 0.914, 0.027), "apart": (0.172, 0.171, 0.018), "shrunken": (1.0, 0.070, 0.007)}


def of_original(name: str) -> TaskInputs:
    rng = np.random.RandomState(0)
    for world, (size, shift) in {"alike": (1, 0), "apart": (1, 1), "shrunken": (0.5, 0)}.items():
        real, fake = rng.randn(500, 8), size * rng.randn(500, 8) + shift
        if world == name:
            return real, fake
    raise KeyError(name)


@pytest.mark.parametrize("name", ORIGINAL)
def test_the_original_is_the_definition_with_too_wide_a_bandwidth(name: str) -> None:
    sides = of_original(name)
    found = np.mean([by_definition(*sides, seed, later_rows_only=True) for seed in range(4)], 0)
    assert found == pytest.approx(ORIGINAL[name][:2], abs=2 * ORIGINAL[name][2])
    assert bandwidth(sides[0], later_rows_only=True) > 1.1 * bandwidth(sides[0], later_rows_only=False)


@pytest.mark.parametrize("name", ORIGINAL)
def test_the_definition(name: str) -> None:
    """On average over seeds, for the bootstraps are drawn otherwise; the bandwidths exactly."""
    sides = of_original(name)
    expected = np.mean([by_definition(*sides, seed) for seed in range(6)], 0)
    found = [[METRICS[name](*sides, seed=seed) for name in NAMES] for seed in range(6)]
    assert np.mean(found, 0) == pytest.approx(expected, abs=0.02 + 2 * np.std(found, 0).max() / np.sqrt(6))
    extras = METRICS["topp"].measure(*sides).extras
    assert extras["bandwidth_real"] == pytest.approx(bandwidth(sides[0], later_rows_only=False), rel=1e-9)
    assert extras["bandwidth_fake"] == pytest.approx(bandwidth(sides[1], later_rows_only=False), rel=1e-9)


def test_dropped_and_shrunken_modes_cost_recall_alone() -> None:
    rng = np.random.default_rng(0)
    centres = 20 * rng.normal(size=(10, 8))
    real, fake = (centres[rng.integers(0, modes, 600)] + rng.normal(size=(600, 8)) for modes in (10, 4))
    assert METRICS["topp"](real, fake) > 0.8
    assert METRICS["topr"](real, fake) < 0.5
    real, fake = gaussians()
    assert METRICS["topp"](3 * real, 0.3 * fake) == 1
    assert METRICS["topr"](3 * real, 0.3 * fake) < 0.1


def test_one_bad_fake_does_not_count() -> None:
    real, fake = gaussians(300)
    before = METRICS["topp"].measure(real, fake, repeats=200)
    fake[0] = 100
    after = METRICS["topp"].measure(real, fake, repeats=200)
    assert after.value == pytest.approx(before.value, abs=0.03)
    assert not after.fake["topp_inside"][0]


@pytest.mark.parametrize("name", NAMES)
def test_options_and_errors(name: str) -> None:
    sides, metric = shifted(), METRICS[name]
    assert metric(*sides, alpha=0.01, repeats=50) < metric(*sides, alpha=0.9, repeats=50)
    assert metric(*sides, repeats=3) != metric(*sides)
    assert metric(*sides, seed=1) != metric(*sides)
    wide = gaussians(200, 64)
    assert METRICS["topp"].measure(*wide, seed=0).extras != METRICS["topp"].measure(*wide, seed=1).extras
    for wrong in ({"alpha": 1.0}, {"repeats": 0}):
        with pytest.raises(UsageError, match=r"alpha=1|repeats=0"):
            metric(*sides, **wrong)
    with pytest.raises(TooFewSamples, match="at least 2 rows per side, fake has 1"):
        metric(sides[0], sides[1][:1])
    far = 100 * np.eye(12)  # every row alone: one drawn twice moves the density there by itself
    with pytest.raises(MeasureError, match="support of its own side"):
        metric(far, far)


def test_copies_have_the_value_of_their_originals() -> None:
    grid = tuple(np.repeat((1.5 * side[:, :3]).round(), 3, axis=1) for side in gaussians(200))  # 9 columns
    shuffled = tuple(np.random.default_rng(0).permutation(side) for side in grid)
    assert [METRICS[name](*grid) for name in NAMES] == [METRICS[name](*shuffled) for name in NAMES]
    assert METRICS["topr"](np.ones((40, 9)), np.ones((40, 9))) == 1


def pool_of(sides: TaskInputs) -> Pool:
    return TwoSamplePool(Rows.from_array(sides[0]), Rows.from_array(sides[1]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [8, 40])
def test_splits_from_one_pass_are_those_recomputed(name: str, d: int) -> None:
    metric, pool = METRICS[name], pool_of(gaussians(200, d))
    options = metric.resolve({})
    given = Splits(torch.tensor([[REAL] * pool.n + [FAKE] * pool.m], dtype=torch.uint8))
    assert metric.uncertainty.resample(pool, given, **options).item() == metric(pool.real, pool.fake)
    splits = Splits.of([Splits.halves(pool.n, pool.m, 4, 0), Splits.permutations(pool.n, pool.m, 4, 1)])
    anew = [metric(*(pool.part((side == which).nonzero()[:, 0]) for which in (REAL, FAKE))) for side in splits.side]
    # A sample whose density is the level may lie on either side of an interpolated one
    assert metric.uncertainty.resample(pool, splits, **options).numpy() == pytest.approx(anew, abs=0.011)


@pytest.mark.parametrize("name", NAMES)
def test_the_standard_error_is_near_the_spread_over_fresh_draws(name: str) -> None:
    metric, values, errors = METRICS[name], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pool = pool_of((rng.normal(size=(250, 8)), rng.normal(size=(250, 8)) + 0.3))
        values.append(metric(pool.real, pool.fake))
        if seed < 12:
            low, high = metric.uncertainty.interval.function(pool, 0.95, **metric.resolve({}))
            assert low < values[-1] <= high
            errors.append((high - low) / (2 * stats.t.ppf(0.975, 15)))
    assert 0.7 < np.mean(errors) / np.std(values, ddof=1) < 1.5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [1, 2, 7])
def test_few_columns_are_refused(name: str, d: int) -> None:
    """Two samples of one distribution scored .009 in one column."""
    rows = np.random.default_rng(0).normal(size=(2, 1000, d))
    with pytest.raises(FeatureError, match=f"features have {d} columns, and supports .* mean nothing below 8"):
        METRICS[name](*rows)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [8, 32, 100])
def test_equal_distributions_score_what_the_page_says(name: str, d: int) -> None:
    draws = [np.random.default_rng([seed, d]).normal(size=(2, 500, d)) for seed in range(6)]
    assert 0.8 < np.mean([METRICS[name](*draw) for draw in draws]) <= 1
