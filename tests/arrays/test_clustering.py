"""Clusters: the right number of them, the same ones again, and wide rows."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from divmetrics.arrays.clustering import Clusters, clusters, reduced_dimension
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError


def grid(n: int, std: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    places = rng.integers(0, 5, (n, 2))
    return 2 * places + std * rng.normal(size=(n, 2)), 5 * places[:, 0] + places[:, 1]


def ring(n: int, std: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    modes = rng.integers(0, 8, n)
    angles = 2 * np.pi * modes / 8
    return 2 * np.stack([np.cos(angles), np.sin(angles)], 1) + std * rng.normal(size=(n, 2)), modes


def wide(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    modes = rng.integers(0, 12, n)
    middles = np.random.default_rng(7).normal(size=(12, 300))
    return middles[modes] + rng.normal(size=(n, 300)), modes


@pytest.mark.parametrize("std", [0.05, 0.1])
@pytest.mark.parametrize(("world", "count"), [(grid, 25), (ring, 8)])
def test_the_number_of_modes_is_found(world: object, count: int, std: float) -> None:
    for seed in range(3):
        rows, modes = world(1500, std, np.random.default_rng(seed))
        found = Clusters.fit(torch.from_numpy(rows), None, seed)
        assert found.count == count
        assert adjusted_rand_score(modes, found.labels) == 1


def test_digits_are_ten_or_a_few_more() -> None:
    data = load_digits()
    found = Clusters.fit(torch.from_numpy(data.data), None, 0)
    assert 8 <= found.count <= 30
    assert adjusted_rand_score(data.target, found.labels) > 0.5


def test_wide_rows_are_projected_and_lose_no_mode() -> None:
    rows, modes = wide(600, np.random.default_rng(0))
    found = Clusters.fit(torch.from_numpy(rows.astype(np.float32)), None, 0)
    assert found.centres.shape == (12, 64)
    assert adjusted_rand_score(modes, found.labels) == 1
    others, other_modes = wide(200, np.random.default_rng(1))
    assert adjusted_rand_score(other_modes, found.assign(torch.from_numpy(others))) == 1


def test_the_same_rows_give_the_same_clusters_in_any_order_and_place() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(300, 5)))
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    one, again, moved = (Clusters.fit(some, 9, 0) for some in (rows, rows[order], rows + 1e3))
    assert adjusted_rand_score(one.labels[order], again.labels) == 1
    assert adjusted_rand_score(one.labels, moved.labels) == 1
    assert torch.equal(one.assign(rows), one.labels)


@pytest.mark.parametrize("known", [True, False])
def test_fewer_rows_than_columns_have_the_same_clusters_in_any_order(known: bool) -> None:
    """Bit by bit: the matrix of the randomised decomposition is drawn by row there."""
    rows = torch.from_numpy(wide(150, np.random.default_rng(4))[0].astype(np.float32))
    content, shuffle = torch.randperm(150) if known else None, torch.randperm(150)
    found = Clusters.fit(rows, 20, 0, content)
    again = Clusters.fit(rows[shuffle], 20, 0, None if content is None else content[shuffle])
    assert again.centres.equal(found.centres)
    assert again.labels.equal(found.labels[shuffle])
    reduced = reduced_dimension(rows, 0, content)
    assert reduced_dimension(rows[shuffle], 0, None if content is None else content[shuffle]).equal(reduced[shuffle])
    assert reduced.square().sum() == pytest.approx(float((rows - rows.mean(0)).square().sum()), rel=0.2)


def test_the_seed_draws_the_rows_of_the_tree_where_not_all_fit() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(1500, 3)))
    one, same, other = (Clusters.fit(rows, 40, seed) for seed in (0, 0, 1))
    assert torch.equal(one.centres, same.centres)
    assert not torch.equal(one.centres, other.centres)


def test_exemplars_are_the_nearest_members() -> None:
    rows, _ = ring(400, 0.1, np.random.default_rng(0))
    found = Clusters.fit(torch.from_numpy(rows), 8, 0)
    for cluster, places in enumerate(found.exemplars(torch.from_numpy(rows), 3)):
        assert len(places) == 3
        far = torch.linalg.vector_norm(found.project(torch.from_numpy(rows)) - found.centres[cluster], dim=1)
        assert torch.argsort(far)[:3].tolist() == places


def test_a_fit_is_remembered_while_its_rows_live() -> None:
    rows = Rows.from_array(np.random.default_rng(0).normal(size=(100, 3)))
    assert clusters(rows, 4, 0) is clusters(rows, 4, 0)
    assert clusters(rows, 5, 0) is not clusters(rows, 4, 0)


@pytest.mark.parametrize("count", [None, 1, 7])
@pytest.mark.parametrize("rows", [np.zeros((50, 3)), np.ones((1, 4)), np.repeat(np.eye(3), 20, 0)], ids=str)
def test_few_different_rows_make_few_clusters(rows: np.ndarray, count: int | None) -> None:
    found = Clusters.fit(torch.from_numpy(rows), count, 0)
    assert 1 <= found.count <= len(np.unique(rows, axis=0))
    assert len(found.labels) == len(rows)


def test_no_clusters_are_refused() -> None:
    with pytest.raises(UsageError, match="0 clusters are not possible"):
        Clusters.fit(torch.zeros(5, 2), 0, 0)


@pytest.mark.parametrize("controller", ["clustering.thread_controller", "linalg._blas"])
def test_the_limit_on_threads_holds_for_libraries_that_load_late(controller: str) -> None:
    """In a new process, for here they are all loaded."""
    module, name = controller.split(".")
    code = f"""
from threadpoolctl import ThreadpoolController
from divmetrics.arrays import {module}
known = {{library["filepath"] for library in {module}.{name}().info()}}
import scipy.linalg
if {module!r} == "clustering":
    import sklearn.cluster
assert known == {{library["filepath"] for library in ThreadpoolController().info()}}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
