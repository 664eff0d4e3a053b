"""Rule files: what is read, and that every mistake in them is a UsageError that names the place."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from divmetrics.errors import UsageError
from divmetrics.records.results import Report, Result, Side
from divmetrics.records.signature import Signature
from divmetrics.report.gate.judge import judge
from divmetrics.report.gate.rules import Regression, Rule, read_rules, rules_from


def written(folder: Path, text: str, name: str = "divmetrics.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def empty_report() -> Report:
    return Report("0.1.0", "2026-01-31T12:00:00Z", Side("real/", 9, None), Side("fake/", 9, None), {})


def test_all_keys_are_read(tmp_path: Path) -> None:
    empty_report().save(tmp_path / "baseline.json")
    rules = read_rules(
        written(
            tmp_path,
            """
            [gate]
            extractor = "pixels"
            verdict = "warn"
            baseline = "baseline.json"
            [gate.rules.recall]
            level = "warn"
            min = 0.4
            max = 1
            use = "ci_low"
            [gate.rules."fid@pixels"]
            max_regression = "10%"
            [gate.rules."vendi:order=2"]
            max_regression = 0.5
            """,
        )
    )
    assert rules.rules == (
        Rule("recall", "warn", 0.4, 1.0, None, "ci_low"),
        Rule("fid@pixels", max_regression=Regression(0.1, relative=True)),
        Rule("vendi:order=2", max_regression=Regression(0.5, relative=False)),
    )
    assert (rules.extractor, rules.verdict, rules.baseline) == ("pixels", "warn", empty_report())
    assert rules.metrics == ["recall", "fid", "vendi:order=2"]
    assert not rules.quarantine


def test_extractors_follow_from_the_rules_where_none_is_named(tmp_path: Path) -> None:
    text = '[gate.rules."fid@pixels"]\nmax = 1\n[gate.rules."mode_kl@labels"]\nmax = 1\n'
    assert read_rules(written(tmp_path, text)).extractors == "pixels"
    assert read_rules(written(tmp_path, "[gate.rules.fid]\nmax = 1\n")).extractors is None


def test_the_baseline_lies_beside_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ci").mkdir()
    empty_report().save(tmp_path / "ci" / "b.json")
    path = written(tmp_path / "ci", '[gate]\nbaseline = "b.json"\nrules.fid.max_regression = 1\n')
    monkeypatch.chdir(tmp_path)
    assert read_rules(path).baseline_path == tmp_path / "ci" / "b.json"


def test_rules_are_found_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no rules here"):
        read_rules()
    written(tmp_path, "[project]\nname = 'x'\n", "pyproject.toml")
    with pytest.raises(UsageError, match="no rules here"):
        read_rules()
    written(tmp_path, "[tool.divmetrics.gate.rules.fid]\nmax = 1\n", "pyproject.toml")
    assert read_rules().metrics == ["fid"]
    written(tmp_path, "[gate.rules.kid]\nmax = 1\n")
    assert read_rules().metrics == ["kid"], "divmetrics.toml is asked first"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[gate", "is not TOML"),
        ("[gates.rules.fid]\nmax = 1", "unknown key 'gates'. Did you mean 'gate'?"),
        ("[gate]\nverdct = 'warn'", "unknown key 'verdct'. Did you mean 'verdict'?"),
        ("[gate.rules.fid]\nmx = 1", "[gate.rules.fid]: unknown key 'mx'. Did you mean 'max'?"),
        ("[gate.rules.fid]\nmin = 1\nmxa = 1", "Did you mean 'max'?"),
        ("[gate.rules.fid]", "asks for nothing"),
        ("[gate.rules.fid]\nlevel = 'warn'", "asks for nothing"),
        ("[gate.rules.fid]\nmin = 2\nmax = 1", "min 2 is above max 1"),
        ("[gate.rules.fid]\nmax_regression = 1", "max_regression of fid needs baseline"),
        ("[gate]\nbaseline = 'b.json'\n[gate.rules.fid]\nmax = 1", "cannot read the report"),
        ("[gate.rules.fid]\nmax = '1'", "max = '1' is not a number"),
        ("[gate.rules.fid]\nmax = true", "max = True is not a number"),
        ("[gate.rules.fid]\nmax = nan", "max = nan is not a number"),
        ("[gate.rules.fid]\nmax_regression = 'ten%'", "max_regression = 'ten%'"),
        ("[gate.rules.fid]\nmax_regression = 'nan%'", "max_regression = 'nan%'"),
        ("[gate.rules.fid]\nmax_regression = -1", "max_regression = -1"),
        ("[gate.rules.fid]\nmax_regression = '10'", "max_regression = '10'"),
        ("[gate.rules.fid]\nmax = 1\nlevel = 'eror'", "unknown level 'eror'. Did you mean 'error'?"),
        ("[gate.rules.fid]\nmax = 1\nuse = 'ci_lo'", "unknown use 'ci_lo'. Did you mean 'ci_low'?"),
        ("[gate]\nverdict = 'errors'", "unknown verdict 'errors'. Did you mean 'error'?"),
        ("[gate]\nverdict = true", "verdict = True is not a text"),
        ("[gate]\nnumb = 3", "unknown key 'numb'. Did you mean 'num'?"),
        ("[gate]\nheldout = 'x'", "unknown key 'heldout'. Did you mean 'held_out'?"),
        ("[gate]\nnum = 0", "num is 0; give a whole number of at least 1"),
        ("[gate]\nnum = '5'", "num is '5'; give a whole number of at least 1"),
        ("[gate]\nseed = -1", "seed is -1; give a whole number of at least 0"),
        ("[gate]\nlabels = 3", "labels = 3 is not a text"),
        ("[gate]\nheld_out = ''", "held_out = '' is not a text"),
        ("[gate]\nmetrics = 3", "metrics = 3 is neither a text nor a list of texts"),
        ("[gate]\nmetrics = ['fid', 3]", "metrics = ['fid', 3] is neither a text nor a list of texts"),
        ("[gate]\nby = 'class'\nrules.fid.max = 1", "by (rules for each group) does not exist yet; leave it out"),
        ("[gate]\nquarantine = 'yes'\nrules.fid.max = 1", "quarantine = 'yes' is neither true nor false"),
        ("[gate]\ninconclusive = 'fial'", "unknown inconclusive 'fial'. Did you mean 'fail'?"),
        ("[gate]\ninconclusive = 'error'", "unknown inconclusive 'error'"),
        ("[gate]\nverdict = 'warn'\ninconclusive = 'fail'", 'verdict = "warn" never fails and inconclusive = "fail"'),
        ("[gate]\nverdict = 'off'\ninconclusive = 'warn'\nrules.fid.max = 1", "is about the verdict"),
        ("[gate]\ntolerance = 'x%'", "tolerance is 'x%'"),
        ("[gate]\nalpha = 0.9", "alpha is 0.9"),
        ("[gate.rules.missing_modes]\nmin = 1", "min has no meaning for a number of modes"),
        ("[gate.rules.missing_modes]\nmax_regression = 1", "max_regression has no meaning for a number of modes"),
        ("[gate.rules.thinned_modes]\nlevel = 'warn'", "[gate.rules.thinned_modes] asks for nothing"),
        ("[gate.rules.thinned_modes]\nmax = 1.5", "max = 1.5 is no number of modes"),
        ("[gate.rules.thinned_modes]\nmax = -1", "max = -1 is no number of modes"),
        ("[gate.rules.missing_mode]\nmax = 1\nmni = 2", "unknown key 'mni'"),
        ("[gate]\nrules = 3", "gate.rules must be a table"),
        ("[gate.rules]\nfid = 3", "must be a table"),
        ("[gate.rules.verdict]\nlevel = 'error'", 'the verdict is a key of the table above, verdict = "error"'),
        ("[gate.rules.'fid@']\nmax = 1", "'fid@' is no METRIC or METRIC@EXTRACTOR"),
        ("[gate.rules.'']\nmax = 1", "'' is no METRIC or METRIC@EXTRACTOR"),
        ("gate = 3", "must be a table"),
        ("[gate]", "has no rules"),
        ("[gate]\nverdict = 'off'", "has no rules"),
        ("", "has no rules"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        read_rules(written(tmp_path, text))


def test_a_typo_beside_the_gate_table_of_pyproject_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "[tool.divmetrics.gat.rules.fid]\nmax = 1\n", "pyproject.toml")
    with pytest.raises(UsageError, match=r"unknown key 'gat'\. Did you mean 'gate'"):
        read_rules(path)


@pytest.mark.parametrize("name", ["missing.toml", "folder", "binary.toml"])
def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot read the rules"):
        read_rules(tmp_path / name)


def test_a_verdict_alone_is_a_rule(tmp_path: Path) -> None:
    assert read_rules(written(tmp_path, "[gate]\nverdict = 'error'\n")).rules == ()


def test_options_of_score_are_read(tmp_path: Path) -> None:
    text = """
    [gate]
    metrics = "quick, fid"
    num = 500
    seed = 0
    labels = "labels.csv"
    held_out = "a.dms+b.dms"
    [gate.rules.recall]
    min = 0.4
    [gate.rules.fid]
    max = 9
    """
    rules = read_rules(written(tmp_path, text))
    assert rules.keywords == {
        "metrics": ["quick", "fid", "recall"],
        "num": 500,
        "seed": 0,
        "labels": str(tmp_path / "labels.csv"),
        "held_out": f"{tmp_path / 'a.dms'}+{tmp_path / 'b.dms'}",
    }
    for given, expected in [("zoo:ring-8", "zoo:ring-8"), ("c++/x", str(tmp_path / "c++/x")), ("/a/b", "/a/b")]:
        table = f"[gate]\nheld_out = '{given}'\nmetrics = ['kid']\nrules.fid.max = 1\n"
        rules = read_rules(written(tmp_path, table))
        assert rules.keywords == {"metrics": ["kid", "fid"], "held_out": expected}


def test_rules_on_modes_name_no_metric(tmp_path: Path) -> None:
    options = "tolerance = '5%'\nquarantine = true\ninconclusive = 'fail'\nmodes = 7\n"
    text = f"[gate]\n{options}rules.missing_modes.max = 2\n"
    rules = read_rules(written(tmp_path, text))
    assert rules.rules == (Rule("missing_modes", max=2, use="value"),)
    assert (rules.metrics, rules.about_modes, rules.quarantine, rules.inconclusive) == ([], True, True, "fail")
    assert rules.keywords == {"mode_table": True, "tolerance": 0.05, "modes": 7}


@pytest.mark.parametrize(
    ("metric", "better", "bound", "contradicts"),
    [
        ("fid", "lower", "min = 12", True),
        ("fid", "lower", "min = 11", False),
        ("fid", "lower", "max = 1", False),
        ("recall", "higher", "max = 8", True),
        ("recall", "higher", "max = 9", False),
        ("recall", "higher", "min = 20", False),
    ],
)
def test_a_bound_that_the_baseline_rules_out_is_a_contradiction(
    metric: str, better: str, bound: str, contradicts: bool, tmp_path: Path
) -> None:
    """The baseline has 10 and may lose 1: a FID of at least 12, or a recall of at most 8, is impossible."""
    signature = Signature(metric, "pixels#1", "pooled", "none", "", "9/9", "0", "0.1.0")
    result = Result(metric, "pixels", 10.0, better, (0, None), {}, 9, 9, signature)
    replace(empty_report(), metrics={f"{metric}@pixels": result}).save(tmp_path / "b.json")
    path = written(tmp_path, f"[gate]\nbaseline = 'b.json'\n[gate.rules.{metric}]\nmax_regression = '10%'\n{bound}\n")
    if contradicts:
        with pytest.raises(
            UsageError, match=rf"\[gate.rules.{metric}\]: {bound.replace('= ', '')} and max_regression 10 %"
        ):
            read_rules(path)
    else:
        assert read_rules(path).rules[0].max_regression is not None


def test_a_newer_baseline_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    path = written(tmp_path, "[gate]\nbaseline = 'b.json'\nrules.fid.max_regression = 1\n")
    for schema, message in [
        ("divmetrics.report/2", "of a newer divmetrics; this one .* upgrade"),
        ("divmetrics.gate/1", "has schema 'divmetrics.gate/1', wanted 'divmetrics.report/1'"),
    ]:
        empty_report().save(tmp_path / "b.json")
        (tmp_path / "b.json").write_text((tmp_path / "b.json").read_text().replace("divmetrics.report/1", schema))
        with pytest.raises(UsageError, match=message):
            read_rules(path)
    (tmp_path / "b.json").write_text('{"schema": "divmetrics.report/1",\n "metrics" 3}')
    with pytest.raises(UsageError, match=r"b\.json is not JSON \(line 2, column 12: expected ':'\)"):
        read_rules(path)


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    """Editors on Windows write it, and line ends of two characters."""
    (tmp_path / "rules.toml").write_bytes(b"\xef\xbb\xbf[gate.rules.recall]\r\nmin = 0.4\r\n")
    assert read_rules(tmp_path / "rules.toml").rules[0].min == 0.4
    (tmp_path / "b.json").write_text("\ufeff[]")
    with pytest.raises(UsageError, match="has schema None"):
        Report.load(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            "[gate]\nseed = 1\n\n# max\n[gate.rules.fid]\nmax = '1'",
            "line 6: [gate.rules.fid]: max = '1' is not a number",
        ),
        ("[gate]\nmetrics = 'kid'\nrules.fid.max = true", "line 3: [gate.rules.fid]: max = True is not a number"),
        ("[gate.rules.fid]\nmax = 1\n[gate.rules.kid]\nmx = 1", "line 4: [gate.rules.kid]: unknown key 'mx'"),
        ("[gate]\nmetrics = [\n'fid',\n3,\n]\n", "line 2: [gate]: metrics = ['fid', 3] is neither"),
        ("[gate]\nnote = 'num'\nnum = 0", "line 2: [gate]: unknown key 'note'"),
        ("[gate]\nmetrics = 'num'\nnum = 0", "line 3: [gate]: num is 0"),
        ("\n[gate.rules.fid]\n", "line 2: [gate.rules.fid] asks for nothing"),
        ("[gate]\nseed = 3\nrules = 3", "line 3: gate.rules must be a table, not 3"),
        ("seed = 3\n[gate]", "line 1: unknown key 'seed'"),
        (
            "[gate]\n[gate.rules.fid]\nmax = 1\n[gate.rules.kid]\nmax_regression = 1",
            "line 4: [gate.rules.kid]: max_reg",
        ),
        ("[gate]\nverdict = 'off'\ninconclusive = 'warn'", "line 3: [gate]: inconclusive"),
        ("[gate.rules.'a\\\\d']\nmax = 'x'", "line 2: [gate.rules.a\\\\d]: max = 'x'"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, place: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as raised:
        read_rules(path)
    assert str(raised.value).startswith(f"{path}, {place}")


def test_lines_of_pyproject_and_of_a_report_that_lacks_a_metric(tmp_path: Path) -> None:
    text = "[project]\nname = 'gate'\n[tool.divmetrics.gate.rules.recal]\nmin = 1\n"
    rules = read_rules(written(tmp_path, text, "pyproject.toml"))
    assert rules.rules[0].place == f"{tmp_path}/pyproject.toml, line 3: [tool.divmetrics.gate.rules.recal]"
    with pytest.raises(UsageError, match=r"line 3: \[tool.divmetrics.gate.rules.recal\]: unknown metric in the report"):
        judge(empty_report(), rules)
    with pytest.raises(UsageError, match=r"^config: \[gate.rules.fid\]: max = 'x' is not a number"):
        rules_from({"rules": {"fid": {"max": "x"}}})
