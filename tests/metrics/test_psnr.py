"""Closest-pair PSNR: closed forms, brute force, copies, options, splits, interval and null, bad input."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.records.metric import METRICS

METRIC = METRICS["psnr"]
TaskInputs = tuple[np.ndarray, np.ndarray]


def digits(n: int = 150) -> TaskInputs:
    """Images `[n, 1, 8, 8]` in [0, 1]."""
    images = np.random.default_rng(0).permutation(load_digits().images)[:, None] / 16
    return images[:n], images[n : 2 * n]


def smooth(seed: int, n: int = 250, spread: float = 0.02) -> np.ndarray:
    """Images of 48 values that vary in 8 ways."""
    ways = np.random.default_rng(99).normal(size=(8, 48))
    return 0.5 + spread * np.random.default_rng(seed).normal(size=(n, 8)) @ ways


def brute_force(real: np.ndarray, fake: np.ndarray) -> dict[str, np.ndarray]:
    """PSNR of each fake to the nearest real and to the nearest other fake."""
    real, fake = (side.reshape(len(side), -1) for side in (real, fake))
    among = cdist(fake, fake, "sqeuclidean")
    np.fill_diagonal(among, np.inf)
    nearest = {"real": cdist(fake, real, "sqeuclidean").min(1), "fake": among.min(1)}
    return {side: -10 * np.log10(squared / fake.shape[1]) for side, squared in nearest.items()}


def pool_of(sides: TaskInputs) -> Pool:
    return TwoSamplePool(*(Rows.from_array(side) for side in sides))


def test_a_tenth_of_the_range_is_twenty_decibels() -> None:
    real = np.full((3, 3, 4, 4), 0.2)
    fake = np.stack([np.full((3, 4, 4), level) for level in (0.3, 0.6)])
    found = METRIC.measure(real, fake, to="real")
    assert found.fake["psnr_to_real"] == pytest.approx([20, -20 * np.log10(0.4)])
    assert found.fake["psnr_to_fake"] == pytest.approx([-20 * np.log10(0.3)] * 2)
    assert found.value == pytest.approx((20 - 20 * np.log10(0.4)) / 2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_brute_force_on_digits(dtype: type) -> None:
    real, fake = (side.astype(dtype) for side in digits())
    expected = brute_force(*digits())
    found = METRIC.measure(real, fake)
    assert found.value == pytest.approx(np.median(np.maximum(expected["real"], expected["fake"])), rel=1e-6)
    for side, values in expected.items():
        assert found.fake[f"psnr_to_{side}"] == pytest.approx(values, rel=1e-6)
        assert METRIC(real, fake, to=side) == pytest.approx(np.median(values), rel=1e-6)
        assert found.extras[f"to_{side}"] == pytest.approx(np.median(values), rel=1e-6)
        assert found.extras[f"closest_to_{side}"] == pytest.approx(values.max(), rel=1e-6)
        assert found.extras[f"copies_of_{side}"] == 0


def test_copies_are_at_a_hundred_decibels_and_counted() -> None:
    real, fake = digits()
    fake = np.concatenate([real[:100], fake[:20], fake[:20], fake[40:50]])
    found = METRIC.measure(real, fake)
    assert found.value == 100
    assert (found.extras["copies_of_real"], found.extras["copies_of_fake"]) == (100, 40)
    assert found.extras["closest_to_real"] == 100
    assert (found.fake["psnr_to_real"] == 100).sum() == 100
    assert (found.fake["psnr_to_fake"] == 100).sum() == 40


def test_options_move_the_value() -> None:
    assert len({METRIC(*digits(), to=to) for to in ("any", "real", "fake")}) == 3
    with pytest.raises(UsageError, match="one of any, real, fake"):
        METRIC(*digits(), to="nearest")


def test_collapse_and_memorising_are_seen() -> None:
    real, fake = smooth(0), smooth(1)
    alike, collapsed, memorised = (
        METRIC.measure(real, side) for side in (fake, smooth(1, spread=0.005), real + 0.002 * (fake - 0.5))
    )
    assert collapsed.value > alike.value + 8
    assert memorised.value > alike.value + 8
    assert collapsed.extras["to_fake"] > alike.extras["to_fake"] + 8
    assert memorised.extras["to_fake"] == pytest.approx(alike.extras["to_fake"], abs=0.5)


@pytest.mark.parametrize("to", ["any", "real", "fake"])
def test_splits_are_measured_as_their_samples(to: str) -> None:
    real, fake = digits(80)
    fake[:5] = real[:5]
    fake[5:10] = fake[10:15]
    pool = pool_of((real, fake[:60]))
    splits = Splits.of([Splits.halves(80, 60, 5, 0), Splits.permutations(80, 60, 5, 1)])
    found = METRIC.uncertainty.resample(pool, splits, to=to)
    whole = torch.cat([pool.real.features, pool.fake.features])
    expected = [METRIC(whole[splits.side[b] == REAL], whole[splits.side[b] == FAKE], to=to) for b in range(len(splits))]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["alike", "shift", "shrunken"])
@pytest.mark.parametrize("to", ["any", "real"])
def test_interval_over_fresh_draws(to: str, kind: str) -> None:
    values, variances = [], []
    for seed in range(100, 220):
        real, fake = smooth(seed), smooth(1000 + seed, spread=0.014 if kind == "shrunken" else 0.02)
        sides = real, fake + (0.02 if kind == "shift" else 0)
        values.append(METRIC(*sides, to=to))
        variances.append(METRIC.uncertainty.variance(pool_of(sides), to=to))
    assert 0.82 < np.sqrt(np.mean(variances)) / np.std(values, ddof=1) < 1.3


@pytest.mark.parametrize(("to", "among"), [("any", (REAL, FAKE)), ("fake", (FAKE,)), ("real", (REAL,))])
def test_the_variance_is_that_of_deletions_of_one_and_of_two(to: str, among: tuple[int, ...]) -> None:
    n, m = 9, 11
    real, fake = smooth(3, n), smooth(4, m)
    rows, side = np.concatenate([real, fake]), np.array([REAL] * n + [FAKE] * m)
    squared = cdist(rows, rows, "sqeuclidean")
    np.fill_diagonal(squared, np.inf)

    def farther(*deleted: int) -> int:
        kept = ~np.isin(np.arange(n + m), deleted)
        nearest = squared[:, kept & np.isin(side, among)].min(1)
        return int(((nearest >= median) & kept & (side == FAKE)).sum())

    nearest = squared[n:, np.isin(side, among)].min(1)
    median, reach = np.median(nearest), m ** (-1 / 3) / 2
    one = np.array([farther(i) - farther() for i in range(n + m)])
    first = sum(np.var(part) * len(part) for part in (one[:n], one[n:]))
    pairs = [(i, j) for i in range(n + m) for j in range(i)]
    second = sum((farther(i, j) - farther() - one[i] - one[j]) ** 2 for i, j in pairs)
    low, high = np.quantile(nearest, [0.5 - reach, 0.5 + reach])
    density = 2 * reach / np.log10(high / low)
    expected = 100 * max(first - second / 2, first / 4) / (m * density) ** 2
    assert METRIC.uncertainty.variance(pool_of((real, fake)), to=to) == pytest.approx(expected, rel=1e-4)


def test_null_p_values_are_level() -> None:
    reached = []
    for seed in range(60):
        pool = pool_of((smooth(seed, 60), smooth(1000 + seed, 60)))
        permuted = METRIC.uncertainty.resample(pool, Splits.permutations(60, 60, 49, seed), to="any")
        value = METRIC(pool.real, pool.fake)
        reached.append((1 + int((permuted >= value).sum())) / 50)
    assert 3 <= sum(p <= 0.2 for p in reached) <= 22  # 12 of 60; beyond 3 sd
    assert 0.38 < np.mean(reached) < 0.63


def test_where_all_are_copies_there_is_no_variance() -> None:
    real, _ = digits(40)
    assert METRIC.uncertainty.variance(pool_of((real, real)), to="any") is None
    assert METRIC.uncertainty.variance(pool_of((real, real[:5])), to="any") is None


def test_bad_input_is_one_sentence() -> None:
    real, fake = digits()
    with pytest.raises(FeatureError, match="from 0 to 255; scale them"):
        METRIC(real, 255 * fake)
    with pytest.raises(FeatureError, match="64 columns on one side and 32"):
        METRIC(real, fake[:, :, :4])
    with pytest.raises(TooFewSamples, match="at least 2 fake images"):
        METRIC(real, fake[:1])
