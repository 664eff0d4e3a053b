"""The road of a comparison on features; the statistics have tests of their own in tests/inference."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import divmetrics as dm
from divmetrics.errors import DivmetricsError, FeatureError, MissingLayer, SourceError, TooFewSamples, UsageError
from divmetrics.scoring import compare as module
from divmetrics.sources import open_source, subset
from divmetrics.zoo.targets import target

RING = target("ring-8")
QUICK = {"metrics": "recall,precision,modes_found", "null": False}


def ring(n: int, seed: int, dropped: int = 0) -> tuple[np.ndarray, list[str]]:
    rows, modes = RING.sample(2 * n, np.random.default_rng(seed))
    kept = np.flatnonzero(modes >= dropped)[:n]
    return rows[kept].astype(np.float32), [f"mode {mode}" for mode in modes[kept]]


@pytest.fixture(scope="module")
def sides() -> dict[str, np.ndarray]:
    return {"real": ring(300, 0)[0], "a": ring(300, 1)[0], "b": ring(300, 2)[0], "dropped": ring(300, 3, dropped=2)[0]}


@pytest.mark.parametrize("null", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_dropped_mode_ranks_below_and_a_tie_shares_a_rank(null: bool, sides: dict[str, np.ndarray]) -> None:
    real, *_ = sides.values()
    asked = {"metrics": "recall,precision", "null": null}
    found = dm.compare(real, {name: sides[name] for name in ("dropped", "a", "b")}, **asked)
    recall = found["recall"]
    assert {place.name: place.rank for place in recall.places} == {"a": 1, "b": 1, "dropped": 3}
    assert recall["a"].groups == recall["b"].groups != recall["dropped"].groups
    assert {place.rank for place in found["precision"].places} == {1}
    if null:
        assert found.by_name["dropped"].verdict.state == "collapsed"
        assert "dropped collapsed" in repr(found)
    alone = dm.score(real, sides["dropped"], **asked)
    assert {k: (r.value, r.ci, r.extras, r.null) for k, r in found.reports[0].metrics.items()} == {
        k: (r.value, r.ci, r.extras, r.null) for k, r in alone.metrics.items()
    }
    assert dm.Comparison.from_json(found.to_json()) == found


def test_the_real_samples_are_taken_once(sides: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    take = dm.Meter.take
    monkeypatch.setattr(dm.Meter, "take", lambda self, side, source: (taken.append(side), take(self, side, source))[1])
    dm.compare(sides["real"], {"a": sides["a"], "b": sides["b"]}, metrics="fid", ci_level=0, null=False)
    assert taken == ["real", "fake", "fake"]


@pytest.mark.parametrize("kind", ["arrays", "streams", "files"])
def test_larger_generators_are_cut_to_equal_sizes(kind: str, sides: dict[str, np.ndarray], tmp_path: Path) -> None:
    given: dict = {"a": sides["a"], "small": sides["b"][:200]}
    if kind == "streams":
        given = {name: iter([rows]) for name, rows in given.items()}
    if kind == "files":
        for name, rows in given.items():
            dm.extract(rows, tmp_path / f"{name}.dms")
        given = {name: tmp_path / f"{name}.dms" for name in given}
    found = dm.compare(sides["real"], given, metrics="recall", null=False)
    assert [report.fake.n for report in found.reports] == [200, 200]
    assert "200 were drawn by the seed from each larger generator: a of 300" in found.notes[0]
    assert found["recall"]["a"].rank == 1
    drawn = dm.score(sides["real"], subset(open_source(sides["a"]), 200, 0), metrics="recall", null=False)
    assert found.reports[0]["recall"].value == drawn["recall"].value


def test_a_generator_that_lost_unreadable_samples_is_not_called_larger(
    sides: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """The others are cut to what is left of it."""
    rng = np.random.default_rng(0)
    for side, count in (("real", 20), ("whole", 20), ("hurt", 20)):
        (tmp_path / side).mkdir()
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / side / f"{i:02}.png")
    for i in (0, 1):
        (tmp_path / "hurt" / f"{i:02}.png").write_bytes(b"no picture")
    given = {name: tmp_path / name for name in ("whole", "hurt")}
    asked = {"metrics": "recall", "null": False, "extractor": "pixels", "cache": False, "max_skipped": 0.2}
    found = dm.compare(tmp_path / "real", given, **asked)
    assert [report.fake.n for report in found.reports] == [18, 18]
    (note,) = [note for note in found.notes if "larger" in note]
    assert note.endswith("18 were drawn by the seed from each larger generator: whole of 20.")


def test_checkpoints_become_a_curve_that_names_the_fall(sides: dict[str, np.ndarray]) -> None:
    run = {300: sides["dropped"], 100: sides["a"], 200: sides["b"]}
    found = dm.compare(sides["real"], run, **QUICK | {"metrics": "recall,precision"})
    assert (found.names, found.steps) == (("100", "200", "300"), (100, 200, 300))
    assert (found.collapse.key, found.collapse.step, found.collapse.recovered) == ("recall@features", 300, None)
    same = dm.compare(sides["real"], {1: sides["a"], 2: sides["b"]}, metrics="recall", null=False)
    assert same.collapse is None


def test_options_move_the_numbers(sides: dict[str, np.ndarray]) -> None:
    pair = {"a": sides["a"], "b": sides["b"]}
    base = dm.compare(sides["real"], pair, metrics="recall", null=False)
    lax = dm.compare(sides["real"], pair, metrics="recall", null=False, alpha=0.4, ci_level=0.5, num=100, seed=1)
    assert (base.alpha, lax.alpha) == (0.01, 0.4)
    assert [report.fake.n for report in lax.reports] == [100, 100]
    assert lax.meta["seed"] == 1
    assert lax.reports[0]["recall"].ci_level == 0.5
    off = dm.compare(sides["real"], pair, metrics="recall", null=False, ci_level=0)
    assert [place.rank for place in off["recall"].places] == [None, None]


def test_held_out_samples_serve_all(sides: dict[str, np.ndarray]) -> None:
    real, a, held_out = (sides[name][:150] for name in ("real", "a", "b"))
    found = dm.compare(real, {"a": a, "copy": real + 1e-4}, held_out=held_out, metrics="c_t:cells=1", null=False)
    assert [(place.name, place.rank) for place in found["c_t"].places] == [("a", 1), ("copy", 2)]
    assert found.reports[0].held_out.n == 150


def test_another_way_of_measuring_is_not_ranked(sides: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    measured = module._measured

    def changed(*given: object) -> dict[str, dm.Report]:
        reports = measured(*given)
        result = reports["b"].metrics["recall@features"]
        object.__setattr__(result.signature, "params", "k:6|ties:open")
        return reports

    monkeypatch.setattr(module, "_measured", changed)
    found = dm.compare(sides["real"], {"a": sides["a"], "b": sides["b"]}, metrics="recall", null=False)
    assert [place.rank for place in found["recall"].places] == [None, None]
    assert "b was measured in another way" in found["recall"].warnings[0]
    assert "k:6" in str(found)


def test_classes_of_one_generator_only_are_refused(tmp_path: Path) -> None:
    sources = {}
    for name, seed in (("real", 0), ("a", 1), ("bare", 2)):
        rows, labels = ring(60, seed)
        meter = dm.Meter("modes_found")
        meter.add("fake", rows, labels=None if name == "bare" else labels)
        sources[name] = meter.collected("fake")
    pair = {"a": sources["a"], "bare": sources["bare"]}
    with pytest.raises(MissingLayer, match=r"^bare: its samples have no classes, those of a have"):
        dm.compare(sources["real"], pair, **QUICK)
    assert dm.compare(sources["real"], pair, metrics="recall", null=False)["recall"]["bare"].rank == 1


@pytest.mark.parametrize(
    ("other", "kind", "words"),
    [
        (np.ones((50, 3)), FeatureError, "^b: its features have 3 columns, those of real have 2"),
        (np.ones((3, 2)), TooFewSamples, "^b: recall with k=5 needs at least 6 samples per side, fake has 3"),
        (np.full((50, 2), np.nan), FeatureError, "^b: .*NaN"),
        (np.ones((50, 8, 8, 3), np.uint8), SourceError, "^b: real holds features and fake holds images"),
        ("no/such/folder", SourceError, "^b: there is no file or folder"),
        (iter([np.ones((50, 3))]), FeatureError, "^b: its features have 3 columns"),
    ],
)
def test_the_generator_at_fault_is_named(
    other: object, kind: type[DivmetricsError], words: str, sides: dict[str, np.ndarray]
) -> None:
    with pytest.raises(kind, match=words):
        dm.compare(sides["real"], {"a": sides["a"], "b": other}, metrics="recall", null=False)


def test_warnings_name_the_generator_and_those_about_the_others_stay() -> None:
    for name, told in (("b", "b: is odd"), ("real", "fake: is odd")):
        with pytest.warns(UserWarning, match=f"^{told}$"), module._called(name):
            warnings.warn("fake: is odd", stacklevel=1)
    with pytest.warns(UserWarning, match="^real: is odd$"), module._called("b"):
        warnings.warn("real: is odd", stacklevel=1)


def test_wrong_requests(sides: dict[str, np.ndarray]) -> None:
    with pytest.raises(UsageError, match="at least two"):
        dm.compare(sides["real"], {"a": sides["a"]})
    with pytest.raises(UsageError, match="argument of compare 'metric'"):
        dm.compare(sides["real"], {"a": sides["a"], "b": sides["b"]}, metric="recall")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid-25", "two-modes"])
def test_equal_generators_are_not_told_apart(name: str) -> None:
    """A small part of benchmarks/compare.py; 200 of its runs are in docs/compare.md."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        real, *fakes = (target(name).sample(100, rng)[0] for _ in range(4))
        found = dm.compare(real, dict(zip("abc", fakes, strict=True)), null=False)
        assert not [d for ranking in found.ranking for d in ranking.differences if d.told_apart]


def test_a_rare_mode_that_one_generator_missed_is_no_difference() -> None:
    """Of five samples of a rare mode all are of one generator: in one of sixteen pairs of equal ones it is so."""
    rows = np.random.default_rng(0).normal(size=(60, 2))
    sources = {}
    for name, rare in (("real", 6), ("a", 5), ("b", 0), ("many", 30)):
        meter = dm.Meter("modes_found")
        meter.add("fake", rows, labels=["rare"] * rare + ["common"] * (60 - rare))
        sources[name] = meter.collected("fake")
    real = sources.pop("real")
    ranking = dm.compare(real, sources, metrics="modes_found", null=False)["modes_found"]
    assert ranking.difference("a", "b").p == pytest.approx(1 / 16)
    assert ranking.difference("many", "b").told_apart


@pytest.mark.slow
def test_small_galleries_of_each_generator() -> None:
    rng = np.random.default_rng(0)
    grey = rng.permutation(np.repeat(np.uint8([20, 90, 160, 230]), 20))
    real, wide = (np.clip(grey[:, None, None, None] + rng.integers(-9, 9, (80, 4, 4, 3)), 0, 255) for _ in range(2))
    sides = {"wide": wide.astype(np.uint8), "dropped": wide[grey < 200].astype(np.uint8)}
    asked = {"metrics": "recall", "extractor": "pixels?size=4", "num": 60, "exhibits": True, "ci_level": 0}
    found = dm.compare(real.astype(np.uint8), sides, **asked)
    for report in found.reports:
        kinds = [gallery.kind for gallery in report.exhibits.galleries]
        assert kinds == [*(finding.kind for finding in report.verdict.findings), "grid"]
        assert (report.exhibits.maps, report.exhibits.curves, report.exhibits.modes) == ((), (), ())
        assert all(len(gallery.rows) <= 4 for gallery in report.exhibits.galleries)
        assert len(report.exhibits.galleries[-1].rows[0].real) == 12
        assert report.pictures.uris.keys() >= {("fake", n) for n in report.exhibits.shown()["fake"]}
    assert found.by_name["dropped"].verdict.findings, "a quarter of the real samples has no fake ones"
    assert dm.Comparison.from_json(found.to_json()).reports[0].exhibits == found.reports[0].exhibits
