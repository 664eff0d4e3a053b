"""Variances and intervals of the Frechet family, number by number: the formulas written out, not only within bounds."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import norm

from divmetrics.arrays.skewness import skewed_ends
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Labelled, Rows
from divmetrics.metrics.moments import _frechet as frechet
from divmetrics.records.metric import METRICS

fid, infinity, intra, mifid = (METRICS[name] for name in ("fid", "fid_infinity", "intra_fid", "mifid"))
Influence = tuple[np.ndarray, np.ndarray]


def pool_of(n: int, m: int, d: int, scale: float = 1.0, shift: float = 0.0, seed: int = 0) -> TwoSamplePool:
    rng = np.random.RandomState(seed)
    axes = 1 + np.arange(d) / d
    return TwoSamplePool(
        Rows.from_array(rng.randn(n, d) * axes), Rows.from_array(scale * rng.randn(m, d) * axes + shift)
    )


def arrays(pool: TwoSamplePool) -> tuple[np.ndarray, np.ndarray]:
    return pool.real.features.numpy(), pool.fake.features.numpy()


def by_rank(rows: np.ndarray) -> np.ndarray:
    """Places in the order of the distance from the mean, in which random draws are made."""
    return np.argsort(np.square(rows - rows.mean(0)).sum(1), kind="stable")


def influence_of(real: np.ndarray, fake: np.ndarray) -> Influence:
    """The formula of `_frechet.influence` with matrix square roots."""
    covariances = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    root = np.real(sqrtm(covariances[0]))
    inverse = np.linalg.inv(root)
    transport = inverse @ np.real(sqrtm(root @ covariances[1] @ root)) @ inverse
    gap, identity = real.mean(0) - fake.mean(0), np.eye(real.shape[1])
    x, y = real - real.mean(0), fake - fake.mean(0)
    at_real = 2 * x @ gap + np.einsum("ni,ij,nj->n", x, identity - transport, x)
    at_fake = -2 * y @ gap + np.einsum("ni,ij,nj->n", y, identity - np.linalg.inv(transport), y)
    return at_real - at_real.mean(), at_fake - at_fake.mean()


def first_order(values: Influence) -> float:
    return sum(np.square(side).sum() / (len(side) - 1) / len(side) for side in values)


def second_order(real: np.ndarray, fake: np.ndarray) -> float:
    """Chi squares of the mean's error, of the covariance's own axes and of pairs of axes."""
    spectrum = np.linalg.eigvalsh((np.cov(real, rowvar=False) + np.cov(fake, rowvar=False)) / 2)
    pairs = sum(
        2 * (spectrum[i] * spectrum[j] / (spectrum[i] + spectrum[j])) ** 2
        for i in range(len(spectrum))
        for j in range(i)
    )
    return (1 / len(real) + 1 / len(fake)) ** 2 * (2.5 * np.square(spectrum).sum() + pairs)


def variance_of(real: np.ndarray, fake: np.ndarray) -> float:
    second = second_order(real, fake)
    return max(second, first_order(influence_of(real, fake)) - second)


FAR, NULL = {"scale": 0.6, "shift": 0.5}, {"scale": 1.0, "shift": 0.0}


@pytest.mark.parametrize("world", [FAR, NULL], ids=["far", "null"])
def test_influence_by_its_formula(world: dict[str, float]) -> None:
    pool = pool_of(60, 45, 4, **world)
    for found, expected in zip(frechet.influence(pool.real, pool.fake), influence_of(*arrays(pool)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_variance_off_the_null_is_the_first_order_less_the_second() -> None:
    pool = pool_of(60, 45, 4, **FAR)
    real, fake = arrays(pool)
    first, second = first_order(influence_of(real, fake)), second_order(real, fake)
    assert first - second > 2 * second  # the lower bound does not decide here
    assert frechet.variance(pool.real, pool.fake) == pytest.approx(first - second, rel=1e-8)
    assert fid.uncertainty.variance(pool) == pytest.approx(first - second, rel=1e-8)


def test_shape_of_the_distance_follows_the_influence_of_each_sample() -> None:
    pool = pool_of(60, 45, 4, **FAR)
    (at_real, at_fake), found = influence_of(*arrays(pool)), frechet.spread(pool.real, pool.fake)
    first = first_order((at_real, at_fake))
    third = (at_real**3).mean() / 60**2 + (at_fake**3).mean() / 45**2
    linear = 1 - second_order(*arrays(pool)) / found.variance
    assert found.skewness == pytest.approx(linear * third / first**1.5, rel=0.05)  # variances with n here, n - 1 there
    assert found.largest == pytest.approx(max((at_real**2).max() / 60**2, (at_fake**2).max() / 45**2) / first, rel=0.05)


def test_curvature_of_the_distance_is_that_of_its_root_where_only_a_mean_moves() -> None:
    """(m + e)² is 2 m e + e²; 1 d, equal variances, far apart: error / (4 value)."""
    rng = np.random.default_rng(0)
    pool = TwoSamplePool(*(Rows.from_array(rng.normal(gap, 1, (4000, 1))) for gap in (0.0, 3.0)))
    found = frechet.spread(pool.real, pool.fake)
    assert found.curvature == pytest.approx(found.variance**0.5 / 4 / 9, rel=0.05)
    same = frechet.spread(pool.real, Rows.from_array(pool.real.features.numpy()[::-1].copy()))
    assert (same.skewness, same.curvature) == (0.0, 0.0), "at 0 there is no direction in which it is curved"


def test_mean_and_variance_of_the_distance_of_two_samples_of_one_gaussian() -> None:
    """White in d dimensions: d (d + 5) / 4 (1/n + 1/m), and (2 d + d / 4 + d² / 4) (1/n + 1/m)²."""
    mean, variance = frechet.null_moments(torch.eye(6, dtype=torch.float64), 500, 250)
    assert mean == pytest.approx(6 * 11 / 4 * (1 / 500 + 1 / 250))
    assert variance == pytest.approx((12 + 6 / 4 + 9) * (1 / 500 + 1 / 250) ** 2)


def test_variance_on_the_null_is_at_least_the_second_order() -> None:
    pools = [pool_of(60, 45, 4, **NULL, seed=seed) for seed in range(6)]
    found = [frechet.variance(pool.real, pool.fake) for pool in pools]
    assert found == pytest.approx([variance_of(*arrays(pool)) for pool in pools], rel=1e-8)
    bounds = [second_order(*arrays(pool)) for pool in pools]
    assert any(value == pytest.approx(bound, rel=1e-8) for value, bound in zip(found, bounds, strict=True))


def test_influence_needs_one_and_a_half_samples_a_column_and_two_more() -> None:
    assert frechet.influence(*vars(pool_of(8, 8, 4)).values()) is not None
    assert frechet.influence(*vars(pool_of(7, 20, 4)).values()) is None
    assert frechet.influence(*vars(pool_of(20, 7, 4)).values()) is None


@pytest.mark.parametrize(
    ("m", "points", "shuffles", "sides"), [(40, 5, 2, "fake"), (40, 4, 1, "both"), (10_400, 3, 1, "fake")]
)
def test_the_line_of_fid_infinity_and_its_noise(m: int, points: int, shuffles: int, sides: str) -> None:
    """Sizes from min(5000, m/2); one line through the full size; noise by how far the subsets lie from it."""
    pool = pool_of(50, m, 2, **FAR)
    real, fake = arrays(pool)
    first = min(5000, m // 2)
    sizes = [round(size) for size in np.linspace(first, m, points)][:-1] * shuffles
    rng = torch.Generator().manual_seed(3)
    of_fake = [by_rank(fake)[torch.randperm(m, generator=rng)[:size].numpy()] for size in sizes]
    of_real = [
        by_rank(real)[torch.randperm(50, generator=rng)[: max(2, round(50 * size / m))].numpy()] for size in sizes
    ]
    full = fid(real, fake)
    rises = np.array(
        [
            fid(real[mine] if sides == "both" else real, fake[theirs]) - full
            for mine, theirs in zip(of_real, of_fake, strict=True)
        ]
    )
    runs = 1 / np.array(sizes) - 1 / m
    slope = rises.sum() / runs.sum()
    spread = (np.square(rises - slope * runs) / runs).sum() / (len(sizes) - 1)
    noise = spread / runs.sum() / m**2
    options = {"points": points, "shuffles": shuffles, "sides": sides, "seed": 3}
    found = infinity.measure(pool.real, pool.fake, **options)
    assert found.value == pytest.approx(full - slope / m, rel=1e-8)
    assert found.extras == pytest.approx({"fid": full, "slope": slope, "noise": noise**0.5}, rel=1e-6)
    if m == 40:
        variance = infinity.uncertainty.variance(pool, **options)
        assert variance == pytest.approx(variance_of(real, fake) + noise, rel=1e-6)


def test_wide_splits_take_three_subsets_of_the_size_that_stands_for_all() -> None:
    module = import_module("divmetrics.metrics.moments.fid_infinity")
    sizes = np.array(module._sizes(400, 15))
    one = module._one_size(400, 15)
    slopes = []
    for points in (sizes, np.array([one])):  # FID = a + b/n + c/n², whose slope through the full size is b + c x
        runs, values = 1 / points - 1 / 400, 3 / points + 700 / points**2
        slopes.append((values - 3 / 400 - 700 / 400**2).sum() / runs.sum())
    assert slopes[1] == pytest.approx(slopes[0], rel=0.01)  # the size is a whole number
    pool = pool_of(90, 80, 66)
    real, fake = arrays(pool)
    identity = Splits(torch.tensor([[REAL] * 90 + [FAKE] * 80], dtype=torch.uint8))
    rng, size = torch.Generator().manual_seed(5), module._one_size(80, 15)
    full = fid(real, fake)
    drawn = [by_rank(fake)[torch.randperm(80, generator=rng)[:size].numpy()] for _ in range(3)]
    rises = sum(fid(real, fake[places]) - full for places in drawn)
    slope = rises / (3 * (1 / size - 1 / 80))
    found = infinity.uncertainty.resample(pool, identity, **infinity.resolve({"seed": 5}))
    assert found.item() == pytest.approx(full - slope / 80, rel=1e-6)


def test_variance_of_intra_fid_is_that_of_a_mean_of_independent_classes() -> None:
    parts = [pool_of(40, 30, 3, **FAR, seed=seed) for seed in range(3)]
    sides = []
    for which in (0, 1):
        rows = [arrays(part)[which] + 10 * number for number, part in enumerate(parts)]
        labels = np.repeat(np.arange(3), [len(part) for part in rows])
        sides.append(Labelled.from_array((np.concatenate(rows), labels)))
    expected = sum(variance_of(*arrays(part)) for part in parts) / 9
    found = intra.uncertainty.variance(TwoSamplePool(*sides), **intra.resolve({}))
    assert found == pytest.approx(expected, rel=1e-8)


def cosine_distances(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (real, fake))
    return (1 - np.abs(y @ x.T)).min(1)


@pytest.mark.parametrize("regime", ["below", "above", "between"])
@pytest.mark.parametrize("level", [0.95, 0.6])
def test_interval_of_mifid_by_its_formula(regime: str, level: float) -> None:
    pool = pool_of(60, 45, 3, **FAR)
    real, fake = arrays(pool)
    distances, value, variance = cosine_distances(real, fake), fid(real, fake), variance_of(real, fake)
    mean = distances.mean()
    error = 1.2 * distances.std(ddof=1) / 45**0.5
    tau = {"below": mean + 10 * error, "above": mean - 10 * error, "between": mean + 0.3 * error}[regime]
    reach, shape = norm.ppf((1 + level) / 2), frechet.spread(pool.real, pool.fake)
    assert shape.variance == pytest.approx(variance)
    plain = np.array(skewed_ends(value, shape, level))
    at_real, at_fake = influence_of(real, fake)
    of_ratio = first_order((at_real / mean, at_fake / mean - value / mean**2 * (distances - mean)))
    second = variance - first_order((at_real, at_fake))
    ratio = np.array(skewed_ends(value / mean, replace(shape, variance=of_ratio + second / mean**2), level))
    below = norm.cdf((tau - mean) / error + reach * np.array([-1, 1]))
    expected = {"below": ratio, "above": plain, "between": plain + below * (ratio - plain)}[regime]
    found = mifid.uncertainty.interval.function(pool, level, tau=tau)
    shown = value / mean if mean < tau else value
    assert found == pytest.approx((max(0.0, min(expected[0], shown)), max(expected[1], shown)), rel=1e-6)


def test_an_interval_of_mifid_holds_its_value_and_no_negative_number() -> None:
    pool = pool_of(60, 45, 3, **NULL)
    value, mean = mifid(pool.real, pool.fake, tau=1.0), cosine_distances(*arrays(pool)).mean()
    low, high = mifid.uncertainty.interval.function(pool, 0.2, tau=mean + 1e-9)
    assert high == value > low  # on average less is expected, for half of the draws are not divided
    assert mifid.uncertainty.interval.function(pool, 0.9999999, tau=0.0)[0] == 0


def test_round_off_of_fid_is_not_raised_by_a_distance_of_nothing() -> None:
    """Copies in another order: FID is round-off of either sign, which would be any number once over 1e-14."""
    real = arrays(pool_of(60, 45, 3))[0]
    assert mifid(real, real[::-1].copy()) == 0
    assert mifid(real, np.concatenate([real, real])) > 0  # a covariance with another ddof is no round-off


@pytest.mark.parametrize(("name", "least"), [("fid", 2), ("fid_infinity", 4), ("mifid", 2), ("intra_fid", 6)])
def test_the_plan_knows_how_many_samples_are_needed(name: str, least: int) -> None:
    assert METRICS[name].minimum({"min_count": 6}) == least
