"""Classifier two-sample test: closed forms, independence of row order, copies, options, null and interval."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from divmetrics.arrays.splits import Pool, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.metrics.others.c2st import _Halves as Halves
from divmetrics.metrics.others.c2st import _TestResult
from divmetrics.records.metric import METRICS

TaskInputs = tuple[np.ndarray, np.ndarray]


def gaussians(n: int = 1000, d: int = 8, shift: float = 0.0, seed: int = 0) -> TaskInputs:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d)) + shift / d**0.5


def pool_of(sides: TaskInputs) -> Pool:
    return TwoSamplePool(Rows.from_array(sides[0]), Rows.from_array(sides[1]))


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0, 20.0])
def test_shifted_gaussians_are_told_as_well_as_can_be(shift: float) -> None:
    """The best accuracy is Phi(shift / 2), that of the linear rule between the means; the AUC Phi(shift / root 2)."""
    found = METRICS["c2st"].measure(*gaussians(4000, 8, shift))
    assert found.value == pytest.approx(norm.cdf(shift / 2), abs=0.025)
    assert found.extras["auc"] == pytest.approx(norm.cdf(shift / 2**0.5), abs=0.025)
    assert (found.extras["p"] < 0.001) == (shift > 0)


def test_columns_are_what_the_held_out_half_was_told() -> None:
    real, fake = gaussians(301, shift=1.0)
    found = METRICS["c2st"].measure(real, fake)
    sides = [found.real["fake_probability"], found.fake["fake_probability"]]
    held_out = [np.array([p for p in side if p is not None]) for side in sides]
    assert [len(side) for side in sides] == [301, 301]
    assert [len(side) for side in held_out] == [151, 151]
    assert found.value == pytest.approx(((held_out[0] < 0.5).mean() + (held_out[1] > 0.5).mean()) / 2)
    truth = np.repeat([0, 1], 151)
    assert found.extras["auc"] == pytest.approx(roc_auc_score(truth, np.concatenate(held_out)))


@pytest.mark.parametrize("classifier", ["logistic", "knn"])
def test_neither_the_order_nor_the_dtype_of_rows_counts(classifier: str) -> None:
    real, fake = (side.astype(np.float32) for side in gaussians(300, shift=0.5))
    rng = np.random.default_rng(1)
    value = METRICS["c2st"](real, fake, classifier=classifier)
    assert METRICS["c2st"](rng.permutation(real), rng.permutation(fake), classifier=classifier) == value
    assert METRICS["c2st"](real.astype(np.float64), fake.astype(np.float64), classifier=classifier) == value


@pytest.mark.parametrize("classifier", ["logistic", "knn"])
def test_copies_cannot_be_told(classifier: str) -> None:
    real, _ = gaussians(200)
    assert METRICS["c2st"](real, real[::-1], classifier=classifier) == 0.5
    assert METRICS["c2st"](np.ones((30, 4)), np.ones((30, 4)), classifier=classifier) == 0.5


def test_collapse() -> None:
    """In place only the neighbours tell, off the middle both do."""
    real, fake = gaussians(600, 8)
    assert METRICS["c2st"](real, 0.3 * fake) < 0.6
    assert METRICS["c2st"](real, 0.3 * fake, classifier="knn") > 0.65
    rng = np.random.default_rng(0)
    centres = 5 * rng.normal(size=(5, 8))
    real, fake = (centres[rng.integers(0, modes, 600)] + rng.normal(size=(600, 8)) for modes in (5, 4))
    assert METRICS["c2st"](real, fake) > 0.55


def test_options_and_errors() -> None:
    sides = gaussians(300, shift=0.7)
    metric = METRICS["c2st"]
    assert metric(*sides) != metric(*sides, classifier="knn")
    assert metric(*sides) != metric(*sides, seed=1)
    with pytest.raises(UsageError, match="one of logistic, knn"):
        metric(*sides, classifier="forest")
    with pytest.raises(TooFewSamples, match="at least 4 rows per side are needed, got 300 and 3"):
        metric(sides[0], sides[1][:3])
    with pytest.raises(FeatureError, match="8 columns on one side and 7"):
        metric(sides[0], sides[1][:, :7])


def test_the_binomial_variance_and_the_null_by_hand() -> None:
    places = np.arange(5), np.arange(11)
    found = _TestResult(places, places, (0.8, 0.6))
    assert found.variance == pytest.approx((0.8 * 0.2 / 4 + 0.6 * 0.4 / 10) / 4)
    assert found.null_sd == pytest.approx((0.25 * (1 / 5 + 1 / 11) / 4) ** 0.5)


def test_auc_counts_ties_as_one_half() -> None:
    found = _TestResult((np.arange(3), np.arange(2)), (np.array([0.5, 0.1, 0.7]), np.array([0.5, 0.9])), (0.0, 0.0))
    assert found.auc == pytest.approx((1 + 0.5 + 0 + 3) / 6)


@pytest.mark.parametrize(("columns", "fits"), [(256, 6), (257, 3)])
def test_the_variance_of_training_leaves_out_that_of_single_samples(
    columns: int, fits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves, rng = Halves.of(*(Rows.from_array(side) for side in gaussians(40, columns)), 0), np.random.default_rng(1)
    errors, sizes = [0.1 + 0.7 * (fit % 2) for fit in range(fits)], []  # classifiers of very different accuracy
    answers = [halves.fake[~halves.trains] ^ (rng.random(40) < error) for error in errors]

    def probabilities(_: str, rows: np.ndarray, label: np.ndarray, others: np.ndarray) -> np.ndarray:
        sizes.append((len(rows), int(label.sum())))
        return answers[len(sizes) - 1].astype(float)

    monkeypatch.setitem(Halves.predict.__globals__, "_probabilities", probabilities)
    found = halves.training_variance("knn", 0)
    assert sizes == [(20, 10)] * fits
    right = np.stack(answers) == halves.fake[~halves.trains]
    means = [right[:, halves.fake[~halves.trains] == side] for side in (False, True)]
    total = np.var(sum(side.mean(1) for side in means) / 2, ddof=1)
    single = sum(side.var(0, ddof=1).sum() / 20**2 for side in means) / 4
    assert 0 < found == pytest.approx(total - single)


@pytest.mark.parametrize("classifier", ["logistic", "knn"])
def test_the_null_is_that_of_a_coin(classifier: str) -> None:
    metric = METRICS["c2st"]
    values = [metric(*gaussians(100, 4, seed=seed), classifier=classifier) for seed in range(150)]
    null = metric.uncertainty.null(pool_of(gaussians(100, 4)), classifier=classifier, seed=0)
    assert null.mean == 0.5
    assert null.sd == pytest.approx(0.05)  # the root of 1 / (4 * 100)
    assert np.mean(values) == pytest.approx(0.5, abs=4 * 0.05 / 150**0.5)
    assert np.std(values) == pytest.approx(0.05, rel=0.2)


@pytest.mark.parametrize(("shift", "most"), [(0.0, 1.2), (1.0, 1.35)], ids=["alike", "shifted"])
def test_the_standard_error_is_the_spread_over_fresh_draws(shift: float, most: float) -> None:
    """Where the fakes are shifted the binomial part alone is 1.17 times the spread, and retraining adds to it."""
    metric, values, errors = METRICS["c2st"], [], []
    for seed in range(150):
        pool = pool_of(gaussians(200, 8, shift, seed))
        values.append(metric(pool.real, pool.fake))
        errors.append(metric.uncertainty.variance(pool, **metric.resolve({})) ** 0.5)
    assert 0.85 < np.mean(errors) / np.std(values, ddof=1) < most
