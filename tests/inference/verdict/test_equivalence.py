"""Claims of a healthy generator, and the sizes that would decide them."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict import equivalence as module
from divmetrics.inference.verdict.equivalence import Claim, joined, needed
from divmetrics.inference.verdict.structures import Partition, Structures


def test_a_claim_holds_where_its_bound_is_above_the_limit() -> None:
    assert Claim("width", 0.97, 0.91, 0.9).holds
    assert not Claim("width", 0.97, 0.89, 0.9).holds


def test_sizes_grow_with_the_square_of_the_width_of_the_interval() -> None:
    wide, wider = Claim("width", 1.0, 0.8, 0.9), Claim("width", 1.0, 0.8**2, 0.9)
    assert wide.factor == pytest.approx((2 * log(0.8) / log(0.9)) ** 2, rel=1e-3)
    assert wider.factor == pytest.approx(4 * wide.factor)
    assert Claim("width", 0.9, 0.72, 0.9).factor == pytest.approx(wide.factor)  # it is the ratio that counts
    assert Claim("width", 0.9, -1, 0.9).factor < 1e5
    assert Claim("width", 1.0, 0.97, 0.9).factor < 1
    assert Claim("width", 1.05, 0.91, 0.9).factor > 1  # it holds by luck
    assert 1 < Claim("distinct samples", 0.0, -0.1, 0.9).factor < 1e5  # of nothing there is no logarithm


def test_sizes_are_rounded_up_to_two_digits() -> None:
    assert needed([Claim("width", 1.0, 0.8, 0.9), Claim("spacing", 1.0, 0.95, 0.9)], 307) == 5600
    assert needed([Claim("width", 1.0, 0.97, 0.9)], 50) == 60


def test_the_least_of_many_needs_more_samples_than_one() -> None:
    one, least = Claim("share", 0.7, 0.4, 0.5), Claim("share", 0.7, 0.4, 0.5, 25)
    assert least.factor == pytest.approx(one.factor * ((1.645 + 2.87) / 3.29) ** 2, rel=1e-2)


def test_small_clusters_are_joined_with_the_nearest() -> None:
    cell = np.repeat(np.arange(4), [300, 40, 210, 250])
    rows = np.array([0.0, 10, 11, 30])[cell][:, None] + 0.1 * np.random.default_rng(0).normal(size=(800, 2))
    fitted = Structures.of(Rows.from_array(rows[:400]), Rows.from_array(rows[400:]), 0)
    clusters = Partition("clusters", cell, [f"cluster {k}" for k in range(4)])
    found = joined(replace(fitted, partitions=(clusters,), points=rows))
    assert found.sizes.tolist() == [300, 250, 250]  # the 40 are joined with the 210 beside them
    assert found.names == ["cluster 0", "cluster 2", "cluster 3"]
    unequal = joined(replace(fitted, n=480, m=320, partitions=(clusters,), points=rows))
    assert unequal.sizes.tolist() == [300, 250, 250]  # 250 of both are 100 of the smaller side
    assert len(joined(replace(fitted, n=500, m=300, partitions=(clusters,), points=rows)).sizes) < 3


def test_rare_classes_are_judged_together() -> None:
    cell = np.repeat(np.arange(12), [500, 490, *[1] * 10])
    found = module._without_rare(Partition("classes", cell, [f"class {k}" for k in range(12)]))
    assert found.names == ["class 0", "class 1", "rare classes"]
    assert found.sizes.tolist() == [500, 490, 10]
    common = Partition("classes", np.repeat([0, 1], 50), ["a", "b"])
    assert module._without_rare(common) is common
