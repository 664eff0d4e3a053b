"""Each knob at each level: the shares of the modes and the faults are those stated."""

import numpy as np
import pytest

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.generator import ZOO
from divmetrics.zoo.targets import target

KNOBS = sorted({model.name.removeprefix(f"{model.target}-") for model in ZOO if model.family == "oracle"})
N = 4000


def test_all_knobs_of_the_notes_are_there():
    assert {"drop", "thin", "invent", "shrink", "atoms", "duplicates", "imbalance", "contaminate", "memorise", "shift",
            "noise", "ensemble-mix", "ensemble-product"} <= set(KNOBS)  # fmt: skip


def found_shares(name, level, n=N):
    """Share of each mode among the samples, and what lies outside, `[K + 1]`."""
    owner = target(ZOO[name].target)
    modes, distance = owner.nearest_modes(ZOO[name].function(n, 7, level=level))
    return np.append(np.bincount(modes[distance <= 1], minlength=owner.modes), (distance > 1).sum()) / n


def assert_as_stated(name, n=N, reach=0.9889):
    owner, model = target(ZOO[name].target), ZOO[name]
    for level in model.levels:
        stated = model.truth(level=level)
        expected = stated if owner.confusion is None else stated @ owner.confusion
        expected = expected * reach if reach else expected
        found = found_shares(name, level, n)[:-1]
        error = np.sqrt(np.maximum(expected * (1 - expected), 1e-9) / n)
        allowed = np.maximum(4.5 * error, 2 / n) + (0.004 if owner.confusion is not None else 0)
        worst = int(np.argmax(np.abs(found - expected) / allowed))
        assert np.all(np.abs(found - expected) <= allowed), (level, worst, found[worst], expected[worst])


SHARES_ONLY = ("drop", "thin", "invent", "imbalance", "contaminate", "ensemble-mix", "ensemble-product")


@pytest.mark.parametrize("knob", SHARES_ONLY)
@pytest.mark.parametrize("owner", ["ring-8", "grid-25", "grid-unequal", "modes-64d", "digits"])
def test_shares_are_those_stated(owner, knob):
    assert_as_stated(f"{owner}-{knob}")


@pytest.mark.slow
@pytest.mark.parametrize("knob", SHARES_ONLY)
@pytest.mark.parametrize("owner", ["grid-25-soft", "modes-1200d", "stacked-digits"])
def test_shares_are_those_stated_on_the_large_targets(owner, knob):
    assert_as_stated(f"{owner}-{knob}")


@pytest.mark.parametrize("knob", ["shrink", "atoms", "duplicates", "memorise", "shift", "noise"])
def test_other_knobs_keep_the_shares_they_state(knob):
    """Their samples move within modes, or repeat: the nearest mode tells the shares."""
    model, owner = ZOO[f"modes-64d-{knob}"], target("modes-64d")
    for level in model.levels[:4]:
        modes, _ = owner.nearest_modes(model.function(N, 3, level=level))
        stated = model.truth(level=level)
        found = np.bincount(modes, minlength=owner.modes) / N
        assert found == pytest.approx(stated, abs=4 * np.sqrt(0.1 * 0.9 / N)), level


@pytest.mark.parametrize("name", [f"{owner}-{knob}" for owner in ("ring-8", "digits") for knob in KNOBS])
def test_a_ladder_starts_healthy_and_follows_its_seed(name):
    model = ZOO[name]
    rows = model.function(50, 1)
    assert rows.dtype == np.float32
    assert rows.shape == (50, target(model.target).d)
    assert np.array_equal(rows, model.function(50, 1))
    assert not np.array_equal(rows, model.function(50, 2))


def test_atoms_are_as_many_as_the_level():
    rows = ZOO["ring-8-atoms"].function(5000, 0, level=4)
    assert len(np.unique(rows, axis=0)) == 8 * 4


def test_atoms_stay_where_they_are():
    first, second = (ZOO["digits-atoms"].function(500, seed, level=1) for seed in (1, 2))
    assert {row.tobytes() for row in first} == {row.tobytes() for row in second}


def test_duplicates_come_from_one_pool():
    first, second = (ZOO["ring-8-duplicates"].function(3000, seed, level=50) for seed in (1, 2))
    assert len(np.unique(np.concatenate([first, second]), axis=0)) == 50


def test_noise_and_shift_have_the_size_of_their_level():
    owner, plain = target("modes-64d"), ZOO["modes-64d"].function(2000, 0)
    sd = np.sqrt(owner.within_variance.mean() / owner.d)
    moved = ZOO["modes-64d-shift"].function(2000, 0, level=2.0)
    assert np.linalg.norm(moved.mean(0) - plain.mean(0)) == pytest.approx(2 * sd, rel=0.25)
    noisy = ZOO["modes-64d-noise"].function(2000, 0, level=2.0)
    assert (noisy.var(0) - plain.var(0)).mean() == pytest.approx(4 * sd**2, rel=0.05)


def test_a_level_that_is_not_there():
    with pytest.raises(UsageError, match=r"level=1.5 of ring-8-drop is not possible; give 0 to 0.95"):
        ZOO["ring-8-drop"].function(10, 0, level=1.5)


def test_an_unknown_entry():
    with pytest.raises(UnknownName, match="Did you mean 'ring-8-drop'"):
        ZOO["ring-8-dorp"]
