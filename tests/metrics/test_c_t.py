"""C_T: beside scipy's Mann-Whitney test, exact copies, ties, options, null and interval, bad input."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu, norm
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from divmetrics.arrays.draws import ranked
from divmetrics.arrays.splits import HeldOutPool, Pool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.metrics.copies._data_copying_test import Cell, DataCopyingTest
from divmetrics.records.metric import METRICS

METRIC = METRICS["c_t"]
TaskInputs = tuple[np.ndarray, np.ndarray, np.ndarray]


def gaussians(n: int = 300, d: int = 8, seed: int = 0) -> TaskInputs:
    """Training set, fakes, held-out reals, all alike."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(n, d)) for _ in range(3))


def z_of(fake: np.ndarray, held_out: np.ndarray) -> float:
    """z of the Mann-Whitney test, by scipy's two one-sided p-values; the continuity correction is off."""
    test = mannwhitneyu(fake, held_out, alternative="greater", method="asymptotic", use_continuity=False)
    return float(norm.isf(test.pvalue))


def pool_of(sides: TaskInputs) -> Pool:
    train, fake, held_out = (Rows.from_array(side) for side in sides)
    return HeldOutPool(held_out, fake, train)


def test_one_cell_is_a_mann_whitney_test() -> None:
    train, fake, held_out = gaussians()
    distances = [cdist(side, train).min(1) for side in (fake + 0.1, held_out)]
    found = METRIC.measure(train, fake + 0.1, held_out, cells=1)
    assert found.value == pytest.approx(z_of(*distances), rel=1e-9)
    assert found.extras["z"] == pytest.approx(found.value)
    assert found.extras["p"] == pytest.approx(norm.cdf(found.value))


def test_cells_are_weighted_by_their_held_out_reals() -> None:
    rows = np.random.default_rng(0).permutation(load_digits().data)
    train, fake, held_out = rows[:600], rows[600:1200], rows[1200:]
    axes = PCA(16, svd_solver="full").fit(train)
    reduced = [axes.transform(side) for side in (train, fake, held_out)]
    model = KMeans(3, n_init=4, random_state=0).fit(reduced[0][ranked(torch.from_numpy(reduced[0])).numpy()])
    cells = [model.predict(side) for side in reduced]
    distances = [cdist(side, reduced[0]).min(1) for side in reduced[1:]]
    scores = [z_of(distances[0][cells[1] == c], distances[1][cells[2] == c]) for c in range(3)]
    expected = np.average(scores, weights=np.bincount(cells[2]))
    assert METRIC(train, fake, held_out, pca=16) == pytest.approx(expected, rel=1e-6)


def test_ties_share_their_ranks() -> None:
    train, fake, held_out = (np.round(side) for side in gaussians(d=2))
    distances = [cdist(side, train).min(1) for side in (fake + 1, held_out)]
    assert len(np.unique(np.concatenate(distances))) < 60
    assert METRIC(train, fake + 1, held_out, cells=1) == pytest.approx(z_of(*distances), rel=1e-9)


def test_copies_are_far_below_zero_and_fakes_off_the_data_far_above() -> None:
    train, fake, held_out = gaussians()
    copies = train + 0.05 * fake
    assert METRIC(train, train, held_out) < -8
    assert METRIC(train, copies, held_out) < -8
    assert abs(METRIC(train, fake, held_out)) < 2
    assert METRIC(train, 1.5 * fake, held_out) > 5
    values = [METRIC(train, np.concatenate([copies[:c], fake[c:]]), held_out) for c in (0, 50, 100, 200, 300)]
    assert values == sorted(values, reverse=True)


def test_where_all_distances_are_equal_nothing_is_said() -> None:
    ones = np.ones((40, 3))
    assert METRIC(ones, ones, ones, cells=1) == 0
    assert METRIC.uncertainty.variance(pool_of((ones, ones, ones)), **METRIC.resolve({"cells": 1})) is None


def test_options_move_the_value() -> None:
    train, fake, held_out = gaussians()
    default = METRIC(train, fake, held_out)
    for option in ({"cells": 2}, {"pca": 4}, {"smallest": 99}, {"cells": 8, "seed": 1}):
        assert METRIC(train, fake, held_out, **option) != default, option
    assert METRIC(train, fake, held_out, pca=8) == METRIC(train, fake, held_out, pca=0)


def test_more_columns_than_samples() -> None:
    train, fake, held_out = gaussians(60, 200)
    value = METRIC(train, fake, held_out, cells=1, pca=30)
    axes = PCA(30, svd_solver="full").fit(train)
    distances = [cdist(axes.transform(side), axes.transform(train)).min(1) for side in (fake, held_out)]
    assert value == pytest.approx(z_of(*distances), rel=1e-6)


def test_null_holds_over_fresh_draws() -> None:
    values, deviations = [], []
    for seed in range(150):
        sides = gaussians(90, 4, seed)
        values.append(METRIC(*sides))
        deviations.append(METRIC.uncertainty.null(pool_of(sides), **METRIC.resolve({})).sd)
    assert abs(np.mean(values)) < 3 * np.mean(deviations) / 150**0.5
    assert np.mean(deviations) / np.std(values) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("kind", ["shift", "shrunken", "alike"])
def test_interval_over_fresh_draws_of_fakes_and_held_out_reals(kind: str) -> None:
    train = gaussians(200, 8)[0]
    change = {"shift": lambda x: x + 0.3, "shrunken": lambda x: 0.8 * x, "alike": lambda x: x}[kind]
    values, variances = [], []
    for seed in range(1, 81):
        _, fake, held_out = gaussians(200, 8, seed)
        sides = train, change(fake), held_out
        values.append(METRIC(*sides))
        variances.append(METRIC.uncertainty.variance(pool_of(sides), **METRIC.resolve({})))
    assert 0.82 < np.sqrt(np.mean(variances)) / np.std(values, ddof=1) < 1.25


def test_a_cell_counts_if_it_has_more_samples_than_the_smallest() -> None:
    train, fake, held_out = gaussians(30)
    expected = METRIC(train, fake, held_out, cells=1, smallest=5)
    assert METRIC(train, fake, held_out, cells=1, smallest=29) == expected
    with pytest.raises(TooFewSamples, match="no cell has more than 30"):
        METRIC(train, fake, held_out, cells=1, smallest=30)


def test_that_a_cell_counts_may_be_chance_and_is_in_the_interval() -> None:
    rng = np.random.default_rng(0)
    near, far = Cell(rng.random(60), rng.random(60)), Cell(rng.random(20) + 1, rng.random(20))
    alone = DataCopyingTest([near], 5, 80, 80).variance()
    found = DataCopyingTest([near, far], 20, 80, 80)
    assert found.cells == [near]
    deviation = (20 * 0.75) ** 0.5
    likely = norm.sf(0.5 / deviation) ** 2 * (1 - norm.sf(0.5 / deviation) ** 2)  # one more of each is wanted
    change = 0.75 * near.score + 0.25 * far.score - near.score
    assert found.variance() - alone == pytest.approx(likely * change**2)
    assert DataCopyingTest([near, far], 1, 80, 80).variance() == pytest.approx(
        DataCopyingTest([near, far], 5, 80, 80).variance(), rel=1e-3
    ), "both count for certain"


def test_the_null_deviation_is_the_root_of_the_squared_shares() -> None:
    sides = gaussians(300)
    shares = np.array(METRIC.measure(*sides).extras["shares"])
    assert shares.sum() == pytest.approx(1)
    null = METRIC.uncertainty.null(pool_of(sides), **METRIC.resolve({}))
    assert (null.mean, null.sd) == (0, pytest.approx((shares**2).sum() ** 0.5))
    found = METRIC.measure(*sides)
    assert found.extras["z"] == pytest.approx(found.value / null.sd)


def test_the_variance_is_a_jackknife_by_deletion() -> None:
    rng = np.random.default_rng(7)
    train, fake, held_out = (rng.normal(size=(n, 3)).round(1) for n in (60, 25, 35))
    options = METRIC.resolve({"cells": 2, "smallest": 4})
    found = METRIC.uncertainty.variance(pool_of((train, fake, held_out)), **options)
    without_fake = [METRIC(train, np.delete(fake, i, 0), held_out, **options) for i in range(25)]
    without_held_out = [METRIC(train, fake, np.delete(held_out, i, 0), **options) for i in range(35)]
    expected = 24 * np.var(without_fake) + 34 * np.var(without_held_out)
    assert found == pytest.approx(expected, rel=0.02)  # the correction for ties stays as it is


def test_bad_input_is_one_sentence() -> None:
    train, fake, held_out = gaussians(100)
    with pytest.raises(
        TooFewSamples, match=r"no cell has more than 90 fake and 90 held-out samples .*lower cells or add"
    ):
        METRIC(train, fake, held_out, smallest=90)
    with pytest.raises(TooFewSamples, match="real has 2"):
        METRIC(train[:2], fake, held_out)
    with pytest.raises(UsageError, match="cells=0"):
        METRIC(train, fake, held_out, cells=0)
    with pytest.raises(UsageError, match="real and fake and held_out, got 2"):
        METRIC(train, fake)
    with pytest.raises(FeatureError, match="8 columns on one side and 5"):
        METRIC(train, fake, held_out[:, :5])
    assert METRIC.minimum({"smallest": 7}) == 8
