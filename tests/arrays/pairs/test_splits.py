"""Counts on splits of a pool, read off neighbour lists, against the counts of the parts themselves."""

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor

from divmetrics.arrays import memo
from divmetrics.arrays.pairs import (
    BallCountsOnSplits,
    NearestReals,
    Ties,
    ball_counts,
    ball_counts_on_splits,
    ball_radii,
    capped_balls_within,
    counted_from_lists,
    distance_to_different,
    half_sample_variance,
    nearest_of_other_side,
    nearest_reals_on_splits,
    neighbour_lists,
)
from divmetrics.arrays.pairs import _ball_counts_on_splits as splits_room
from divmetrics.arrays.pairs import _dense_balls as dense_balls
from divmetrics.arrays.pairs import _neighbour_lists as lists_room
from divmetrics.arrays.pairs import _split_results as results_room
from divmetrics.arrays.pairs._half_sample_variance import disjoint_halves, identity_split
from divmetrics.arrays.pairs._neighbour_lists import listed_depth
from divmetrics.arrays.pairs._realism import median_realism_on_splits
from divmetrics.arrays.splits import ABSENT, FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import METRICS


def gaussian(n: int, d: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def pool_of(real: Tensor, fake: Tensor) -> Pool:
    return TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))


def tight(d: int, dtype: torch.dtype = torch.float64) -> Pool:
    """All fakes in one cluster amid the reals: thousands in one ball, far more than are listed."""
    return pool_of(3 * gaussian(300, d, 0, dtype), 0.01 * gaussian(300, d, 1, dtype) + 0.1)


def shell() -> Pool:
    """All fakes about one real, so that they lie beyond the balls of some reals and within those of others."""
    real = gaussian(300, 4)
    return pool_of(real, real[:1] + 1e-4 * gaussian(300, 4, 1))


POOLS = {
    "alike": pool_of(gaussian(300, 8), gaussian(300, 8, 1)),
    "wide float32": pool_of(gaussian(300, 160, 0, torch.float32), 0.9 * gaussian(300, 160, 1, torch.float32)),
    "other sizes": pool_of(gaussian(301, 8), gaussian(120, 8, 1)),
    "tight": tight(8),
    "tight in float32": tight(160, torch.float32),
    "shell": shell(),
    "apart": pool_of(gaussian(200, 4), gaussian(200, 4, 1) + 50),
    "grid": pool_of((2 * gaussian(200, 3)).round(), (2 * gaussian(200, 3, 1)).round()),
    "copies": pool_of(gaussian(200, 8), gaussian(200, 8)[torch.arange(200) % 7]),
    "copies of each other": pool_of(gaussian(100, 200, 0, torch.float32), gaussian(100, 200, 0, torch.float32)),
    "one point": pool_of(torch.ones(80, 8), torch.ones(80, 8)),
    "huge": pool_of(1e20 * gaussian(200, 150, 0, torch.float32), 1e20 * gaussian(200, 150, 1, torch.float32)),
    "tiny": pool_of(1e-25 * gaussian(200, 8), 1e-25 * gaussian(200, 8, 1)),
}


@pytest.fixture(params=POOLS, ids=lambda name: name.replace(" ", "-"))
def pool(request: pytest.FixtureRequest) -> Pool:
    return POOLS[request.param]


def splits_of(pool: Pool) -> Splits:
    resplits = (Splits.halves(pool.n, pool.m, 2, 0), Splits.permutations(pool.n, pool.m, 2, 1))
    return Splits.of([identity_split(pool), *resplits])


def assert_as_parts(
    pool: TwoSamplePool, splits: Splits, hits: BallCountsOnSplits, k: int, ties: Ties, *, capped: bool = False
) -> None:
    """The counts on every split are those of its parts; all but one in a thousand where distances are float32."""
    slack = 2e-3 if pool.real.d >= 128 else 0.0
    for b in range(len(splits)):
        real, fake = splits.real(b), splits.fake(b)
        expected = ball_counts(pool.part(real), pool.part(fake), k, ties, capped=capped)
        pairs = [(hits.in_ball[b, real], expected.fakes_in_ball), (hits.balls_over[b, fake], expected.balls_over_fake)]
        if capped:
            pairs.append((hits.own_over[b, real], capped_balls_within(pool.part(real), k, ties)))
        else:
            pairs.append((hits.in_ball[b, fake], expected.reals_in_ball))
            pairs.append((hits.balls_over[b, real], expected.balls_over_real))
            radius = np.sqrt(hits.radius[b, real] * hits.scale)
            np.testing.assert_allclose(radius, ball_radii(pool.part(real), k), rtol=1e-4)
        for found, wanted in pairs:
            assert np.abs(found - wanted.numpy()).sum() <= slack * max(1000, int(wanted.sum()))


@pytest.mark.parametrize("ties", ["open", "closed"])
def test_counts_are_those_of_the_parts(pool: Pool, ties: Ties) -> None:
    splits = splits_of(pool)
    assert_as_parts(pool, splits, ball_counts_on_splits(pool, splits, 3, ties), 3, ties)


def test_capped_counts_are_those_of_the_parts(pool: Pool) -> None:
    splits = splits_of(pool)
    assert_as_parts(
        pool, splits, ball_counts_on_splits(pool, splits, 5, "closed", capped=True), 5, "closed", capped=True
    )


def test_the_smallest_balls_are_those_of_the_parts(pool: Pool) -> None:
    splits = splits_of(pool)
    hits = ball_counts_on_splits(pool, splits, 3, "closed", smallest=True)
    for b in range(len(splits)):
        expected = ball_counts(pool.part(splits.real(b)), pool.part(splits.fake(b)), 3, "closed").least_over_fake.sqrt()
        found = torch.from_numpy(np.sqrt(hits.smallest[b, splits.fake(b)] * hits.scale)).double()
        same = torch.isclose(found, expected, rtol=1e-4)
        assert same.double().mean() >= (0.99 if pool.fake.d >= 128 else 1)


def test_nearest_ones_are_those_of_the_parts(pool: Pool) -> None:
    splits = splits_of(pool)
    scale = ball_counts_on_splits(pool, splits, 3, "open").scale

    def check(nearest: NearestReals) -> float:
        places = np.flatnonzero(np.isfinite(nearest.apart)), nearest.fakes
        real, fake = (pool.part(torch.from_numpy(part)) for part in places)
        _, of_fake = nearest_of_other_side(real, fake)
        np.testing.assert_allclose(np.sqrt(nearest.apart[places[0]] * scale), distance_to_different(real), rtol=1e-3)
        np.testing.assert_allclose(np.sqrt(nearest.squared * scale), of_fake.distance, rtol=1e-3)
        return len(nearest.fakes)

    assert nearest_reals_on_splits(pool, splits, check).tolist() == [len(splits.fake(b)) for b in range(len(splits))]


def test_realism_on_splits_is_that_of_the_parts(pool: Pool) -> None:
    splits = splits_of(pool)
    found = median_realism_on_splits(pool, splits, 3)
    for b in range(len(splits)):
        expected = METRICS["realism"](pool.part(splits.real(b)), pool.part(splits.fake(b)))
        assert float(found[b]) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["alike", "tight", "wide float32", "other sizes", "copies"])
def test_lists_that_are_there_serve_subsets_whose_balls_seldom_exceed_them(name: str) -> None:
    pool = pool_of(*(side.features for side in POOLS[name].sides))
    quarters = Splits.subsets(pool.n, pool.m, 0.25, 3, 0)
    assert not counted_from_lists(pool, quarters, 5, "open")  # there are none yet
    neighbour_lists(pool, 1)
    depth = listed_depth(pool)
    assert counted_from_lists(pool, quarters, 5, "open")
    assert not counted_from_lists(pool, Splits.subsets(pool.n, pool.m, 0.1, 3, 0), 5, "open")
    assert_as_parts(pool, quarters, ball_counts_on_splits(pool, quarters, 5, "open"), 5, "open")
    assert listed_depth(pool) == depth


def test_dense_balls_are_counted_in_whole_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    marked = []

    def watched(*arguments: object) -> None:
        marked.append(int(arguments[-1].sum()))  # type: ignore[attr-defined]
        dense_balls.count_dense_balls(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(splits_room, "count_dense_balls", watched)
    pool = tight(8)
    ball_counts_on_splits(pool, Splits.halves(300, 300, 3, 0), 5, "open")
    assert marked
    assert marked[0] > 50, "the balls of many of 150 reals on 3 halves hold all 150 fakes"
    marked.clear()
    alike = pool_of(gaussian(300, 8), gaussian(300, 8, 1))
    ball_counts_on_splits(alike, Splits.permutations(300, 300, 3, 0), 5, "open")
    assert sum(marked) == 0


def test_distances_to_all_are_few_numbers_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 50,000 samples a side the distances of 256 samples to all were 0.1 GB, and three of them in memory at once."""
    pool, places = tight(160, torch.float32), np.arange(0, 600, 7)
    lists = lists_room.neighbour_lists(pool, 5)
    ((numbers, whole),) = dense_balls.distances_to_all(pool, lists, places)
    monkeypatch.setattr(dense_balls, "ENTRIES", 600 * 20)
    parts = list(dense_balls.distances_to_all(pool, lists, places))
    assert len(parts) == 5
    assert max(squared.size for _, squared in parts) <= dense_balls.ENTRIES
    assert np.array_equal(np.concatenate([few for few, _ in parts]), numbers)
    np.testing.assert_allclose(np.concatenate([squared for _, squared in parts], 1), whole, rtol=1e-5)


def test_no_copy_of_both_sides_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The joined features, and the centred rows behind the distances, are each as large as both sides."""
    made = []
    original = lists_room.BoundedMatrix.of

    def watched(*arguments: object) -> lists_room.BoundedMatrix:
        made.append(original(*arguments))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(lists_room.BoundedMatrix, "of", watched)
    pool = tight(160, torch.float32)
    splits = splits_of(pool)
    for name in ("precision", "recall", "clipped_density", "authenticity", "fid"):
        METRICS[name].uncertainty.resample(pool, splits, **METRICS[name].resolve({}))  # type: ignore[misc]
    assert "whole" not in vars(pool)
    assert len(made) > 1, "of the lists, and of the dense balls"
    made[:] = [weakref.ref(matrix.rows) for matrix in made]
    gc.collect()
    assert [rows() for rows in made] == [None] * len(made)


def test_rows_are_centred_in_place_of_the_joined_sides() -> None:
    real, fake = gaussian(1500, 130, 0, torch.float32), gaussian(70, 130, 1, torch.float32)
    centre, both = real[3], torch.cat([real, fake])
    for dtype in (torch.float32, torch.float64):
        found = lists_room.BoundedMatrix.of([real, fake], centre, dtype)
        expected = lists_room.BoundedMatrix.of([both], centre, dtype)
        assert all(torch.equal(getattr(found, name), getattr(expected, name)) for name in vars(expected))


def test_lists_that_are_too_short_cost_time_but_no_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ball that is not found within the lists happens once in a million; here, all the time."""
    monkeypatch.setattr(lists_room, "ROOMY", 4)
    monkeypatch.setattr(splits_room, "needed_depths", lambda pool, splits, k, rare: np.full(len(splits), 4))
    pool = pool_of(gaussian(100, 8), gaussian(100, 8, 1))
    splits = splits_of(pool)
    assert_as_parts(pool, splits, ball_counts_on_splits(pool, splits, 3, "open"), 3, "open")


def test_splits_for_which_lists_would_be_too_deep_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists_room, "MOST", 2 * 330 * 60)
    pool = pool_of(gaussian(300, 4), gaussian(30, 4, 1))
    halves, resplits = Splits.halves(300, 30, 2, 0), Splits.permutations(300, 30, 2, 0)
    found = METRICS["precision"].uncertainty.resample(pool, Splits.of([halves, resplits]), k=5, ties="open")  # type: ignore[misc]
    assert torch.isfinite(found).tolist() == [True, True, False, False]


def test_halves_with_too_few_for_a_neighbour_are_unknown() -> None:
    pool = pool_of(gaussian(6, 2), gaussian(6, 2, 1))
    found = METRICS["recall"].uncertainty.resample(pool, splits_of(pool), k=5, ties="open")  # type: ignore[misc]
    assert torch.isfinite(found).tolist() == [True, False, False, True, True]


def test_near_copies_are_listed_in_float64() -> None:
    """Ten clusters so tight that float32 products put their members in no order."""
    centres = gaussian(10, 200, 1, torch.float32).repeat(20, 1)
    real, fake = (centres + 1e-4 * gaussian(200, 200, seed, torch.float32) for seed in (2, 3))
    pool = pool_of(real, fake)
    splits = splits_of(pool)
    assert_as_parts(pool, splits, ball_counts_on_splits(pool, splits, 3, "open"), 3, "open")
    assert lists_room.neighbour_lists(pool, 1).in_float64.all()


def test_all_that_is_asked_of_a_pool_is_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = lists_room._compute_lists

    def counted(pool: Pool, depth: int) -> lists_room.NeighbourLists:
        made.append(depth)
        return original(pool, depth)

    monkeypatch.setattr(lists_room, "_compute_lists", counted)
    pool = pool_of(gaussian(100, 8), gaussian(100, 8, 1))
    for name in ("precision", "coverage", "clipped_density", "authenticity", "rarity"):
        metric = METRICS[name]
        if metric.uncertainty.interval is not None:
            low, high = metric.uncertainty.interval.function(pool, 0.95, **metric.resolve({}))
            assert low < high
        else:
            assert metric.uncertainty.variance is not None
            assert metric.uncertainty.variance(pool, **metric.resolve({})) > 0
    assert len(made) == 1


def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = [pool_of(gaussian(150, 8), gaussian(70, 8, 1)) for _ in range(2)]
    splits = splits_of(pools[0])
    expected = ball_counts_on_splits(pools[0], splits, 5, "open")
    monkeypatch.setattr(lists_room, "BLOCK", 32)
    monkeypatch.setattr(splits_room, "COLUMNS", 4)
    found = ball_counts_on_splits(pools[1], splits, 5, "open")
    assert np.array_equal(found.in_ball, expected.in_ball)
    assert np.array_equal(found.balls_over, expected.balls_over)


def test_any_number_of_threads_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists_room, "BLOCK", 16)
    monkeypatch.setattr(lists_room, "ROOMY", 6)
    monkeypatch.setattr(results_room, "PORTION", 300)
    found, before = [], torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            pool = pool_of(gaussian(150, 8), (2 * gaussian(140, 8, 1)).round())
            splits = Splits.permutations(150, 140, 12, 1)
            counts, lists = ball_counts_on_splits(pool, splits, 2, "open"), lists_room.neighbour_lists(pool, 1)
            shares = [
                METRICS[name].uncertainty.resample(pool, splits, **METRICS[name].resolve({}))  # type: ignore[misc]
                for name in ("authenticity", "clipped_density", "spacing_ratio")
            ]
        finally:
            torch.set_num_threads(before)
        found.append([lists.index, lists.squared, counts.in_ball, counts.balls_over, counts.radius, *shares])
    assert all(np.array_equal(one, other, equal_nan=True) for one, other in zip(*found, strict=True))


def test_memory_ends_with_the_pool() -> None:
    gc.collect()
    before = len(memo._slots)
    pool = pool_of(gaussian(30, 4), gaussian(30, 4, 1))
    splits = splits_of(pool)
    ball_counts_on_splits(pool, splits, 3, "open")
    assert len(memo._slots) == before + 2  # the lists of the pool, the counts on its splits
    del splits
    gc.collect()
    assert len(memo._slots) == before + 1
    del pool
    gc.collect()
    assert len(memo._slots) == before


@pytest.mark.parametrize(("n", "m"), [(10, 8), (11, 9)])
def test_halves_come_in_disjoint_pairs(n: int, m: int) -> None:
    pool = pool_of(gaussian(n, 2), gaussian(m, 2))
    first, second = disjoint_halves(pool).side.view(-1, 2, n + m).unbind(1)
    assert not ((first != ABSENT) & (second != ABSENT)).any()
    for side in (first, second):
        assert ((side == REAL).sum(1) == n // 2).all()
        assert ((side == FAKE).sum(1) == m // 2).all()


def test_the_variance_of_a_mean_is_the_textbook_one() -> None:
    fake = gaussian(400, 1)

    def mean(splits: Splits) -> Tensor:
        return torch.stack([fake[splits.fake(b) - 400, 0].mean() for b in range(len(splits))])

    found = half_sample_variance(pool_of(gaussian(400, 1, 1), fake), mean)
    assert found == pytest.approx(float(fake.var()) / 400, rel=0.3)
