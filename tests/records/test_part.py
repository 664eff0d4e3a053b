"""A record shows its own page: in `help`, as `repr`, to `inspect`, and to `divmetrics list KIND NAME`."""

import inspect
import pydoc

import pytest

import divmetrics as dm
from divmetrics import plugins
from divmetrics.records.extractor import EXTRACTORS
from divmetrics.records.generator import ZOO
from divmetrics.records.metric import METRICS, Metric
from divmetrics.records.part import Part

RECALL = "recall(real, fake, *, k: int = 5, ties: Literal['open', 'closed'] = 'open')"


def test_help_shows_the_page_of_the_metric() -> None:
    text = pydoc.render_doc(dm.metrics.recall, renderer=pydoc.plaintext)
    assert RECALL in text
    for line in ("in [0, 1], higher is", "better: higher", "range: 0 to 1", "source: Kynkaanniemi 2019"):
        assert line in text
    assert "command line: -m recall:k=5:ties=open" in text
    assert "Method resolution order" not in text
    assert "The record of a metric" not in text


def test_a_metric_reads_like_its_function() -> None:
    assert repr(dm.metrics.recall) == RECALL
    assert repr(dm.metrics.fid) == "fid(real, fake)"
    assert inspect.signature(dm.metrics.recall) == inspect.signature(dm.metrics.recall.function)
    assert inspect.getdoc(dm.metrics.recall) == dm.metrics.recall.page.strip()
    assert callable(dm.metrics.recall)


def test_help_on_the_decorators_names_the_fields() -> None:
    for decorator, field in ((dm.metric, "better"), (dm.extractor, "provides"), (plugins.zoo_model, "knob")):
        parameters = inspect.signature(decorator).parameters
        assert "name" in parameters
        assert field in parameters
        assert "function" not in parameters
        assert "registers it" in pydoc.render_doc(decorator, renderer=pydoc.plaintext)


def test_the_class_keeps_its_own_docstring_and_signature() -> None:
    assert Metric.__doc__ is not None
    assert Metric.__doc__.startswith("The record of a metric")
    assert "better" in inspect.signature(Metric).parameters


@pytest.mark.parametrize("registry", [METRICS, EXTRACTORS, ZOO], ids=lambda registry: registry.kind)
def test_every_record_has_a_page(registry) -> None:
    for record in registry:
        assert isinstance(record, Part)
        assert record.page.startswith(f"{record.name}(")
        assert not record.cite or f"source: {record.cite}\n" in record.page
        assert "\n\n\n" not in record.page
        assert all(f"{name}: " in repr(record) for name in record.options)
