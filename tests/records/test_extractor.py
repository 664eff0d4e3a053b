"""Spec: an extractor as users write it, with its options checked, and as reports name it."""

import pytest

from divmetrics.errors import UsageError
from divmetrics.records.extractor import Spec


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
