"""Docstrings: the examples are true, and what is public says what it takes, returns and raises."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import divmetrics
from divmetrics.records.extractor import EXTRACTORS
from divmetrics.records.metric import METRICS, Metric

HOUSE = Path(divmetrics.__file__).parent
MODULES = [
    ".".join(path.relative_to(HOUSE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(HOUSE.rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    module = importlib.import_module(name)
    finder, names = doctest.DocTestFinder(), dict(vars(module))
    tests = finder.find(module, name, globs=names)
    for record in (*METRICS, *EXTRACTORS):
        if record.function.__module__ == name:  # the module holds the record, which the finder does not look into
            tests += finder.find(record.function, record.name, module, globs=names)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        runner.run(test, out=report.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(report)


def sections(text: str) -> set[str]:
    """Sections of a docstring in the Google style that are not empty."""
    return set(re.findall(r"^(Args|Returns|Raises|Example):\n(?= {4}\S)", text, re.MULTILINE))


def arguments(text: str) -> set[str]:
    """Names that the section Args describes."""
    described = re.search(r"^Args:\n((?: {4}.*\n|\n)*)", text + "\n", re.MULTILINE)
    return set(re.findall(r"^ {4}\**(\w+): \S", described[1], re.MULTILINE)) if described else set()


@pytest.mark.parametrize("metric", list(METRICS), ids=lambda metric: metric.name)
def test_a_metric_says_what_it_takes_returns_and_raises(metric: Metric) -> None:
    text = metric.description
    assert {"Args", "Returns", "Example"} <= sections(text)
    assert arguments(text) == set(inspect.signature(metric.function).parameters)
    assert len(metric.summary) < 200, "the first paragraph is the summary in listings"
    assert "|" not in metric.summary, "a cell of a Markdown table"


@pytest.mark.parametrize("name", ["score", "extract", "gate"])
def test_the_functions_of_the_face_say_what_they_take_return_and_raise(name: str) -> None:
    function = getattr(divmetrics, name)
    text = inspect.getdoc(function) or ""
    assert sections(text) == {"Args", "Returns", "Raises", "Example"}
    assert arguments(text) == set(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", ["Report", "Result", "Signature", "DivmetricsError", "Meter", "Collected", "Encoder"])
def test_the_classes_of_the_face_have_an_example(name: str) -> None:
    text = inspect.getdoc(getattr(divmetrics, name)) or ""
    assert "Example" in sections(text) or "```python" in text
