"""`Exhibits` in the JSON of a report: there and back, read strictly, absent where not asked for."""

import json
from dataclasses import replace

import pytest

from divmetrics.errors import UsageError
from divmetrics.records.exhibits import (
    Curve,
    Exhibits,
    Gallery,
    GalleryRow,
    Map,
    ModeDetail,
    Points,
    Series,
    Shown,
)
from divmetrics.records.results import Report, Side

CAT, BLOT = Shown("real", 3, "cat/3.png", 0.5, "far from all fakes"), Shown("fake", 7, "<b>.png")
EXHIBITS = Exhibits(
    (Gallery("dropped_modes", "Missing", "Those farthest away.", (GalleryRow("cat", (CAT,), (BLOT,)),)),),
    (Map("pca", "PC 1", "PC 2", "All.", Points((0.5,), (1.0,), ("fake",), (9,), ("#9",), (None,), ("copies",))),),
    (Curve("prd", "P", "recall", "precision", False, (Series("prd", (0.0, 1.0), (1.0, None)),)),),
    (ModeDetail("cat", 30, 0, None, 1.0, 2.5, None, "missing", 1e-9),),
    ("labels only: no maps",),
    {"real": {"3": "00ff"}},
)
REPORT = Report("0.1.0", "2026-01-31T12:00:00Z", Side("real/", 10, None), Side("fake/", 12, None), {})


def test_exhibits_come_back_from_json_and_are_absent_where_not_asked_for() -> None:
    whole = replace(REPORT, exhibits=EXHIBITS)
    assert Report.from_json(whole.to_json()) == whole
    assert "exhibits" not in json.loads(REPORT.to_json())
    assert Report.from_json(REPORT.to_json()).exhibits is None
    assert Report.from_json(REPORT.to_json().replace('"modes"', '"exhibits": null, "modes"')).exhibits is None


def test_samples_of_galleries_are_named_before_those_of_maps() -> None:
    assert EXHIBITS.shown() == {"real": [3], "fake": [7, 9]}


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"side": "real"', '"side": "held_out"', "galleries"),
        ('"index": 3', '"index": "3"', "galleries"),
        ('"method": "pca"', '"method": "umap"', "maps"),
        ('"cat.png"', '"cat.png"', None),
        ('"n_fake": 0', '"n_fake": null', "modes"),
        ("[0.0, 1.0]", "[0.0]", "different lengths"),
        ('"#9"', '"#9", "#10"', "different lengths"),
        ('"3": "00ff"', '"3": 255', "contents"),
    ],
)
def test_damage_is_named(old: str, new: str, place: str | None) -> None:
    text = json.dumps(json.loads(replace(REPORT, exhibits=EXHIBITS).to_json()))
    if place is None:
        assert Report.from_json(text).exhibits == EXHIBITS
        return
    assert old in text
    with pytest.raises(UsageError, match=place):
        Report.from_json(text.replace(old, new))
