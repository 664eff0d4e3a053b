"""Mode and AM score: closed forms, identity with the Inception Score, effect of the real samples, variance."""

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax

from divmetrics.arrays.splits import FAKE, REAL, OneSamplePool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, UsageError
from divmetrics.records.metric import METRICS, Metric

inception_score, mode_score, am_score = (METRICS[name] for name in ("inception_score", "mode_score", "am_score"))


def logits(n: int, shares: np.ndarray, rng: np.random.Generator, sharp: float = 4.0) -> np.ndarray:
    return sharp * np.eye(len(shares))[rng.choice(len(shares), n, p=shares)] + rng.normal(size=(n, len(shares)))


EVEN, SKEWED = np.full(6, 1 / 6), np.arange(1, 7) / 21
REALS, FAKES = logits(300, EVEN, np.random.default_rng(0)), logits(200, SKEWED, np.random.default_rng(1))
P, Q = softmax(FAKES, 1), softmax(REALS, 1)


def test_mode_score_as_published_is_the_inception_score() -> None:
    formula = rel_entr(P, Q.mean(0)).sum(1).mean() - rel_entr(P.mean(0), Q.mean(0)).sum()
    assert mode_score(REALS, FAKES) == pytest.approx(np.exp(formula), rel=1e-12)
    assert mode_score(REALS, FAKES) == pytest.approx(inception_score(FAKES, splits=1), rel=1e-12)
    assert mode_score(REALS[:9], FAKES) == pytest.approx(mode_score(REALS, FAKES), rel=1e-12)


def test_the_other_divergence_looks_at_the_reals() -> None:
    formula = rel_entr(P, P.mean(0)).sum(1).mean() - rel_entr(Q.mean(0), P.mean(0)).sum()
    value = mode_score(REALS, FAKES, divergence="real_to_fake")
    assert value == pytest.approx(np.exp(formula), rel=1e-12)
    assert value < mode_score(REALS, FAKES)
    assert value != mode_score(FAKES, FAKES, divergence="real_to_fake")
    found = mode_score.measure(REALS, FAKES)
    assert found.extras["real_to_fake"] == pytest.approx(rel_entr(Q.mean(0), P.mean(0)).sum())
    assert found.extras["fake_to_real"] == pytest.approx(rel_entr(P.mean(0), Q.mean(0)).sum())


def test_am_score_is_its_two_terms() -> None:
    found = am_score.measure(REALS, FAKES)
    assert found.extras["divergence"] == pytest.approx(rel_entr(Q.mean(0), P.mean(0)).sum(), rel=1e-9)
    assert found.extras["entropy"] == pytest.approx(-(P * np.log(P)).sum(1).mean(), rel=1e-9)
    assert found.value == pytest.approx(found.extras["divergence"] + found.extras["entropy"])


def test_sharp_and_even() -> None:
    one_hot = 1e3 * np.eye(5)[np.arange(100) % 5]
    assert mode_score(one_hot, one_hot) == pytest.approx(5)
    assert am_score(one_hot, one_hot) == pytest.approx(0, abs=1e-12)
    assert am_score(one_hot, np.zeros((10, 5))) == pytest.approx(np.log(5))
    assert mode_score(one_hot, one_hot[:1], divergence="real_to_fake") == 0
    assert am_score(one_hot, one_hot[:1]) == np.inf


@pytest.mark.parametrize("metric", [mode_score, am_score], ids=lambda metric: metric.name)
def test_worse_as_classes_are_dropped(metric: Metric) -> None:
    rng = np.random.default_rng(2)
    dropped = [np.where(np.arange(6) < kept, 1 / kept, 0) for kept in (6, 4, 2, 1)]
    values = [metric(REALS, logits(300, shares, rng)) for shares in dropped]
    assert values == sorted(values, reverse=metric.better == "higher")


@pytest.mark.parametrize("divergence", ["fake_to_real", "real_to_fake"])
def test_resampling_knows_its_sides(divergence: str) -> None:
    pool = TwoSamplePool(Rows.from_array(REALS), Rows.from_array(FAKES))
    splits = Splits.permutations(pool.n, pool.m, 3, 0)
    for b in range(3):
        real, fake = (pool.part((splits.side[b] == side).nonzero()[:, 0]) for side in (REAL, FAKE))
        found = mode_score.uncertainty.resample(pool, splits, divergence=divergence)[b]
        assert float(found) == pytest.approx(mode_score(real, fake, divergence=divergence))
        assert float(am_score.uncertainty.resample(pool, splits)[b]) == pytest.approx(am_score(real, fake))


CASES = [
    (inception_score, {"splits": 10, "shuffle": True, "seed": 0}),
    (inception_score, {"splits": 1, "shuffle": True, "seed": 0}),
    (mode_score, {"divergence": "fake_to_real"}),
    (mode_score, {"divergence": "real_to_fake"}),
    (am_score, {}),
]


@pytest.mark.parametrize("shares", [EVEN, SKEWED], ids=["even", "skewed"])
@pytest.mark.parametrize(("metric", "options"), CASES, ids=lambda part: getattr(part, "name", None))
def test_the_standard_error_is_that_of_fresh_draws(metric: Metric, options: dict, shares: np.ndarray) -> None:
    values, errors = [], []
    for seed in range(120):
        rng = np.random.default_rng([seed, 5])
        real, fake = (torch.from_numpy(logits(300, shares_of, rng)) for shares_of in (EVEN, shares))
        pool = (
            TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))
            if metric.real
            else OneSamplePool(Rows.from_array(fake))
        )
        values.append(metric(*([real] if metric.real else []), fake, **options))
        errors.append(metric.uncertainty.variance(pool, **options) ** 0.5)
    assert 0.8 < np.mean(errors) / np.std(values) < 1.3


@pytest.mark.parametrize(("metric", "options"), [(am_score, {}), (mode_score, {"divergence": "real_to_fake"})])
def test_a_class_of_which_the_largest_probabilities_decide(metric: Metric, options: dict) -> None:
    """A dropped class: its mean probability among the fakes is that of one or two of them, and its log varies much."""
    values, errors = [], []
    for seed in range(60):
        rng = np.random.default_rng([seed, 6])
        real, fake = (rng.integers(0, classes, 300) for classes in (4, 3))
        sides = [torch.from_numpy(20 * np.eye(4)[c] + rng.normal(scale=4, size=(300, 4))) for c in (real, fake)]
        values.append(metric(*sides, **options))
        errors.append(metric.uncertainty.variance(TwoSamplePool(*map(Rows.from_array, sides)), **options) ** 0.5)
    spread = np.std(np.log(values) if metric is mode_score else values)
    errors = np.array(errors) / (np.array(values) if metric is mode_score else 1)
    assert 0.75 < np.mean(errors) / spread < 1.4


@pytest.mark.parametrize("metric", [mode_score, am_score], ids=lambda metric: metric.name)
def test_bad_input(metric: Metric) -> None:
    with pytest.raises(FeatureError, match="at least two classes"):
        metric(REALS[:, :1], FAKES[:, :1])
    with pytest.raises(FeatureError, match="columns"):
        metric(REALS[:, :3], FAKES)
    with pytest.raises(UsageError, match="one of fake_to_real, real_to_fake"):
        mode_score(REALS, FAKES, divergence="both")


def second_order(p: np.ndarray, middle: np.ndarray) -> float:
    """Half of the squared norm of the covariance of predictions, in units of the root of `middle`."""
    return float((np.cov((p / np.sqrt(middle)).T, bias=True) ** 2).sum() / 2)


@pytest.mark.parametrize("splits", [1, 3])
def test_the_variance_of_the_inception_score_by_hand(splits: int) -> None:
    options = {"splits": splits, "shuffle": True, "seed": 0}
    first = rel_entr(P, P.mean(0)).sum(1).var(ddof=1) / 200
    second = second_order(P, P.mean(0)) / 200**2
    found = inception_score.uncertainty.variance(OneSamplePool(Rows.from_array(FAKES)), **options)
    assert found == pytest.approx(inception_score(FAKES, **options) ** 2 * (first - 2 * second + splits * second))


def test_the_variances_of_both_scores_by_hand() -> None:
    pool = TwoSamplePool(Rows.from_array(REALS), Rows.from_array(FAKES))
    p, q = P.mean(0), Q.mean(0)
    curvature = second_order(np.concatenate([P, Q]), (p + q) / 2)
    of_reals = (Q @ np.log(q / p)).var(ddof=1) / 300
    gains = rel_entr(P, p).sum(1) + P @ (q / p)
    expected = gains.var(ddof=1) / 200 + of_reals - curvature / 300**2
    value = mode_score(REALS, FAKES, divergence="real_to_fake")
    found = mode_score.uncertainty.variance(pool, divergence="real_to_fake")
    assert found == pytest.approx(value**2 * expected)
    gains = -(P * np.log(P)).sum(1) - P @ (q / p)
    expected = gains.var(ddof=1) / 200 + of_reals - curvature * (1 / 300 + 1 / 200) ** 2
    assert am_score.uncertainty.variance(pool) == pytest.approx(expected)
