"""The table of modes: by class, by cluster, corrected for the classifier; and how often it is wrong."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import fisher_exact, hypergeom, nchypergeom_fisher

from divmetrics.arrays.confusion import corrected_counts
from divmetrics.arrays.summaries import ClassTally, Rows
from divmetrics.errors import FeatureError, UsageError
from divmetrics.inference import mode_table as module
from divmetrics.inference.mode_table import _holm, cluster_table, mode_table
from divmetrics.records.results import Mode

NAMED = ("missing", "thinned")


def tally(*counts: int) -> ClassTally:
    return ClassTally(torch.tensor(counts))


def ring(n: int, kept: int, rng: np.random.Generator) -> np.ndarray:
    angles = 2 * np.pi * rng.integers(0, kept, n) / 8
    return 2 * np.stack([np.cos(angles), np.sin(angles)], 1) + 0.1 * rng.normal(size=(n, 2))


def confusion(classes: int, error: float) -> np.ndarray:
    rates = np.full((classes, classes), error / (classes - 1))
    np.fill_diagonal(rates, 1 - error)
    return rates


def named(table: tuple[Mode, ...]) -> list[int]:
    return [mode.id for mode in table if mode.state in NAMED]


def test_classes_are_told_apart_by_what_chance_would_do() -> None:
    table = mode_table(tally(200, 200, 200, 2, 0), tally(290, 0, 60, 0, 10), ["a", "b", "c", "d", "e"])
    assert [mode.name for mode in table] == ["a", "b", "c", "d"]  # real samples do not have e
    assert [mode.state for mode in table] == ["present", "missing", "thinned", "unseen"]
    assert table[2].real_share == pytest.approx(200 / 602)
    assert table[2].fake_share == pytest.approx(60 / 360)
    assert table[2].p == pytest.approx(fisher_exact([[60, 300], [200, 402]], alternative="less").pvalue)
    assert not table[0].corrected


def test_holm_steps_down_from_the_smallest_p() -> None:
    """Limits of 0.01 / 3, / 2 and / 1 for the smallest, the next and the largest of three; the first miss ends it."""
    assert _holm(np.array([0.005, 0.0033, 0.01])).tolist() == [True, True, True]
    assert _holm(np.array([0.0051, 0.0033, 0.01])).tolist() == [False, True, False]
    assert _holm(np.array([0.004, 0.0034, 0.0001])).tolist() == [True, True, True]
    assert _holm(np.array([0.0034, 0.0034, 0.01])).tolist() == [False, False, False]


def test_a_perfect_classifier_corrects_nothing() -> None:
    real, fake = tally(200, 200, 100, 3), tally(290, 2, 60, 0)
    plain, corrected = (mode_table(real, fake, None, given) for given in (None, np.eye(4)))
    for one, other in zip(plain, corrected, strict=True):
        assert (other.id, other.name, other.state) == (one.id, f"class {one.id}", one.state)
        shares = (other.p, other.real_share, other.fake_share)
        assert shares == pytest.approx((one.p, one.real_share, one.fake_share), abs=1e-3)
        assert (one.corrected, other.corrected) == (False, True)


def test_what_leaks_in_from_another_class_is_allowed_for() -> None:
    """Of class 0 a tenth is taken for class 1; the fakes have more of class 0 and few of class 1."""
    rates = np.array([[0.9, 0.1], [0.0, 1.0]])
    real, fake = np.array([500, 500]) @ rates, np.array([900, 100]) @ rates
    table = mode_table(tally(*real.astype(int)), tally(*fake.astype(int)), None, rates)
    assert [mode.real_share for mode in table] == pytest.approx([0.5, 0.5], abs=2e-3)
    assert [mode.fake_share for mode in table] == pytest.approx([0.9, 0.1], abs=2e-3)
    assert [mode.state for mode in table] == ["present", "thinned"]
    gone = np.array([1000, 0]) @ rates
    table = mode_table(tally(*real.astype(int)), tally(*gone.astype(int)), None, rates)
    assert table[1].state == "missing", "the 100 of 1000 that are called class 1 leaked in"
    assert mode_table(tally(*real.astype(int)), tally(*gone.astype(int)), None)[1].state == "thinned"
    alike = mode_table(tally(*real.astype(int)), tally(*real.astype(int)), None, rates)
    assert all(0.4 < mode.p < 0.7 for mode in alike)


def test_the_corrected_p_is_that_of_the_noncentral_hypergeometric() -> None:
    """True shares .5, .5 and .7, .3. Of all samples a share .15 of the real and .21 of the fake ones leaked into 1."""
    rates = np.array([[0.7, 0.3], [0.2, 0.8]])
    table = mode_table(tally(450, 550), tally(550, 450), None, rates)
    assert [mode.fake_share for mode in table] == pytest.approx([0.7, 0.3], abs=1e-4)
    common = (550 + 450 - 150 - 210) / (2000 * 0.8)  # the share of class 1 if both sides have the same
    real, fake = common * 0.8 + 0.15, common * 0.8 + 0.21
    odds = fake / (1 - fake) * (1 - real) / real
    assert table[1].p == pytest.approx(nchypergeom_fisher.cdf(450, 2000, 1000, 1000, odds), rel=1e-3, abs=0)


def test_a_class_that_is_always_taken_for_another_is_found_by_what_it_leaves() -> None:
    rates = np.array([[0.9, 0.1, 0], [0.1, 0.9, 0], [0, 1, 0]])
    assert corrected_counts(np.array([0, 100, 0]), rates) == pytest.approx([0, 0, 100], abs=1)
    assert corrected_counts(np.array([46, 54]), [[36, 4], [1, 9]]) == pytest.approx([45, 55], abs=0.1), "rows of counts"


def test_a_class_that_real_samples_do_not_have_is_not_listed() -> None:
    table = mode_table(tally(0, 200, 200), tally(10, 300, 0), ["a", "b", "c"])
    assert [(mode.id, mode.name, mode.state) for mode in table] == [(1, "b", "present"), (2, "c", "missing")]
    rates = np.array([[0.9, 0.1], [0, 1]])
    (only,) = mode_table(tally(900, 100), tally(880, 120), None, rates)  # all 100 leaked in from class 0
    assert only.id == 0
    assert only.p == pytest.approx(hypergeom.cdf(880, 2000, 1780, 1000), rel=1e-3)


def test_one_fake_of_a_rare_mode_is_enough_not_to_be_missing() -> None:
    assert [mode.state for mode in mode_table(tally(50, 50), tally(99, 1), None)] == ["present", "thinned"]


def test_clusters_are_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    inner = module.clusters
    monkeypatch.setattr(module, "clusters", lambda *given: asked.append(given[1:]) or inner(*given))
    cluster_table(Rows.from_array(np.eye(8)), Rows.from_array(np.eye(8)), 3, 7)
    assert asked == [(3, 7)]


def test_a_wider_confusion_matrix_adds_classes_without_samples() -> None:
    table = mode_table(tally(50, 50), tally(50, 50), None, np.eye(4))
    assert [mode.id for mode in table] == [0, 1]


def test_clusters_serve_where_there_are_no_labels() -> None:
    rng = np.random.default_rng(0)
    real, fake = Rows.from_array(ring(800, 8, rng)), Rows.from_array(ring(800, 7, rng))
    table = cluster_table(real, fake, None, 0)
    assert len(table) == 8
    (lost,) = [(mode, places) for mode, places in table if mode.state in NAMED]
    assert lost[0].state == "missing"
    assert lost[0].name == f"cluster {lost[0].id}"
    assert len(lost[1]) == 5
    angles = torch.atan2(*real.features[list(lost[1])].T.flip(0))
    assert torch.allclose(angles, torch.tensor(-np.pi / 4, dtype=torch.float64), atol=0.1)  # the eighth of eight
    assert len(cluster_table(real, fake, 3, 0)) == 3


def test_exemplars_are_places_in_the_whole_set() -> None:
    rows = ring(200, 8, np.random.default_rng(0))
    shifted = Rows(torch.from_numpy(rows), torch.arange(200) + 1000)
    shown = [place for _, places in cluster_table(shifted, shifted, None, 0) for place in places]
    assert 1000 <= min(shown) <= max(shown) < 1200


@pytest.mark.parametrize("world", ["ring", "gaussian"])
def test_faithful_fakes_are_seldom_said_to_miss_a_cluster(world: str) -> None:
    """At 1 %: of 40 tables none or one, three once in 150 such tests."""
    hits = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sides = [ring(300, 8, rng) if world == "ring" else rng.normal(size=(300, 16)) for _ in range(2)]
        table = cluster_table(*(Rows.from_array(side) for side in sides), None, 0)
        hits += bool(named(tuple(mode for mode, _ in table)))
    assert hits <= 3


def test_corrected_counts_undo_the_confusion() -> None:
    rates = confusion(6, 0.2)
    true = np.array([500, 300, 0, 100, 0, 100])
    assert corrected_counts(true @ rates, rates) == pytest.approx(true, abs=0.5)
    assert corrected_counts(true, 40 * np.eye(6)) == pytest.approx(true, abs=0.1)  # counts serve as well as shares
    noisy = corrected_counts(np.random.default_rng(0).multinomial(1000, true / 1000 @ rates), rates)
    assert noisy.sum() == pytest.approx(1000)
    assert noisy.min() >= 0
    assert noisy == pytest.approx(true, abs=60)


def test_ten_modes_of_a_thousand_stay_ten() -> None:
    """Field notes, 0.5: an error of 1 % a digit makes hundreds of 1,000 stacked digits out of ten."""
    digit = confusion(10, 0.01)
    rates = np.kron(np.kron(digit, digit), digit)
    rng = np.random.default_rng(0)
    true = np.zeros(1000)
    true[::111] = 0.1
    real, fake = rng.multinomial(26_000, np.full(1000, 1e-3) @ rates), rng.multinomial(26_000, true @ rates)
    assert (fake > 0).sum() > 200
    plain, corrected = (mode_table(tally(*real), tally(*fake), None, given) for given in (None, rates))
    assert Counter(mode.state for mode in plain)["missing"] < 800
    states = Counter(mode.state for mode in corrected)
    assert states["present"] <= 12
    assert states["missing"] > 950
    assert all(mode.corrected for mode in corrected)


def test_the_corrected_test_keeps_its_level_and_sees_a_lost_class() -> None:
    rng = np.random.default_rng(0)
    rates = 0.8 * np.eye(8) + 0.2 * rng.dirichlet(np.ones(8) / 2, 8)
    shares = np.arange(1, 9) / 36
    lost = np.where(np.arange(8) == 5, 0, shares)
    hits, found = 0, 0
    for _ in range(60):
        real, alike, fewer = (rng.multinomial(1000, share / share.sum() @ rates) for share in (shares, shares, lost))
        hits += bool(named(mode_table(tally(*real), tally(*alike), None, rates)))
        table = mode_table(tally(*real), tally(*fewer), None, rates)
        found += named(table) == [5] and table[5].state == "missing"
    assert hits <= 3
    assert found >= 55


def test_bad_input() -> None:
    negative, unknown = np.eye(3) + np.array([0.5, -0.5, 0]), np.where(np.eye(3) > 0, np.nan, 1)
    for matrix in (np.eye(2), np.ones((3, 2)), -np.eye(3), np.zeros((3, 3)), negative, unknown):
        with pytest.raises(UsageError, match="confusion matrix"):
            mode_table(tally(1, 2, 3), tally(3, 2, 1), None, matrix)
    with pytest.raises(UsageError, match="0 clusters"):
        cluster_table(Rows.from_array(np.eye(4)), Rows.from_array(np.eye(4)), 0, 0)
    with pytest.raises(FeatureError, match="columns"):
        cluster_table(Rows.from_array(np.eye(4)), Rows.from_array(np.eye(3)), 2, 0)


def test_a_cluster_with_strays_alone_is_missing() -> None:
    """A fifth of its share lies in a cluster without samples of its own at most; a class has no strays."""
    real = Rows.from_array(np.repeat([[0.0], [9.0]], 100, 0))
    for strays, state in ((0, "missing"), (10, "missing"), (12, "thinned")):
        fake = Rows.from_array(np.repeat([[0.0], [9.0]], [100 - strays, strays], 0))
        assert [mode.state for mode, _ in cluster_table(real, fake, 2, 0)] == ["present", state]
    few = Rows.from_array(np.zeros((2, 1)))
    assert sorted(mode.state for mode, _ in cluster_table(real, few, 2, 0)) == ["present", "unseen"]
