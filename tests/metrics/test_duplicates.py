"""duplicate_fraction and birthday_support: brute force over all pairs, atoms, groups, copies, uncertainty."""

from itertools import combinations
from math import inf

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist, pdist
from scipy.special import digamma
from scipy.stats import chi2, poisson

from divmetrics.arrays.pairs import UniqueRows
from divmetrics.arrays.share_intervals import wilson
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.metrics.copies._close_pairs import close_pairs
from divmetrics.metrics.copies._near_duplicates import NearDuplicates, near_duplicates
from divmetrics.metrics.copies._numbers_of_pairs import ARRIVALS, SHUFFLED_NORMALS, least_expected, relative_sd
from divmetrics.metrics.copies.birthday_support import _mean_inverse, _rate
from divmetrics.metrics.copies.duplicate_fraction import _variance
from divmetrics.records.metric import METRICS, Metric

duplicates, birthday = METRICS["duplicate_fraction"], METRICS["birthday_support"]
BOTH = pytest.mark.parametrize("metric", [duplicates, birthday], ids=lambda metric: metric.name)


def gaussians(n: int = 300, d: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d))


def atoms(count: int, n: int, d: int, rng: np.random.Generator, blur: float = 0.0) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(count, d))[rng.integers(0, count, n)] + blur * rng.normal(size=(n, d))


WORLDS = {
    "faithful": (gaussians()[0], 0.9 * gaussians()[1]),
    "tight": (gaussians()[0], 0.1 * gaussians()[1]),
    "copied atoms": (gaussians()[0], atoms(150, 250, 4, np.random.default_rng(0))),
    "one point": (gaussians()[0], np.ones((40, 4))),
    "reals repeat": (np.repeat(gaussians()[0][:150], 2, 0), np.repeat(gaussians()[1][:100], 3, 0)),
    "wide": (gaussians(1300, 160)[0].astype(np.float32), atoms(900, 1200, 160, np.random.default_rng(0), 1e-3)),
    "wide and far": ((gaussians(200, 160)[0] + 50), 50 + 1e-3 * gaussians(200, 160)[1]),
}


@pytest.mark.parametrize("threshold", [None, 0.7])
@pytest.mark.parametrize("world", WORLDS)
def test_brute_force_over_all_pairs(world: str, threshold: float | None) -> None:
    real, fake = (side.astype(float) for side in WORLDS[world])
    distance = cdist(fake, fake)
    limit = pdist(np.unique(real, axis=0)).min() if threshold is None else threshold
    close = (distance <= limit * (1 + 1e-12)) & ~np.eye(len(fake), dtype=bool)
    found = duplicates.measure(*WORLDS[world], threshold=threshold)
    assert found.value == pytest.approx(close.any(1).mean())
    assert found.extras["threshold"] == pytest.approx(limit)
    assert found.extras["exact"] == pytest.approx(((distance == 0).sum(1) > 1).mean())
    labels = connected_components(close)[1]
    sizes = np.bincount(labels)
    assert found.extras["groups"] == (sizes > 1).sum()
    assert found.extras["largest"] == (sizes.max() if sizes.max() > 1 else 0)
    groups = found.fake["duplicate_group"]
    assert [group is not None for group in groups] == close.any(1).tolist()
    pairs = {(group, label) for group, label in zip(groups, labels, strict=True) if group is not None}
    assert len(pairs) == found.extras["groups"]
    assert sorted({group for group, _ in pairs}) == list(range(found.extras["groups"]))
    n, count = len(fake), close.sum() // 2
    assert birthday(*WORLDS[world], threshold=threshold) == pytest.approx(n * (n - 1) / 2 / count if count else inf)


@pytest.mark.parametrize("metric", [duplicates, birthday], ids=lambda metric: metric.name)
def test_the_declared_scaling_holds_where_there_are_duplicates(metric: Metric) -> None:
    """The law tests use a healthy sample, which has none: there 0 is 0 at any power of the factor."""
    real, fake = WORLDS["copied atoms"]
    value = metric(real, fake)
    assert 0 < value < inf
    assert metric(3 * real, 3 * fake) == pytest.approx(value * 3**metric.laws.scaling)


def test_ends_of_the_support_are_pairs_over_rates_of_close_pairs() -> None:
    """All m (m - 1) / 2 pairs of the fake samples, divided by the rates at both ends of the mixed Poisson law."""
    pool = TwoSamplePool(*(Rows.from_array(side) for side in WORLDS["copied atoms"]))
    low, high = birthday.uncertainty.interval.function(pool, 0.9, threshold=None)
    near, m = near_duplicates(pool.real, pool.fake, None), pool.m
    shape = ARRIVALS**near.growth * np.exp(relative_sd(near, m) * SHUFFLED_NORMALS)
    rates = [_rate(near.pairs, shape, 0.05, more=more) for more in (False, True)]
    wanted = sorted(len(list(combinations(range(m), 2))) * _mean_inverse(rate * shape) for rate in rates)
    assert [low, high] == pytest.approx(wanted, rel=1e-12)


def test_the_limit_is_the_quantile_of_the_nearest_neighbours_of_the_reals() -> None:
    real, fake = gaussians()
    distances = cdist(real, real)
    np.fill_diagonal(distances, inf)
    assert near_duplicates(Rows.from_array(real), Rows.from_array(fake), None).threshold == pytest.approx(
        np.quantile(distances.min(1), 1 / len(real))
    )


def test_the_number_of_atoms_is_found() -> None:
    real, _ = gaussians(600, 16)
    for count in (50, 2000):
        values = [birthday(real, atoms(count, 600, 16, np.random.default_rng(seed))) for seed in range(20)]
        assert np.mean(values) == pytest.approx(count, rel=0.1)


def test_no_pair_is_no_number_but_a_bound() -> None:
    real = np.arange(10.0)[:, None] * [1, 1]
    found = birthday.measure(real, 5 * real)
    assert found.value == inf
    assert found.extras == {
        "pairs": 0,
        "threshold": pytest.approx(2**0.5),
        "at_least": pytest.approx(45 / 2.9957, rel=1e-4),
    }
    assert duplicates(real, 5 * real) == 0
    assert birthday(real, np.zeros((10, 2))) == 1


COPIES = {
    "one real twice": lambda real: np.concatenate([real[:1], real[:-1]]),
    "one real nearly twice": lambda real: np.concatenate([real[:1] + 1e-7, real[:-1]]),
    "a tenth twice": lambda real: np.concatenate([real[:40], real[:-40]]),
    "a tenth nearly twice": lambda real: np.concatenate([real[:40] * (1 + 1e-5), real[:-40]]),
    "some four times": lambda real: np.concatenate([real[:20]] * 3 + [real[:-60]]),
    "every one nearly twice": lambda real: np.concatenate([real[:200] * (1 + 1e-6), real[:200]]),
}
"""Real sets with copies, which a threshold at the closest pair of reals would fall to."""


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("d", [2, 8, 160])
def test_copies_among_the_reals_do_not_hide_those_among_the_fakes(kind: str, d: int) -> None:
    real, _ = gaussians(400, d)
    rng = np.random.default_rng(1)
    fake = rng.normal(size=(20, d))[rng.integers(0, 20, 400)] + 1e-7 * rng.normal(size=(400, d))
    with_copies = COPIES[kind](real)
    assert duplicates(with_copies, fake) == 1
    assert birthday(with_copies, fake) == pytest.approx(20, rel=0.15)
    assert duplicates(with_copies, rng.normal(size=(400, d))) < 0.05
    pool = TwoSamplePool(Rows.from_array(with_copies), Rows.from_array(rng.normal(size=(400, d))))
    found = duplicates.uncertainty.resample(pool, Splits.permutations(400, 400, 5, 0), threshold=None)
    assert not found.isnan().any()
    assert found[0] < 0.3  # as many as the copies that are among the fakes now


def test_no_pair_of_an_ordinary_set_is_called_a_copy() -> None:
    """Not in few or many columns, nor in a mode a hundred times tighter than the rest."""
    rng = np.random.default_rng(0)
    tight = np.concatenate([rng.normal(size=(380, 8)), 3 + 0.01 * rng.normal(size=(20, 8))])
    for rows in (rng.random((400, 1)), *(gaussians(400, d)[0] for d in (2, 8, 64, 300)), tight):
        points = UniqueRows.of(torch.from_numpy(rows))
        assert close_pairs(points, 50).copies.sum() == 0


def test_reals_that_are_all_equal_leave_exact_copies() -> None:
    assert duplicates.measure(np.ones((9, 2)), gaussians(20, 2)[1]).extras["threshold"] == 0
    assert duplicates(np.ones((9, 2)), np.repeat(gaussians(5, 2)[1], 2, 0)) == 1


@BOTH
def test_threshold_moves_the_number(metric: Metric) -> None:
    values = [metric(*gaussians(), threshold=threshold) for threshold in (0.3, 0.5, 0.8)]
    assert len({*values, metric(*gaussians())}) == 4
    assert values == sorted(values, reverse=metric.better == "higher")


@pytest.mark.parametrize("world", ["faithful", "copied atoms", "reals repeat"])
@BOTH
def test_resampling_knows_its_sides(metric: Metric, world: str) -> None:
    pool = TwoSamplePool(*(Rows.from_array(side) for side in WORLDS[world]))
    splits = Splits.permutations(pool.n, pool.m, 8, 0)
    for threshold in (None, 0.05):
        found = metric.uncertainty.resample(pool, splits, threshold=threshold)
        for b in range(8):
            sides = [pool.part((splits.side[b] == side).nonzero()[:, 0]) for side in (REAL, FAKE)]
            assert float(found[b]) == pytest.approx(metric(*sides, threshold=threshold))


def test_faithful_samples_are_at_the_null() -> None:
    """One pair of the fakes on average, as of the reals; p is uniform where it can be."""
    p = []
    for seed in range(50):
        pool = TwoSamplePool(*(Rows.from_array(side) for side in gaussians(150, 6, seed)))
        value = duplicates(pool.real, pool.fake)
        permuted = duplicates.uncertainty.resample(
            pool, Splits.permutations(150, 150, 99, seed), threshold=None
        ).numpy()
        p.append((1 + (permuted >= value).sum()) / 100)
    assert (np.array(p) <= 0.1).sum() <= 12


@pytest.mark.parametrize("threshold", [None, 0.08])
@pytest.mark.parametrize("spread", [1.0, 0.5])
def test_the_variance_of_the_share_by_hand(spread: float, threshold: float | None) -> None:
    real, fake = gaussians(300, 4)
    fake = spread * fake
    fake[:40] = fake[100] + 0.005 * fake[:40]  # one large group
    distance = cdist(fake, fake)
    np.fill_diagonal(distance, inf)
    reals = np.sort(pdist(real))
    near = distance <= (reals[0] if threshold is None else threshold)
    share = near.any(1).sum()
    loss = [share - np.delete(np.delete(near, i, 0), i, 1).any(1).sum() for i in range(300)]
    sizes = np.bincount(connected_components(near)[1])
    grouped = (sizes[sizes > 1] ** 2).sum()
    counting = min(np.var(loss, ddof=1) * 300, grouped - grouped**2 / (sizes**2).sum())
    slope = ((distance <= reals[4]).any(1).sum() - share) / 4 if threshold is None else 0
    variance = (max(counting, 4) + slope**2) / 300**2
    found = near_duplicates(Rows.from_array(real), Rows.from_array(fake), threshold)
    assert _variance(found, 300) == pytest.approx(variance)
    pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))
    share = share / 300
    low, high = wilson(share, share * (1 - share) / variance, 1.644854)
    low = min(low, share * least_expected(found, 300, 0.05) / found.pairs)
    assert duplicates.uncertainty.interval.function(pool, 0.9, threshold=threshold) == pytest.approx((low, high))


def test_the_least_number_of_pairs_is_that_of_a_geometric_number() -> None:
    """Poisson at each threshold, which is exponential: 5 pairs or more have the probability (r / (1 + r))^5."""
    degree = torch.zeros(4000, dtype=torch.int64)
    degree[:10] = 1
    grows, fixed = (NearDuplicates(0.1, degree, None, degree, degree, degree, growth) for growth in (1.0, 0.0))
    spread = relative_sd(grows, 4000)
    assert spread < 0.02
    expected = 0.025**0.2 / (1 - 0.025**0.2)
    assert least_expected(grows, 4000, 0.025) == pytest.approx(expected, rel=0.01)
    assert least_expected(fixed, 4000, 0.025) == pytest.approx(chi2.ppf(0.025, 10) / 2, rel=0.01)


def test_the_interval_of_the_share_seldom_begins_above_the_truth() -> None:
    """Wilson's alone began above it in 11 of these 100 draws, of which one real pair decides each."""
    values, lows = [], []
    for seed in range(100):
        rng = np.random.default_rng([seed, 5])
        pool = TwoSamplePool(*(Rows.from_array(rng.normal(size=(40, 4))) for _ in range(2)))
        values.append(duplicates(pool.real, pool.fake))
        lows.append(duplicates.uncertainty.interval.function(pool, 0.95, threshold=None)[0])
    assert (np.array(lows) > np.mean(values)).sum() <= 5


@pytest.mark.parametrize(("spread", "many"), [(1.0, False), (0.3, True)])
def test_the_growth_of_pairs_with_the_distance_by_hand(spread: float, many: bool) -> None:
    real, fake = gaussians(400, 3)
    reals, fakes = np.sort(pdist(real)), pdist(spread * fake)
    rank_growth = digamma(50) - digamma(5)
    lower = reals[0] * 0.1 ** (np.log(reals[49] / reals[4]) / rank_growth)
    pairs = {limit: (fakes <= limit).sum() for limit in (lower, reals[0], reals[4], reals[49])}
    assert (pairs[reals[0]] >= 20) == many
    ends = (lower, reals[0], np.log(10)) if many else (reals[4], reals[49], rank_growth)
    expected = np.log((pairs[ends[1]] + 0.5) / (pairs[ends[0]] + 0.5)) / ends[2]
    found = near_duplicates(Rows.from_array(real), Rows.from_array(spread * fake), None)
    assert 0 < found.growth == pytest.approx(min(expected, 1))
    assert near_duplicates(Rows.from_array(real), Rows.from_array(fake), 0.1).growth == 0


@pytest.mark.parametrize("rates", [[3.0], [0.2, 8.0], [60.0, 200.0]])
def test_the_mean_of_one_over_a_poisson_number(rates: list[float]) -> None:
    number = np.arange(1, 600)
    mean = np.mean([(poisson.pmf(number, rate) / number).sum() for rate in rates])
    assert _mean_inverse(np.array(rates)) == pytest.approx(mean / -np.expm1(-np.array(rates)).mean(), rel=1e-4)


@pytest.mark.parametrize("more", [True, False])
def test_the_rate_leaves_the_tail_that_was_wanted(more: bool) -> None:
    rate, number = _rate(4, np.ones(3), 0.05, more=more), np.arange(1, 200)
    mass = poisson.pmf(number, rate) / poisson.sf(0, rate)
    assert mass[number > 4 if more else number < 4].sum() + mass[3] / 2 == pytest.approx(0.05)


def test_the_spread_of_the_number_of_pairs() -> None:
    degree = torch.tensor([3, 1, 1, 1, 0, 0])  # a star of four among six
    near = NearDuplicates(0.1, degree, None, degree, degree, degree)
    share, chains = 3 / 15, 6 / (6 * 5 * 4)
    assert relative_sd(near, 6) == pytest.approx((4 * 4 * (chains - share**2) / 30) ** 0.5 / share)


@pytest.mark.parametrize("count", [300, 3000])
@BOTH
def test_the_standard_error_is_that_of_fresh_draws(metric: Metric, count: int) -> None:
    values, errors = [], []
    for seed in range(100):
        rng = np.random.default_rng([seed, 1])
        pool = TwoSamplePool(Rows.from_array(rng.normal(size=(400, 16))), Rows.from_array(atoms(count, 400, 16, rng)))
        values.append(metric(pool.real, pool.fake))
        if metric is duplicates:
            errors.append(_variance(near_duplicates(pool.real, pool.fake, None), 400) ** 0.5)
        else:
            errors.append(metric.uncertainty.interval.function(pool, 0.95, threshold=None))
    if metric is duplicates:
        assert 0.8 < np.mean(errors) / np.std(values) < 1.3
    else:  # far from normal: what counts is that it covers
        low, high = np.array(errors).T
        assert 0.88 <= ((low <= np.mean(values)) & (np.mean(values) <= high)).mean() < 1


def test_few_pairs_leave_much_open() -> None:
    """Alike sets: as many near pairs as reals have, one or so, of a geometric number where there are any."""
    held, values = [], []
    for seed in range(120):
        rng = np.random.default_rng([seed, 3])
        pool = TwoSamplePool(*(Rows.from_array(rng.normal(size=(150, 4))) for _ in range(2)))
        if np.isfinite(value := birthday(pool.real, pool.fake)):
            values.append(value)
            held.append(birthday.uncertainty.interval.function(pool, 0.95, threshold=None))
    low, high = np.array(held).T
    truth = np.mean(values)
    assert 0.85 < ((low <= truth) & (truth <= high)).mean() <= 1
    assert ((low <= values) & (values <= high)).all()


def test_bad_input() -> None:
    real, fake = gaussians(10)
    for metric in (duplicates, birthday):
        with pytest.raises(TooFewSamples, match="at least 2 rows per side, got 10 and 1"):
            metric(real, fake[:1])
        with pytest.raises(UsageError, match="threshold=-1"):
            metric(real, fake, threshold=-1)
        with pytest.raises(FeatureError, match="columns"):
            metric(real[:, :2], fake)
