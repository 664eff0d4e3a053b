"""What the calibration run measured to miss says so: in its results, on its page, and in the table's page."""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binom

from divmetrics.records.metric import METRICS

ROOT = Path(__file__).parent.parent.parent


def measured(name: str) -> dict[str, list[dict[str, Any]]]:
    """Metric -> its rows in `benchmarks/results/NAME.jsonl`."""
    file = ROOT / "benchmarks" / "results" / f"{name}.jsonl"
    found: dict[str, list[dict[str, Any]]] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        row = json.loads(line)
        found.setdefault(row["metric"], []).append(row)
    return found


def misses(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether intervals of 95 % hold the truth in fewer than 92 % of all draws or of one case, beyond chance (99 %)."""
    cases = [(round(row["covered"] * row["draws"]), row["draws"]) for row in rows]
    total = (sum(hits for hits, _ in cases), sum(draws for _, draws in cases))
    return any(binom.cdf(hits, draws, 0.92) < 0.005 for hits, draws in [*cases, total])


def test_too_narrow_is_a_miss_and_chance_is_not() -> None:
    assert misses([{"covered": 0.80, "draws": 200}])
    assert misses([{"covered": 0.88, "draws": 100}] * 6)
    assert not misses([{"covered": 0.90, "draws": 200}])


@pytest.mark.parametrize("name", sorted(measured("intervals")))
def test_intervals_that_miss_have_a_caveat(name: str) -> None:
    if misses(measured("intervals")[name]):
        assert METRICS[name].uncertainty.caveat, f"{name} was measured to miss: declare a caveat"


@pytest.mark.parametrize("name", sorted(measured("nulls")) or ["none yet"])
def test_nulls_that_miss_have_a_caveat(name: str) -> None:
    """In more draws than it may be below 1 % or 5 %; a band that is too wide is stated, but no false alarm."""
    for row in measured("nulls").get(name, ()):
        for tail in (0.01, 0.05):
            too_often = binom.sf(round(row[f"p<={tail}"] * row["draws"]) - 1, row["draws"], tail) < 0.005
            assert not too_often or METRICS[name].uncertainty.caveat, (
                f"{name} calls alike sets different: declare a caveat"
            )


def test_a_caveat_is_one_sentence_without_its_full_stop_and_stands_on_the_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = importlib.util.spec_from_file_location("_hooks", ROOT / "docs" / "_hooks.py")
    assert spec is not None
    assert spec.loader is not None
    pytest.importorskip("mkdocs")
    pytest.importorskip("latex2mathml")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    table = hooks.calibration()
    for record in METRICS:
        if caveat := record.uncertainty.caveat:
            assert not caveat.endswith(".")
            assert caveat in hooks.page(record)
            assert caveat in table
