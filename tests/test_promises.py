"""Names that users script against: commands, options, keys of JSON and of rule files, exit codes, metrics."""

import json
from collections.abc import Mapping
from typing import Any, get_args

import click
import numpy as np
import pytest

import divmetrics as dm
from divmetrics import errors
from divmetrics.cli._main import commands, run
from divmetrics.records.metric import METRICS
from divmetrics.records.results import Report
from divmetrics.records.verdict import FindingKind, State
from divmetrics.report.gate.rules import rules_from

COMMANDS = "score compare gate merge extract report zoo validate list weights demo"
RESERVED = {"merge"}
"""Names of what does not exist yet; nothing else may take them."""
SHARED = """
    extractor metrics num tolerance alpha seed device batch-size workers ci-level null no-null labels cache no-cache
    json html md samples weights quiet held-out exhibits debug
"""
OF_GATE = "config junit init selftest quarantine"
METRIC_NAMES = """
    fid fid_infinity kid mmd_rbf inception_score mode_score am_score precision recall density coverage clipped_density
    clipped_coverage sym_precision sym_recall p_precision p_recall alpha_precision beta_recall prd_f8 prd_f1_8 topp topr
    authenticity c_t fld mifid vendi vendi_ratio rke rke_ratio emd w2 sinkhorn sliced_wasserstein modes_found mode_kl
    mode_tv effective_modes high_quality ndb mode_js unseen_mass birthday_support duplicate_fraction ms_ssim psnr
    intra_fid rarity realism c2st spacing_ratio
"""
REPORT = {
    "schema": "divmetrics.report/1", "divmetrics": "", "created": "",
    "real": {"source": "", "n": 0, "digest": None, "labels": {}, "skipped": []},
    "fake": {"source": "", "n": 0, "digest": None, "labels": {}, "skipped": []},
    "metrics": {"recall@features": {
        "value": 0.0, "ci": [], "ci_level": 0.95, "ci_method": "", "null": {"mean": 0.0, "low": 0.0, "high": 0.0},
        "better": "higher", "range": [0, 1], "metric": "recall", "extractor": "features", "params": {"k": 5},
        "n_real": 0, "n_fake": 0, "signature": "", "literature": False, "extras": {}, "warnings": [], "seconds": 0.0,
    }},
    "verdict": {"state": "collapsed", "alpha": 0.01, "tolerance": 0.1, "text": "", "n_needed": None, "findings": [
        {"kind": "", "p": 0.0, "effect": 0.0, "unit": "", "evidence": [], "text": "", "samples": []},
    ]},
    "facts": [{"kind": "", "side": "", "count": 0, "text": ""}],
    "modes": [{"id": 0, "name": "", "real_share": 0.0, "fake_share": 0.0, "p": 0.0, "state": ""}],
    "meta": {"seed": 0, "device": "cpu", "world_size": 1, "versions": {"torch": ""}, "seconds": {"extract": 0.0}},
}  # fmt: skip
"""What a report holds at least; numbers and texts stand for their types, lists for what each entry holds."""


def check_holds(found: Any, promised: Any, place: str = "report") -> None:
    """Assert that `found` has each key and each type of `promised`; more keys are welcome."""
    if isinstance(promised, Mapping):
        assert isinstance(found, Mapping), place
        assert promised.keys() <= found.keys(), f"{place} lacks {promised.keys() - found.keys()}"
        for key, value in promised.items():
            check_holds(found[key], value, f"{place}.{key}")
    elif isinstance(promised, list):
        assert isinstance(found, list), place
        assert found or not promised, f"{place} is empty, which shows nothing"
        for entry in found if promised and not isinstance(promised[0], int) else ():
            check_holds(entry, promised[0], f"{place}[]")
    elif promised is not None:
        kinds = (
            (int, float) if isinstance(promised, (int, float)) and not isinstance(promised, bool) else type(promised)
        )
        assert isinstance(found, kinds), f"{place} is {found!r}"


@pytest.fixture(scope="module")
def scored() -> Report:
    """Three classes of which one is missing; a sample that occurs twice."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2, 90, 2)) + np.repeat([[0, 0], [20, 0], [0, 20]], 30, 0)
    rows[1, 60:] = rows[1, :30]
    names = np.repeat(["cat", "dog", "owl"], 30)
    meter = dm.Meter("recall,fid,modes_found", mode_table=True)
    meter.add("real", rows[0], labels=names)
    meter.add("fake", rows[1], labels=[*names[:60], *names[:30]])
    return meter.results()


def flags_of(name: str) -> set[str]:
    return {
        flag.removeprefix("--")
        for parameter in commands.commands[name].params
        if isinstance(parameter, click.Option)
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }


def test_commands_exist_and_reserved_names_are_free() -> None:
    assert set(COMMANDS.split()) - RESERVED <= commands.commands.keys()
    assert not RESERVED & commands.commands.keys()
    assert {"list", "sample", "train", "check"} <= commands.commands["zoo"].commands.keys()
    assert {"list", "path", "fetch", "verify"} <= commands.commands["weights"].commands.keys()


@pytest.mark.parametrize("name", ["score", "compare", "gate"])
def test_shared_options_exist_on_each(name: str) -> None:
    assert set(SHARED.split()) | {"-e", "-m"} <= flags_of(name)
    if name == "gate":
        assert set(OF_GATE.split()) <= flags_of(name)


def test_exit_codes() -> None:
    assert (errors.UsageError.exit_code, errors.MeasureError.exit_code, errors.InternalError.exit_code) == (2, 3, 3)


def test_metric_names() -> None:
    assert set(METRIC_NAMES.split()) <= {metric.name for metric in METRICS}


def test_keys_of_a_report(scored: Report) -> None:
    found = json.loads(scored.to_json())
    check_holds(found, REPORT)
    assert found["schema"] == REPORT["schema"]
    assert found["metrics"]["recall@features"]["signature"].split("|")[0] == "recall"
    assert {"engine"} <= found["meta"].keys()
    assert "modes_found@labels" in found["metrics"] or "effective_modes@labels" in found["metrics"]


def test_states_and_kinds_of_findings() -> None:
    kinds = (
        "dropped_modes thinned_modes shrunken_modes narrow near_duplicates few_atoms copies invented_modes low_fidelity"
    )
    assert set(kinds.split()) <= set(get_args(FindingKind))
    assert get_args(State) == ("healthy", "collapsed", "poor_fidelity", "inconclusive")


def test_attributes_in_python(scored: Report, tmp_path: Any) -> None:
    recall = scored["recall"]
    assert (type(recall.value), len(recall.ci or ()), scored.verdict.state) == (float, 2, "collapsed")
    assert set(scored.scalars()) == {key.replace("@", "/") for key in scored.metrics}
    scored.html(tmp_path / "out.html")
    assert (tmp_path / "out.html").read_text().startswith("<!doctype html>")
    assert isinstance(dm.metrics.recall(np.eye(9), np.eye(9), k=5), float)
    assert all(callable(getattr(dm, name)) for name in ("score", "compare", "gate", "extract", "Meter"))
    assert callable(scored.to_frame)


def test_keys_of_a_rule_file_and_of_the_result(scored: Report, tmp_path: Any, capsys: Any) -> None:
    scored.save(tmp_path / "baseline.json")
    (tmp_path / "divmetrics.toml").write_text("""
        [gate]
        extractor = "efficientnet-lite0"
        verdict = "error"
        inconclusive = "warn"
        num = 5000
        seed = 0
        metrics = "quick"
        baseline = "baseline.json"
        [gate.rules.recall]
        level = "error"
        min = 0.40
        use = "ci_low"
        [gate.rules.fid]
        max_regression = "10%"
        [gate.rules.missing_modes]
        max = 0
    """)
    out = tmp_path / "out.json"
    code = run(
        ["gate", str(tmp_path / "baseline.json"), "--config", str(tmp_path / "divmetrics.toml"), "--json", str(out)]
    )
    assert code == 1
    capsys.readouterr()
    rule = {"name": "", "expected": "", "status": "", "level": "", "text": "", "judged": []}
    found = json.loads(out.read_text())
    check_holds(found, {"schema": "", "passed": False, "exit_code": 1, "rules": [rule], "warnings": []})
    assert found["schema"] == "divmetrics.gate/1"
    recall = "pass" if scored["recall"].ci[0] >= 0.4 else "fail"
    wanted = {"verdict": "fail", "recall": recall, "fid": "pass", "missing_modes": "fail"}
    assert {entry["name"]: entry["status"] for entry in found["rules"]} == wanted
    assert all({"found", "interval"} <= entry.keys() for entry in found["rules"])
    for key in ("labels", "held_out"):
        assert rules_from({key: "x", "verdict": "error"}).options[key] == "x"
    with pytest.raises(errors.UsageError, match=r"by .* does not exist yet"):
        rules_from({"by": "class", "verdict": "error"})
    for use in ("value", "ci_low", "ci_high", "pessimistic"):
        assert rules_from({"rules": {"recall": {"min": 0, "use": use}}}).rules[0].use == use


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["list", "metrics", "--json"], {"name", "better", "range", "needs", "options", "cite"}),
        (["list", "extractors", "--json"], {"name"}),
        (["list", "presets", "--json"], {"name"}),
        (["list", "zoo", "--json"], {"name"}),
        (["zoo", "list", "--json"], {"name", "family", "target", "knob", "trained", "oracle"}),
        (["weights", "list", "--json"], {"name"}),
    ],
)
def test_lists_are_arrays_of_objects(arguments: list[str], keys: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    entries = json.loads(capsys.readouterr().out)
    assert entries
    assert all(keys <= entry.keys() for entry in entries)
    if "oracle" in keys:
        oracle = {"modes_found", "modes_total", "mode_kl", "high_quality", "severity"}
        assert all(oracle <= entry["oracle"].keys() for entry in entries if entry["oracle"] is not None)


def test_keys_of_a_comparison() -> None:
    real, wide = np.random.default_rng(0).normal(size=(2, 60, 2))
    found = dm.compare(real, {"a": wide, "b": wide / 9}, metrics="recall", null=False)
    assert [place.name for place in found.ranking[0].places] == ["a", "b"]
    whole = json.loads(found.to_json())
    assert whole["schema"] == "divmetrics.comparison/1"
    assert {"reports", "ranking"} <= whole.keys()
