"""`list`: every registered part, with its options, as a table and as JSON."""

import json
from collections.abc import Callable

import pytest

from divmetrics.records.extractor import EXTRACTORS
from divmetrics.records.metric import METRICS


def test_metrics_as_json(call: Callable[..., object]) -> None:
    entries = json.loads(call("list", "metrics", "--json").out)
    assert [entry["name"] for entry in entries] == [metric.name for metric in METRICS]
    recall = next(entry for entry in entries if entry["name"] == "recall")
    assert recall["better"] == "higher"
    assert recall["range"] == [0, 1]
    assert recall["needs"]["fake"] == {"summary": "Rows", "layers": ["pooled"]}
    assert recall["options"]["k"] == 5
    assert recall["cite"]
    fid = next(entry for entry in entries if entry["name"] == "fid")
    assert fid["range"] == [0, None]
    assert next(entry for entry in entries if entry["name"] == "vendi")["needs"]["real"] is None


def test_extractors_as_json(call: Callable[..., object]) -> None:
    entries = json.loads(call("list", "extractors", "--json").out)
    assert [entry["name"] for entry in entries] == [extractor.name for extractor in EXTRACTORS]
    assert next(entry for entry in entries if entry["name"] == "pixels")["provides"] == ["pooled", "pixels"]


def test_presets_as_json(call: Callable[..., object]) -> None:
    entries = {entry["name"]: entry["metrics"] for entry in json.loads(call("list", "presets", "--json").out)}
    assert list(entries) == ["quick", "default", "full"]
    assert entries["full"] == [metric.name for metric in METRICS]
    assert set(entries["quick"]) <= set(entries["default"]) < set(entries["full"])


@pytest.mark.parametrize("kind", ["metrics", "extractors", "presets"])
def test_tables_name_every_entry(kind: str, call: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [entry["name"] for entry in json.loads(call("list", kind, "--json").out)]
    lines = call("list", kind).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(f"{line} ".startswith(f"{name} ") for line in lines) for name in names)


@pytest.mark.parametrize(
    ("kind", "name", "lines"),
    [
        ("metrics", "recall", ["better: higher", "command line: -m recall:k=5:ties=open"]),
        ("extractors", "timm", ["command line: -e 'timm:MODEL?seed=0'", "provides: pooled, logits"]),
        ("zoo", "ring-8-drop", ["levels: 0, 0.2, 0.4, 0.6, 0.8, 0.95", "severity and modes found: 0.62, 3 of 8"]),
        ("presets", "quick", []),
    ],
)
def test_a_name_gives_the_page_of_one_part(kind: str, name: str, lines: list[str], call: Callable[..., object]) -> None:
    done = call("list", kind, name)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(name)
    assert set(lines) <= set(done.out.splitlines())
    entries = json.loads(call("list", kind, name, "--json").out)
    assert [entry["name"] for entry in entries] == [name]
    assert entries[0] in json.loads(call("list", kind, "--json").out)


@pytest.mark.parametrize(
    ("kind", "name", "nearest"),
    [
        ("metrics", "recal", "recall"),
        ("extractors", "pixel", "pixels"),
        ("zoo", "ring-8-dorp", "ring-8-drop"),
        ("presets", "quik", "quick"),
        ("metric", None, "metrics"),
    ],
)
def test_unknown_names_get_a_suggestion(kind: str, name: str | None, nearest: str, call: Callable[..., object]) -> None:
    done = call("list", kind, *([name] if name else []))
    assert done.code == 2
    assert f"Did you mean '{nearest}'?" in done.err


def test_a_line_is_broken_between_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from divmetrics.cli._output import say_line

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "40")
    for out, width in ((Terminal(), 40), (io.StringIO(), 200)):
        monkeypatch.setattr("sys.stdout", out)
        say_line("efficientnet-lite0: 12345 samples in 25 files, 123.4 MiB, last used 2026-11-28 23:52")
        assert max(map(len, out.getvalue().splitlines())) <= width
        assert len(out.getvalue().splitlines()) == (1 if width == 200 else 3)
        assert {"12345", "123.4", "23:52"} <= set(out.getvalue().split())
