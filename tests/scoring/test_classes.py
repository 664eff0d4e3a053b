"""Which classes are compared: names of both sides, those of the real samples alone, or none; never another quantity."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import divmetrics as dm
from divmetrics.errors import FeatureError, MissingLayer, UsageError
from divmetrics.scoring.classes import class_source, class_source_of

QUIET = {"ci_level": 0, "null": False}
TWO = {"cat": 6, "dog": 4}


@pytest.mark.parametrize(
    ("real", "fake", "kind", "text"),
    [
        (None, None, "network", ""),
        (TWO, TWO, "labels", ""),
        (TWO, {"cat": 9}, "labels", ""),  # a generator that has collapsed on one class
        (
            TWO,
            {"cat": 3, "cow": 1},
            "labels",
            "1 of 4 generated samples are of classes that no real sample has ('cow')",
        ),
        (TWO, None, "real", ""),
        (TWO, {"samples": 9}, "real", "All generated samples are in one folder or class, 'samples'"),
        (TWO, {f"{i}.png": 1 for i in range(3)}, "real", "'0.png', '1.png', '2.png'), which are no classes"),
        (TWO, {str(i): 1 for i in range(20)}, "real", "Each of the generated samples has a name of its own"),
        (TWO, {"0": 5, "1": 5}, "none", "share no class name ('cat', 'dog'; '0', '1')"),
        (
            dict.fromkeys(["n1", "n2", "n3", "n4", "n5"], 9),
            TWO,
            "none",
            "('n1', 'n2', 'n3' and others, 5 in all; 'cat', 'dog')",
        ),
        ({"real": 9}, {"generated": 9}, "network", "All real samples are in one folder or class, 'real'"),
        ({"cat": 9}, {"cat": 9}, "network", "All real samples are in one folder or class, 'cat'"),
        ({"real": 9}, None, "network", "one folder or class, 'real'"),
        (None, {"generated": 9}, "network", "All generated samples are in one folder"),
        (None, TWO, "none", "classes ('cat', 'dog'), and the real ones have none"),
        ({"real": 9}, TWO, "none", "and the real ones have only one, 'real', so"),
        ({f"{i}.png": 1 for i in range(30)}, {f"{i}.png": 1 for i in range(30)}, "network", "which are no classes"),
    ],
)
def test_where_classes_come_from(real: dict | None, fake: dict | None, kind: str, text: str) -> None:
    found = class_source(real, fake)
    assert found.kind == kind
    assert text in found.text
    assert bool(text) == bool(found.text)
    if kind == "none" or "one folder" in text:
        assert "--labels" in found.text


def test_classes_of_a_part_of_a_side_are_not_counted() -> None:
    meter = dm.Meter("mode_tv", **QUIET)
    rng = np.random.default_rng(0)
    meter.add("real", rng.normal(size=(20, 2)), labels=["a", "b"] * 10)
    meter.add("real", rng.normal(size=(10, 2)))
    meter.add("fake", rng.normal(size=(20, 2)), labels=["a", "b"] * 10)
    side = meter.collected("real").side
    assert (side.labels, side.labelled) == (None, 20)
    joined = meter.collected("fake").merge(meter.collected("real")).side
    assert (joined.labels, joined.labelled) == (None, 40)
    assert type(side).from_json(json.loads(json.dumps(side.to_json()))) == side
    assert class_source_of(side, meter.collected("fake").side).kind == "none"
    with pytest.raises(MissingLayer, match="20 of 30 real samples have a class and the others none"):
        meter.results()


def test_merged_files_of_which_one_has_classes_are_told_before_anything_is_measured(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 2))
    dm.extract((rows, ["a", "b"] * 10), tmp_path / "a.dms")
    dm.extract(rows, tmp_path / "b.dms")
    with pytest.raises(MissingLayer, match="20 of 40 real samples have a class and the others none"):
        dm.score(f"{tmp_path}/a.dms+{tmp_path}/b.dms", tmp_path / "b.dms", metrics="modes_found", **QUIET)


def test_too_few_samples_of_a_class_are_the_reason() -> None:
    rows = np.random.default_rng(0).normal(size=(8, 2))
    with pytest.raises(MissingLayer, match=r"modes_found@features: the generated .* and a class needs 5 of them"):
        dm.score((rows, ["a", "b"] * 4), rows, metrics="modes_found", **QUIET)


def pictures(folder: Path, names: list[str], seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / name)
    return folder


def test_names_that_are_no_classes_make_no_modes(tmp_path: Path) -> None:
    """`zip -r v1.zip real` and `zip -r v2.zip generated`: the folder that holds all is not a class that is missing."""
    real = pictures(tmp_path / "v1", [f"real/{i}.png" for i in range(12)], 0)
    fake = pictures(tmp_path / "v2", [f"generated/{i}.png" for i in range(12)], 1)
    wanted = {"extractor": "pixels", "cache": False, **QUIET}
    report = dm.score(real, fake, metrics="default", **wanted)
    assert not any(result.metric == "effective_modes" for result in report.metrics.values())
    assert {mode.name.partition(" ")[0] for mode in report.modes} == {"cluster"}
    assert report.meta["classes"]["from"] == "network"
    assert "All real samples are in one folder or class, 'real'" in str(report)
    with pytest.raises(MissingLayer, match=r"effective_modes counts classes. All real samples are in one folder"):
        dm.score(real, fake, metrics="effective_modes", **wanted)


def test_other_names_of_the_same_classes_are_left_out_with_one_sentence(tmp_path: Path) -> None:
    real = pictures(tmp_path / "real", [f"n0{i % 2}/{i}.png" for i in range(12)], 0)
    fake = pictures(tmp_path / "fake", [f"{i % 2}/{i}.png" for i in range(12)], 1)
    wanted = {"extractor": "pixels", "cache": False, **QUIET}
    report = dm.score(real, fake, metrics="default", **wanted)
    assert "effective_modes" not in {result.metric for result in report.metrics.values()}
    assert "share no class name ('n00', 'n01'; '0', '1')" in report.meta["classes"]["text"]
    for metric in ("modes_found", "intra_fid"):
        with pytest.raises(MissingLayer, match=r"share no class name .* with --labels"):
            dm.score(real, fake, metrics=metric, **wanted)


CENTRES = 10 * np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])


def mixture(modes: list[int], n: int, seed: int) -> tuple[np.ndarray, list[str]]:
    labels = np.repeat(modes, n)
    rows = CENTRES[labels] + np.random.default_rng(seed).normal(size=(len(labels), 2))
    return rows, [f"mode {label}" for label in labels]


@pytest.mark.parametrize("metrics", ["quick", "fid"])
def test_the_table_shows_the_classes_whatever_is_measured(metrics: str) -> None:
    report = dm.score(mixture([0, 1, 2, 3], 60, 0), mixture([0, 1, 2], 80, 1), metrics=metrics, **QUIET)
    assert [mode.name for mode in report.modes] == [f"mode {i}" for i in range(4)]
    assert report.modes[3].state == "missing"
    meter = dm.Meter(metrics, **QUIET)
    for side, (rows, names) in (("real", mixture([0, 1], 60, 0)), ("fake", mixture([0, 1], 60, 1))):
        meter.add(side, rows, labels=names)
    assert [mode.name for mode in meter.results().modes] == ["mode 0", "mode 1"]


def test_missing_modes_have_their_names() -> None:
    report = dm.score(mixture([0, 1, 2, 3], 60, 0), mixture([0, 1, 2], 80, 1), metrics="modes_found", **QUIET)
    assert report["modes_found"].extras["missing"] == ["mode 3"]
    judged = dm.gate(report=report, config={"rules": {"modes_found": {"min": 4}}})
    assert judged.outcomes[0].text.endswith("missing modes: mode 3")


def test_real_samples_with_classes_classify_the_others() -> None:
    report = dm.score(
        mixture([0, 1, 2, 3], 60, 0), mixture([0, 1, 2], 80, 1)[0], metrics="modes_found,mode_tv", **QUIET
    )
    assert report["modes_found"].value == 3
    assert report["modes_found"].extras["missing"] == ["mode 3"]
    assert report["mode_tv"].value == pytest.approx(0.25, abs=1e-6)
    signature = str(report["modes_found"].signature)
    assert signature.startswith("modes_found|features|pooled|none|classes:knn5-by-real|min_count:1|n:240/240|")
    assert [(mode.name, mode.state, mode.corrected) for mode in report.modes][2:] == [
        ("mode 2", "present", True),
        ("mode 3", "missing", True),
    ]
    text = report.meta["classes"]["text"]
    assert "class of its 5 nearest real samples by the features, which is right for 100 % of the real" in text
    assert report.meta["classes"]["accuracy"] == {"features": 1.0}
    assert " ".join(text.split()) in " ".join(str(report).split())
    with pytest.raises(MissingLayer, match="intra_fid is computed class by class"):
        dm.score(mixture([0, 1], 60, 0), mixture([0, 1], 60, 1)[0], metrics="intra_fid", **QUIET)
    with pytest.raises(UsageError, match="the confusion matrix is that of the classifier that gave"):
        dm.score(mixture([0, 1], 60, 0), mixture([0, 1], 60, 1)[0], metrics="mode_tv", confusion=np.eye(2), **QUIET)
    with pytest.raises(MissingLayer, match="unseen_mass reads labels or logits, and features gives pooled"):
        dm.score(mixture([0, 1], 60, 0), mixture([0, 1], 60, 1)[0], metrics="unseen_mass", **QUIET)


def test_files_and_meters_do_the_same(tmp_path: Path) -> None:
    (real, names), (fake, _) = mixture([0, 1, 2, 3], 60, 0), mixture([0, 1, 2], 80, 1)
    np.savez(tmp_path / "real.npz", features=real, labels=np.array(names))
    np.save(tmp_path / "real.npy", real)
    np.save(tmp_path / "fake.npy", fake[:200])
    (tmp_path / "l.csv").write_text("path,label\n" + "".join(f"#{i},{name}\n" for i, name in enumerate(names)))
    dm.extract(tmp_path / "real.npz", tmp_path / "real.dms")
    meter = dm.Meter("effective_modes,modes_found", **QUIET)
    meter.add("real", real, labels=names)
    meter.add("fake", fake[:200])
    reports = [
        meter.results(),
        *(
            dm.score(
                tmp_path / name, tmp_path / "fake.npy", metrics="effective_modes,modes_found", labels=labels, **QUIET
            )
            for name, labels in (("real.npz", None), ("real.dms", None), ("real.npy", tmp_path / "l.csv"))
        ),
    ]
    found = [report["effective_modes"].value for report in reports]
    assert found == pytest.approx([found[0]] * 4, abs=1e-12)
    assert all(report["modes_found"].extras["missing"] == ["mode 3"] for report in reports)


def test_classes_that_cannot_be_told_apart_are_left_out_not_guessed() -> None:
    rng = np.random.default_rng(0)
    real, fake = (rng.normal(size=(100, 3)), list("ab" * 50)), rng.normal(size=(100, 3))
    with pytest.raises(MissingLayer, match=r"right class in \d\d(\.\d)? % of cases \(by chance in 50 %\)"):
        dm.score(real, fake, metrics="effective_modes", **QUIET)
    report = dm.score(real, fake, metrics="default", **QUIET)
    assert "effective_modes" not in {result.metric for result in report.metrics.values()}
    assert {mode.name.partition(" ")[0] for mode in report.modes} == {"cluster"}
    assert "the real ones cannot give them theirs" in report.meta["classes"]["text"]


def test_a_class_of_a_few_samples_is_left_out_and_named() -> None:
    rows, names = mixture([0, 1], 60, 0)
    real = np.concatenate([rows, [[0.0, 0.0]] * 2]), [*names, "rare", "rare"]
    report = dm.score(real, mixture([0, 1], 60, 1)[0], metrics="modes_found", **QUIET)
    assert (report["modes_found"].value, report["modes_found"].extras["modes_total"]) == (2, 2)
    assert "Left out, as too small or not recognised: 'rare'." in report.meta["classes"]["text"]


class OneColumn(torch.nn.Module):
    """Features and logits of one class."""

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = batch.flatten(1)[:, :4]
        return rows, rows[:, :1]


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_logits_of_one_class_are_refused(tmp_path: Path) -> None:
    torch.jit.script(OneColumn()).save(str(tmp_path / "one.pt"))
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    wanted = {"extractor": f"torchscript:{tmp_path}/one.pt?size=8", "cache": False, **QUIET}
    for metric in ("effective_modes", "inception_score"):
        with pytest.raises(FeatureError, match="logits have one column"):
            dm.score(images, images, metrics=metric, **wanted)
    for metric in ("inception_score", "am_score"):
        sides = [torch.randn(30, 1)] * len(dm.metrics.__getattr__(metric).needs)
        with pytest.raises(FeatureError, match="logits have one column"):
            getattr(dm.metrics, metric)(*sides)


def digits(seed: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """Half of the digits with their classes; the other half, and the classes that a test drops samples by."""
    rows, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(rows))
    one, other = order[:900], order[900:]
    return (rows[one], classes[one]), rows[other], classes[other]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_exactly_the_digits_that_are_not_generated_are_missing(seed: int) -> None:
    real, fake, classes = digits(seed)
    healthy = dm.score(real, fake, metrics="modes_found,effective_modes", null=False)
    assert {mode.state for mode in healthy.modes} == {"present"}
    assert healthy["modes_found"].value == 10
    assert healthy["effective_modes"].value > 9.9
    short = dm.score(real, fake[classes < 8], metrics="modes_found,effective_modes", null=False)
    assert [mode.name for mode in short.modes if mode.state != "present"] == ["8", "9"]
    assert {mode.state for mode in short.modes} == {"present", "missing"}
    assert short["modes_found"].extras["missing"] == ["8", "9"]
    assert 7.8 < short["effective_modes"].value <= 8.01


def test_a_gate_on_classes_sees_lost_ones_and_repeated_images(tmp_path: Path) -> None:
    (rows, names), fake, classes = digits(0)
    real, nine = (rows[names < 9], names[names < 9]), fake[classes < 9]
    rules = {"rules": {"effective_modes": {"min": 8}}}
    judged = dm.gate(real, nine, config=rules, null=False)
    assert judged.passed
    assert any("class of its 5 nearest real samples" in text for text in judged.warnings)
    assert not dm.gate(real, fake[classes < 7], config=rules, null=False).passed
    assert not dm.gate(real, np.repeat(nine[:50], 19, axis=0), config=rules, null=False).passed
