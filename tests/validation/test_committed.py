"""The committed report card: what the docs and the preset `default` stand on."""

import importlib.util
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from divmetrics.records.metric import METRICS
from divmetrics.validation.ladders import COLUMNS, KNOBS
from divmetrics.validation.recommend import sharper, smallest, uncovered
from divmetrics.validation.records import Validation

ROOT = Path(__file__).parent.parent.parent
CARD = Validation.load(ROOT / "benchmarks" / "results" / "validation.json")
DEFAULT = {metric.name for metric in METRICS if "default" in metric.presets}


def test_the_default_preset_answers_for_every_column() -> None:
    assert uncovered(CARD.ladders, sorted(DEFAULT)) == ()
    assert {row.column for row in CARD.ladders} >= set(COLUMNS)


def test_the_default_preset_is_what_the_ladders_say() -> None:
    base = smallest(CARD.ladders)
    assert base == CARD.recommended
    assert {*base, *sharper(CARD.ladders, base)} <= DEFAULT


@pytest.mark.parametrize(
    ("metric", "sees", "blind_or_misled"),
    [
        ("coverage", ("dropped modes", "repeated samples"), ("copies of the training set",)),
        ("recall", ("dropped modes", "shrinkage within modes"), ("noise",)),
        ("precision", ("invented or scattered samples", "noise"), ("dropped modes", "imbalance")),
        ("mode_kl", ("dropped modes", "imbalance"), ("shrinkage within modes",)),
        ("fid", ("dropped modes", "a shift of everything"), ("copies of the training set",)),
    ],
)
def test_expected_responses(metric: str, sees: tuple[str, ...], blind_or_misled: tuple[str, ...]) -> None:
    """The entries of the matrix in the field notes of which there is no doubt."""
    (card,) = (card for card in CARD.cards if card.metric == metric)
    assert set(sees) <= set(card.sees)
    assert set(blind_or_misled) <= {*card.blind_to, *card.misled_by}


def test_the_page_is_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("_report_card", ROOT / "docs" / "_report_card.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "_report_card", module)
    spec.loader.exec_module(module)
    page = module.page()
    assert all(f"metrics/{card.metric}.md" in page for card in CARD.cards)
    assert page.count("<svg") == len(CARD.recommended)
    assert "trust it for" in module.card("recall")
    panels = ElementTree.fromstring(module.curves("recall"))  # noqa: S314  our own
    assert len(panels.findall(".//{*}g")) == len(KNOBS)
    lines = len([row for row in CARD.ladders if row.metric == "recall" and row.column])
    assert len(panels.findall(".//{*}polyline")) == lines
