"""`zoo:NAME` as a source."""

import numpy as np
import pytest

from divmetrics.errors import UnknownName, UsageError
from divmetrics.sources import open_source


def test_features_with_the_modes_as_classes():
    source = open_source("zoo:ring-8?n=40&seed=3")
    assert (len(source), source.kind, source.name) == (40, "features", "zoo:ring-8?n=40&seed=3")
    assert set(source.labels) <= set("01234567")
    again = open_source("zoo:ring-8?n=40&seed=3")
    assert source.digest() == again.digest() != open_source("zoo:ring-8?n=40").digest()


def test_images_where_the_target_is_one():
    source = open_source("zoo:digits-drop?n=12&level=0.8")
    assert source.kind == "image"
    assert source.read([0])[0].shape == (32, 32, 3)


def test_n_is_5000_by_default():
    assert len(open_source("zoo:ring-8")) == 5000


def test_an_option_moves_the_samples():
    first, second = (open_source(f"zoo:ring-8-shrink?n=9&level={level}").read([0])[0] for level in (0.2, 0.8))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("zoo:rign-8", UnknownName, "unknown zoo entry 'rign-8'. Did you mean 'ring-8'"),
        ("zoo:ring-8?m=5", UnknownName, "option of ring-8"),
        ("zoo:ring-8?n", UsageError, "write ring-8\\?option=value"),
        ("zoo:ring-8?n=many", UsageError, "n='many' is not a whole number"),
        ("zoo:ring-8?n=0", UsageError, "give n of 1"),
        ("zoo:digits-originals?n=1798", UsageError, "has 1797 samples and none twice; lower n"),
    ],
)
def test_bad_names(text, error, message):
    with pytest.raises(error, match=message):
        open_source(text)
