"""Inception score: closed forms, the value of torch-fidelity, collapse, bad input."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_isc import isc_features_to_metric

from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.metrics.classes.inception_score import split_scores
from divmetrics.records.metric import METRICS

inception_score = METRICS["inception_score"]
LOGITS = np.random.RandomState(0).randn(1000, 10) * 3


def test_sharp_and_even_predictions_count_the_classes() -> None:
    one_hot = np.tile(np.eye(7) * 1e3, (20, 1))
    assert inception_score(one_hot, splits=1) == pytest.approx(7, rel=1e-12)
    assert inception_score(np.ones((50, 7))) == pytest.approx(1, rel=1e-12)
    assert inception_score(one_hot[:1].repeat(50, 0)) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(("splits", "mean", "std"), [(10, 3.8559055006, 0.1251722593), (1, 3.9197473715, 0.0)])
def test_torch_fidelity(splits: int, mean: float, std: float) -> None:
    """torch-fidelity 0.4.0 `isc_features_to_metric(logits, splits, shuffle=True, rng_seed=2020)`, and on file."""
    order = np.random.RandomState(2020).permutation(1000)
    scores = split_scores(torch.from_numpy(LOGITS[order]), splits)
    peer = isc_features_to_metric(torch.from_numpy(LOGITS), splits, shuffle=True, rng_seed=2020)
    assert float(scores.mean()) == pytest.approx(peer["inception_score_mean"], rel=1e-9)
    assert float(scores.std(correction=0)) == pytest.approx(peer["inception_score_std"], abs=1e-9)
    assert float(scores.mean()) == pytest.approx(mean, abs=1e-9)
    assert float(scores.std(correction=0)) == pytest.approx(std, abs=1e-9)


def test_unshuffled_parts_are_taken_as_they_lie() -> None:
    found = inception_score.measure(LOGITS, shuffle=False)
    peer = isc_features_to_metric(torch.from_numpy(LOGITS), 10, shuffle=False)
    assert found.value == pytest.approx(peer["inception_score_mean"], rel=1e-9)
    assert found.extras["std"] == pytest.approx(peer["inception_score_std"], rel=1e-9)


def test_every_option_moves_the_number() -> None:
    default = inception_score(LOGITS)
    assert inception_score(LOGITS) == default
    assert default not in {
        inception_score(LOGITS, splits=5),
        inception_score(LOGITS, shuffle=False),
        inception_score(LOGITS, seed=1),
    }


def test_one_split_does_not_depend_on_the_order_of_rows() -> None:
    assert inception_score(LOGITS, splits=1) == pytest.approx(inception_score(LOGITS[::-1], splits=1), rel=1e-12)


def test_float32_logits_are_worked_on_in_float64() -> None:
    narrow = LOGITS.astype(np.float32)
    assert inception_score(narrow) == inception_score(narrow.astype(float))


def test_falls_as_classes_are_dropped() -> None:
    sharp = np.eye(10)[np.arange(1000) % 10] * 8
    values = [inception_score(sharp[np.arange(1000) % 10 < kept]) for kept in (10, 5, 2, 1)]
    assert values == sorted(values, reverse=True)


def test_more_parts_than_rows_and_none_are_refused() -> None:
    with pytest.raises(TooFewSamples, match=r"splits=10 .* there are 4; lower it"):
        inception_score(LOGITS[:4])
    with pytest.raises(UsageError, match="splits=0 is not possible"):
        inception_score(LOGITS, splits=0)
    with pytest.raises(FeatureError, match="at least two classes"):
        inception_score(LOGITS[:, :1])
    assert inception_score.minimum(inception_score.resolve({"splits": 7})) == 7
