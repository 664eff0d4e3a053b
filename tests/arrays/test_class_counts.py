"""Counts of classes and mean predictions on splits."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from divmetrics.arrays import class_counts as classes
from divmetrics.arrays.class_counts import (
    corrected_variance,
    jensen_shannon,
    label_counts_on_splits,
    labels_of,
    mean_predictions_on_splits,
    score_variance,
)
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows


@pytest.mark.parametrize("piece", [1, 250, 10**6])
def test_recount_counts_each_split_whatever_the_pieces(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "PIECE", piece)
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 7, 100))
    splits = Splits.of([Splits.permutations(60, 40, 5, 0), Splits.halves(60, 40, 5, 0)])
    reals, fakes = label_counts_on_splits(labels, 9, splits)
    for b in range(10):
        for found, side in ((reals, REAL), (fakes, FAKE)):
            assert found[b].tolist() == torch.bincount(labels[splits.side[b] == side], minlength=9).tolist()


def test_labels_of_logits_are_their_largest() -> None:
    given = torch.tensor([2, 0, 1])
    assert torch.equal(labels_of(Rows(given, torch.arange(3))), given)
    assert torch.equal(labels_of(Rows(torch.eye(3)[given], torch.arange(3))), given)


def test_jensen_shannon_of_many_counts_at_once() -> None:
    rng = np.random.default_rng(0)
    reals, fakes = rng.integers(0, 5, (4, 6)) + np.eye(4, 6, dtype=int), rng.integers(0, 5, (4, 6)) + 1
    for found, real, fake in zip(jensen_shannon(reals, fakes), reals, fakes, strict=True):
        assert found == pytest.approx(jensenshannon(real, fake) ** 2)


def test_mean_predictions_of_splits() -> None:
    rng = np.random.default_rng(0)
    pool = TwoSamplePool(*(Rows.from_array(rng.normal(size=(n, 4))) for n in (12, 9)))
    splits = Splits.permutations(12, 9, 3, 0)
    p = pool.features().softmax(1)
    real, fake, entropy = mean_predictions_on_splits(pool, splits)
    for b in range(3):
        chosen = splits.side[b] == FAKE
        assert torch.allclose(real[b], p[~chosen].mean(0))
        assert torch.allclose(fake[b], p[chosen].mean(0))
        assert torch.allclose(entropy[b], -(p[chosen] * p[chosen].log()).sum(1).mean())


def test_the_second_order_is_that_of_a_chi_square_for_sharp_predictions() -> None:
    log_p = torch.eye(5).repeat(40, 1).mul(100).log_softmax(1).double()
    _, level = score_variance(log_p)
    assert level == pytest.approx((5 - 1) / (2 * 200**2))
    assert corrected_variance(0.0, level) == level
    assert corrected_variance(1.0, level) == 1.0 - level
