"""`gate` in Python: two sources or a report, and rules from a file or a mapping."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import divmetrics as dm
from divmetrics.errors import MissingLayer, UsageError
from divmetrics.records.metric import METRICS
from divmetrics.records.run_options import ScoreRequest

REAL = np.random.default_rng(0).normal(size=(60, 3))
FAKE = np.random.default_rng(1).normal(size=(60, 3)) * 0.01
FAST = {"ci_level": 0, "null": False}
RULES = {"rules": {"recall": {"min": 0.4}, "precision": {"min": 0.9, "level": "warn"}}}


def test_samples_are_measured_by_the_metrics_that_the_rules_name() -> None:
    judged = dm.gate(REAL, FAKE, config=RULES, **FAST)
    assert not judged.passed
    assert [(outcome.name, outcome.status) for outcome in judged.outcomes] == [
        ("recall", "fail"),
        ("precision", "pass"),
    ]
    assert set(judged.report.metrics) == {"recall@features", "precision@features"}
    assert dm.gate(REAL, REAL, config=RULES, **FAST).passed


def test_a_report_is_judged_as_it_is(tmp_path: Path) -> None:
    report = dm.score(REAL, FAKE, metrics="recall", **FAST)
    report.save(tmp_path / "r.json")
    (tmp_path / "rules.toml").write_text("[gate.rules.recall]\nmin = 0.4\n")
    for given in (report, tmp_path / "r.json"):
        assert not dm.gate(report=given, config=tmp_path / "rules.toml").passed
    code = f"import sys, divmetrics as dm\ndm.gate(report={str(tmp_path / 'r.json')!r}, config={RULES!r})"
    code = code.replace(", 'precision': {'min': 0.9, 'level': 'warn'}", "") + "\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


def test_options_and_the_extractor_of_the_rules_reach_score() -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    judged = dm.gate(images, images, config={**RULES, "extractor": "pixels?size=8"}, num=9, cache=False, **FAST)
    assert judged.report["recall@pixels?size=8"].n_fake == 9
    assert dm.gate(REAL, REAL, config=RULES, metrics="recall,precision,fid", **FAST).report["fid"].value == 0


def test_options_in_the_rules_are_used(tmp_path: Path) -> None:
    np.save(tmp_path / "held.npy", np.random.default_rng(2).normal(size=(40, 3)))
    path = tmp_path / "rules.toml"

    def measured(options: str, **given: object) -> dm.Report:
        path.write_text(f"[gate]\n{options}\nrules.recall.min = 0.1\n")
        return dm.gate(REAL, FAKE, config=path, **FAST, **given).report

    assert measured("num = 50")["recall"].n_fake == 50
    assert measured("num = 50", num=40)["recall"].n_fake == 40, "an argument comes before the rules"
    values = [measured(f"num = 30\nseed = {seed}\nmetrics = 'fid'")["fid"].value for seed in (0, 1)]
    assert values[0] != values[1]
    assert set(measured("metrics = 'fid,recall'").metrics) == {"fid@features", "recall@features"}
    held = measured("held_out = 'held.npy'\nmetrics = ['c_t:cells=1']")
    assert (held.held_out.n, any(result.metric == "c_t" for result in held.metrics.values())) == (40, True)


def test_labels_in_the_rules_are_used(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    lines = ["path,label"]
    for side in ("real", "fake"):
        (tmp_path / side).mkdir()
        for number in range(6):
            Image.fromarray(draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(tmp_path / side / f"{number}.png")
    lines += [f"{number}.png,class-{number % 3}" for number in range(6)]
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "rules.toml").write_text(
        "[gate]\nlabels = 'labels.csv'\nrules.modes_found.min = 3\nrules.modes_found.use = 'value'\n"
    )
    judged = dm.gate(tmp_path / "real", tmp_path / "fake", config=tmp_path / "rules.toml", cache=False, **FAST)
    assert (judged.passed, judged.report["modes_found"].value) == (True, 3)
    assert judged.report.real.labels == {"class-0": 2, "class-1": 2, "class-2": 2}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"real": REAL}, "give real and fake"),
        ({}, "give real and fake"),
        ({"report": "r.json", "real": REAL}, "not measured again"),
        ({"report": "r.json", "seed": 1}, "not measured again"),
        ({"real": REAL, "fake": FAKE, "config": {"rule": {}}}, "config: .* 'rule'"),
        ({"real": REAL, "fake": FAKE, "config": {}}, "has no rules"),
        ({"real": REAL, "fake": FAKE, "config": [1]}, "config is a list; give a rule file, or its table"),
        ({"real": REAL, "fake": FAKE, "config": {"rules": {3: {"max": 1}}}}, "config: the key 3 is not a text"),
        ({"real": REAL, "fake": FAKE, "config": {3: 1}}, "config: the key 3 is not a text"),
        ({"report": 3}, "report is a int; give a Report, or the path of one as JSON"),
    ],
)
def test_wrong_requests(given: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dm.gate(**{"config": RULES, **given})


CHANGE = {"rules": {"recall": {"max_regression": "20%"}, "fid": {"max_regression": 1}}}
MORE = np.random.default_rng(2).normal(size=(70, 3))
ALIKE = np.random.default_rng(3).normal(size=(60, 3))


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("baseline") / "b.json"
    dm.score(REAL, ALIKE, metrics="recall,fid,vendi", **FAST).save(path)
    return path


@pytest.mark.parametrize(
    ("real", "fake", "drawn"),
    [
        (REAL, ALIKE, []),
        (REAL, MORE, ["fake"]),
        (np.vstack([REAL, REAL[:1]]), ALIKE, ["real"]),
        (np.vstack([REAL, REAL[:1]]), MORE, ["real", "fake"]),
    ],
)
def test_as_many_samples_are_drawn_as_the_baseline_has(
    real: np.ndarray, fake: np.ndarray, drawn: list[str], baseline: Path
) -> None:
    judged = dm.gate(real, fake, config={**CHANGE, "baseline": str(baseline)}, **FAST)
    assert (judged.report.real.n, judged.report.fake.n) == (60, 60)
    assert [text.partition(":")[0] for text in judged.warnings] == drawn
    for side, text in zip(drawn, judged.warnings, strict=True):
        n = len(real if side == "real" else fake)
        assert f"60 of the {n} samples were drawn by the seed, as many as the baseline" in text


def test_sizes_matter_to_rules_on_a_change_only(baseline: Path) -> None:
    config = {"baseline": str(baseline), "rules": {"recall": {"min": 0}}}
    assert dm.gate(REAL, ALIKE[:59], config=config, **FAST).report.fake.n == 59


def test_features_of_all_kinds_are_drawn_alike(baseline: Path, tmp_path: Path) -> None:
    config = {**CHANGE, "baseline": str(baseline)}
    dm.extract(MORE, tmp_path / "more.dms")
    stream = [MORE[:40], MORE[40:]]
    given = (MORE, tmp_path / "more.dms", stream)
    values = [dm.gate(REAL, fake, config=config, null=False).report["recall"].value for fake in given]
    assert values == [dm.score(REAL, MORE, metrics="recall", num=60, **FAST)["recall"].value] * 3
    with pytest.raises(MissingLayer, match="holds no single rows"):
        dm.gate(REAL, stream, config={"baseline": str(baseline), "rules": {"fid": {"max_regression": 1}}}, **FAST)


@pytest.mark.parametrize(
    ("real", "fake", "options", "message"),
    [
        (REAL, ALIKE[:59], {}, r"fake has 59 samples, the baseline .* has 60.*: add 1, or make a new baseline"),
        (REAL[:50], ALIKE, {}, "real has 50 samples, .*: add 10, or make a new baseline"),
        (REAL, MORE, {"num": 40}, "num is 40, and the baseline .* has 60 real samples; leave num out, or make"),
        (REAL, [ALIKE[:20], ALIKE[20:50]], {}, "fake has 50 samples, .*: add 10"),
        (REAL, ALIKE, {"seed": 1}, "seed '1' against '0'; measure with --seed 0"),
    ],
)
def test_fewer_samples_than_the_baseline_are_refused_with_the_cure(
    real: np.ndarray, fake: object, options: dict, message: str, baseline: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        dm.gate(real, fake, config={**CHANGE, "baseline": str(baseline)}, **FAST, **options)


def test_sides_that_no_compared_number_reads_may_have_any_size(baseline: Path) -> None:
    config = {"baseline": str(baseline), "rules": {"vendi": {"max_regression": "50%"}, "recall": {"min": 0.1}}}
    judged = dm.gate(REAL[:30], ALIKE, config=config, **FAST)
    assert (judged.report.real.n, judged.report.fake.n, judged.passed) == (30, 60, True)


def test_metrics_cut_to_equal_sizes_need_no_more_than_they_read(tmp_path: Path) -> None:
    metric = next(metric.name for metric in METRICS if metric.equal_n and metric.minimum({"k": 5}) < 20)
    dm.score(np.vstack([REAL, MORE]), ALIKE, metrics=metric, **FAST).save(tmp_path / "b.json")
    config = {"baseline": str(tmp_path / "b.json"), "rules": {metric: {"max_regression": "100%"}}}
    for real, fake, sizes in ((MORE, ALIKE, (70, 60)), (np.vstack([REAL, MORE, MORE]), MORE, (130, 60))):
        judged = dm.gate(real, fake, config=config, **FAST)
        assert (judged.report.real.n, judged.report.fake.n) == sizes
    with pytest.raises(UsageError, match="real has 59 samples"):
        dm.gate(REAL[:59], ALIKE, config=config, **FAST)


def test_unreadable_images_among_the_drawn_ones_are_replaced(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for side, n in (("real", 30), ("fake", 40)):
        (tmp_path / side).mkdir()
        for number in range(n):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / side / f"{number:02}.png")
    settings = {**FAST, "extractor": "pixels?size=4", "cache": False, "max_skipped": 0.5}
    sides = tmp_path / "real", tmp_path / "fake"
    dm.score(*sides, metrics="recall", num=30, **settings).save(tmp_path / "b.json")
    for number in range(9):
        (tmp_path / "fake" / f"{3 * number:02}.png").write_bytes(b"")
    config = {"baseline": str(tmp_path / "b.json"), "rules": {"recall": {"max_regression": "90%"}}}
    judged = dm.gate(*sides, config=config, **settings)
    assert judged.report.fake.n == 30
    assert judged.report.fake.source == str(tmp_path / "fake")
    assert all(lost.reason == "empty file" for lost in judged.report.fake.skipped)
    assert judged.report.fake.skipped
    (tmp_path / "fake" / "01.png").write_bytes(b"")
    (tmp_path / "fake" / "02.png").write_bytes(b"")
    with pytest.raises(UsageError, match=r"n '30/29' against '30/30'; add samples, or make a new baseline"):
        dm.gate(*sides, config=config, **settings)


def test_a_saved_report_of_other_sizes_names_the_cure(baseline: Path) -> None:
    config = {"baseline": str(baseline), "rules": {"recall": {"max_regression": 1}}}
    for fake, cure in ((MORE, "gate REAL FAKE draws as many.* --num 60"), (ALIKE[:50], "add samples, or make a new")):
        report = dm.score(REAL, fake, metrics="recall", **FAST)
        with pytest.raises(UsageError, match=cure):
            dm.gate(report=report, config=config)
    meter = dm.Meter("recall", **FAST)
    meter.add("real", REAL)
    meter.add("fake", MORE)
    meter.keep("fake", 60)
    assert dm.gate(report=meter.results(), config=config).report["recall"].n_fake == 60


def test_a_baseline_without_the_number_is_refused_before_anything_is_read(baseline: Path) -> None:
    def samples() -> object:
        raise AssertionError("was read")
        yield

    config = {"baseline": str(baseline), "rules": {"density": {"max_regression": 1}}}
    with pytest.raises(UsageError, match=r"baseline .*b\.json: unknown metric in the report 'density'"):
        dm.gate(samples(), samples(), config=config)


def test_a_rule_that_nothing_passes_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match=r"rule 'recall' has min 1\.5, and recall is at most 1"):
        dm.gate("no/real", "no/fake", config={"rules": {"recall": {"min": 1.5}}})


def test_a_rule_on_modes_makes_the_table_without_a_metric_of_modes() -> None:
    rng = np.random.default_rng(0)
    modes = rng.integers(0, 4, 240)
    rows = np.eye(4)[modes] * 20 + rng.normal(size=(240, 4))
    real, fake, lost = rows[:120], rows[120:], rows[120:][modes[120:] != 2]
    config = {"verdict": "off", "modes": 4, "rules": {"missing_modes": {"max": 0}, "recall": {"min": 0}}}
    assert [o.found for o in dm.gate(real, fake, config=config, **FAST).outcomes] == [0.0, pytest.approx(0.9, abs=0.1)]
    judged = dm.gate(real, lost, config=config, **FAST)
    assert (judged.passed, judged.outcomes[0].found) == (False, 1.0)
    assert judged.outcomes[0].text.startswith("1 is above 0; missing modes: cluster ")


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """Seed -> recall that a stand-in for `score` measures there."""
    from divmetrics.scoring import score as module

    recall: dict[int, float] = {}
    template = dm.score(REAL, REAL, metrics="recall", **FAST)

    def measured(request: ScoreRequest, _wanted: object) -> dm.Report:
        recall[-request.seed] = request.alpha
        digest = None if request.num is None else f"sha256:{request.seed}"
        result = replace(template["recall"], value=recall[request.seed])
        fake = replace(template.fake, digest=digest or template.fake.digest)
        return replace(template, metrics={"recall@features": result}, fake=fake, meta={"seed": request.seed})

    monkeypatch.setattr(module, "score_as_many", measured)
    return recall


@pytest.mark.parametrize(("second", "passed"), [(0.9, True), (0.1, False)])
def test_quarantine_fails_only_where_both_runs_do(second: float, passed: bool, seeds: dict[int, float]) -> None:
    seeds |= {3: 0.1, 4: second}
    config = {"quarantine": True, "seed": 3, **RULES}
    judged = dm.gate(REAL, FAKE, config={**config, "rules": {"recall": {"min": 0.4}}}, num=9, **FAST)
    assert (judged.passed, judged.exit_code) == (passed, 0 if passed else 1)
    assert (seeds[-3], seeds[-4]) == (0.01, 0.005), "the second run has half the false-alarm rate"
    whole = json.loads(judged.to_json())
    runs = (whole, whole["second"])
    assert [run["rules"][0]["status"] for run in runs] == ["fail", "pass" if passed else "fail"]
    assert [run["seed"] for run in runs] == [3, 4]
    assert judged.second is not None
    assert judged.second.warnings == ()


def test_quarantine_says_where_it_is_no_second_look(seeds: dict[int, float]) -> None:
    seeds |= {5: 0.1, 6: 0.1}
    config = {"quarantine": True, "seed": 5, "rules": {"recall": {"min": 0.4}}}
    judged = dm.gate(REAL, FAKE, config=config, **FAST)
    assert judged.second is not None
    assert "has measured the same samples" in judged.second.warnings[0]
    seeds[5] = 0.9
    assert dm.gate(REAL, FAKE, config=config, **FAST).second is None, "a gate that passes is measured once"
    with pytest.raises(UsageError, match="fake is an iterator"):
        dm.gate(REAL, iter([FAKE]), config=config, **FAST)
    with pytest.raises(UsageError, match=r"0\.001 has no half"):
        dm.gate(REAL, FAKE, config=config, ci_level=0, alpha=0.001)
    saved = replace(dm.score(REAL, FAKE, metrics="recall", **FAST), modes=())
    assert "quarantine has no effect on a saved report" in dm.gate(report=saved, config=config).warnings[-1]
