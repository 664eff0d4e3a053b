"""`gate` in Python: two sources or a report, and rules from a file or a mapping."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import divmetrics as dm
from divmetrics.errors import UsageError

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
    ],
)
def test_wrong_requests(given: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dm.gate(**{"config": RULES, **given})
