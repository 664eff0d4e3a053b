"""`gate`: the four exit codes, its outputs, and what it measures when it is given samples."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from divmetrics.records.results import Report
from divmetrics.records.verdict import Verdict
from divmetrics.scoring.score import score


@pytest.fixture
def saved(tmp_path: Path, make_report: Callable[..., Report]) -> Path:
    path = tmp_path / "report.json"
    make_report().save(path)
    return path


def test_exit_0_passed(saved: Path, rules: Callable[[str], Path], call: Callable[..., object]) -> None:
    done = call("gate", saved, "--config", rules("[gate.rules.recall]\nmin = 0.4\n"))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("gate passed\n")


def test_exit_1_failed(saved: Path, rules: Callable[[str], Path], call: Callable[..., object]) -> None:
    done = call("gate", saved, "--config", rules("[gate.rules.recall]\nmin = 0.5\n"))
    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("gate failed\n")
    assert "0.41 is below 0.5" in done.out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[gate.rules.recal]\nmin = 0.5\n", "Did you mean 'recall'?"),
        ("[gate.rules.recall]\nmin = 0.5\nmax = 0.4\n", "min 0.5 is above max 0.4"),
        ("[gate.rules.recall]\nmn = 0.5\n", "unknown key 'mn'"),
        ("[gate.rules.recall]\nmin = 0.5\nuse = 'ci_low'\n", "has no interval"),
        ("[gate]\nverdict = 'error'\n", "asks for the verdict and the report has none"),
        ("[gate]\nbaseline = 'none.json'\n[gate.rules.recall]\nmin = 0.5\n", "cannot read the report"),
        ("[gate\n", "Expected ']' at the end of a table declaration (at line 1, column 6)"),
        ("", "has no rules"),
        ("[gate.rules.missing_modes]\nmax = 0\n", "the report has no table of modes"),
        ("[gate.rules.recall]\nmax = -0.5\n", "recall is at least 0, so no value can pass"),
        ("[gate.rules.recall]\nmin = 0.5\n[gate.rules.'recall@pixels']\nmax = 0.4\n", "no value passes both"),
        ("[gate]\nby = 'class'\n", "by (rules for each group) does not exist yet"),
    ],
)
def test_exit_2_wrong_rules(
    text: str, message: str, saved: Path, rules: Callable[[str], Path], call: Callable[..., object]
) -> None:
    done = call("gate", saved, "--config", rules(text))
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_exit_2_foreign_baseline(
    saved: Path, rules: Callable[[str], Path], call: Callable[..., object], tmp_path: Path
) -> None:
    foreign = saved.read_text().replace("|k:5|", "|k:3|")
    (tmp_path / "b.json").write_text(foreign)
    done = call("gate", saved, "--config", rules("[gate]\nbaseline = 'b.json'\nrules.recall.max_regression = '5%'\n"))
    assert done.code == 2
    assert "another signature" in done.err
    assert "params 'k:5' against 'k:3'" in done.err


def test_exit_2_not_a_report(rules: Callable[[str], Path], call: Callable[..., object], tmp_path: Path) -> None:
    config = rules("[gate.rules.recall]\nmin = 0.4\n")
    (tmp_path / "r.json").write_text("{}")
    assert call("gate", tmp_path / "r.json", "--config", config).code == 2
    assert call("gate", tmp_path / "no.json", "--config", config).code == 2
    assert call("gate", "a", "b", "c", "--config", config).code == 2
    assert call("gate", "a", "--config", tmp_path / "no.toml").code == 2


def test_exit_3_a_ruled_metric_could_not_be_computed(
    rules: Callable[[str], Path], call: Callable[..., object], make_report: Callable[..., Report], tmp_path: Path
) -> None:
    make_report(recall=None).save(tmp_path / "r.json")
    done = call("gate", tmp_path / "r.json", "--config", rules("[gate.rules.recall]\nmin = 0.4\n"))
    assert (done.code, done.out.splitlines()[0]) == (3, "gate could not judge")
    assert "ERROR" in done.out
    assert "could not be computed" in done.err


def test_exit_3_samples_that_are_not_there(
    rules: Callable[[str], Path], call: Callable[..., object], tmp_path: Path
) -> None:
    config = rules("[gate.rules.recall]\nmin = 0.4\n")
    assert call("gate", tmp_path / "real", tmp_path / "fake", "--config", config).code == 3


def test_rules_of_the_current_folder_are_the_default(
    saved: Path, call: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("gate", saved).code == 2
    (tmp_path / "pyproject.toml").write_text("[tool.divmetrics.gate.rules.recall]\nmin = 0.5\n")
    assert call("gate", saved).code == 1
    (tmp_path / "divmetrics.toml").write_text("[gate.rules.recall]\nmin = 0.4\n")
    assert call("gate", saved).code == 0


def test_outputs(saved: Path, rules: Callable[[str], Path], call: Callable[..., object], tmp_path: Path) -> None:
    config = rules("[gate.rules.recall]\nmin = 0.5\n[gate.rules.fid]\nmax = 8\nlevel = 'warn'\n")
    paths = [tmp_path / name for name in ("g.json", "g.md", "g.xml")]
    done = call("gate", saved, "--config", config, "--json", paths[0], "--md", paths[1], "--junit", paths[2])
    assert done.code == 1
    whole = json.loads(paths[0].read_text())
    assert (whole["schema"], whole["passed"]) == ("divmetrics.gate/1", False)
    assert [(rule["name"], rule["status"]) for rule in whole["rules"]] == [("recall", "fail"), ("fid", "warn")]
    assert paths[1].read_text().startswith("### gate failed\n")
    cases = ElementTree.parse(paths[2]).iter("testcase")  # noqa: S314  our own text
    assert [[child.tag for child in case] for case in cases] == [["failure"], ["skipped"]]
    printed = call("gate", saved, "--config", config, "--json", "-")
    assert json.loads(printed.out) == whole
    assert (printed.code, printed.err) == (1, "")


@pytest.mark.parametrize("option", ["--json", "--md", "--junit", "--samples"])
def test_outputs_are_checked_first(
    option: str, rules: Callable[[str], Path], call: Callable[..., object], engine: object, tmp_path: Path
) -> None:
    config = rules("[gate.rules.recall]\nmin = 0.4\n")
    assert call("gate", "real", "fake", "--config", config, option, tmp_path / "no" / "x").code == 2
    assert engine.asked == []


@pytest.mark.parametrize(
    "given", [["-m", "fid"], ["-e", "pixels"], ["--seed", "0"], ["--samples", "s.csv"], ["--weights", "w"]]
)
def test_options_that_would_do_nothing_for_a_report_are_refused(
    given: list[str], saved: Path, rules: Callable[[str], Path], call: Callable[..., object]
) -> None:
    done = call("gate", saved, "--config", rules("[gate.rules.recall]\nmin = 0.4\n"), *given)
    assert done.code == 2
    assert "has no effect on a saved report" in done.err
    assert call("gate", saved, "--config", rules("[gate.rules.recall]\nmin = 0.4\n"), "--quiet").code == 0


def test_exhibits_without_the_page_that_shows_them_are_refused(
    rules: Callable[[str], Path], call: Callable[..., object], engine: object
) -> None:
    done = call("gate", "real", "fake", "--config", rules("[gate.rules.recall]\nmin = 0.4\n"), "--exhibits")
    assert (done.code, engine.asked) == (2, [])
    assert "give --html" in done.err


def test_help_says_which_metrics_are_measured(call: Callable[..., object]) -> None:
    assert "[default: those that the rules name]" in " ".join(call("gate", "--help").out.split())
    assert "[default: default]" in " ".join(call("score", "--help").out.split())


@pytest.mark.filterwarnings("default")
def test_an_older_baseline_only_warns(
    saved: Path, rules: Callable[[str], Path], call: Callable[..., object], tmp_path: Path
) -> None:
    (tmp_path / "b.json").write_text(saved.read_text().replace("divmetrics:0.1.0", "divmetrics:0.0.9"))
    done = call("gate", saved, "--config", rules("[gate]\nbaseline = 'b.json'\nrules.recall.max_regression = '5%'\n"))
    assert done.code == 0
    assert "was made by divmetrics 0.0.9" in done.err
    assert "was made by divmetrics 0.0.9" in " ".join(done.out.split())


def test_samples_are_scored_on_what_the_rules_name(
    rules: Callable[[str], Path], call: Callable[..., object], engine: object
) -> None:
    config = rules("[gate]\nextractor = 'pixels'\n[gate.rules.recall]\nmin = 0.4\n[gate.rules.fid]\nmax = 10\n")
    assert call("gate", "real", "fake", "--config", config).code == 0
    (sources, asked) = engine.asked[0]
    assert sources == ("real", "fake")
    assert (asked["metrics"], asked["extractor"]) == (["recall", "fid"], "pixels")
    call("gate", "real", "fake", "--config", config, "-m", "quick", "-e", "efficientnet-lite0")
    asked = engine.asked[1][1]
    assert (asked["metrics"], asked["extractor"]) == ("quick", "efficientnet-lite0")


def test_a_verdict_alone_scores_the_default_metrics(
    rules: Callable[[str], Path],
    call: Callable[..., object],
    engine: object,
    make_report: Callable[..., Report],
) -> None:
    engine.report = make_report(verdict=Verdict("collapsed", 0.01))
    assert call("gate", "real", "fake", "--config", rules("[gate]\nverdict = 'error'\n")).code == 1
    assert engine.asked[0][1]["metrics"] == "default"


def test_wrong_rules_stop_before_the_samples_are_read(
    rules: Callable[[str], Path], call: Callable[..., object], engine: object
) -> None:
    assert call("gate", "real", "fake", "--config", rules("[gate.rules.recall]\n")).code == 2
    assert engine.asked == []


def test_a_collapse_fails_the_gate_end_to_end(
    rules: Callable[[str], Path], call: Callable[..., object], tmp_path: Path
) -> None:
    draw = np.random.RandomState(0)
    for name, spread in [("real", 1.0), ("healthy", 1.0), ("collapsed", 0.05)]:
        np.save(tmp_path / f"{name}.npy", draw.randn(60, 4) * spread)
    config = rules('[gate.rules."recall:k=3"]\nmin = 0.3\n[gate.rules.precision]\nmin = 0.3\n')
    codes = [
        call("gate", tmp_path / "real.npy", tmp_path / f"{name}.npy", "--config", config).code
        for name in ("healthy", "collapsed")
    ]
    assert codes == [0, 1]


WRITTEN = {
    "no rules": (2, "", ["r.json"], "has no rules"),
    "unknown metric": (2, "[gate.rules.recal]\nmin = 0.4\n", ["r.json"], "Did you mean 'recall'?"),
    "not TOML": (2, "[gate\n", ["r.json"], "is not TOML"),
    "no such report": (2, "[gate.rules.recall]\nmin = 0.4\n", ["no.json"], "cannot read the report"),
    "unknown option": (2, "[gate.rules.recall]\nmin = 0.4\n", ["r.json", "--sed", "1"], "--sed"),
    "not a number": (2, "[gate.rules.recall]\nmin = 0.4\n", ["a", "b", "--num", "x"], "num is"),
    "no sources": (2, "[gate.rules.recall]\nmin = 0.4\n", [], "Missing argument"),
    "other outputs": (2, "[gate.rules.recall]\nmin = 0.4\n", ["r.json", "--samples", "no/x.csv"], "no effect"),
    "no such samples": (3, "[gate.rules.recall]\nmin = 0.4\n", ["real", "fake"], "real"),
    "no number": (3, "[gate.rules.fid]\nmin = 0.4\n", ["r.json"], "could not be computed"),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_the_outputs_say_why_nothing_was_judged(
    case: str,
    rules: Callable[[str], Path],
    call: Callable[..., object],
    make_report: Callable[..., Report],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, text, given, message = WRITTEN[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no").mkdir()
    make_report(fid=None).save(tmp_path / "r.json")
    (tmp_path / "g.md").write_text("gate passed, last week")
    done = call("gate", *given, "--config", rules(text), "--json", "g.json", "--md=g.md", "--junit", "g.xml")
    assert (done.code, "gate could not judge" in done.out) == (code, case == "no number")
    sentence = done.err.splitlines()[-1].removeprefix("error: ")
    assert message in sentence
    whole = json.loads((tmp_path / "g.json").read_text())
    statuses = [rule["status"] for rule in whole["rules"]]
    assert (whole["schema"], whole["passed"]) == ("divmetrics.gate/1", False)
    assert statuses == (["error"] if case == "no number" else [])
    assert (whole["error"], whole["exit_code"]) == (sentence, code)
    page = (tmp_path / "g.md").read_text()
    assert page.startswith("### gate could not judge\n")
    assert sentence in page.replace("\\", "")
    root = ElementTree.parse(tmp_path / "g.xml").getroot()  # noqa: S314  our own text
    assert (root.get("tests"), root.get("errors"), root.get("failures")) == ("1", "1", "0")
    assert root.find("testsuite/testcase/error").get("message") == sentence
    printed = call("gate", *given, "--config", rules(text), "--json", "-")
    assert (json.loads(printed.out), printed.code) == (whole, code)


def test_an_output_that_cannot_be_written_keeps_no_other_from_being_written(
    saved: Path, rules: Callable[[str], Path], call: Callable[..., object], tmp_path: Path
) -> None:
    config = rules("[gate.rules.recall]\nmin = 0.4\n")
    done = call("gate", saved, "--config", config, "--json", tmp_path / "no" / "g.json", "--junit", tmp_path / "g.xml")
    assert done.code == 2
    assert "cannot write" in (tmp_path / "g.xml").read_text()


def test_help_writes_nothing(call: Callable[..., object], tmp_path: Path) -> None:
    done = call("gate", "--help", "--json", tmp_path / "g.json")
    assert (done.code, "Exit codes" in done.out) == (0, True)
    assert not (tmp_path / "g.json").exists()


@pytest.mark.parametrize("damaged", ["r.json", "b.json"])
def test_a_number_that_is_none_is_an_error_in_all_outputs(
    damaged: str,
    rules: Callable[[str], Path],
    call: Callable[..., object],
    make_report: Callable[..., Report],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A NaN in the report or in the baseline passed, and JUnit had no failure."""
    monkeypatch.chdir(tmp_path)
    report = make_report()
    for name in ("r.json", "b.json"):
        text = report.to_json()
        value = f'"value": {report["recall"].value}'
        Path(name).write_text(text.replace(value, '"value": NaN') if name == damaged else text)
    config = rules(f"[gate]\nbaseline = '{tmp_path}/b.json'\n[gate.rules.recall]\nmax_regression = 0.5\n")
    done = call("gate", "r.json", "--config", config, "--junit", "g.xml", "--json", "g.json")
    assert (done.code, json.loads(Path("g.json").read_text())["passed"]) == (2, False)
    root = ElementTree.parse("g.xml").getroot()  # noqa: S314  our own text
    assert (root.get("tests"), root.get("errors")) == ("1", "1")
    assert damaged in root.find("testsuite/testcase/error").get("message")


def test_an_unexpected_error_is_written_too(
    rules: Callable[[str], Path], call: Callable[..., object], engine: object, tmp_path: Path
) -> None:
    engine.error = ZeroDivisionError("x")
    done = call("gate", "a", "b", "--config", rules("[gate.rules.recall]\nmin = 0.4\n"), "--json", tmp_path / "g.json")
    assert done.code == 3
    assert "bug in divmetrics" in json.loads((tmp_path / "g.json").read_text())["error"]


def test_the_page_at_every_exit_code(
    saved: Path, rules: Callable[[str], Path], call: Callable[..., object], tmp_path: Path
) -> None:
    """Where something was measured, or a report given, it is shown below the judgement."""
    page = tmp_path / "page.html"
    for text, code, words, shown in [
        ("[gate.rules.recall]\nmin = 0.4\n", 0, ["Gate passed", "status-pass"], True),
        ("[gate.rules.recall]\nmin = 0.5\n", 1, ["Gate failed", "status-fail", "0.41 is below 0.5"], True),
        ("[gate.rules.recal]\nmin = 0.5\n", 2, ["Gate could not judge", "Did you mean"], True),
        ("[gate.rules.recall]\nmn = 0.5\n", 2, ["Gate could not judge", "line 2"], False),
    ]:
        page.unlink(missing_ok=True)
        done = call("gate", saved, "--config", rules(text), "--html", page)
        html = page.read_text().replace("&#39;", "'")
        assert done.code == code
        assert [word for word in words if word not in html] == []
        assert ('id="numbers"' in html) == shown
    done = call("gate", saved, "--config", rules("[gate.rules.recall]\nmin = 0.5\n"), "--html", f"{tmp_path}/site/")
    assert done.code == 1
    assert "Gate failed" in (tmp_path / "site" / "index.html").read_text()
    before = saved.read_bytes()
    assert call("gate", saved, "--config", rules("[gate"), "--html", saved).code == 2
    assert saved.read_bytes() == before, "a page never overwrites what is read"


def test_samples_that_are_gated_are_shown(
    rules: Callable[[str], Path], call: Callable[..., object], tmp_path: Path
) -> None:
    for name in ("real", "fake"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(len(name)).integers(0, 256, (30, 8, 8, 3), np.uint8))
    config = rules("[gate]\nbaseline = 'b.json'\n[gate.rules.precision]\nmax_regression = 0.1\n")
    foreign = {"seed": 1, "metrics": "precision", "null": False, "ci_level": 0, "extractor": "pixels?size=4"}
    score(tmp_path / "real.npy", tmp_path / "fake.npy", **foreign).save(tmp_path / "b.json")
    measured = [tmp_path / "real.npy", tmp_path / "fake.npy", "-e", "pixels?size=4", "--no-null", "--ci-level", "0"]
    done = call("gate", *measured, "--no-cache", "--config", config, "--html", tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    assert done.code == 2
    assert "another signature" in html
    assert html.count("<img") > 72, "grids of 36 samples of each side"
    assert 'id="maps"' in html
