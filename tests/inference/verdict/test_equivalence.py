"""Claims of a healthy generator, and the sizes that would decide them."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict import equivalence as module
from divmetrics.inference.verdict import tested as run
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
    one = Partition("classes", np.repeat([0, 1], [199, 1]), ["a", "b"])
    assert module._without_rare(one) is one


def test_what_modes_keep_by_hand() -> None:
    """On the data 60, 40, 0 real samples against 30, 40, 30 fake ones; on a permutation both sides alike."""
    real, fake = np.array([[60.0, 40, 0], [50, 50, 0]]), np.array([[30.0, 40, 30], [100, 100, 0]])
    entropy = [-(p * np.log(p)).sum() for p in (np.array([0.3, 0.4, 0.3]), np.array([0.6, 0.4]))]
    assert module._effective(real, fake) == pytest.approx([np.exp(entropy[0] - entropy[1]), 1])
    assert module._kept(real, fake) == pytest.approx([0.7, 1])


def test_a_claim_about_a_mass_is_less_the_bias_of_permutations() -> None:
    found = module._claim("the mass", np.array([0.9, 0.94, 0.98]), 0.85)
    assert (found.estimate, found.bound) == pytest.approx((0.94, 0.94 - 1.645 * 0.02))
    assert module._margin(found) == pytest.approx(0.94 - 1.645 * 0.02 - 0.85)


def test_little_mass_is_lost_where_all_claims_about_it_hold_at_half_the_tolerance() -> None:
    width, modes, near = Claim("the width", 0.1, 0.1, 0.9), Claim("the mass of modes", 1, 0.95, 0.9), "the mass near"
    assert module.little_mass_lost([width, modes, Claim(near, 1, 0.951, 0.9)], 0.1)
    assert not module.little_mass_lost([width, modes, Claim(near, 1, 0.949, 0.9)], 0.1)


def test_the_worst_class_is_the_one_whose_share_may_be_the_least() -> None:
    """Classes of 300, 80 and 20 real samples, against 300, 40 and 60 fake ones; the log ratio of the second counts."""
    cell = np.repeat([0, 1, 2, 0, 1, 2], [300, 80, 20, 300, 40, 60])
    rows = np.random.default_rng(0).normal(size=(800, 2))
    fitted = Structures.of(Rows.from_array(rows[:400]), Rows.from_array(rows[400:]), 0)
    classes = Partition("classes", cell, ["a", "b", "c"])
    fake = np.stack([np.repeat([0.0, 1], 400), np.tile([0.0, 1], 400)]).astype(np.float32)
    tested = run.Tested(replace(fitted, partitions=(classes,)), fake, (), 0.01)
    effective, kept, worst = module._of_modes(tested, 0.9)
    assert kept.estimate == pytest.approx(1 - 0.1 - module._kept(*module._counts(fake[1:], classes))[0] + 1)
    assert effective.limit == kept.limit == 0.9
    assert (worst.estimate, worst.limit, worst.tried) == (pytest.approx(40.5 / 80.5), 0.5, 3)
    assert worst.bound == pytest.approx(40.5 / 80.5 * np.exp(-1.645 * (1 / 40.5 + 1 / 80.5) ** 0.5))
