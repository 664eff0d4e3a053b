"""The pair engine against brute force, on data that rounding, ties and repetition make hard."""

import gc
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from divmetrics.arrays import memo
from divmetrics.arrays.pairs import (
    BallCounts,
    Ties,
    UniqueRows,
    ball_counts,
    nearest_rows,
    neighbour_pass,
    squared_ball_radii,
    squared_distances,
)
from divmetrics.arrays.pairs import _distances as distances
from divmetrics.arrays.pairs import _neighbour_pass as neighbour_pass_module
from divmetrics.arrays.pairs import _neighbours as neighbours
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError


def brute(left: Tensor, right: Tensor) -> Tensor:
    """All squared distances `[n, m]`, one float64 difference at a time."""
    i, j = torch.cartesian_prod(torch.arange(len(left)), torch.arange(len(right))).T
    return squared_distances(left, right, i, j).view(len(left), len(right))


def brute_radii(rows: Tensor, ks: list[int]) -> Tensor:
    squared = brute(rows, rows).fill_diagonal_(torch.inf)
    return squared.sort(1).values[:, [k - 1 for k in ks]]


def exact_radii(rows: Tensor, ks: list[int]) -> Tensor:
    points = UniqueRows.of(rows)
    return squared_ball_radii(points, ks)[points.place]


def gaussian(n: int, d: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def clusters(jitter: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Ten tight clusters far apart: within one, float32 products cannot tell distances."""
    return (gaussian(10, 300, 1, dtype).repeat(25, 1) + jitter * gaussian(250, 300, 2, dtype)).to(dtype)


far = gaussian(75, 300).sign()
HARD = {
    "wide float32": gaussian(250, 300),
    "narrow float32": gaussian(250, 3),
    "float64": gaussian(250, 300, dtype=torch.float64),
    "float32 far from zero": gaussian(250, 300) + 1e3,
    "float64 far from zero": gaussian(250, 300, dtype=torch.float64) + 1e6,
    "clusters": clusters(1e-3),
    "clusters of float64": clusters(1e-6, torch.float64),
    "ties": (gaussian(250, 300) > 0).float(),
    "ties in the plane": (3 * gaussian(250, 2)).round(),
    "copies of each": gaussian(50, 300).repeat(5, 1),
    "half one point": torch.cat([gaussian(125, 300), torch.ones(125, 300)]),
    "one point": torch.ones(250, 300),
    "huge": gaussian(250, 300) * 1e18,
    "tiny": gaussian(250, 300) * 1e-22,
    "speck amid far rows": torch.cat([far, -far, 1e-23 * gaussian(100, 300, 1)]),
    "one outlier": torch.cat([gaussian(249, 300), 1e4 * gaussian(1, 300)]),
}


@pytest.fixture(params=HARD, ids=lambda name: name.replace(" ", "-"))
def hard(request: pytest.FixtureRequest) -> Tensor:
    return HARD[request.param]


@pytest.mark.parametrize("ks", [[1], [5], [20, 3]], ids=str)
def test_radii_are_those_of_all_differences(hard: Tensor, ks: list[int]) -> None:
    assert torch.equal(exact_radii(hard, ks), brute_radii(hard, ks))


def test_blocks_of_any_size_give_the_same(hard: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = exact_radii(hard, [5])
    for size in (7, 100):
        monkeypatch.setattr(distances, "BLOCK", size)
        assert torch.equal(exact_radii(hard, [5]), expected)


def test_nearest_is_that_of_all_differences(hard: Tensor) -> None:
    queries, base = torch.cat([hard[:60], hard[60:100] + hard[:40] * 1e-3]), hard[80:]
    squared, index = nearest_rows(queries, base)
    expected = brute(queries, base)
    assert torch.equal(squared, expected.amin(1))
    first = (expected == squared[:, None]).long().argmax(1)
    assert torch.equal(index, first)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_radii_of_small_sets_of_whole_numbers(data: st.DataObject) -> None:
    n, d, k = data.draw(st.integers(3, 12)), data.draw(st.sampled_from([1, 2, 130])), data.draw(st.integers(1, 2))
    values = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    rows = torch.tensor(values, dtype=torch.float32)[:, None].repeat(1, d)
    assert torch.equal(exact_radii(rows, [k]), brute_radii(rows, [k]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bounds_hold(hard: Tensor, dtype: torch.dtype) -> None:
    pairs = distances.Pairs(hard, hard.flip(0))
    matrices = pairs._matrices(dtype)
    if not all(matrix.usable for matrix in matrices):
        return
    low = distances.lower_bounds(*matrices, slice(None), slice(None)).double()
    high = low + matrices[0].error_bound[:, None] + matrices[1].error_bound
    squared = brute(pairs.left, pairs.right)
    assert bool((low <= squared).all())
    assert bool((squared <= high).all())


def test_few_pairs_are_computed_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32 products decide nearly all pairs of wide rows, float64 products those within tight clusters."""
    computed = []

    def counted(left: Tensor, right: Tensor, i: Tensor, j: Tensor) -> Tensor:
        computed.append(len(i))
        return squared_distances(left, right, i, j)

    for module in (neighbours, distances):
        monkeypatch.setattr(module, "squared_distances", counted)
    for rows in (gaussian(250, 256), HARD["clusters"]):
        computed.clear()
        ball_counts(Rows.from_array(rows[:150]), Rows.from_array(rows[150:]), 5, "open")
        assert sum(computed) < 10 * len(rows)  # most in tight clusters, where the nearest by float32 is anyone


def test_only_blocks_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every product is a block, and no list grows with n x n."""
    monkeypatch.setattr(distances, "BLOCK", 64)
    largest, lower_bounds = [], distances.lower_bounds

    def watched(*arguments: object) -> Tensor:
        block = lower_bounds(*arguments)  # type: ignore[arg-type]
        largest.append(block.numel())
        return block

    monkeypatch.setattr(neighbours, "lower_bounds", watched)
    exact_radii(gaussian(500, 256), [5])
    assert largest
    assert max(largest) <= 64 * 64


def test_a_callers_loose_products_do_not_reach_ours() -> None:
    """TF32, bfloat16 or autocast would break the bounds; within the guard products have their usual bits."""
    rows = gaussian(300, 2048)
    product, radius = rows @ rows.T, exact_radii(rows, [5])
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(exact_radii(rows, [5]), radius)
            with distances.ieee_products(rows.device):
                assert torch.equal(rows @ rows.T, product)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_distance_has_the_same_bits_in_any_batch_and_order() -> None:
    left, right = gaussian(40, 1000), gaussian(40, 1000, 1)
    whole = brute(left, right)
    assert torch.equal(whole, brute(right, left).T)
    one = squared_distances(left, right, torch.tensor([7]), torch.tensor([9]))
    assert torch.equal(one[0], whole[7, 9])
    np.testing.assert_allclose(whole, ((left[:, None].double() - right[None].double()) ** 2).sum(2), rtol=1e-14)


def test_distinct_folds_equal_rows_only() -> None:
    rows = torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [0.0, 0.0], [-0.0, 0.0]])
    points = UniqueRows.of(rows)
    assert torch.equal(points.rows[points.place], rows)
    assert sorted(points.copies.tolist()) == [1, 2, 2]


def brute_hits(real: Tensor, fake: Tensor, k: int, ties: Ties) -> BallCounts:
    squared = brute(real, fake)
    real_radii, fake_radii = brute_radii(real, [k]), brute_radii(fake, [k])[:, 0]
    within = torch.le if ties == "closed" else torch.lt
    of_real, of_fake = within(squared, real_radii), within(squared, fake_radii)
    least = torch.where(of_real, real_radii, torch.inf).amin(0)
    return BallCounts(of_real.sum(1), of_fake.sum(1), of_fake.sum(0), of_real.sum(0), least)


def assert_equal(found: BallCounts, expected: BallCounts) -> None:
    for name, counts in vars(expected).items():
        assert torch.equal(getattr(found, name), counts), name


def check(real: Tensor, fake: Tensor) -> None:
    sides = Rows.from_array(real), Rows.from_array(fake)
    for k, ties in product((1, 5), ("open", "closed")):
        assert_equal(ball_counts(*sides, k, ties), brute_hits(real, fake, k, ties))


@pytest.mark.parametrize("name", HARD)
def test_counts_are_those_of_all_differences(name: str) -> None:
    rows = HARD[name]
    check(rows[:150], rows[150:])


@pytest.mark.parametrize("name", HARD)
def test_fakes_that_are_reals_are_ties(name: str) -> None:
    """The k-th neighbour itself is exactly on the sphere: any rounding would show."""
    check(HARD[name][:120], HARD[name][60:180].clone())


def test_fakes_collapsed_within_the_reals() -> None:
    check(3 * gaussian(150, 256), 0.1 * gaussian(100, 256, 1))


def test_sides_of_different_precision() -> None:
    check(gaussian(150, 256), gaussian(100, 256, 1, torch.float64) + 3)


def test_counts_in_blocks_of_any_size_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "BLOCK", 32)
    check(gaussian(150, 256), gaussian(100, 256, 1))
    check(HARD["clusters"][:150], HARD["clusters"][150:])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_small_sets_of_whole_numbers(data: st.DataObject) -> None:
    width = data.draw(st.sampled_from([1, 2, 130]))
    sides = []
    for _ in range(2):
        values = data.draw(st.lists(st.integers(0, 3), min_size=6, max_size=10))
        sides.append(torch.tensor(values, dtype=torch.float32)[:, None].repeat(1, width))
    check(*sides)


def test_metrics_of_neighbours_share_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = {"squared_ball_radii": 0, "count_balls": 0}

    def counted(name: str) -> object:
        function = getattr(neighbour_pass_module, name)

        def call(*arguments: object, **named: object) -> object:
            passes[name] += 1
            return function(*arguments, **named)

        return call

    for name in passes:
        monkeypatch.setattr(neighbour_pass_module, name, counted(name))
    real, fake, other = (Rows.from_array(gaussian(60, 8, seed)) for seed in range(3))
    wanted = [{"k": 3, "ties": "open"}, {"k": 5, "ties": "open"}, {"k": 5, "ties": "closed"}]
    neighbour_pass(real, fake, wanted)
    assert passes == {"squared_ball_radii": 2, "count_balls": 1}
    for options in wanted:
        assert_equal(ball_counts(real, fake, **options), brute_hits(real.features, fake.features, **options))
    assert passes == {"squared_ball_radii": 2, "count_balls": 1}
    ball_counts(real, other, 5, "open")
    assert passes == {"squared_ball_radii": 3, "count_balls": 2}, (
        "the radii of the reals are shared by all that are compared with them"
    )


def test_memory_ends_with_the_rows() -> None:
    real, fake = Rows.from_array(gaussian(20, 4)), Rows.from_array(gaussian(20, 4, 1))
    gc.collect()
    before = len(memo._slots)
    ball_counts(real, fake, 5, "open")
    assert len(memo._slots) == before + 5  # unique rows and radii of each side, the counts across
    del fake
    gc.collect()
    assert len(memo._slots) == before + 2
    del real
    gc.collect()
    assert len(memo._slots) == before


def test_bad_input_is_one_sentence() -> None:
    few, many = Rows.from_array(gaussian(5, 4)), Rows.from_array(gaussian(9, 4))
    with pytest.raises(
        TooFewSamples, match=r"k=5 needs at least 6 rows per side, fake has 5\. Lower it with k=4 or add"
    ):
        ball_counts(many, few, 5, "open")
    with pytest.raises(TooFewSamples, match="real has 5"):
        ball_counts(few, many, 7, "open")
    with pytest.raises(UsageError, match="k=0 must be at least 1"):
        ball_counts(many, many, 0, "open")
    with pytest.raises(FeatureError, match="4 columns on one side and 3"):
        ball_counts(many, Rows.from_array(gaussian(9, 3)), 5, "open")
