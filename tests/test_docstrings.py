"""Docstrings: the examples are true, and what is public says what it takes, returns and raises."""

import doctest
import importlib
from pathlib import Path

import pytest

import divmetrics
from divmetrics.records.metric import METRICS

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
    for metric in METRICS:
        if metric.function.__module__ == name:  # the module holds the record, which the finder does not look into
            tests += finder.find(metric.function, metric.name, module, globs=names)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        runner.run(test, out=report.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(report)
