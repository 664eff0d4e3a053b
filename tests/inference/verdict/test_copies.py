"""Copies of training data: what is shown of them, and that chance is none."""

import numpy as np

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict.copies import copies_of_training
from divmetrics.inference.verdict.findings import Found

RNG = np.random.default_rng(0)
TRAIN, HELD_OUT, FAKE = RNG.normal(size=(3, 100, 8))


def found(fake: np.ndarray, alpha: float = 0.05) -> list[Found]:
    train, held_out, made = (Rows.from_array(rows) for rows in (TRAIN, HELD_OUT, fake))
    return copies_of_training(train, made, held_out, offset=1000, alpha=alpha, permutations=199, seed=0)


def test_few_copies_are_shown_before_all_others_and_far_samples_never() -> None:
    fake = np.concatenate([FAKE[:50], TRAIN[:8] + 0.001, FAKE[58:]])
    (copies,) = found(fake)
    assert set(copies.places[:8]) == set(range(1050, 1058))
    assert len(copies.places) < 12, "in the tail that shows them best, not all samples"
    assert 0.05 < copies.effect < 0.12
    assert copies.p == 2 / 200, "twice that of the test alone"
    assert found(fake, alpha=0.009) == []


def test_chance_is_no_copy() -> None:
    assert found(FAKE) == []
