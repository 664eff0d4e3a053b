"""Every law that a metric declares, measured on that metric. A new metric is covered by being declared.

The samples are those each metric reads: rows in a space, logits, rows with classes, small images. Eight dimensions, so
that "a tight cluster inside wide reals" is inside a few of their balls and not, as it would be in hundreds, inside all
of them at once.
"""

import gc
import importlib
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import pytest
import torch

from divmetrics.arrays import memo
from divmetrics.arrays.splits import FAKE, REAL, HeldOutPool, OneSamplePool, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import ClassTally, Labelled, Rows
from divmetrics.errors import FeatureError
from divmetrics.records.metric import METRICS, Laws, Metric

N, D = 120, 8
TIGHT = 0.02
"""Size of a collapsed cluster, in units of the reals' spread."""
SIDE = 176
"""Height and width of the images that metrics of pixels are shown, just enough for five scales."""


@dataclass(frozen=True)
class Set:
    """The samples of one side, and a class for each, for metrics that look at one class at a time."""

    rows: np.ndarray
    classes: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> "Set":
        return cls(rows, np.arange(len(rows)) % 2)

    def shown_to(self, metric: Metric) -> object:
        return (self.rows, self.classes) if metric.fake.summary is Labelled else self.rows

    def at(self, places: np.ndarray) -> "Set":
        return Set(self.rows[places], self.classes[places])


DRAWN: dict[str, dict[str, int]] = {"ms_ssim": {"pairs": 20}}
"""Options under which a metric draws from as few samples as there are here."""
CAPS = {"clustering.SEEN": 50, "pairs._kernel_sums.MANY": 50, "fld.MOST_CENTRES": 50}
"""Sizes beyond which a metric looks at some samples only, lowered to fewer than there are here."""


World = dict[str, Set]
"""Side -> its samples."""


def shape_of(metric: Metric) -> tuple[int, tuple[int, ...]]:
    """Number of samples and shape of each."""
    return (12, (3, SIDE, SIDE)) if metric.fake.layers == ("pixels",) else (N, (D,))


def centre_of(metric: Metric) -> float:
    return 0.5 if metric.fake.layers == ("pixels",) else 0.0


def scale_of(metric: Metric) -> float:
    return 0.05 if metric.fake.layers == ("pixels",) else 3.0


def draw(metric: Metric, rng: np.random.Generator, place: np.ndarray | float, spread: float) -> Set:
    n, shape = shape_of(metric)
    return Set.of(centre_of(metric) + scale_of(metric) * (place + spread * rng.normal(size=(n, *shape))))


def healthy(metric: Metric, seed: int = 0) -> World:
    rng = np.random.default_rng(seed)
    return {side: draw(metric, rng, 0.0, 1.0) for side in ("real", "fake", "held_out") if side in metric.needs}


def collapsed(metric: Metric, seed: int = 0) -> World:
    """Fakes shrunk to a tight cluster about one point off the middle of the reals."""
    rng, (_, shape) = np.random.default_rng(seed), shape_of(metric)
    place = (np.full(D, 0.5) + np.arange(D) / D) / 3 if shape == (D,) else rng.normal(size=shape)
    return healthy(metric, seed) | {"fake": draw(metric, rng, place, TIGHT)}


def worlds(metric: Metric) -> dict[str, World]:
    """Where a range must hold: alike, apart, collapsed, copied, of other sizes."""
    world = healthy(metric)
    n, fake = len(world["fake"].rows), world["fake"]
    found = {"healthy": world, "collapsed": collapsed(metric)}
    found["far"] = world | {"fake": Set(fake.rows + 50 * scale_of(metric) / 3, fake.classes)}
    found["fewer fakes"] = world | {"fake": fake.at(np.arange(n * 7 // 12))}
    found["one point"] = world | {"fake": Set.of(np.repeat(fake.rows[:1], n, axis=0))}
    if metric.real is not None:
        found["copies"] = world | {"fake": world["real"]}
    return found


def value_of(metric: Metric, world: World) -> float:
    return metric(*(world[side].shown_to(metric) for side in metric.needs), **DRAWN.get(metric.name, {}))


def same(value: float, other: float) -> bool:
    """Equal up to round-off that an unlucky sum of a thousand terms may gather."""
    return value == pytest.approx(other, rel=1e-7, abs=1e-9)


def moved(metric: Metric, change: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """The value before and after `change` of the rows of all sides."""
    before = healthy(metric)
    after = {side: Set(change(part.rows), part.classes) for side, part in before.items()}
    return value_of(metric, before), value_of(metric, after)


def check_range(metric: Metric) -> None:
    low, high = metric.laws.range
    for name, world in worlds(metric).items():
        try:
            value = value_of(metric, world)
        except FeatureError:  # a metric of distances may refuse a side without any
            assert name == "one point"
            continue
        slack = 1e-8 * max(1.0, float(np.square(world["fake"].rows).max()))  # round-off of a squared distance
        assert low - slack <= value <= high + slack, f"{metric.name} is {value} on {name}, outside [{low}, {high}]"


def check_row_order(metric: Metric) -> None:
    rng, before = np.random.default_rng(1), healthy(metric)
    after = {side: part.at(rng.permutation(len(part.rows))) for side, part in before.items()}
    value, other = value_of(metric, before), value_of(metric, after)
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
    world = healthy(metric)
    value = value_of(metric, world | {"fake": world["real"]})
    slack = 1e-8 * np.square(world["real"].rows).max()
    assert value == pytest.approx(metric.laws.on_copies, abs=slack), f"on copies: {value}"


def check_on_collapse(metric: Metric) -> None:
    """On most of nine draws: one draw may be lucky for a metric that counts."""
    before = [value_of(metric, healthy(metric, seed)) for seed in range(9)]
    after = [value_of(metric, collapsed(metric, seed)) for seed in range(9)]
    gain = float(np.median(np.subtract(after, before))) * (1 if metric.better == "higher" else -1)
    spread = float(np.std(before)) if np.isfinite(before).all() else 0.0
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


OFFSET = 1000.0
"""Distance of the samples from the origin, in feature units, where float32 keeps four digits of their spread."""
PRECISIONS = {"single": {}, "double reals": {"real": np.float64}, "double fakes": {"fake": np.float64}}
"""Name -> sides in float64; the others are in float32."""


def far_away(metric: Metric) -> dict[str, World]:
    """Samples far from the origin, and the same with some copies; all numbers can be told in float32."""
    offset = 0.0 if metric.fake.layers == ("pixels",) else OFFSET
    moved = {side: Set(part.rows + offset, part.classes) for side, part in healthy(metric).items()}
    rounded = in_precision(moved, {})
    if "real" not in rounded or metric.fake.layers == ("pixels",):
        return {"healthy": rounded}
    half = len(rounded["fake"].rows) // 2
    mixed = np.concatenate([rounded["real"].rows[:half], rounded["fake"].rows[half:]])
    return {"healthy": rounded, "half copies": rounded | {"fake": Set.of(mixed)}}


def in_precision(world: World, kinds: dict[str, type]) -> World:
    return {side: Set(part.rows.astype(kinds.get(side, np.float32)), part.classes) for side, part in world.items()}


@pytest.mark.parametrize("metric", list(METRICS), ids=lambda m: m.name)
def test_the_value_depends_on_numbers_and_not_on_their_precision(metric: Metric) -> None:
    """Far from the origin, in float32 and in float64, or each side in its own: one value."""
    for name, world in far_away(metric).items():
        value = value_of(metric, in_precision(world, dict.fromkeys(world, np.float64)))
        for precision, kinds in PRECISIONS.items():
            found = value_of(metric, in_precision(world, kinds))
            assert found == pytest.approx(value, rel=2e-6, abs=1e-9), f"{metric.name} of {name}, {precision}"


@pytest.mark.parametrize("metric", [m for m in METRICS if m.laws.translation], ids=lambda m: m.name)
def test_translation_far_from_the_origin_changes_nothing(metric: Metric) -> None:
    """Samples rounded where they are, so that moving them back is exact."""
    for name, world in far_away(metric).items():
        back = {side: Set(part.rows.astype(np.float64) - OFFSET, part.classes) for side, part in world.items()}
        value, found = value_of(metric, back), value_of(metric, world)
        assert found == pytest.approx(value, rel=2e-6, abs=1e-9), f"{metric.name} of {name}"


def repetitive(metric: Metric, seed: int) -> World:
    """Fakes that repeat a tenth of themselves nearly: what metrics of copies and of diversity must see."""
    world, rng = healthy(metric, seed), np.random.default_rng(seed)
    n = len(world["fake"].rows)
    rows = world["fake"].rows[rng.integers(0, n // 10, n)]
    return world | {"fake": Set.of(rows + 1e-6 * rng.normal(size=rows.shape))}


@pytest.mark.parametrize(
    "metric", [m for m in METRICS if m.real and m.fake.layers[0] != "pixels"], ids=lambda m: m.name
)
def test_one_real_sample_that_occurs_twice_does_not_decide(metric: Metric) -> None:
    """Not more than fresh samples change the value: no metric rests on the closest pair of real samples."""
    values = [value_of(metric, repetitive(metric, seed)) for seed in range(4)]
    world = repetitive(metric, 0)
    for shift in (0.0, 1e-9):
        rows = world["real"].rows.copy()
        rows[2] = rows[0] + shift  # of one class
        found = value_of(metric, world | {"real": Set(rows, world["real"].classes)})
        assert abs(found - values[0]) <= 0.05 * abs(values[0]) + 2 * float(np.std(values)), metric.name


@pytest.mark.parametrize("metric", list(METRICS), ids=lambda m: m.name)
def test_intervals_and_null_bands_take_sides_of_different_precision(metric: Metric) -> None:
    if metric.fake.summary is not ClassTally:
        assert not np.isnan(measure_all(metric, pool_of(metric, dict.fromkeys(("real", "held_out"), np.float64))))


SAMPLED = [(metric, law) for metric, law in DECLARED if law in ("row_order", "translation", "rotation", "scaling")]


@pytest.mark.parametrize(("metric", "law"), [pytest.param(m, law, id=f"{m.name}-{law}") for m, law in SAMPLED])
def test_laws_hold_beyond_the_sizes_from_which_samples_are_drawn(
    metric: Metric, law: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of samples is above every cap, since the caps are lowered."""
    for name, cap in CAPS.items():
        module = "divmetrics.metrics.copies." if name.startswith("fld") else "divmetrics.arrays."
        target = importlib.import_module(module + name.rpartition(".")[0])
        assert getattr(target, name.rpartition(".")[2]) > N
        monkeypatch.setattr(target, name.rpartition(".")[2], cap)
    CHECKS[law][0](metric)


@pytest.mark.slow
@pytest.mark.parametrize("metric", [m for m in METRICS if m.fake.layers[0] != "pixels"], ids=lambda m: m.name)
def test_the_order_of_many_rows_changes_nothing(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,100 rows: beyond Ward's 1,000, the 1,024 of median distances and blocks, the 2,048 of chunks."""
    monkeypatch.setattr(sys.modules[__name__], "N", 2100)
    check_row_order(metric)


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

    return Metric(
        "liar",
        function=function,
        real=Rows.on("pooled"),
        fake=Rows.on("pooled"),
        better="higher",
        laws=laws,
        cite="nobody",
    )


@pytest.mark.parametrize("law", sorted(CHECKS))
def test_a_false_law_is_caught(law: str) -> None:
    with pytest.raises(AssertionError, match=r"liar|on copies"):
        CHECKS[law][0](liar(law))


def pool_of(metric: Metric, kinds: dict[str, type] | None = None) -> Pool:
    """The pool behind a metric's uncertainty; held-out samples take the place of the real ones where they are read."""
    rng = np.random.default_rng(3)
    if metric.fake.summary is ClassTally:
        return TwoSamplePool(*(Rows(torch.from_numpy(rng.integers(0, 5, n)), torch.arange(n)) for n in (N, N)))
    world, kind = healthy(metric), metric.fake.summary.sampled_as()
    world = world if kinds is None else in_precision(world, kinds)
    kind = Labelled if metric.fake.summary is Labelled else kind
    parts = {side: kind.from_array(part.shown_to(metric)) for side, part in world.items()}
    if "held_out" in parts:
        return HeldOutPool(parts["held_out"], parts["fake"], parts["real"])
    return TwoSamplePool(parts["real"], parts["fake"]) if "real" in parts else OneSamplePool(parts["fake"])


def sides_of(pool: Pool) -> dict[str, Rows]:
    """The arguments of a metric behind its pool: one for held-out samples holds the training set as `train`."""
    if isinstance(pool, HeldOutPool):
        return {"real": pool.train, "fake": pool.fake, "held_out": pool.real}
    return {"real": pool.real, "fake": pool.fake} if isinstance(pool, TwoSamplePool) else {"fake": pool.fake}


def value_on(metric: Metric, pool: Pool) -> float:
    sides = sides_of(pool)
    summaries = [
        rows if isinstance(rows, need.summary) else need.summary.of(rows.features, rows.index)
        for rows, need in ((sides[name], need) for name, need in metric.needs.items())
    ]
    return metric(*summaries)


@pytest.mark.parametrize("metric", [m for m in METRICS if m.uncertainty.resample is not None], ids=lambda m: m.name)
def test_resampling_the_sides_as_they_are_gives_the_value(metric: Metric) -> None:
    pool = pool_of(metric)
    side = torch.cat([torch.full((pool.n,), REAL, dtype=torch.uint8), torch.full((pool.m,), FAKE, dtype=torch.uint8)])
    (found,) = metric.uncertainty.resample(pool, Splits(side[None]), **metric.resolve({})).tolist()
    assert found == pytest.approx(value_on(metric, pool), rel=1e-5, abs=1e-7)


def measure_all(metric: Metric, pool: Pool) -> float:
    """The value, once all that its interval and its null band are made of has been computed, too."""
    value = value_on(metric, pool)
    uncertainty, options = metric.uncertainty, metric.resolve({})
    if uncertainty.variance is not None:
        uncertainty.variance(pool, **options)
    if uncertainty.interval is not None:
        uncertainty.interval.function(pool, 0.95, **options)
    if uncertainty.null is not None:
        uncertainty.null(pool, **options)
    if uncertainty.resample is not None:
        uncertainty.resample(pool, Splits.permutations(pool.n, pool.m, 1, 0), **options)
    return value


@pytest.fixture(scope="module")
def _small_heap() -> Iterator[None]:
    """The garbage collector leaves out what lives already, so that a full collection takes a millisecond."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_small_heap")
@pytest.mark.parametrize("metric", list(METRICS), ids=lambda m: m.name)
def test_what_is_remembered_keeps_no_sample_set_alive(metric: Metric) -> None:
    """Each side is forgotten as soon as nobody else holds it, also while the others are still in use."""
    gc.collect()
    before = set(memo._slots)
    pool = pool_of(metric)
    measure_all(metric, pool)
    sides = sides_of(pool)
    del pool
    for name in list(sides)[::-1]:  # the held-out samples go first
        gone = [weakref.ref(sides[name]), weakref.ref(sides.pop(name).features)]
        gc.collect()
        assert [kept() is None for kept in gone] == [True, True], f"{metric.name} keeps {name} alive"
    assert set(memo._slots) <= before


@pytest.mark.parametrize("metric", [m for m in METRICS if m.uncertainty.variance is not None], ids=lambda m: m.name)
def test_a_variance_is_positive_or_declined(metric: Metric) -> None:
    found = metric.uncertainty.variance(pool_of(metric), **metric.resolve({}))
    assert found is None or found > 0


@pytest.mark.parametrize("metric", list(METRICS), ids=lambda m: m.name)
def test_a_metric_says_what_it_is_about(metric: Metric) -> None:
    assert metric.about is not None
    assert all(vars(metric.about).values())


@pytest.mark.parametrize("metric", [m for m in METRICS if m.fake.summary is ClassTally], ids=lambda m: m.name)
def test_class_counts_do_not_depend_on_the_order_of_labels(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.integers(0, 9, 200), rng.integers(0, 7, 100)
    assert metric(real, fake) == metric(rng.permutation(real), rng.permutation(fake))
