"""`Exhibits` in the JSON of a report: there and back, read strictly, absent where not asked for."""

import json
from dataclasses import replace

import pytest

from divmetrics.errors import UsageError
from divmetrics.records.exhibits import Exhibits
from divmetrics.records.results import Report, Side

REPORT = Report("0.1.0", "2026-01-31T12:00:00Z", Side("real/", 40, None), Side("fake/", 40, None), {})


def test_exhibits_come_back_from_json_and_are_absent_where_not_asked_for(exhibits: Exhibits) -> None:
    whole = replace(REPORT, exhibits=exhibits)
    assert Report.from_json(whole.to_json()) == whole
    assert "exhibits" not in json.loads(REPORT.to_json())
    assert Report.from_json(REPORT.to_json()).exhibits is None
    assert Report.from_json(REPORT.to_json().replace('"modes"', '"exhibits": null, "modes"')).exhibits is None


def test_samples_of_galleries_are_named_before_those_of_maps_each_once(exhibits: Exhibits) -> None:
    shown = exhibits.shown()
    assert shown["real"][:4] == [0, 1, 5, 2]
    assert shown["fake"][:5] == [2, 3, 4, 99, 0]
    assert sorted(shown["real"]) == list(range(40))
    assert sorted(shown["fake"]) == [*range(40), 99]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"side": "real"', '"side": "held_out"', "galleries"),
        ('"index": 3', '"index": "3"', "galleries"),
        ('"method": "pca"', '"method": "umap"', "maps"),
        ('"n_fake": 0', '"n_fake": null', "modes"),
        ("[0.0, 0.5, 1.0]", "[0.0, 0.5]", "different lengths"),
        ('"real-9.png"', '"real-9.png", "more.png"', "different lengths"),
        ('"3": "00ff"', '"3": 255', "contents"),
    ],
)
def test_damage_is_named(exhibits: Exhibits, old: str, new: str, place: str) -> None:
    text = json.dumps(json.loads(replace(REPORT, exhibits=exhibits).to_json()))
    assert old in text
    with pytest.raises(UsageError, match=place):
        Report.from_json(text.replace(old, new))
