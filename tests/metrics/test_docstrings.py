"""Every metric documents its arguments, result and errors, and the example in its docstring is true."""

import doctest
import inspect
import re

import pytest

from divmetrics.records.metric import METRICS, Metric

SECTIONS = re.compile(r"^(Args|Returns|Raises|Example):$", re.MULTILINE)
ALL = pytest.mark.parametrize("metric", list(METRICS), ids=lambda metric: metric.name)


def sections_of(metric: Metric) -> dict[str, str]:
    """Name of each section of the docstring -> its text; the text before the first has no name."""
    text, *sections = SECTIONS.split(inspect.getdoc(metric.function) or "")
    return {"": text, **dict(zip(sections[::2], sections[1::2], strict=True))}


@ALL
def test_the_sections_are_there_in_order(metric: Metric) -> None:
    names = [name for name in sections_of(metric) if name]
    assert [name for name in names if name != "Raises"] == ["Args", "Returns", "Example"]
    assert names.index("Example") == len(names) - 1


@ALL
def test_every_argument_is_described_and_no_other(metric: Metric) -> None:
    described = re.findall(r"^    (\w+): \S", sections_of(metric)["Args"], re.MULTILINE)
    assert described == list(inspect.signature(metric.function).parameters)


@ALL
def test_the_summary_is_one_or_two_sentences(metric: Metric) -> None:
    assert 20 < len(metric.summary) <= 160
    assert metric.summary.endswith(".")


@ALL
def test_the_example_is_true(metric: Metric) -> None:
    examples = doctest.DocTestFinder(recurse=False).find(metric.function, metric.name, globs={})
    assert sum(len(example.examples) for example in examples) >= 2
    for example in examples:
        runner = doctest.DocTestRunner()
        assert runner.run(example).failed == 0
