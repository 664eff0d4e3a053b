"""`gate --init`, `gate --selftest`: thresholds outside the noise, files whole or not at all, the rate of red."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.errors import UsageError
from divmetrics.report.gate.rules import read_rules, rules_from
from divmetrics.report.gate.start import rounded_up
from divmetrics.scoring import gate_selftest
from divmetrics.scoring import gate_start as module
from divmetrics.scoring.gate_selftest import selftest
from divmetrics.scoring.gate_start import start_gate

QUICK = {"metrics": "recall,precision", "null": False}
Draw = Callable[..., str]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """A file with rows of four modes; `kept` of them are there."""

    def saved(name: str, seed: int, n: int = 120, kept: int = 4) -> str:
        rng = np.random.default_rng(seed)
        modes = rng.integers(0, kept, n)
        np.save(tmp_path / f"{name}.npy", 12 * np.eye(4)[modes] + rng.normal(size=(n, 4)))
        return str(tmp_path / f"{name}.npy")

    return saved


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def two_resplits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESPLITS", 2)


@pytest.mark.slow
def test_the_rules_pass_a_fresh_draw_and_fail_a_loss(draw: Draw, tmp_path: Path) -> None:
    real, fake = draw("real", 0), draw("fake", 1)
    config = tmp_path / "divmetrics.toml"
    start = start_gate(real, fake, str(config), {**QUICK, "modes": 4}, force=False)
    table = tomllib.loads(config.read_text())["gate"]
    assert table["baseline"] == "baseline.json"
    assert (table["alpha"], table["modes"], table["verdict"]) == (0.005, 4, "off")
    assert "extractor" not in table, "features need none"
    assert set(table["rules"]) == {"missing_modes", "thinned_modes", "recall", "precision"}
    assert table["rules"]["missing_modes"] == {"max": 0}
    assert table["rules"]["thinned_modes"]["level"] == "warn"
    assert dm.Report.load(tmp_path / "baseline.json") == start.report
    for threshold in start.thresholds:
        if threshold.noise is not None:
            assert 3 * threshold.noise < threshold.bound < 4 * threshold.noise, "2 rules: 3.1 standard deviations"
    fresh = dm.gate(real, draw("fresh", 2), config=config, null=False)
    assert fresh.passed
    assert not any("inside the noise" in outcome.note for outcome in fresh.outcomes)
    lost = dm.gate(real, draw("lost", 3, kept=3), config=config, null=False)
    assert "missing_modes" in [o.name for o in lost.outcomes if o.status == "fail"]


@pytest.mark.slow
def test_noise_is_that_of_fresh_draws(draw: Draw) -> None:
    """The standard deviation that is written down is that of the difference of two draws, within a factor of two."""
    real = draw("real", 0)
    values = [dm.score(real, draw("f", seed), metrics="recall", ci_level=0, null=False) for seed in range(10, 22)]
    recalls = np.array([report["recall"].value for report in values])
    start = start_gate(real, draw("fake", 1), None, {**QUICK, "metrics": "recall"}, force=False)
    noise = next(t.noise for t in start.thresholds if t.rule == "recall")
    assert noise is not None
    assert 0.6 < noise / (recalls.std(ddof=1) * 2**0.5) < 2.5


@pytest.mark.usefixtures("two_resplits")
def test_files_that_exist_are_kept_unless_forced(draw: Draw, tmp_path: Path) -> None:
    real, fake = draw("real", 0, 40), draw("fake", 1, 40)
    (tmp_path / "baseline.json").write_text("mine")
    with pytest.raises(
        UsageError, match=r"baseline\.json exists; --force replaces divmetrics\.toml and baseline\.json"
    ):
        start_gate("no/such", "samples", None, QUICK, force=False)
    assert not (tmp_path / "divmetrics.toml").exists()
    start_gate(real, fake, None, QUICK, force=True)
    assert read_rules().baseline is not None
    with pytest.raises(UsageError, match=r"divmetrics\.toml exists"):
        start_gate(real, fake, None, QUICK, force=False)


@pytest.mark.usefixtures("two_resplits")
def test_nothing_is_written_where_measuring_or_writing_fails(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(dm.DivmetricsError, match="real has 12 samples, too few to split them into halves"):
        start_gate(draw("real", 0, 12), draw("fake", 1, 40), None, QUICK, force=False)
    with pytest.raises(UsageError, match="leave --ci-level 0 out"):
        start_gate("a", "b", None, {"ci_level": 0}, force=False)
    with pytest.raises(UsageError, match=r"a file of its own, not pyproject\.toml"):
        start_gate("a", "b", "pyproject.toml", {}, force=True)
    monkeypatch.setattr(dm.Report, "to_json", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        start_gate(draw("real", 0, 40), draw("fake", 1, 40), None, QUICK, force=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fake.npy", "real.npy"]


@pytest.mark.usefixtures("two_resplits")
def test_options_and_places_are_written_as_the_rules_read_them(draw: Draw, tmp_path: Path) -> None:
    (tmp_path / "ci").mkdir()
    options = {**QUICK, "metrics": "recall:k=3", "num": 40, "seed": 3, "ci_level": 0.9}
    start = start_gate(draw("real", 0, 50), draw("it's", 1, 50), "ci/gate.toml", options, force=False)
    rules = read_rules("ci/gate.toml")
    assert rules.options == {"num": 40, "seed": 3, "ci_level": 0.9, "alpha": 0.005}
    assert [rule.name for rule in rules.rules][-1] == "recall:k=3"
    assert rules.baseline_path == Path("ci/baseline.json")
    assert start.commands[0].endswith("it'\"'\"'s.npy' --config ci/gate.toml")
    assert json.loads(start.to_json())["next"] == list(start.commands)
    assert dm.gate(draw("real", 0, 50), draw("more", 1, 50), config="ci/gate.toml", null=False).passed


@pytest.mark.slow
def test_a_collapsed_generator_is_not_red_at_once(draw: Draw) -> None:
    """The verdict only warns where it is, or is close to, what would fail: the gate guards against what gets worse."""
    real, fake = draw("real", 0), draw("fake", 1, kept=3)
    start = start_gate(real, fake, None, {**QUICK, "null": True, "modes": 4}, force=False)
    assert start.verdict == "warn"
    assert "collapsed already" in start.verdict_why
    assert next(t.bound for t in start.thresholds if t.rule == "missing_modes") == 1
    assert dm.gate(real, draw("again", 2, kept=3), config="divmetrics.toml").passed


@pytest.mark.slow
def test_the_rate_of_red_is_measured(draw: Draw, tmp_path: Path) -> None:
    """Re-splits of what the rules were made from pass; a bound that nothing keeps is red in each."""
    real, fake = draw("real", 0), draw("fake", 1)
    start_gate(real, fake, None, {**QUICK, "modes": 4}, force=False)
    found = selftest(real, fake, read_rules(), {"null": False}, 6)
    assert (found.red, found.resplits, found.n_real, found.n_fake, found.exit_code) == (0, 6, 60, 60, 0)
    assert found.interval[0] == 0
    assert found.interval[1] == pytest.approx(1 - 0.025 ** (1 / 6))
    strict = tmp_path / "strict.toml"
    strict.write_text('[gate]\nverdict = "off"\n[gate.rules.recall]\nmin = 1\n[gate.rules.precision]\nmin = 0.2\n')
    red = selftest(real, fake, read_rules(strict), {"null": False}, 4)
    assert (red.red, dict(red.by_rule), red.exit_code) == (4, {"recall": 4, "precision": 0}, 1)
    assert json.loads(red.to_json())["rate"] == 1.0


@pytest.mark.parametrize("unit", [1.0, 1e-9])
def test_thresholds_have_the_unit_of_the_number(unit: float) -> None:
    rows = np.random.default_rng(0).normal(size=(2, 40, 2))
    report = dm.score(*rows, metrics="fid", null=False)
    fid = report["fid"]
    assert fid.ci is not None
    ends = tuple(unit * end for end in fid.ci)
    scaled = replace(report, metrics={"fid@features": replace(fid, value=unit * fid.value, ci=ends)})
    (threshold,), _ = module._chosen(scaled, {"fid@features": [0.0] * module.RESPLITS})
    (plain,), _ = module._chosen(report, {"fid@features": [0.0] * module.RESPLITS})
    assert threshold.bound == pytest.approx(unit * plain.bound)


def test_thresholds_are_rounded_up_to_two_digits() -> None:
    assert rounded_up(1e-6) == 1e-6
    for number in np.geomspace(1e-9, 1e9, 200):
        assert number <= rounded_up(number) <= 1.1 * number


def test_bounds_are_moved_to_half_the_size_however_a_rule_names_its_metric() -> None:
    rows = np.random.default_rng(0).normal(size=(2, 40, 2))
    whole = dm.score(*rows, metrics="recall:k=3", ci_level=0, null=False)
    (now,) = whole.metrics.values()
    half = replace(whole, metrics={key: replace(result, value=0.5) for key, result in whole.metrics.items()})
    for name in ("recall:k=3", "recall:k=3@features"):
        rules = rules_from({"rules": {name: {"min": now.value - 0.1}}})
        (moved,) = gate_selftest._bounds_at_half_size(rules, whole, [half]).rules
        assert moved.min == pytest.approx(0.5 - 2**0.5 * 0.1), name


def test_resplits_are_disjoint_halves() -> None:
    meter = dm.Meter("recall")
    meter.add("real", np.arange(50.0)[:, None])
    meter.add("fake", np.arange(51.0)[:, None])
    sides = {side: meter.collected(side) for side in ("real", "fake")}
    found = [*module.resplits(sides, 3, 0)]
    assert len({tuple(resplit.first.paths) for resplit in found}) == 3
    for resplit in found:
        first, second = (set(half.paths) for half in (resplit.first, resplit.second))
        assert (len(first), len(second), len(first & second), resplit.real.side.n) == (25, 25, 0, 25)
