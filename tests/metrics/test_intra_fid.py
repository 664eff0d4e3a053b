"""FID class by class: the mean of class values, dropped and small classes, interval, splits."""

import numpy as np
import pytest
import torch

from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Labelled
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.records.metric import METRICS

intra, fid = METRICS["intra_fid"], METRICS["fid"]
Side = tuple[np.ndarray, np.ndarray]


def drawn(n: int = 150, d: int = 4, classes: int = 3, seed: int = 0, scale: float = 1.0) -> Side:
    rng = np.random.RandomState(seed)
    labels = rng.randint(classes, size=n)
    return 4 * labels[:, None] + scale * rng.randn(n, d), labels


def only(side: Side, keep: np.ndarray) -> Side:
    return side[0][keep], side[1][keep]


def test_mean_of_the_classes() -> None:
    real, fake = drawn(), drawn(seed=1, scale=0.7)
    expected = [fid(real[0][real[1] == c], fake[0][fake[1] == c]) for c in range(3)]
    found = intra.measure(real, fake)
    assert found.value == pytest.approx(np.mean(expected))
    assert found.extras["classes"] == pytest.approx({str(c): value for c, value in enumerate(expected)})
    assert found.extras["skipped"] == []


def test_closed_form_of_a_shifted_class() -> None:
    """One class of two moved by t: |t|² / 2."""
    real = drawn(classes=2)
    moved = real[0] + np.where(real[1][:, None] == 1, 3.0, 0.0)
    assert intra(real, (moved, real[1])) == pytest.approx(4 * 9 / 2)


def test_classes_drawn_in_place_of_each_other_are_seen() -> None:
    real = drawn()
    swapped = (real[0], (real[1] + 1) % 3)
    assert fid(real[0], swapped[0]) == pytest.approx(0, abs=1e-9)
    assert intra(real, swapped) > 50


def test_a_collapsed_class_is_worse() -> None:
    values = [intra(drawn(), drawn(seed=1, scale=scale)) for scale in (1.0, 0.5, 0.1)]
    assert values == sorted(values)


def test_a_dropped_class_is_an_error_or_said() -> None:
    real, fake = drawn(), drawn(seed=1)
    dropped = only(fake, fake[1] != 2)
    with pytest.raises(TooFewSamples, match="1 of 3 classes have fewer than 2 fake samples, the first is class 2"):
        intra(real, dropped)
    found = intra.measure(real, dropped, missing="skip")
    assert found.extras["skipped"] == [2]
    assert list(found.extras["classes"]) == ["0", "1"]
    with pytest.raises(TooFewSamples, match="no class has 2 samples on both sides"):
        intra(real, (fake[0], fake[1] + 3), missing="skip")


def test_small_classes_of_the_reals_are_left_out() -> None:
    real, fake = drawn(), drawn(seed=1)
    rare = np.concatenate([np.flatnonzero(real[1] != 2), np.flatnonzero(real[1] == 2)[:5]])
    assert list(intra.measure(only(real, rare), fake).extras["classes"]) == ["0", "1", "2"]
    found = intra.measure(only(real, rare), fake, min_count=6)
    assert found.extras["skipped"] == [2]
    assert intra(real, (fake[0], np.where(fake[1] == 2, 9, fake[1])), missing="skip") > 0  # 9 is no class of the reals


def pooled(*sides: Side) -> Pool:
    return TwoSamplePool(*(Labelled.from_array(side) for side in sides))


def test_splits_are_the_metric_on_their_rows() -> None:
    pool, options = pooled(drawn(), drawn(120, seed=1)), intra.resolve({})
    identity = Splits(torch.tensor([[REAL] * 150 + [FAKE] * 120], dtype=torch.uint8))
    splits = Splits.of([identity, Splits.halves(150, 120, 1, 0), Splits.permutations(150, 120, 2, 0)])
    expected = [intra(pool.part(splits.real(b)), pool.part(splits.fake(b))) for b in range(len(splits))]
    assert intra.uncertainty.resample(pool, splits, **options).tolist() == pytest.approx(expected)
    lonely = pooled(only(drawn(), np.arange(4)), only(drawn(seed=1), np.arange(4)))
    assert intra.uncertainty.resample(lonely, Splits.halves(4, 4, 1, 0), **options).isnan().all()


@pytest.mark.parametrize("scale", [1.0, 0.7])
def test_standard_errors(scale: float) -> None:
    found = []
    for seed in range(30):
        real, fake = drawn(300, seed=seed), drawn(300, seed=seed + 100, scale=scale)
        found.append((intra(real, fake), intra.uncertainty.variance(pooled(real, fake), **intra.resolve({})) ** 0.5))
    values, estimated = np.array(found).T
    assert 0.7 < np.sqrt(np.mean(estimated**2)) / values.std(ddof=1) < 1.45  # 30 draws know an sd to 13 %


def test_bad_input_is_one_sentence() -> None:
    real, fake = drawn(), drawn(seed=1)
    with pytest.raises(UsageError, match="min_count=1"):
        intra(real, fake, min_count=1)
    with pytest.raises(UsageError, match=r"\(features, labels\)"):
        intra(real[0], fake[0])
    with pytest.raises(FeatureError, match="4 columns on one side and 3"):
        intra(real, (fake[0][:, :3], fake[1]))
    small = pooled(only(real, np.arange(15)), only(fake, np.arange(15)))
    assert intra.uncertainty.variance(small, **intra.resolve({})) is None
