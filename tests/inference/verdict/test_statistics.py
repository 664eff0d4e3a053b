"""Each statistic by its formula, on the data and on permutations."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict import statistics as module
from divmetrics.inference.verdict.statistics import (
    Statistic,
    all_statistics,
    along_missing_direction,
    assignments,
    balanced_weights,
    cell_z,
    nearest_distances,
    neighbourhood_z,
    shifted_mean,
    whitened_clusters,
)
from divmetrics.inference.verdict.structures import Partition, Structures

N, M = 90, 70
POOL = np.random.default_rng(0).normal(size=(N + M, 4)) * np.linspace(1, 2, N + M)[:, None]
STRUCTURES = Structures.of(Rows.from_array(POOL[:N]), Rows.from_array(POOL[N:]), 0)
FAKE = assignments(N, M, 30, seed=3)
FOUND = {statistic.name: statistic for statistic in all_statistics(STRUCTURES, FAKE)}


def test_assignments_are_the_data_then_permutations() -> None:
    assert (FAKE[0] == np.repeat([0, 1], [N, M])).all()
    assert (FAKE.sum(1) == M).all()
    assert len(np.unique(FAKE, axis=0)) == len(FAKE)
    assert (assignments(N, M, 30, seed=4)[1:] != FAKE[1:]).any()


def test_every_kind_of_loss_has_its_tests() -> None:
    names = {f"{kind}_{scale}" for kind in ("avoided", "crowded", "empty") for scale in (16, 64)}
    for partition in ("clusters", "coarse_clusters", "fine_clusters"):
        names |= {f"emptiest_of_{partition}", f"thin_{partition}", f"fullest_of_{partition}"}
    names |= {"lacking", "spacing", "far", "repeated", "twins", "copied", "emptiest_of_leading_clusters", "width"}
    assert set(FOUND) == names | {"missing_direction", "invented_direction"}
    few = replace(STRUCTURES, neighbours=STRUCTURES.neighbours[:, :63])
    assert (module.usable_scales(STRUCTURES), module.usable_scales(few)) == ([16, 64], [16])


def test_neighbourhood_counts() -> None:
    distance = cdist(POOL, POOL)
    np.fill_diagonal(distance, np.inf)
    listed = distance.argsort(1)[:, :16]
    for b in (0, 7):
        count = FAKE[b][listed].sum(1)
        share = (M - FAKE[b]) / (N + M - 1)
        wanted = (count - 16 * share) / np.sqrt(16 * share * (1 - share))
        assert neighbourhood_z(STRUCTURES, FAKE[b : b + 1], 16)[0] == pytest.approx(wanted, abs=1e-4)


def test_balanced_weights_even_out_how_often_samples_are_neighbours() -> None:
    rows = np.random.default_rng(5).normal(size=(400, 50))
    listed = cdist(rows, rows).argsort(1)[:, 1:17]

    def part(weights: np.ndarray) -> np.ndarray:
        parts = weights[listed] / weights[listed].sum(1, keepdims=True)
        return np.bincount(listed.ravel(), parts.ravel(), len(rows))

    assert part(np.ones(400)).max() > 6
    assert part(balanced_weights(listed)).max() < 2


def test_what_neighbourhoods_lack() -> None:
    listed = STRUCTURES.neighbours[:, :16]
    weights = balanced_weights(listed)
    for b in (0, 4):
        lack = [
            max(0, 1 - (weights[near] * FAKE[b][near]).sum() / weights[near].sum() * (N + M - 1) / M)
            for sample, near in enumerate(listed)
            if not FAKE[b][sample]
        ]
        assert FOUND["lacking"].values[b] == pytest.approx(np.mean(lack), abs=1e-4)


def test_a_hub_does_not_decide_what_neighbourhoods_lack() -> None:
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(400, 128)) / np.sqrt(rng.chisquare(4, size=(400, 1)) / 4)
    found = Structures.of(Rows.from_array(rows[:200]), Rows.from_array(rows[200:]), 0)
    called = assignments(200, 200, 60, 0)
    even = module._lacking(found, called).spread
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BALANCINGS", 0)
        assert module._lacking(found, called).spread > 1.5 * even


@pytest.mark.parametrize("b", [0, 11])
def test_distances_within_and_between_sides(b: int) -> None:
    distance = cdist(POOL, POOL)
    np.fill_diagonal(distance, np.inf)
    side = FAKE[b] == 1
    own = np.sort(np.where(side[:, None] == side, distance, np.inf), 1)
    between = np.where(side[:, None] != side, distance, np.inf).min(1)
    first, ranked, other = (found[0] for found in nearest_distances(STRUCTURES, FAKE[b : b + 1]))
    unit = first[0] - np.log(own[0, 0])
    assert first - unit == pytest.approx(np.log(own[:, 0]), abs=1e-3)
    assert ranked - unit == pytest.approx(np.log(own[:, 4]), abs=1e-3)
    assert other - unit == pytest.approx(np.log(between), abs=1e-3)
    assert FOUND["spacing"].values[b] == pytest.approx(
        np.log(own[~side, 4]).mean() - np.log(own[side, 4]).mean(), abs=1e-3
    )


def test_tails_by_hand() -> None:
    values = np.tile(np.arange(100.0), (2, 1))
    fake = np.array([np.arange(100) < 50, np.arange(100) % 2])  # the lower half, and every other one
    found = module._tail_excess(values, fake.astype(np.float32))
    assert found[0] == pytest.approx(0.4 / 0.4)  # 20 of 50 against none in the tail of a fifth
    assert abs(found[1]) < 0.15


def test_a_few_copies_among_the_real_samples_make_no_fake_sample_far() -> None:
    rng = np.random.default_rng(2)
    real, fake = rng.normal(size=(2, 400, 3))
    real[:12] = real[12:24]
    found = Structures.of(Rows.from_array(real), Rows.from_array(fake), 0)
    far = {s.name: s.values for s in all_statistics(found, assignments(400, 400, 60, 0))}["far"]
    assert (far[0] - far[1:].mean()) / far[1:].std() < 2.5


def test_a_side_that_is_not_listed_is_at_the_last_distance() -> None:
    side = np.zeros(N + M, np.float32)
    first, ranked, other = (found[0] for found in nearest_distances(STRUCTURES, side[None]))
    assert (other == STRUCTURES.log_distance[:, module.SEARCHED - 1]).all()
    assert (ranked == STRUCTURES.log_distance[:, 4]).all()
    lonely = side.copy()
    lonely[5] = 1
    first, ranked, other = (found[0] for found in nearest_distances(STRUCTURES, lonely[None]))
    assert first[5] == ranked[5] == STRUCTURES.log_distance[5, module.SEARCHED - 1]
    assert other[5] == STRUCTURES.log_distance[5, 0]


def test_cells() -> None:
    partition = STRUCTURES.partitions[1]
    z = cell_z(partition, FAKE)
    for b in (0, 9):
        for cell in range(len(partition.names)):
            inside = partition.cell == cell
            expected = inside.sum() * M / (N + M)
            root = np.sqrt(FAKE[b][inside].sum() + 0.375) - np.sqrt(expected + 0.375)
            assert z[b, cell] == pytest.approx(2 * root / np.sqrt(N / (N + M)), abs=1e-4)
    assert FOUND["emptiest_of_coarse_clusters"].values == pytest.approx(-z.min(1))
    assert FOUND["thin_coarse_clusters"].values == pytest.approx(np.sqrt((np.minimum(z, 0) ** 2).sum(1)))
    assert FOUND["fullest_of_coarse_clusters"].values == pytest.approx(z.max(1))


def test_the_emptiest_of_all_clusters_of_leading_components() -> None:
    least = [cell_z(partition, FAKE).min(1) for partition in STRUCTURES.leading]
    assert len(least) == 1  # eight clusters: 160 samples allow no more
    assert FOUND["emptiest_of_leading_clusters"].values == pytest.approx(-np.min(least, 0))


def test_the_emptiest_of_all_whitened_clusters_and_all_together() -> None:
    cells = [np.arange(N + M) % 2, np.arange(N + M) // 20]
    partitions = tuple(Partition(str(k), cell, [str(c) for c in range(cell.max() + 1)]) for k, cell in enumerate(cells))
    both = replace(STRUCTURES, whitened=(partitions[:1], partitions))
    found = {statistic.name: statistic.values for statistic in whitened_clusters(both, FAKE)}
    z = [cell_z(partition, FAKE) for partition in partitions]
    thin = [np.sqrt((np.minimum(each, 0) ** 2).sum(1)) for each in z]
    assert found["emptiest_whitened_0"] == pytest.approx(-z[0].min(1))
    assert found["emptiest_whitened_1"] == pytest.approx(-np.minimum(z[0].min(1), z[1].min(1)))
    assert found["thin_whitened_0"] == pytest.approx(thin[0])
    assert found["thin_whitened_1"] == pytest.approx((thin[0] + thin[1]) / 2)


def test_the_shift_of_the_mean_is_hotellings() -> None:
    """On four components of the pool, with the covariance of the pool."""
    centred = POOL - POOL.mean(0)
    inverse = np.linalg.inv(centred.T @ centred / (N + M))
    apart = [POOL[row > 0].mean(0) - POOL[row == 0].mean(0) for row in FAKE]
    squared = np.array([N * M / (N + M) * d @ inverse @ d for d in apart])
    assert shifted_mean(STRUCTURES, FAKE).values == pytest.approx((squared - 4) / np.sqrt(8), rel=1e-4)


def test_what_does_not_vary_has_no_shift() -> None:
    constant = replace(STRUCTURES, points=np.zeros((N + M, 3), np.float32))
    assert np.ptp(shifted_mean(constant, FAKE).values) < 1e-9
    column = np.column_stack([POOL[:, 0], np.full(N + M, 7)]).astype(np.float32)
    alone = replace(STRUCTURES, points=column[:, :1])
    assert shifted_mean(replace(STRUCTURES, points=column), FAKE).values == pytest.approx(
        shifted_mean(alone, FAKE).values, abs=1e-5
    )


def test_of_many_components_those_that_show_it_best_count() -> None:
    rng = np.random.default_rng(3)
    points = rng.normal(size=(N + M, 40)) * np.linspace(2, 1, 40)
    points[:N, 0] += 2
    wide = replace(STRUCTURES, points=points.astype(np.float32))
    leading = np.linalg.eigh(np.cov(points.T))[1][:, :-9:-1]
    alone = shifted_mean(replace(STRUCTURES, points=(points @ leading).astype(np.float32)), FAKE)
    assert alone.values[0] > 5
    assert shifted_mean(wide, FAKE).values[0] == pytest.approx(alone.values[0], rel=1e-3)


def test_many_cells_are_counted_like_few() -> None:
    cell = np.random.default_rng(7).integers(0, 200, N + M)
    many = Partition("classes", cell, [str(k) for k in range(200)])
    assert many.counts(FAKE) == pytest.approx(FAKE @ many.member)
    assert (many.sizes == many.member.sum(0)).all()
    weights = POOL[:, 0]
    assert many.counts(FAKE, weights) == pytest.approx(FAKE @ (many.member * weights[:, None]), abs=1e-4)
    few = STRUCTURES.partitions[0]
    assert few.counts(FAKE, weights) == pytest.approx(FAKE @ (few.member * weights[:, None]), abs=1e-4)


def test_width_is_the_log_ratio_of_widths_within_clusters() -> None:
    partition = STRUCTURES.partitions[0]
    drawn_in = POOL.copy()
    for cell in range(len(partition.names)):
        inside = partition.cell == cell
        apart = POOL[inside] - np.median(POOL[inside], 0)
        far = np.linalg.norm(apart, axis=1)
        drawn_in[inside] = apart * np.minimum(1, module.OUTLYING * np.median(far) / far)[:, None]
    for b in (0, 13):
        total = weight = 0.0
        for cell in range(len(partition.names)):
            inside = partition.cell == cell
            real, fake = (drawn_in[inside & (FAKE[b] == side)] for side in (0, 1))
            if min(len(real), len(fake)) >= module.FEWEST:
                ratio = real.var(0, ddof=1).sum() / fake.var(0, ddof=1).sum()
                total, weight = total + inside.sum() * np.log(ratio), weight + inside.sum()
        assert FOUND["width"].values[b] == pytest.approx(total / max(weight, 1) / 2, abs=1e-3)


def test_the_width_of_tight_modes_is_known_however_far_apart_they_lie() -> None:
    rng = np.random.default_rng(8)
    which = rng.integers(0, 4, 400)
    widths = np.where(np.arange(400) < 200, 1.0, 0.5)[:, None]
    rows = 1e5 * np.eye(4)[which] + widths * rng.normal(size=(400, 4))  # float32 has steps of 0.008 there
    found = Structures.of(Rows.from_array(rows[:200]), Rows.from_array(rows[200:]), 0)
    width = module._width(found, assignments(200, 200, 20, 0))
    assert np.exp(-width.values[0]) == pytest.approx(0.5, abs=0.05)
    assert abs(width.values[1:].mean()) < 0.1


def test_outliers_are_not_the_width_of_a_cluster() -> None:
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(400, 8))
    rows[:3] *= 1e3
    found = Structures.of(Rows.from_array(rows[:200]), Rows.from_array(rows[200:]), 0)
    one = replace(found, partitions=(Partition("clusters", np.zeros(400, int), ["cluster 0"]),), points=rows)
    assert module._width(one, assignments(200, 200, 60, 0)).spread < 0.1


def test_spectrum_is_that_of_the_difference_of_covariances() -> None:
    kernel = STRUCTURES.kernel.astype(np.float64)
    for b in (0, 5):
        real, fake = (kernel[FAKE[b] == side] for side in (0, 1))
        values = np.linalg.eigvalsh(real.T @ real / N - fake.T @ fake / M)
        assert np.exp(FOUND["missing_direction"].values[b]) == pytest.approx(values[-1], rel=1e-3)
        assert np.exp(FOUND["invented_direction"].values[b]) == pytest.approx(-values[0], rel=1e-3)


def test_the_samples_most_typical_of_the_missing_direction_are_of_the_missing_class() -> None:
    """As published for KEN: the 20 most typical real digits where threes are missing are 20 threes."""
    rows, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(rows))
    real, rest = order[:898], order[898:]
    fake = rest[classes[rest] != 3]
    along = along_missing_direction(Structures.of(Rows.from_array(rows[real]), Rows.from_array(rows[fake]), 0))
    assert (classes[real][np.argsort(-along)[:20]] == 3).all()


def test_effect_and_spread_are_measured_from_the_permutations() -> None:
    statistic = Statistic("any", np.array([5.0, 1.0, 3.0]))
    assert (statistic.effect, statistic.spread) == (3, 1)
