"""The step-down maxT procedure: by hand, its law, its level."""

from dataclasses import replace

import numpy as np
import pytest

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict.statistics import Statistic, assignments
from divmetrics.inference.verdict.structures import Partition, Structures
from divmetrics.inference.verdict.tested import Tested as AllTests
from divmetrics.inference.verdict.tested import adjusted_p, standardised


def test_p_values_by_hand() -> None:
    z = np.array([[9.0, 0, 1, 2, 3], [2.5, 3, 2, 1, 0], [2.6, 4, 0, 0, 0]])
    # 9 is the greatest of all; 2.6 is reached by its own 4 and by 3; 2.5, alone in the last step, by 3
    assert adjusted_p(z).tolist() == [0.2, 0.4, 0.4]


def test_later_tests_never_have_smaller_p_values() -> None:
    z = np.random.default_rng(0).normal(size=(12, 200))
    order = np.argsort(-z[:, 0])
    assert (np.diff(adjusted_p(z)[order]) >= 0).all()


def test_a_statistic_without_variation_is_no_evidence() -> None:
    z = standardised(np.array([[5.0] * 10, [*range(9, -1, -1)]]))
    assert (z[0] == 0).all()
    assert adjusted_p(z)[1] == pytest.approx(0.1)


def test_a_skewed_statistic_does_not_set_the_limit_of_the_others() -> None:
    rng = np.random.default_rng(2)
    z = standardised(np.stack([rng.normal(size=2000), rng.exponential(size=2000), rng.exponential(size=2000) ** 2]))
    tails = np.quantile(z, 0.997, axis=1)
    assert tails.max() < 1.15 * tails.min()
    assert standardised(np.arange(1001.0)[None])[0, [0, 500]].tolist() == pytest.approx([-1.73, 0], abs=0.01)


def test_the_family_wise_error_rate_is_the_level() -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(size=(400, 1, 100))
    least = [adjusted_p(standardised(0.7 * c + rng.normal(size=(8, 100)))).min() for c in common]
    assert np.mean(np.array(least) <= 0.05) == pytest.approx(0.05, abs=0.028)  # 2.6 standard errors


def doubt_of(names: list[str], sizes: list[float]) -> float:
    """The doubt where the tests are normal on permutations and `sizes` on the data."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 2))
    structures = Structures.of(Rows.from_array(rows), Rows.from_array(rows + 1e-3 * rng.normal(size=(20, 2))), 0)
    values = rng.normal(size=(len(names), 1000))
    values[:, 0] = sizes
    statistics = [Statistic(name, row) for name, row in zip(names, values, strict=True)]
    return AllTests(structures, assignments(20, 20, 999, 0), statistics, 0.01).doubt


def test_one_large_test_of_regions_or_many_that_are_slightly_large_are_a_doubt() -> None:
    of_regions = ["empty_16", "emptiest_of_clusters", "avoided_64", "lacking", "thin_clusters", "missing_direction"]
    assert doubt_of(of_regions, [0] * 6) > 0.5
    assert doubt_of(of_regions, [5, 0, 0, 0, 0, 0]) < 0.01
    assert doubt_of(of_regions, [1.7] * 6) < 0.05, "none of which would be seen alone"
    assert doubt_of(["width", "spacing", "repeated", "far", "crowded_16", "fullest_of_clusters"], [5] * 6) > 0.5


def test_a_shifted_mean_is_a_doubt() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 2))
    rows[40:] += 1
    structures = Structures.of(Rows.from_array(rows[:40]), Rows.from_array(rows[40:]), 0)
    calm = [Statistic("lacking", rng.normal(size=1000))]
    assert AllTests(structures, assignments(40, 40, 999, 0), calm, 0.01).doubt < 0.01


def test_a_whitened_cluster_without_fake_samples_is_a_doubt() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 2))
    structures = Structures.of(Rows.from_array(rows[:40]), Rows.from_array(rows[40:]), 0)
    calm = [Statistic("lacking", rng.normal(size=1000))]
    for members, doubted in ((range(0, 80, 5), False), (range(16), True)):
        cell = np.isin(np.arange(80), members).astype(int)
        given = replace(structures, whitened=((Partition("2 whitened clusters", cell, ["a", "b"]),),))
        assert (AllTests(given, assignments(40, 40, 999, 0), calm, 0.01).doubt < 0.01) == doubted
