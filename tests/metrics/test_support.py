"""Precision, recall, density and coverage: original values, collapse, options, per-sample columns."""

import numpy as np
import prdc
import pytest
from sklearn.datasets import load_digits

from divmetrics.errors import TooFewSamples, UnknownName, UsageError
from divmetrics.records.metric import METRICS

NAMES = ("precision", "recall", "density", "coverage")
TaskInputs = tuple[np.ndarray, np.ndarray]


def gaussians(n: int = 1000, d: int = 64) -> TaskInputs:
    rng = np.random.RandomState(0)
    return rng.randn(n, d), rng.randn(n, d)


def digits() -> TaskInputs:
    rows = load_digits().data
    return rows[:898], rows[898:1796]


def wide(n: int = 400, d: int = 256) -> TaskInputs:
    real, fake = gaussians(n, d)
    return real, 0.9 * fake + 0.1


def values(sides: TaskInputs, **options: object) -> list[float]:
    return [METRICS[name](*sides, **options) for name in NAMES]


# prdc 0.2, compute_prdc(R, F, nearest_k=5), from reference-values.md
PUBLISHED = {
    "gaussians": (gaussians(), [0.704, 0.738, 0.947, 0.971]),
    "central collapse": ((3 * gaussians()[0], 0.1 * gaussians()[1]), [1.0, 0.0, 200.0, 1.0]),
    "digits": (digits(), [0.8329621381, 0.8073496659, 0.6035634744, 0.7004454343]),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_values(name: str) -> None:
    sides, expected = PUBLISHED[name]
    assert values(sides) == pytest.approx(expected, abs=1e-9)


SIDE_BY_SIDE = {
    "float64": wide(),
    "float32": tuple(side.astype(np.float32) for side in wide()),
    "float32 far from zero": tuple((side + 1e3).astype(np.float32) for side in wide()),
    "float64 far from zero": tuple(side + 1e3 for side in wide()),
    "digits in float32": tuple(side.astype(np.float32) for side in digits()),
    "other sizes": (wide()[0], wide()[1][:150]),
}


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_prdc_beside_ours(name: str, k: int) -> None:
    sides = SIDE_BY_SIDE[name]
    theirs = prdc.compute_prdc(*sides, nearest_k=k)
    assert values(sides, k=k) == pytest.approx([theirs[metric] for metric in NAMES], abs=1e-9)


def test_tight_fakes_within_wide_reals_are_precise_and_do_not_recall() -> None:
    real, fake = gaussians(600, 16)
    precision, recall, density, _ = values((3 * real, 0.3 * fake))
    assert precision > 0.9
    assert recall < 0.3
    assert density > 2


def test_dropped_modes_are_not_covered() -> None:
    rng = np.random.RandomState(0)
    centres = 20 * rng.randn(10, 8)
    real, fake = (centres[rng.randint(modes, size=600)] + rng.randn(600, 8) for modes in (10, 4))
    share = (np.square(real[:, None] - centres).sum(2).argmin(1) < 4).mean()
    precision, recall, _, coverage = values((real, fake))
    assert precision > 0.8
    assert recall < share
    assert coverage <= share


@pytest.mark.parametrize("name", NAMES)
def test_options_move_the_value(name: str) -> None:
    grid = tuple((2 * side).round() for side in gaussians(200, 3))  # full of ties
    metric = METRICS[name]
    assert metric(*grid, k=3) < metric(*grid, k=8)
    assert metric(*grid, ties="open") < metric(*grid, ties="closed")


def test_identical_sets_are_inside_closed_balls_only() -> None:
    ones = np.ones((50, 20))
    assert values((ones, ones)) == [0, 0, 0, 0]
    assert values((ones, ones), ties="closed") == [1, 1, 10, 1]


def test_columns_carry_the_value() -> None:
    sides = gaussians(200, 8)
    columns = {"precision": "inside", "recall": "recalled", "density": "density", "coverage": "covered"}
    for name, column in columns.items():
        found = METRICS[name].measure(*sides)
        (kept,) = [*found.real.items(), *found.fake.items()]
        assert kept[0] == column
        assert kept[1].double().mean().item() == pytest.approx(found.value)


def test_coverage_says_what_equal_distributions_would_reach() -> None:
    rng = np.random.RandomState(0)
    for n, m, expected in ((400, 400, 0.9694), (1000, 100, 0.3795)):
        found = [METRICS["coverage"].measure(rng.randn(n, 4), rng.randn(m, 4)) for _ in range(10)]
        assert found[0].extras["expected"] == pytest.approx(expected, abs=1e-3)
        assert np.mean([one.value for one in found]) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_one_sentence(name: str) -> None:
    real, fake = gaussians(20, 4)
    metric = METRICS[name]
    with pytest.raises(TooFewSamples, match=r"k=5 needs at least 6 rows per side, fake has 4\. Lower it with k=3"):
        metric(real, fake[:4])
    with pytest.raises(UsageError, match="k=0"):
        metric(real, fake, k=0)
    with pytest.raises(UsageError, match="one of open, closed"):
        metric(real, fake, ties="half")
    with pytest.raises(UnknownName, match="'k'"):
        metric(real, fake, kk=3)
    assert metric.minimum({"k": 7}) == 8
