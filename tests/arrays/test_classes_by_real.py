"""Classes by the real samples: votes, copies, errors, the cap, the linear rule; and counts corrected for errors."""

import numpy as np
import pytest
import torch

from divmetrics.arrays import classes_by_real as module
from divmetrics.arrays import linear_classes as linear
from divmetrics.arrays.classes_by_real import classes_by_real, copies
from divmetrics.arrays.confusion import Predicted, leaks, there, true_counts
from divmetrics.arrays.linear_classes import linear_classes


def line(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_five_neighbours_vote_and_a_tie_is_the_nearest_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GAIN", 2)  # no linear rule
    real, labels = line(0, 1, 2, 3, 4, 20, 21), torch.tensor([0, 0, 1, 1, 1, 0, 0])
    found = classes_by_real(real, labels, line(0.1, 20.4), 2)
    assert found.fake.tolist() == [1, 1], "three of 0 to 4; of 21, 20, 4, 3 and 2 three"
    four = classes_by_real(line(0, 1, 3, 4), torch.tensor([0, 0, 1, 1]), line(1.9, 2.1), 2)
    assert four.fake.tolist() == [0, 1], "two votes each"


def test_a_real_sample_has_no_vote_on_itself_nor_on_its_copies() -> None:
    rng = np.random.default_rng(0)
    rows, labels = torch.from_numpy(rng.normal(size=(300, 5))), torch.from_numpy(rng.integers(0, 2, 300))
    once = classes_by_real(rows, labels, rows, 2)
    assert 0.4 < once.accuracy < 0.6
    twice = classes_by_real(rows.repeat(4, 1), labels.repeat(4), rows, 2)
    assert twice.accuracy == pytest.approx(once.accuracy, abs=1e-12)
    assert twice.real[:300].tolist() == once.real.tolist()
    assert (once.repeats, classes_by_real(rows, labels, rows[:50].repeat(19, 1), 2).repeats) == (1, 19)


def test_copies_differ_by_round_off_only() -> None:
    rows = torch.randn(50, 100, generator=torch.Generator().manual_seed(0)) + 10
    again = rows * (1 + 1e-7 * torch.randn(50, 100, generator=torch.Generator().manual_seed(1)))
    groups, _ = copies(torch.cat([rows, again]))
    assert groups[:50].tolist() == groups[50:].tolist()
    assert len(groups.unique()) == 50
    assert len(copies(rows + 1e-3 * torch.arange(2).repeat(25)[:, None])[0].unique()) == 50


def test_far_from_the_origin_nothing_changes() -> None:
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(0, 3, 200))
    rows = torch.from_numpy(rng.normal(size=(200, 80)).astype(np.float32)) + 2 * labels[:, None]
    near, far = (classes_by_real(rows + shift, labels, rows + shift, 3) for shift in (0, 1000))
    assert near.confusion.tolist() == far.confusion.tolist()
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    assert classes_by_real(rows[order], labels[order], rows, 3).fake.tolist() == near.fake.tolist()


def test_of_many_real_samples_some_vote_whatever_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(0, 3, 300))
    rows = torch.from_numpy(rng.normal(size=(300, 2))) + 20 * labels[:, None]
    monkeypatch.setattr(module, "REFERENCES", 40)
    found = classes_by_real(rows, labels, rows, 3)
    assert found.accuracy == 1
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    assert classes_by_real(rows[order], labels[order], rows, 3).fake.tolist() == found.fake.tolist()


def test_skill_is_0_for_guesses_and_1_for_no_error() -> None:
    found = classes_by_real(line(0, 1, 2, 10, 11, 12), torch.tensor([0, 0, 0, 1, 1, 1]), line(0), 2)
    for confusion, skill in ((np.eye(4), 1), (np.ones((4, 4)), 0), (np.diag([3, 3]) + 1, 0.6)):
        assert type(found)(found.real, found.fake, np.asarray(confusion, float), 1).skill == pytest.approx(skill)


def noisy(n: int, d: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes along the first column, under noise in the others."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    rows = rng.normal(size=(n, d)) * np.r_[0.3, 0.3, np.full(d - 2, 1.5)]
    rows[:, :2] += np.array([[1, 0], [0, 1], [-1, -1]])[labels]
    return torch.from_numpy(rows.astype(np.float32)), torch.from_numpy(labels)


@pytest.mark.parametrize(("n", "d"), [(120, 20), (40, 90)])
def test_the_errors_of_the_linear_rule_are_those_of_fits_without_the_sample(
    n: int, d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "SHRINKAGES", (0.3,))
    rows, labels = noisy(n, d, 0)
    rule = linear_classes(rows, labels, 3)
    wanted = np.eye(3)[labels]
    penalty = 0.3 * np.linalg.svd(rows.double() - rows.double().mean(0), compute_uv=False)[: min(n - 1, d)] ** 2
    alone = []
    for i in range(n):
        rest = np.arange(n) != i
        x, y = rows.double().numpy()[rest], wanted[rest]
        gram = (x - x.mean(0)).T @ (x - x.mean(0)) + penalty.mean() * np.eye(d)
        weights = np.linalg.solve(gram, (x - x.mean(0)).T @ y)
        alone.append(int(((rows[i].double().numpy() - x.mean(0)) @ weights + y.mean(0)).argmax()))
    assert rule.left_out.tolist() == alone
    assert rule(rows)[:5].tolist() == (rows.double() @ rule.weights + rule.offset)[:5].argmax(1).tolist()


def test_the_better_rule_is_taken_by_the_errors_on_the_real_samples() -> None:
    (rows, labels), (more, truth) = noisy(400, 80, 0), noisy(400, 80, 1)
    found = classes_by_real(rows, labels, more, 3)
    assert found.rule == "linear"
    assert found.accuracy > 0.9
    assert float((found.fake == truth).double().mean()) == pytest.approx(found.accuracy, abs=0.05)
    again = classes_by_real(rows.repeat(3, 1), labels.repeat(3), more, 3)
    assert again.real[:400].tolist() == found.real.tolist(), "copies have no say"
    ring = torch.linspace(0, 1, 200, dtype=torch.float64)[:, None]
    assert classes_by_real(ring, (4 * ring[:, 0]).long().clamp(max=3) % 2, ring, 2).rule == "knn5"


def test_where_there_is_nothing_to_fit_there_is_no_linear_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    assert linear_classes(torch.ones(5, 3), torch.tensor([0, 1, 0, 1, 0]), 2) is None
    monkeypatch.setattr(linear, "WIDEST", 30)
    assert linear_classes(*noisy(40, 90, 0), 3) is None
    assert linear_classes(*noisy(40, 30, 0), 3) is not None


ERRORS = np.array([[90.0, 10.0, 0.0], [5.0, 95.0, 0.0], [0.0, 20.0, 180.0]])


def test_counts_that_errors_explain_are_no_samples() -> None:
    real = ERRORS.sum(0)
    for counts in ([90, 10, 0], [180, 22, 0], [92, 12, 0]):
        assert true_counts(real, np.array(counts), ERRORS)[1].tolist() == pytest.approx([sum(counts), 0, 0])
    for fake in (ERRORS.sum(0), np.array([47.0, 73.0, 80.0])):
        corrected = true_counts(real, fake, ERRORS)[1]
        assert corrected.sum() == pytest.approx(fake.sum())
        assert corrected @ (ERRORS / ERRORS.sum(1, keepdims=True)) == pytest.approx(fake, abs=1)
    several = true_counts(np.stack([real, real]), np.array([[90, 10, 0], [45, 73, 80]]), ERRORS)[1]
    assert several[0] == pytest.approx(true_counts(real, np.array([90, 10, 0]), ERRORS)[1], abs=0.1)


def test_a_rare_class_that_may_be_there_is_not_called_absent() -> None:
    """Two real samples of 1000: no fake among 100 says nothing."""
    errors = np.diag([998.0, 2.0])
    assert true_counts(np.array([998, 2]), np.array([99, 1]), errors)[1] == pytest.approx([99, 1], abs=0.1)


def test_leaks_and_their_uncertainty() -> None:
    share = np.array([0.5, 0.5, 0.0])
    assert leaks(share, ERRORS) == pytest.approx([0.025, 0.05, 0])
    assert leaks(share, ERRORS, sds=2)[2] > 0, "none of 200 is no proof"
    assert there(np.array([80, 18, 2]), np.array([0.1, 0.1, 0.02]), 0.01).tolist() == [True, False, False]
    assert not there(np.array([10, 0]), np.zeros(2), 0.01)[1]


def test_predicted_rows_keep_what_is_known_of_the_errors() -> None:
    rows = Predicted(torch.tensor([2, 0, 1]), torch.arange(3), ERRORS, 0.5).take(torch.tensor([2, 0]))
    assert (rows.features.tolist(), rows.index.tolist(), rows.weight) == ([2, 1], [0, 2], 0.5)
    assert rows.confusion is ERRORS


def many_classes(seed: int, missing: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted counts of 500 classes of 10 real samples, of fakes that lack the last `missing`, and the confusion."""
    rng = np.random.default_rng(seed)
    rates = 0.8 * np.eye(500) + 0.05 * sum(np.roll(np.eye(500), shift, 1) for shift in (1, 2, 5, 9))
    share = np.where(np.arange(500) < 500 - missing, 1.0, 0.0)
    confusion = np.stack([rng.multinomial(10, row) for row in rates])
    real = confusion.sum(0)
    fake = rng.multinomial(5000, share / share.sum() @ rates)
    return real, fake, confusion


def test_of_five_hundred_small_classes_none_goes_missing_by_chance() -> None:
    """At one level for each class, 5 of 489 classes of a faithful generator counted as missing."""
    for seed in range(4):
        _, fake = true_counts(*many_classes(seed))
        assert (fake < 0.5).sum() == 0
