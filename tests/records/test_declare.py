import importlib.metadata
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records import registry
from divmetrics.records.extractor import Spec
from divmetrics.records.metric import METRICS, Measured
from divmetrics.records.options import Option
from divmetrics.records.registry import Registry


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "3", 3),
        (float, "inf", float("inf")),
        (float, "2", 2.0),
        (bool, "yes", True),
        (bool, "False", False),
        (float | None, "none", None),
        (float | None, "0.5", 0.5),
        (Literal["open", "closed"], "closed", "closed"),
        (str, "a=b", "a=b"),
    ],
)
def test_options_are_parsed_by_type(kind, text: str, value: object) -> None:
    assert Option("x", kind, None).parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        (int, "2.5", "a whole number"),
        (bool, "maybe", "true or false"),
        (Literal["open", "closed"], "ajar", "one of open, closed"),
    ],
)
def test_wrong_values_say_what_is_wanted(kind, text: str, wanted: str) -> None:
    with pytest.raises(UsageError, match=wanted):
        Option("x", kind, None).parse(text)


@settings(deadline=None, derandomize=True)
@given(st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False)))
def test_values_from_python_come_back(value: float) -> None:
    assert Option("x", float, 0.0).check(value) == value


def test_every_metric_is_found_by_walking_and_is_its_record() -> None:
    import divmetrics.metrics

    assert "fid" in METRICS
    assert divmetrics.metrics.fid is METRICS["fid"]
    assert [record.name for record in METRICS] == sorted(record.name for record in METRICS)


def test_unknown_names_get_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'recall'"):
        METRICS["recal"]
    with pytest.raises(UnknownName, match="Did you mean 'ties'"):
        METRICS["recall"].resolve({"tie": "open"})


def test_options_from_the_wrong_type_name_the_metric() -> None:
    with pytest.raises(UsageError, match="recall: option k='five' is not a whole number"):
        METRICS["recall"].resolve({"k": "five"})


def test_number_of_sides_is_checked() -> None:
    with pytest.raises(UsageError, match="takes real and fake, got 1"):
        METRICS["recall"]([[1.0]])


def test_every_record_is_whole() -> None:
    for record in METRICS:
        assert record.summary
        assert record.cite
        assert record.range[0] < record.range[1]
        assert all(option.default is not None or "None" in str(option.type) for option in record.options.values())


def test_two_of_one_name_are_refused() -> None:
    registry: Registry = Registry("metric", "divmetrics.metrics")
    registry.add(METRICS["fid"])
    with pytest.raises(UsageError, match="two metrics are called 'fid'"):
        registry.add(METRICS["fid"])


class BrokenEntry:
    name = "broken"
    dist = type("Dist", (), {"name": "their-package"})

    def load(self) -> None:
        raise ImportError("no module named nothing")


def test_a_broken_plugin_is_a_warning_that_names_its_distribution(monkeypatch) -> None:
    monkeypatch.setattr(registry, "_plugins", lambda: iter([BrokenEntry()]))
    with pytest.warns(UserWarning, match="'broken' of their-package was not loaded"):
        registry.load_plugins()
    assert importlib.metadata.entry_points(group="divmetrics") is not None


def test_a_bare_number_is_measured_too() -> None:
    found = METRICS["fid"].measure([[0.0], [1.0]], [[1.0], [2.0]])
    assert isinstance(found, Measured)
    assert METRICS["fid"]([[0.0], [1.0]], [[1.0], [2.0]]) == found.value


def test_specs_are_parsed_and_checked() -> None:
    spec = Spec.parse("efficientnet-lite0?weights=/a=b.pth")
    assert (spec.extractor.name, spec.arguments, spec.options) == ("efficientnet-lite0", (), {"weights": "/a=b.pth"})
    assert Spec.parse("pixels").options == {"size": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pixel", "Did you mean 'pixels'"),
        ("pixels:resnet", "write pixels"),
        ("pixels?size", r"write pixels\?option=value"),
        ("pixels?sise=3", "Did you mean 'size'"),
        ("pixels?size=big", "not a whole number"),
    ],
)
def test_wrong_specs(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Spec.parse(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pixels", "pixels"),
        ("pixels?size=0", "pixels"),
        ("pixels?size=32", "pixels?size=32"),
        ("efficientnet-lite0?weights=/somewhere/w.pth", "efficientnet-lite0"),
        ("timm:resnet18?weights=random&seed=3", "timm:resnet18?weights=random&seed=3"),
    ],
)
def test_names_in_reports_hold_no_paths_and_no_defaults(text: str, name: str) -> None:
    assert Spec.parse(text).name == name


def test_an_empty_argument_is_none() -> None:
    assert Spec.parse("pixels:").arguments == ()
    with pytest.raises(UsageError, match="write timm:MODEL"):
        Spec.parse("timm:")
