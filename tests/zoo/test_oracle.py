"""The oracle's numbers for samples whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divmetrics.records.generator import ZOO
from divmetrics.zoo.oracle import expected_overlap, measure_samples
from divmetrics.zoo.targets import target


def draw(name, n=2500, seed=0, **options):
    return ZOO[name].function(n, seed, **options)


@pytest.mark.parametrize("name", ["ring-8", "grid-25", "grid-unequal", "modes-64d", "digits"])
def test_exact_samples_are_healthy(name):
    found = measure_samples(target(name), draw(name))
    assert found.modes_found == found.modes_total
    assert found.severity < 0.05
    assert found.mode_kl < 0.02
    assert found.p > 1e-4
    assert found.high_quality == pytest.approx(0.9889, abs=0.01)
    assert found.spread == pytest.approx(1, abs=0.03)


@pytest.mark.slow
def test_exact_stacked_digits_are_healthy():
    """KL of a healthy sampler with K = 1000 and N = 26,000 is .0192 by (K - 1) / 2N."""
    found = measure_samples(target("stacked-digits"), draw("stacked-digits", 26_000))
    assert found.modes_found >= 998
    assert found.mode_kl == pytest.approx(0.0192, abs=0.005)
    assert found.severity < 0.02


@pytest.mark.slow
def test_a_hundred_stacked_modes_are_not_counted_as_five_hundred():
    """Without the correction one per cent of errors a digit turns 100 modes into 560."""
    rows = target("stacked-digits").draw(np.random.default_rng(0).integers(100, size=26_000), np.random.default_rng(1))
    assert 100 <= measure_samples(target("stacked-digits"), rows).modes_found <= 125


def test_half_of_the_modes():
    found = measure_samples(target("digits"), draw("digits-drop", level=0.5))
    assert found.modes_found in (5, 6)
    assert found.mode_kl == pytest.approx(np.log(2), abs=0.03)
    assert found.effective_modes == pytest.approx(5, abs=0.1)
    assert found.severity == pytest.approx(0.5, abs=0.03)


def test_shrunken_modes():
    found = measure_samples(target("grid-25"), draw("grid-25-shrink", level=0.6))
    assert found.spread == pytest.approx(0.4, abs=0.02)
    assert found.severity == pytest.approx(0.6, abs=0.03)
    assert found.high_quality == 1.0


def test_a_point_is_everything_lost():
    found = measure_samples(target("ring-8"), np.tile(np.float32([1, 0]), (100, 1)))
    assert found.severity == pytest.approx(1, abs=0.002)
    assert (found.modes_found, found.distinct) == (1, 0.01)


def test_nothing_inside():
    found = measure_samples(
        target("ring-8"), np.full((50, 2), 9, np.float32) + np.arange(50)[:, None].astype(np.float32)
    )
    assert (found.modes_found, found.mode_kl, found.spread, found.severity) == (0, None, None, 1.0)


def test_poor_fidelity_alone_is_no_collapse():
    for name in ("modes-64d-invent", "modes-64d-contaminate", "ring-8-noise"):
        assert measure_samples(target(ZOO[name].target), draw(name)).severity < 0.05, name


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_copies_are_counted_in_excess_of_real_samples(level):
    owner = target("digits")
    found = measure_samples(owner, draw("digits-memorise", 1000, level=level), owner.training_set(500)[0])
    assert found.copies == pytest.approx(level, abs=0.06)


@settings(max_examples=20)
@given(st.integers(2, 30), st.integers(1, 400))
def test_expected_overlap_is_the_mean_over_draws(k, n):
    weights = np.arange(1, k + 1) / (k * (k + 1) / 2)
    counts = np.random.default_rng(k * 1000 + n).multinomial(n, weights, size=4000)
    kept = np.minimum(counts / n, weights).sum(1)
    assert expected_overlap(weights, n) == pytest.approx(kept.mean(), abs=5 * kept.std() / np.sqrt(4000) + 1e-12)
