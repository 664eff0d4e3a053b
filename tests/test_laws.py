"""Every law that a metric declares, measured on that metric. A new metric is covered by being declared.

The features are those each metric reads: rows in a space, or logits. Eight dimensions, so that "a tight cluster inside
wide reals" is inside a few of their balls and not, as it would be in hundreds, inside all of them at once.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf

import numpy as np
import pytest

from divmetrics.declare import METRICS, Laws, Metric
from divmetrics.summaries import ClassTally, Rows

N, D = 120, 8
TIGHT = 0.02
"""Size of a collapsed cluster, in units of the reals' spread."""
Sides = tuple[np.ndarray, ...]


def sides(metric: Metric, real: np.ndarray, fake: np.ndarray) -> Sides:
    return (fake,) if metric.real is None else (real, fake)


def healthy(metric: Metric, seed: int = 0) -> Sides:
    rng = np.random.default_rng(seed)
    return sides(metric, 3 * rng.normal(size=(N, D)), 3 * rng.normal(size=(N, D)))


def collapsed(metric: Metric, seed: int = 0) -> Sides:
    """Fakes shrunk to a tight cluster about one point off the middle of the reals."""
    rng = np.random.default_rng(seed)
    place = np.full(D, 0.5) + np.arange(D) / D
    return sides(metric, 3 * rng.normal(size=(N, D)), place + 3 * TIGHT * rng.normal(size=(N, D)))


def worlds(metric: Metric) -> dict[str, Sides]:
    """Where a range must hold: alike, apart, collapsed, copied, of other sizes."""
    (*real, fake) = healthy(metric)
    found = {"healthy": healthy(metric), "collapsed": collapsed(metric), "far": (*real, fake + 50)}
    found["fewer fakes"] = (*real, fake[:70])
    found["one point"] = (*real, np.tile(fake[:1], (N, 1)))
    if metric.real is not None:
        found["copies"] = (real[0], real[0])
    return found


def same(value: float, other: float) -> bool:
    """Equal up to round-off that an unlucky sum of a thousand terms may gather."""
    return value == pytest.approx(other, rel=1e-7, abs=1e-9)


def moved(metric: Metric, change: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """The value before and after `change` of all sides."""
    before = healthy(metric)
    return metric(*before), metric(*(change(side) for side in before))


def check_range(metric: Metric) -> None:
    low, high = metric.laws.range
    for name, world in worlds(metric).items():
        value = metric(*world)
        slack = 1e-8 * max(1.0, float(np.square(world[-1]).max()))  # round-off of a squared distance
        assert low - slack <= value <= high + slack, f"{metric.name} is {value} on {name}, outside [{low}, {high}]"


def check_row_order(metric: Metric) -> None:
    rng = np.random.default_rng(1)
    value, other = moved(metric, rng.permutation)
    assert same(value, other), f"{metric.name} depends on the order of rows: {value} and {other}"


def check_translation(metric: Metric) -> None:
    value, other = moved(metric, lambda side: side + np.linspace(-3, 5, D))
    assert same(value, other), f"{metric.name} is {value}, and {other} after a translation"


def check_rotation(metric: Metric) -> None:
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(D, D)))[0]
    value, other = moved(metric, lambda side: side @ turn)
    assert same(value, other), f"{metric.name} is {value}, and {other} after a rotation"


def check_scaling(metric: Metric) -> None:
    assert metric.laws.scaling is not None
    for factor in (0.25, 3.0):
        value, other = moved(metric, lambda side, factor=factor: factor * side)
        assert same(value * factor**metric.laws.scaling, other), f"{metric.name} is {value}, times {factor}: {other}"


def check_on_copies(metric: Metric) -> None:
    real = healthy(metric)[0]
    value = metric(real, real.copy())
    assert value == pytest.approx(metric.laws.on_copies, abs=1e-8 * np.square(real).max()), f"on copies: {value}"


def check_on_collapse(metric: Metric) -> None:
    """On most of nine draws: one draw may be lucky for a metric that counts."""
    gains = [metric(*collapsed(metric, seed)) - metric(*healthy(metric, seed)) for seed in range(9)]
    gain = float(np.median(gains)) * (1 if metric.better == "higher" else -1)
    spread = float(np.std([metric(*healthy(metric, seed)) for seed in range(9)]))
    found = "blind" if abs(gain) <= 2 * spread else "better" if gain > 0 else "worse"
    assert found == metric.laws.on_collapse, f"{metric.name} gets {found} by {gain:.3g}, spread {spread:.3g}"


CHECKS: dict[str, tuple[Callable[[Metric], None], Callable[[Metric], bool]]] = {
    "range": (check_range, lambda metric: True),
    "row_order": (check_row_order, lambda metric: metric.laws.row_order),
    "translation": (check_translation, lambda metric: metric.laws.translation),
    "rotation": (check_rotation, lambda metric: metric.laws.rotation),
    "scaling": (check_scaling, lambda metric: metric.laws.scaling is not None),
    "on_copies": (check_on_copies, lambda metric: metric.laws.on_copies is not None),
    "on_collapse": (check_on_collapse, lambda metric: True),
}
"""Law -> (its measurement, whether a metric declares it)."""
DECLARED = [(metric, law) for metric in METRICS for law, (_, declares) in CHECKS.items() if declares(metric)]


@pytest.mark.parametrize(("metric", "law"), [pytest.param(m, law, id=f"{m.name}-{law}") for m, law in DECLARED])
def test_law(metric: Metric, law: str) -> None:
    CHECKS[law][0](metric)


def test_every_law_has_a_measurement() -> None:
    assert set(CHECKS) == set(vars(Laws()))


def liar(law: str) -> Metric:
    """A metric for which no law holds, and which declares one."""
    claims = {"range": (0, 1), "scaling": 0.0, "on_copies": 0.0}
    nothing = Laws(range=(-inf, inf), row_order=False, on_collapse="better")
    laws = (
        replace(nothing, on_collapse="blind")
        if law == "on_collapse"
        else replace(nothing, **{law: claims.get(law, True)})
    )

    def function(real: Rows, fake: Rows) -> float:
        return float((real.features[0, 0] - 2) ** 2 + 100 * fake.features.std())

    return Metric("liar", function, Rows.on("pooled"), Rows.on("pooled"), "higher", laws, "nobody")


@pytest.mark.parametrize("law", sorted(CHECKS))
def test_a_false_law_is_caught(law: str) -> None:
    with pytest.raises(AssertionError, match=r"liar|on copies"):
        CHECKS[law][0](liar(law))


@pytest.mark.parametrize("metric", [m for m in METRICS if m.fake.summary is ClassTally], ids=lambda m: m.name)
def test_class_counts_do_not_depend_on_the_order_of_labels(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.integers(0, 9, 200), rng.integers(0, 7, 100)
    assert metric(real, fake) == metric(rng.permutation(real), rng.permutation(fake))
