"""high_quality: the three-sigma rule in two dimensions, other shapes and widths, modes captured, variance."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import rel_entr

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, UsageError
from divmetrics.metrics.clusters._gaussian_modes import fit_gaussian_modes
from divmetrics.metrics.clusters.high_quality import FITS
from divmetrics.records.metric import METRICS

high_quality = METRICS["high_quality"]
LEVEL = 1 - np.exp(-4.5)


def middles(d: int, total: int = 6) -> np.ndarray:
    return 12 * np.linalg.qr(np.random.default_rng(3).normal(size=(max(d, total), max(d, total))))[0][:total, :d]


def modes(n: int, d: int, rng: np.random.Generator, kept: int = 6) -> np.ndarray:
    return middles(max(d, 6))[rng.integers(0, kept, n)][:, :d] + rng.normal(size=(n, d))


def grid(n: int, std: float, rng: np.random.Generator, kept: int = 25) -> np.ndarray:
    places = rng.integers(0, kept, n)
    return np.stack([places // 5, places % 5], 1) * 2.0 + std * rng.normal(size=(n, 2))


def test_in_two_dimensions_it_is_the_three_sigma_rule() -> None:
    rng = np.random.default_rng(0)
    real, fake = grid(5000, 0.05, rng), grid(5000, 0.05, rng)
    oracle = cdist(fake, np.stack(np.divmod(np.arange(25), 5), 1) * 2.0).min(1) <= 3 * 0.05
    found = high_quality.measure(real, fake)
    assert found.value == pytest.approx(LEVEL, abs=0.006)
    assert (found.fake["high_quality"].numpy() == oracle).mean() > 0.994
    assert found.extras["modes_captured"] == found.extras["modes_total"] == 25
    assert found.extras["real"] == pytest.approx(LEVEL, abs=0.006)
    assert found.extras["dof"] == pytest.approx(2, abs=0.15)
    assert found.extras["kl"] == pytest.approx(0.005, abs=0.005)
    assert high_quality(real, fake, sigmas=3.0) == pytest.approx(LEVEL, abs=0.006)


@pytest.mark.parametrize("d", [2, 16, 64, 200])
def test_healthy_sets_score_the_same_in_any_dimension(d: int) -> None:
    rng = np.random.default_rng(0)
    found = [high_quality(modes(1000, d, rng), modes(1000, d, rng), count=6) for _ in range(4)]
    if d > 2:
        assert np.mean(found) == pytest.approx(LEVEL, abs=0.006)


def test_modes_that_are_not_round_keep_their_share() -> None:
    rng = np.random.default_rng(0)
    shape = np.arange(1, 101) ** -0.7
    found = high_quality.measure(*(rng.normal(size=(800, 100)) * shape for _ in "ab"))
    assert found.extras["dof"] < 30
    assert found.value == pytest.approx(found.extras["real"], abs=0.02)
    assert found.value > 0.96


def test_junk_between_modes_and_off_the_modes_planes_counts() -> None:
    rng = np.random.default_rng(0)
    real, fake = modes(1000, 100, rng), modes(1000, 100, rng)
    fake[:300] += 3 * rng.normal(size=(300, 100))
    found = high_quality.measure(real, fake)
    assert found.value == pytest.approx(0.7 * LEVEL, abs=0.02)
    assert not found.fake["high_quality"][:300].any()
    assert found.extras["kl_with_outside"] > 0.5
    assert found.extras["kl"] < 0.02


def test_captured_modes_and_their_divergence() -> None:
    rng = np.random.default_rng(0)
    real, fake = grid(3000, 0.1, rng), grid(3000, 0.1, rng, kept=10)
    found = high_quality.measure(real, fake)
    assert found.extras["modes_captured"] == 10
    assert found.extras["modes_total"] == 25
    clusters = found.fake["cluster"][found.fake["high_quality"]].numpy()
    reals = high_quality.measure(real, real).fake["cluster"].numpy()
    p, q = (np.bincount(side, minlength=25) / len(side) for side in (clusters, reals))
    assert found.extras["kl"] == pytest.approx(rel_entr(p, q).sum())
    assert found.extras["kl"] > np.log(25 / 10) - 0.1
    far = high_quality.measure(real, fake + 100)
    assert far.value == 0
    assert far.extras["kl"] is None
    assert far.extras["modes_captured"] == 0


def test_options_move_the_number() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(1500, 3)), 1.3 * rng.normal(size=(1500, 3))
    default = high_quality(real, fake)
    others = [{"count": 1}, {"sigmas": 2.0}, {"seed": 1}]
    assert default not in [high_quality(real, fake, **options) for options in others]


def test_points_and_lone_reals_are_modes_of_radius_zero() -> None:
    point = np.zeros((30, 3))
    assert high_quality(point, point) == 1
    assert high_quality(point, point + 1) == 0
    real = np.concatenate([point, np.ones((1, 3))])
    assert high_quality.measure(real, real, count=2).extras["real"] == pytest.approx(30 / 31)


def test_real_samples_are_judged_by_the_mode_of_the_others() -> None:
    found = fit_gaussian_modes(Rows.from_array([[0.0], [2.0], [4.0], [9.0]]), torch.tensor([3, 3, 3, 7]))
    assert found.centres[:, 0].tolist() == [2, 9]
    assert found.variance.tolist() == [4, 4]  # of one sample: that of all modes together
    assert found.own.tolist() == [9 / 4, 0, 9 / 4, np.inf]  # 0 is 3 away from the mean of 2 and 4
    assert found.assign(torch.tensor([[1.0], [8.0]]))[1].tolist() == [1 / 4, 1 / 4]


def test_the_divergence_with_outside_counts_half_a_real_sample_there() -> None:
    real, fake = np.repeat([[0.0], [1.0]], [30, 10], axis=0), np.repeat([[0.0], [1.0], [5.0]], [20, 10, 10], axis=0)
    found = high_quality.measure(real, fake, count=2).extras
    outside = 0.5 / 41
    expected = rel_entr([0.5, 0.25, 0.25], [0.75 * (1 - outside), 0.25 * (1 - outside), outside]).sum()
    assert found["kl_with_outside"] == pytest.approx(expected)
    assert found["kl"] == pytest.approx(rel_entr([2 / 3, 1 / 3], [3 / 4, 1 / 4]).sum())


def test_the_variance_is_binomial_and_that_of_refitted_modes() -> None:
    rng = np.random.default_rng(4)
    pool = TwoSamplePool(Rows.from_array(modes(90, 6, rng)), Rows.from_array(1.3 * modes(120, 6, rng)))
    options = {"count": 6, "sigmas": None, "seed": 2}
    labels = high_quality.measure(pool.real, pool.real, **options).fake["cluster"]
    shares = []
    for b in range(FITS):
        half = torch.randperm(90, generator=torch.Generator().manual_seed(2 + b))[:45]
        other = fit_gaussian_modes(pool.real.take(half.sort().values), labels[half.sort().values])
        shares.append(float((other.assign(pool.fake.features)[1] <= other.squared_radius(None)).double().mean()))
    share = high_quality(pool.real, pool.fake, **options)
    middle, of_modes = np.mean(shares), np.var(shares, ddof=1)
    assert abs(middle - share) > 0.01, "the centres of half as many samples are less exact"
    of_modes *= (share * (1 - share) / (middle * (1 - middle))) ** 2
    expected = share * (1 - share) / 120 + of_modes
    assert of_modes > 0.1 * expected
    assert high_quality.uncertainty.variance(pool, **options) == pytest.approx(expected)


def test_where_all_are_inside_the_variance_is_not_that_of_a_certain_share() -> None:
    rng = np.random.default_rng(4)
    pool = TwoSamplePool(Rows.from_array(modes(90, 6, rng)), Rows.from_array(0.01 * modes(40, 6, rng)))
    options = {"count": 1, "sigmas": 9.0, "seed": 2}
    assert high_quality(pool.real, pool.fake, **options) == 1
    assert high_quality.uncertainty.variance(pool, **options) == pytest.approx(42 / 44 * 2 / 44 / 40)


def test_the_null_keeps_its_level() -> None:
    p = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        pool = TwoSamplePool(Rows.from_array(modes(300, 16, rng)), Rows.from_array(modes(300, 16, rng)))
        options = high_quality.resolve({"count": 6})
        permuted = np.asarray(
            high_quality.uncertainty.resample(pool, Splits.permutations(300, 300, 99, seed), **options)
        )
        p.append((1 + (permuted <= high_quality(pool.real, pool.fake, count=6)).sum()) / 100)
    assert (np.array(p) <= 0.1).sum() <= 12


@pytest.mark.parametrize("junk", [0.0, 0.3])
def test_the_standard_error_is_that_of_fresh_draws(junk: float) -> None:
    values, errors = [], []
    for seed in range(40):
        rng = np.random.default_rng([seed, 2])
        real, fake = modes(300, 16, rng), modes(300, 16, rng)
        fake[rng.random(300) < junk] *= 2
        pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))
        values.append(high_quality(real, fake, count=6))
        errors.append(high_quality.uncertainty.variance(pool, **high_quality.resolve({"count": 6})) ** 0.5)
    assert 0.75 < np.mean(errors) / np.std(values) < 1.4


def test_bad_input() -> None:
    rows = np.eye(4)
    with pytest.raises(UsageError, match="sigmas=0"):
        high_quality(rows, rows, sigmas=0)
    with pytest.raises(UsageError, match="0 clusters"):
        high_quality(rows, rows, count=0)
    with pytest.raises(FeatureError, match="columns"):
        high_quality(rows, rows[:, :2])
