"""Supports and densities, number by number: the bootstrap threshold, intervals, jackknives, and what ties decide."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import t as student

from divmetrics.arrays.pairs import _distances as blocks
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.metrics.densities import _pooled_distances as distances
from divmetrics.metrics.densities import _probabilistic_support as probabilistic
from divmetrics.records.metric import METRICS

TaskInputs = tuple[np.ndarray, np.ndarray]


def drawn(n: int = 90, m: int = 70, d: int = 3, shift: float = 0.6, scale: float = 0.9, seed: int = 0) -> TaskInputs:
    rng = np.random.RandomState(seed)
    return rng.randn(n, d), scale * rng.randn(m, d) + shift


def pooled(sides: TaskInputs) -> TwoSamplePool:
    return TwoSamplePool(*(Rows.from_array(side) for side in sides))


def far(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(left[:, None] - right).sum(2))


def topological(sides: TaskInputs, alpha: float = 0.1, repeats: int = 10, seed: int = 0) -> dict[str, Any]:
    """topp and topr written out densely, with the draws that the metric makes."""
    pool, inside, widths = np.concatenate(sides), [], []
    for side in sides:
        n = len(side)
        own = far(side, side)
        widths.append(float(np.median(np.sort(own, 1)[:, 5 * side.shape[1]])))

        def kernel(distance: np.ndarray, width: float = widths[-1]) -> np.ndarray:
            return np.where(distance < width, np.cos(np.pi / 2 * np.minimum(distance / width, 1)), 0)

        rng = np.random.default_rng([seed, 1])
        by_distance = side[np.square(side - side.mean(0)).sum(1).argsort()]
        changes = [
            np.abs(kernel(far(side, by_distance)) @ (np.bincount(rng.integers(0, n, n), minlength=n) - 1)).max() / n
            for _ in range(repeats)
        ]
        inside.append(kernel(far(pool, side)).mean(1) > np.quantile(changes, 1 - alpha))
    n = len(sides[0])
    both = inside[0] & inside[1]
    return {
        "topp": both[n:].sum() / inside[1][n:].sum(),
        "topr": both[:n].sum() / inside[0][:n].sum(),
        "columns": {"topp": both[n:], "topr": both[:n]},
        "own": {"topp": inside[1][n:].mean(), "topr": inside[0][:n].mean()},
        "widths": widths,
    }


@pytest.mark.parametrize("options", [{}, {"alpha": 0.4, "repeats": 3, "seed": 2}], ids=str)
@pytest.mark.parametrize("name", ["topp", "topr"])
def test_topological_supports_by_their_definition(name: str, options: dict[str, Any]) -> None:
    sides = drawn(d=8, shift=0.4)
    expected = topological(sides, **options)
    found = METRICS[name].measure(*sides, **options)
    assert 0.1 < found.value < 0.95
    assert found.value == pytest.approx(expected[name], rel=1e-9)
    assert found.extras["in_own_support"] == pytest.approx(expected["own"][name])
    assert [found.extras[f"bandwidth_{side}"] for side in ("real", "fake")] == pytest.approx(expected["widths"])
    (column,) = [*found.real.values(), *found.fake.values()]
    assert column.tolist() == expected["columns"][name].tolist()


@pytest.mark.parametrize("name", ["topp", "topr"])
def test_topological_interval_is_wilsons_at_the_size_that_bootstraps_show(name: str) -> None:
    sides, seed, level = drawn(d=8, shift=0.4), 1, 0.9
    rng = np.random.default_rng([seed, 2])
    counts = [rng.multinomial(len(side), np.full(len(side), 1 / len(side)), 16) for side in sides]
    shares = np.array(
        [
            topological(tuple(np.repeat(side, own[b], 0) for side, own in zip(sides, counts, strict=True)), seed=seed)[
                name
            ]
            for b in range(16)
        ]
    )
    share, reach = topological(sides, seed=seed)[name], student.ppf((1 + level) / 2, 15)
    samples = shares.mean() * (1 - shares.mean()) / shares.var(ddof=1)
    assert 2 < samples < 60
    middle = (share + reach**2 / samples / 2) / (1 + reach**2 / samples)
    half = reach * np.sqrt(share * (1 - share) / samples + reach**2 / samples**2 / 4) / (1 + reach**2 / samples)
    metric = METRICS[name]
    found = metric.uncertainty.interval.function(pooled(sides), level, **metric.resolve({"seed": seed}))
    assert found == pytest.approx((middle - half, middle + half), abs=0.003)  # kernel sums interpolate


def test_a_topological_interval_rests_on_no_more_samples_than_there_are() -> None:
    """Two points on both sides: all bootstraps have share 1, and the interval is Wilson's of all samples."""
    rows = np.repeat([8 * [0.0], 8 * [100.0]], 40, axis=0)
    pool = pooled((rows, rows[::2]))
    for name, samples in (("topp", 40), ("topr", 80)):
        low, high = METRICS[name].uncertainty.interval.function(pool, 0.95, **METRICS[name].resolve({}))
        square = student.ppf(0.975, 15) ** 2 / samples
        assert high == 1
        assert low == pytest.approx(1 / (1 + square))


def jackknife(sides: TaskInputs, support: int, a: float, k: int) -> np.ndarray:
    """Mean of the other side's probabilities with each sample of the support left out in turn."""
    values = []
    for left_out in range(len(sides[support])):
        rows = np.delete(sides[support], left_out, 0)
        radius = a * np.sort(far(rows, rows), 1)[:, k].mean()
        values.append((1 - np.minimum(1, far(sides[1 - support], rows) / radius).prod(1)).mean())
    return np.array(values)


@pytest.mark.parametrize(("name", "support", "side"), [("p_precision", 0, "fake"), ("p_recall", 1, "real")])
@pytest.mark.parametrize("options", [{}, {"a": 0.8, "k": 2}], ids=str)
def test_probabilistic_variance_is_a_jackknife_and_a_mean(
    name: str, support: int, side: str, options: dict[str, Any]
) -> None:
    sides, metric = drawn(60, 45), METRICS[name]
    given = metric.resolve(options)
    both = probabilistic.supports(*(Rows.from_array(rows) for rows in sides), given["a"], given["k"])
    changes = probabilistic._changes(both, given["a"])[side].numpy()
    left_out = jackknife(sides, support, **given)
    exact = left_out - metric(*sides, **options)
    np.testing.assert_allclose(changes, exact, rtol=0.12, atol=0.05 * np.abs(exact).max())  # first order in the radius
    n = len(sides[support])
    inside = both.inside(side).numpy()
    expected = (n - 1) / n * np.square(changes - changes.mean()).sum() + inside.var(ddof=1) / len(inside)
    found = metric.uncertainty.variance(pooled(sides), **given)
    assert found == pytest.approx(expected, rel=1e-9)


def test_copies_in_a_support_are_left_out_one_at_a_time() -> None:
    real, fake = drawn(40, 45)
    twice = np.concatenate([real, real])
    metric = METRICS["p_precision"]
    given = metric.resolve({"a": 0.8, "k": 3})
    left_out = jackknife((twice, fake), 0, **given)
    inside = metric.measure(twice, fake, **given).fake["p_inside"].numpy()
    expected = 79 / 80 * np.square(left_out - left_out.mean()).sum() + inside.var(ddof=1) / 45
    found = metric.uncertainty.variance(pooled((twice, fake)), **given)
    assert found == pytest.approx(expected, rel=0.15)  # first order in the radius


def test_ties_count_as_covered_and_as_no_farther_out() -> None:
    real, fake = [[0.0], [1.0]], [[-1.0], [2.0]]  # each real sample has a fake one as near as the other real one
    beta = METRICS["beta_recall"]
    assert beta.measure(real, fake).real["beta_covered"].tolist() == [True, True]
    real, fake = [[0.0], [1.0], [7.0]], [[-1.0], [2.0], [2.5]]
    pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))
    given = Splits(torch.tensor([[REAL] * 3 + [FAKE] * 3], dtype=torch.uint8))
    assert beta.uncertainty.resample(pool, given, levels=30).item() == pytest.approx(beta(real, fake))
    alpha = METRICS["alpha_precision"].measure([[-1.0], [1.0], [-3.0], [3.0]], [[1.0], [3.0], [4.0], [0.5]])
    assert alpha.fake["real_quantile"].tolist() == [0.5, 1.0, 1.0, 0.0]


def test_two_levels_are_the_ends_of_the_curve() -> None:
    real, fake = drawn()
    found = METRICS["alpha_precision"].measure(real, fake, levels=2)
    assert [point[0] for point in found.extras["curve"]] == [0.0, 1.0]
    of_real, of_fake = (np.linalg.norm(side - real.mean(0), axis=1) for side in (real, fake))
    ends = (of_fake <= of_real.min()).mean(), (of_fake <= of_real.max()).mean()
    assert found.value == pytest.approx(1 - 2 * (ends[0] + 1 - ends[1]))


@pytest.mark.parametrize("name", ["p_precision", "p_recall", "beta_recall", "topp", "topr"])
def test_distances_that_are_not_kept_are_computed_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    metric, splits = METRICS[name], Splits.halves(90, 70, 3, 0)
    expected = metric.uncertainty.resample(pooled(drawn(d=8)), splits, **metric.resolve({})).tolist()
    monkeypatch.setattr(distances, "MATRIX_BYTES", 0)
    found = metric.uncertainty.resample(pooled(drawn(d=8)), splits, **metric.resolve({})).tolist()
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["p_precision", "p_recall", "topp"])
def test_blocks_of_any_size_give_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    metric, splits = METRICS[name], Splits.halves(90, 70, 3, 0)

    def found() -> list[float]:
        pool, options = pooled(drawn(d=8)), metric.resolve({})
        values = metric.uncertainty.resample(pool, splits, **options).tolist()
        if metric.uncertainty.variance is not None:
            values.append(metric.uncertainty.variance(pool, **options))
        return [*values, metric(pool.real, pool.fake)]

    whole = found()
    monkeypatch.setattr(blocks, "BLOCK", 32)
    assert found() == pytest.approx(whole, rel=1e-9)


def test_where_a_set_has_too_few_neighbours_the_farthest_sets_the_bandwidth() -> None:
    real, fake = drawn(10, 12, 8)
    found = METRICS["topp"].measure(real, fake).extras
    farthest = [float(np.median(far(side, side).max(1))) for side in (real, fake)]
    assert [found[f"bandwidth_{side}"] for side in ("real", "fake")] == pytest.approx(farthest)


def test_options_at_the_end_of_their_range() -> None:
    sides = drawn(d=8)
    for wrong in ({"alpha": 0.0}, {"alpha": 1.0}, {"repeats": 0}):
        with pytest.raises(UsageError):
            METRICS["topp"](*sides, **wrong)
    assert METRICS["topp"](*sides, repeats=1) > 0
    assert METRICS["beta_recall"](*sides, levels=2) <= 1
    assert [METRICS[name].minimum({"k": 7}) for name in ("p_precision", "p_recall", "topp", "topr")] == [8, 8, 12, 12]


def test_rows_without_the_whole_matrix_are_those_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools too large for one matrix compute single rows and blocks when they are needed."""
    features = torch.from_numpy(np.random.default_rng(8).normal(size=(60, 5)))
    kept = distances.PooledDistances.of(features)
    monkeypatch.setattr(distances, "MATRIX_BYTES", 0)
    computed = distances.PooledDistances.of(features)
    assert (kept.matrix is None, computed.matrix is None) == (False, True)
    index = torch.tensor([3, 17, 59])
    torch.testing.assert_close(computed.of_rows(index), kept.of_rows(index), rtol=1e-12, atol=0)
    for (rows, block), (same_rows, same_block) in zip(computed, kept, strict=True):
        assert rows == same_rows
        torch.testing.assert_close(block, same_block, rtol=1e-12, atol=0)


def test_the_fewest_samples_that_have_a_kth_neighbour_suffice() -> None:
    """With k + 1 samples there is no (k + 1)-th nearest other one: the radii of k neighbours are all there is."""
    real, fake = np.random.default_rng(2).normal(size=(2, 4, 3))
    within = np.sort(np.linalg.norm(real[:, None] - real, axis=2), axis=1)
    radius = 1.2 * within[:, 3].mean()  # the farthest of the three others
    distance = np.linalg.norm(fake[:, None] - real, axis=2)
    outside = np.clip(distance / radius, 0, 1).prod(1)
    assert METRICS["p_precision"](real, fake, k=3, a=1.2) == pytest.approx(1 - outside.mean())
