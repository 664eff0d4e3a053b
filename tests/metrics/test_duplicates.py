"""duplicate_fraction and birthday_support: brute force over all pairs, atoms, groups, exact copies, their chance."""

from math import inf

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist, pdist

from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.metrics.copies._near_duplicates import near
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
    limit = pdist(real).min() if threshold is None else threshold
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


def test_the_limit_is_the_quantile_of_the_nearest_neighbours_of_the_reals() -> None:
    real, fake = gaussians()
    distances = cdist(real, real)
    np.fill_diagonal(distances, inf)
    assert near(Rows.from_array(real), Rows.from_array(fake), None).limit == pytest.approx(
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
        dealt = duplicates.uncertainty.resample(pool, Splits.permutations(150, 150, 99, seed), threshold=None).numpy()
        p.append((1 + (dealt >= value).sum()) / 100)
    assert (np.array(p) <= 0.1).sum() <= 12


@pytest.mark.parametrize("count", [300, 3000])
@BOTH
def test_the_standard_error_is_that_of_fresh_draws(metric: Metric, count: int) -> None:
    values, errors = [], []
    for seed in range(100):
        rng = np.random.default_rng([seed, 1])
        pool = TwoSamplePool(Rows.from_array(rng.normal(size=(400, 16))), Rows.from_array(atoms(count, 400, 16, rng)))
        values.append(metric(pool.real, pool.fake))
        if metric is duplicates:
            errors.append(metric.uncertainty.variance.function(pool, threshold=None) ** 0.5)
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
