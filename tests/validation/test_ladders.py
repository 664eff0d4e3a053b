"""Ladders: severity, alarms against healthy samples, and the reactions that are known beforehand."""

from pathlib import Path

import numpy as np
import pytest

from divmetrics.records.generator import ZOO
from divmetrics.records.metric import METRICS
from divmetrics.validation import ladders
from divmetrics.validation.cards import report_cards
from divmetrics.validation.ladders import COLUMNS, CONTROL, KNOBS
from divmetrics.validation.records import LadderRow, Validation
from divmetrics.validation.running import JobResult, Runner

NAMES = ["precision", "recall", "coverage"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[LadderRow]:
    runner = Runner(Path(tmp_path_factory.mktemp("trial")), 1)
    models = [ZOO[f"grid-25-soft-{knob}"] for knob in ("drop", "shrink", "shift")]
    jobs = ladders.jobs(models, 200, 4, 1, healthy=6)
    return ladders.summarise(runner.run("ladders", ladders.run_job, jobs, NAMES), NAMES)


def of(rows: list[LadderRow], ladder: str, metric: str) -> LadderRow:
    return next(row for row in rows if (row.ladder, row.metric) == (f"grid-25-soft-{ladder}", metric))


def test_each_knob_of_the_zoo_has_a_column() -> None:
    assert set(KNOBS.values()) == set(COLUMNS)
    knobs = [model for model in ZOO if model.family == "oracle"]
    assert {model.name.removeprefix(f"{model.target}-") for model in knobs if ladders.column(model) is None} == {
        "ensemble-mix"
    }
    assert ladders.column(ZOO["grid-25-soft"]) is None


def test_coverage_follows_dropped_modes_and_precision_does_not(rows: list[LadderRow]) -> None:
    drop = of(rows, "drop", "coverage")
    assert drop.reaction == "sees"
    assert drop.kendall_tau == 1
    assert drop.linearity is not None
    assert drop.linearity > 0.9
    assert [rung.severity for rung in drop.rungs] == pytest.approx([0, 0.4, 0.6, 0.96], abs=0.1)
    assert of(rows, "drop", "precision").reaction == "blind"
    assert of(rows, "drop", "precision").smallest_detectable is None


def test_controls_go_by_their_level_and_count_as_false_reactions(rows: list[LadderRow]) -> None:
    shift = of(rows, "shift", "precision")
    assert [rung.severity for rung in shift.rungs] == [0, 0.25, 0.5, 2.0] or shift.rungs[-1].severity == 2
    assert shift.reaction == "sees"
    assert shift.false_reaction == pytest.approx(np.mean([rung.alarms for rung in shift.rungs[1:]]))


def test_cards_follow_from_the_rows(rows: list[LadderRow]) -> None:
    found = {card.metric: card for card in report_cards(NAMES, [], rows, [])}
    assert "dropped modes" in found["recall"].sees
    assert "dropped modes" in found["precision"].blind_to
    assert found["precision"].text.startswith("trust it for a shift of everything, do not trust it for ")
    whole = Validation(ladders=tuple(rows), cards=tuple(found.values()), meta={"n": 200})
    again = Validation.from_json(whole.to_json())
    assert again.to_json() == whole.to_json()
    assert again.cards == whole.cards


def test_a_metric_that_takes_the_worse_for_the_better_is_misled() -> None:
    model, rng = ZOO["grid-25-soft-drop"], np.random.default_rng(0)
    results = {
        (model.target, 9, CONTROL, seed): JobResult({"recall": (0.9 + 0.01 * rng.normal(), None)}, {"severity": 0.0})
        for seed in range(20)
    }
    for level, severity, value in ((0.0, 0.0, 0.9), (0.4, 0.4, 0.95), (0.8, 0.8, 1.0)):
        results[model.name, 9, level, 0] = JobResult({"recall": (value, None)}, {"severity": severity})
    (row,) = ladders.summarise(results, ["recall"])
    assert (row.reaction, row.kendall_tau, row.smallest_detectable) == ("misled", -1, None)


def test_roles_are_derived_or_declared() -> None:
    roles = {name: METRICS[name].role for name in ("recall", "precision", "fid", "authenticity", "rke", "vendi")}
    assert roles == {
        "recall": "diversity",
        "precision": "fidelity",
        "fid": "distance",
        "authenticity": "copies",
        "rke": "diversity",
        "vendi": "diversity",
    }
