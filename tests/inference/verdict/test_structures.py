"""Structures of the pool do not know the sides, whatever ties there are."""

import tracemalloc

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict import structures as module
from divmetrics.inference.verdict.statistics import assignments, neighbourhood_z
from divmetrics.inference.verdict.structures import DEPTH, Structures, whitened


def structures(pool: np.ndarray, n: int, seed: int = 0) -> Structures:
    return Structures.of(Rows.from_array(pool[:n]), Rows.from_array(pool[n:]), seed)


def test_neighbours_are_the_nearest_others_of_the_pool() -> None:
    pool = np.random.default_rng(0).normal(size=(150, 5))
    found = structures(pool, 80)
    distance = cdist(pool, pool)
    np.fill_diagonal(distance, np.inf)
    assert (found.neighbours == distance.argsort(1)[:, :DEPTH]).all()
    ratio = np.exp(found.log_distance) / np.sort(distance, 1)[:, :DEPTH]
    assert ratio == pytest.approx(np.full(ratio.shape, ratio[0, 0]), rel=1e-3)


def test_where_the_sides_part_changes_nothing() -> None:
    pool = np.random.default_rng(1).normal(size=(120, 4))
    one, other = structures(pool, 60), structures(pool, 33)
    assert (one.neighbours == other.neighbours).all()
    assert (one.kernel == other.kernel).all()
    for mine, theirs in zip(one.partitions, other.partitions, strict=True):
        assert (mine.cell == theirs.cell).all()


def test_ties_do_not_favour_a_side() -> None:
    rng = np.random.default_rng(2)
    means = []
    for seed in range(10):
        pool = rng.integers(0, 2, (240, 2)).astype(float)  # four points
        z = neighbourhood_z(structures(pool, 120, seed), assignments(120, 120, 0, 0), 16)[0]
        means.append(z[:120].mean() - z[120:].mean())
    assert abs(np.mean(means)) < 0.35


def test_ties_are_broken_by_the_seed_and_not_by_the_order_of_the_pool() -> None:
    rng = np.random.default_rng(5)
    tied, apart = rng.integers(0, 2, (240, 2)).astype(float), rng.normal(size=(240, 2))
    assert (structures(apart, 120, 0).neighbours == structures(apart, 120, 1).neighbours).all()
    assert (structures(tied, 120, 0).neighbours != structures(tied, 120, 1).neighbours).any()


def test_copies_have_a_tiny_distance_and_constant_rows_are_no_fault() -> None:
    pool = np.random.default_rng(3).normal(size=(100, 3))
    pool[1] = pool[0]
    found = structures(pool, 50)
    assert found.neighbours[0, 0] == 1
    assert found.log_distance[0, 0] < found.log_distance[2:, 0].min() - 2
    constant = structures(np.zeros((100, 3)), 50)
    assert np.isfinite(constant.log_distance).all()
    assert np.isfinite(constant.kernel).all()


def test_classes_are_a_partition_of_their_own() -> None:
    pool = np.random.default_rng(4).normal(size=(60, 3))
    names = ["ab"[i % 2] for i in range(60)]
    found = Structures.of(Rows.from_array(pool[:30]), Rows.from_array(pool[30:]), 0, names)
    classes = found.partition("classes")
    assert classes is not None
    assert [classes.names[cell] for cell in classes.cell] == names
    assert structures(pool, 30).partition("classes") is None


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_the_size_of_the_features_is_no_matter(size: float) -> None:
    pool = np.random.default_rng(6).normal(size=(160, 3))
    ordinary, other = structures(pool, 80), structures(pool * size, 80)
    assert (ordinary.neighbours == other.neighbours).all()
    assert np.isfinite(other.log_distance).all()
    assert (ordinary.partitions[1].cell == other.partitions[1].cell).mean() > 0.95


def test_principal_components_are_evened_out_halfway() -> None:
    rng = np.random.default_rng(7)
    rows = torch.from_numpy(rng.normal(size=(500, 4)) * [100, 1, 0.01, 0])
    found = module._evened(rows)
    assert found.shape == (500, 3)  # a constant column is none
    assert found.std(0).sort().values.numpy() == pytest.approx([0.1, 1, 10], rel=0.1)
    assert module._evened(torch.ones(10, 2)).shape == (10, 2)


def test_any_number_of_separate_modes_are_clusters_of_their_own() -> None:
    rng = np.random.default_rng(6)
    centres = np.array([(x, y) for x in range(10) for y in range(10)], float)
    pool = np.concatenate([centres] * 12) + 0.01 * rng.normal(size=(1200, 2))
    found = structures(pool, 600)
    assert [len(found.partitions[0].names), found.partitions[0].name] == [100, "clusters"]
    assert len({tuple(np.bincount(found.partitions[0].cell[k::100])) for k in range(100)}) == 100
    assert module._separate(structures(rng.normal(size=(400, 2)), 200).neighbours).max() <= 2


def test_leading_clusters_are_of_the_components_of_most_variance() -> None:
    rng = np.random.default_rng(7)
    pool = rng.normal(size=(400, 40))
    pool[:, 3] += 12 * (np.arange(400) % 4)
    for partition in structures(pool, 200).leading:
        assert all(len(set((np.flatnonzero(partition.cell == cell) % 4).tolist())) == 1 for cell in set(partition.cell))
    assert [partition.name for partition in structures(pool, 200).leading][:2] == [
        "8 leading clusters",
        "10 leading clusters",
    ]
    assert [len(p.names) for p in structures(pool[:100], 50).leading] == [5]


def test_whitened_clusters_are_seen_beside_wide_directions() -> None:
    """Two modes in one direction, that differs between them by less than others vary by themselves."""
    rng = np.random.default_rng(8)
    pool = rng.normal(size=(400, 2)) * [50, 1]
    pool[:, 1] += 12 * (np.arange(400) % 2)
    (found,) = structures(pool, 200).whitened
    assert [partition.name for partition in found][:2] == ["8 whitened clusters", "12 whitened clusters"]
    for partition in found:
        assert all(len(set((np.flatnonzero(partition.cell == cell) % 2).tolist())) == 1 for cell in set(partition.cell))
    assert structures(np.ones((60, 3)), 30).whitened == ()


def test_whitened_components_have_unit_variance() -> None:
    rows = np.random.default_rng(9).normal(size=(50, 4)) * [0.1, 1, 10, 0] + 7
    white = whitened(rows)
    assert np.cov(white.T, bias=True) == pytest.approx(np.eye(3), abs=1e-6)
    assert np.abs(np.corrcoef(white[:, 0], rows[:, 2])[0, 1]) > 0.99, "that of most variance first"


def test_pixels_as_features_are_taken_some_at_a_time() -> None:
    """4,000 differences of pairs of 20 small images would take 0.8 GB, and a matrix of frequencies 0.15."""
    rows = torch.randn(20, 50_000, generator=torch.Generator().manual_seed(0))
    tracemalloc.start()
    found = module._kernel_features(rows, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.shape == (20, 48)
    assert peak < 0.15e9
