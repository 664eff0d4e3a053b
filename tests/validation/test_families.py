"""Ladders of trained models: who stands on one, in which order, and what follows from them, and does not."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from divmetrics.records.generator import ZOO
from divmetrics.validation import families, ladders
from divmetrics.validation.cards import report_cards
from divmetrics.validation.families import ENOUGH, LEAST
from divmetrics.validation.ladders import CONTROL, TRAINED
from divmetrics.validation.recommend import seen, smallest
from divmetrics.validation.records import LadderRow, Validation
from divmetrics.validation.running import Job, JobResult, Runner
from divmetrics.validation.suites import FULL, QUICK
from divmetrics.zoo.record import recorded

DOCS = Path(__file__).parent.parent.parent / "docs"
MODELS = [model for model in families.trained_models() if model.target == "ring-8"][:LEAST]


def results(values: list[float], severities: list[float], quality: float = 0.5) -> dict[Job, JobResult]:
    """Healthy rings with a recall near .9, and two draws of each of `MODELS`."""
    rng = np.random.default_rng(0)
    found: dict[Job, JobResult] = {
        ("ring-8", 9, CONTROL, seed): JobResult({"recall": (0.9 + 0.01 * rng.normal(), None)}, {"severity": 0.0})
        for seed in range(20)
    }
    for model, value, severity in zip(MODELS, values, severities, strict=True):
        for repeat, off in enumerate((-0.01, 0.01)):
            facts = {"severity": severity + off, "high_quality": quality}
            found[model.name, 9, TRAINED, repeat] = JobResult({"recall": (value + off, None)}, facts)
    return found


def test_every_trained_model_of_the_zoo_stands_on_one_ladder() -> None:
    models = [model for model in ZOO if model.checkpoint is not None and not model.levels]
    found = families.families(models)
    assert sorted(m.name for members in found.values() for m in members) == sorted(m.name for m in models)
    assert all(len(members) >= LEAST for members in found.values())
    assert all(len({m.target for m in members}) == 1 for members in found.values())
    assert {m.family for m in found["grid-25-soft-trained-score"]} == {"score"}
    assert {m.family for m in found["grid-25-soft-trained-others"]} == {"vae", "flow"}
    assert {m.family for m in found["digits-trained"]} == {"gan", "score"}
    assert families.families(families.trained_models()) == found


def test_fewer_than_the_least_are_no_ladder() -> None:
    assert list(families.families(MODELS)) == ["ring-8-trained"]
    assert families.families(MODELS[1:]) == {}


def test_rungs_go_by_the_severity_that_was_measured() -> None:
    severities = [0.8, 0.0, 0.6, 0.2, 0.4]
    (row,) = ladders.summarise(results([0.9 - s for s in severities], severities), ["recall"])
    assert (row.ladder, row.column, row.trained) == ("ring-8-trained", None, True)
    assert [rung.severity for rung in row.rungs] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])
    assert row.reaction == "sees"
    assert row.kendall_tau == pytest.approx(1)
    assert row.linearity == pytest.approx(1)
    assert row.smallest_detectable == pytest.approx(0.2)
    assert row.false_reaction is None


def test_models_without_a_severity_are_left_out() -> None:
    values, severities = [0.9, 0.8, 0.7, 0.6, 0.5], [0.0, 0.2, 0.4, 0.6, 0.8]
    assert ladders.summarise(results(values, severities, ENOUGH / 2), ["recall"]) == []
    assert len(ladders.summarise(results(values, severities, ENOUGH), ["recall"])) == 1


def test_equal_severities_give_no_tau() -> None:
    (row,) = ladders.summarise(results([0.9, 0.8, 0.7, 0.6, 0.5], [0.3] * LEAST), ["recall"])
    assert (row.kendall_tau, row.linearity) == (None, None)


def test_no_recommendation_and_no_sentence_rests_on_them() -> None:
    severities = [0.0, 0.2, 0.4, 0.6, 0.8]
    rows = ladders.summarise(results([0.9 - s for s in severities], severities), ["recall"])
    knob = LadderRow("grid-25-soft-drop", "recall", "A", 1.0, 1.0, 0.3, 0.0, "sees", rows[0].rungs)
    assert seen([knob, *rows]) == seen([knob])
    assert smallest([knob, *rows]) == smallest([knob])
    assert report_cards(["recall"], [], [knob, *rows], []) == report_cards(["recall"], [], [knob], [])
    again = Validation.from_json(Validation(ladders=(knob, *rows)).to_json())
    assert [row.trained for row in again.ladders] == [False, True]


def test_a_run_on_trained_models_goes_on(tmp_path: Path) -> None:
    jobs = ladders.jobs(MODELS, 100, 4, 1, healthy=4)
    assert len(jobs) == 4 + LEAST
    found = Runner(tmp_path, 1).run("ladders", ladders.run_job, jobs, ["recall", "precision"])
    again = Runner(tmp_path, 1).run("ladders", _never, jobs, ["recall", "precision"])
    assert again == found
    rows = ladders.summarise(found, ["recall", "precision"])
    assert [(row.ladder, row.metric) for row in rows] == [("ring-8-trained", name) for name in ("recall", "precision")]
    severities = sorted(recorded(model)["severity"] for model in MODELS)
    assert [rung.severity for rung in rows[0].rungs] == severities  # of 2,500 samples, not of these 100


def test_other_weights_are_other_cells(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"other weights")
    models = [MODELS[0], replace(MODELS[0], checkpoint=other)]
    own, new = (ladders.jobs([model], 100, 4, 1, healthy=0) for model in models)
    assert own[0][:4] == new[0][:4]
    assert own != new


def test_all_of_it_has_them_and_quick_has_not() -> None:
    assert FULL.models > 0
    assert QUICK.models == 0


def _never(job: Job, metrics: object) -> JobResult:
    raise AssertionError(job)


def test_the_page_shows_taus_over_models_beside_those_over_knobs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_report_card", "_trained_models"):  # the second reads the first
        spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        page = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, page)
        spec.loader.exec_module(page)
    severities = [0.0, 0.2, 0.4, 0.6, 0.8]
    rows = ladders.summarise(results([0.9 - s for s in severities], severities), ["recall"])
    knob = LadderRow("grid-25-soft-drop", "recall", "A", 0.75, 1.0, 0.3, 0.0, "sees", rows[0].rungs)
    whole = Validation(ladders=(knob, *rows), cards=report_cards(["recall"], [], [knob, *rows], []))
    lines = page.section(whole).splitlines()
    assert lines[-1] == "| [recall](metrics/recall.md) | diversity | 0.75 |  |  |  | **1.00** |"
    assert "| *models* |  |  |  |  |  | 5 |" in lines
    assert "Nothing is recorded" in page.section(Validation(ladders=(knob,)))
    monkeypatch.setattr(page, "validation", lambda: whole)
    assert "severity: ring-8 **1.00**;" in page.card("recall")
    panels = ElementTree.fromstring(page.panels([rows[0]]))  # noqa: S314  our own
    fills = [circle.get("fill") for circle in panels.findall(".//{*}circle")]
    assert len(fills) == LEAST
    assert fills.count("none") == 1
    assert not panels.findall(".//{*}polyline")
