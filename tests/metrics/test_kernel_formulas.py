"""Variances of the kernel metrics, number by number: U-statistic theory and influence functions written out densely."""

from typing import Any

import numpy as np
import pytest

from divmetrics.arrays.splits import OneSamplePool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import METRICS

kid, mmd, rke, rke_ratio, vendi, vendi_ratio = (
    METRICS[name] for name in ("kid", "mmd_rbf", "rke", "rke_ratio", "vendi", "vendi_ratio")
)
TaskInputs = tuple[np.ndarray, np.ndarray]
FLOOR = 0.7


def drawn(n: int = 30, m: int = 20, d: int = 3, shift: float = 0.0, scale: float = 1.0, seed: int = 0) -> TaskInputs:
    rng = np.random.RandomState(seed)
    axes = 1 + np.arange(d)
    return rng.randn(n, d) * axes, scale * rng.randn(m, d) * axes + shift


def pooled(real: np.ndarray, fake: np.ndarray) -> TwoSamplePool:
    return TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))


def variance(name: str, sides: TaskInputs, **given: Any) -> float:
    metric = METRICS[name]
    pool = OneSamplePool(Rows.from_array(sides[1])) if metric.real is None else pooled(*sides)
    return metric.uncertainty.variance(pool, **metric.resolve(given))


def polynomial(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left @ right.T / left.shape[1] + 1) ** 3


def gaussian(sigma: float) -> Any:
    return lambda left, right: np.exp(-np.square(left[:, None] - right).sum(2) / (2 * sigma**2))


def within(kernel: np.ndarray) -> tuple[np.ndarray, float]:
    """Mean kernel of each sample with the others `[n]`, and the mean square of the U-centred kernel."""
    n = len(kernel)
    kernel = kernel - np.diag(np.diag(kernel))
    rows = kernel.sum(1)
    centred = kernel - rows[:, None] / (n - 2) - rows / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    return rows / (n - 1), np.square(centred).sum() / (n * (n - 3))


def mmd2_variance(sides: TaskInputs, kernel: Any, size: int | None = None) -> float:
    """Hoeffding's decomposition: 4 s²/n of single samples, then pairs within and across the sides."""
    real, fake = sides
    n, m = len(real), len(fake)
    cross = kernel(real, fake)
    (own_real, in_real), (own_fake, in_fake) = within(kernel(real, real)), within(kernel(fake, fake))
    doubly = cross - cross.mean(0) - cross.mean(1)[:, None] + cross.mean()
    across = np.square(doubly).sum() / ((n - 1) * (m - 1))
    of_real = (own_real - cross.mean(1)).var(ddof=1) - in_real / (n - 1) - across / m
    of_fake = (own_fake - cross.mean(0)).var(ddof=1) - in_fake / (m - 1) - across / n
    n, m = size or n, size or m
    pairs = 2 * in_real / (n * (n - 1)) + 2 * in_fake / (m * (m - 1)) + 4 * across / (n * m)
    return max(FLOOR * pairs, 4 * of_real / n + 4 * of_fake / m + pairs)


FAR, NULL = {"shift": 1.0, "scale": 0.6}, {}


@pytest.mark.parametrize("world", [FAR, NULL], ids=["far", "null"])
def test_variance_of_kid(world: dict[str, float]) -> None:
    sides = drawn(**world)
    whole = mmd2_variance(sides, polynomial)
    assert variance("kid", sides) == pytest.approx(whole, rel=1e-9)
    of_one = mmd2_variance(sides, polynomial, 8)
    assert of_one > whole
    found = variance("kid", sides, subsets=4, subset_size=8)
    assert found == pytest.approx(whole + (of_one - whole) / 4, rel=1e-9)
    assert variance("kid", sides, subsets=4, subset_size=200) == pytest.approx(whole, rel=1e-9)  # never below


@pytest.mark.parametrize("given", [{}, {"sigma": 2.0, "scale": 10.0}, {"normalise": True}], ids=str)
def test_variance_of_mmd(given: dict[str, Any]) -> None:
    sides = drawn(**FAR)
    sigma = mmd.measure(*sides, **given).extras["sigma"]
    if given.get("normalise"):
        sides = tuple(side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
    expected = mmd2_variance(sides, gaussian(sigma)) * given.get("scale", 1) ** 2
    assert variance("mmd_rbf", drawn(**FAR), **given) == pytest.approx(expected, rel=1e-9)


def test_splits_of_kid_are_stretched_about_their_mean_to_the_spread_of_subsets() -> None:
    pool, splits = pooled(*drawn()), Splits.permutations(30, 20, 5, 0)
    plain = kid.uncertainty.resample(pool, splits, **kid.resolve({})).numpy()
    ratio = ((1 / 8 + 1 / 8) / (1 / 30 + 1 / 20)) ** 2
    expected = plain.mean() + (plain - plain.mean()) * np.sqrt(1 + (ratio - 1) / 4)
    found = kid.uncertainty.resample(pool, splits, **kid.resolve({"subsets": 4, "subset_size": 8}))
    assert found.numpy() == pytest.approx(expected, rel=1e-9)
    whole = kid.uncertainty.resample(pool, splits, **kid.resolve({"subsets": 4, "subset_size": 200}))
    assert whole.numpy() == pytest.approx(plain)


def effective(rows: np.ndarray, sigma: float) -> float:
    return 1 / np.square(gaussian(sigma)(rows, rows)).mean()


def log_variance(rows: np.ndarray, sigma: float, *, own: bool) -> float:
    """Of ln of the effective number: the mean squared kernel is a V-statistic; the bandwidth may move with the rows."""
    n, kernel = len(rows), np.square(gaussian(sigma)(rows, rows))
    mean = kernel.mean()
    values = 2 * (kernel.sum(1) - 1) / n / mean
    if own:  # d ln N / d ln sigma, times the move of ln sigma with a sample
        step = 1e-4
        slope = np.log(effective(rows, sigma * (1 + step)) / effective(rows, sigma * (1 - step))) / (2 * step)
        squares = np.square(rows - rows.mean(0)).sum(1)
        values -= slope * squares / (2 * squares.mean())
    pairs = 2 * within(kernel)[1] / (n * (n - 1)) / mean**2
    single = values.var(ddof=1) / n
    return max(pairs, single if own else single - pairs)


@pytest.mark.parametrize("sigma", [None, 2.0])
def test_variances_of_renyi_entropies(sigma: float | None) -> None:
    real, fake = drawn(30, 24, **FAR)
    width = rke.measure(fake, sigma=sigma).extras["sigma"]
    expected = log_variance(fake, width, own=sigma is None) * effective(fake, width) ** 2
    assert variance("rke", (real, fake), sigma=sigma) == pytest.approx(expected, rel=2e-3)
    width = rke.measure(real, sigma=sigma).extras["sigma"]
    logs = log_variance(real, width, own=False) + log_variance(fake, width, own=False)
    expected = logs * (effective(fake, width) / effective(real, width)) ** 2
    assert variance("rke_ratio", (real, fake), sigma=sigma) == pytest.approx(expected, rel=1e-9)


def entropy(matrix: np.ndarray) -> float:
    spectrum = np.linalg.eigvalsh(matrix)
    return -float((spectrum * np.log(spectrum)).sum())


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def entropy_terms(units: np.ndarray) -> tuple[np.ndarray, float]:
    """Influence of each unit row on the entropy of their second moments, and the variance of the second order."""
    n = len(units)
    spectrum, axes = np.linalg.eigh(units.T @ units / n)
    along, second = units @ axes, 0.0
    for k in range(len(spectrum)):
        for j in range(len(spectrum)):
            of_error = (np.square(along[:, k] * along[:, j]).mean() - (k == j) * spectrum[k] ** 2) / n
            slope = 1 / spectrum[k]  # minus the divided difference of -ln
            if k != j:
                slope = np.log(spectrum[k] / spectrum[j]) / (spectrum[k] - spectrum[j])
            second += (slope * of_error) ** 2 * (0.5 if k == j else 1)
    values = -np.square(along) @ np.log(spectrum)
    return values - values.mean(), second


def test_variance_of_vendi() -> None:
    real, fake = drawn(300, 300, shift=0.5)
    values, second = entropy_terms(unit(fake))
    assert values.var(ddof=1) / 300 > 3 * second
    expected = (values.var(ddof=1) / 300 - second) * np.exp(2 * entropy(unit(fake).T @ unit(fake) / 300))
    assert variance("vendi", (real, fake)) == pytest.approx(expected, rel=1e-8)
    # No sample counts by itself: the eigenvalues are 1/3, their errors have variance (1/3 - 1/9)/60, the slope is 3
    isotropic = np.concatenate([np.eye(3), -np.eye(3)] * 10)
    assert variance("vendi", (real, isotropic)) == pytest.approx(3 * (3 * (1 / 3 - 1 / 9) / 60) ** 2 / 2 * 9)


def log_ratio(real: np.ndarray, fake: np.ndarray, weights: np.ndarray, kernel: str) -> float:
    """ln of vendi_ratio where the real samples have weights, in the kernel's centre and scale too."""
    rows = [real, fake]
    if kernel == "anchored":
        centre = weights @ real
        scale = np.sqrt(weights @ np.square(real - centre).sum(1))
        rows = [np.pad((side - centre) / scale, ((0, 0), (0, 1)), constant_values=0.5) for side in rows]
    x, y = unit(rows[0]), unit(rows[1])
    return entropy(y.T @ y / len(y)) - entropy(x.T @ (weights[:, None] * x))


@pytest.mark.parametrize("kernel", ["anchored", "cosine"])
def test_variance_of_vendi_ratio_with_all_that_a_real_sample_moves(kernel: str) -> None:
    real, fake = drawn(90, 70, 2, shift=0.7)
    even, step = np.full(90, 1 / 90), 1e-5
    values = np.array(
        [
            (
                log_ratio(real, fake, even + step * (np.eye(90)[i] - even), kernel)
                - log_ratio(real, fake, even - step * (np.eye(90)[i] - even), kernel)
            )
            / (2 * step)
            for i in range(90)
        ]
    )
    rows = [real, fake]
    if kernel == "anchored":
        scale = np.sqrt(np.square(real - real.mean(0)).sum(1).mean())
        rows = [np.pad((side - real.mean(0)) / scale, ((0, 0), (0, 1)), constant_values=0.5) for side in rows]
    (_, second_real), (of_fake, second_fake) = (entropy_terms(unit(side)) for side in rows)
    logs = max(second_real, values.var(ddof=1) / 90 - second_real)
    logs += max(second_fake, of_fake.var(ddof=1) / 70 - second_fake)
    expected = logs * vendi_ratio(real, fake, kernel=kernel) ** 2
    assert variance("vendi_ratio", (real, fake), kernel=kernel) == pytest.approx(expected, rel=1e-4)


def test_influence_functions_of_vendi_need_eight_samples_for_each_distinct_one() -> None:
    turns = [np.stack([np.cos(angle), np.sin(angle)], 1) for angle in (np.arange(20) * np.pi / n for n in (15, 17))]
    few, enough = turns[0][:15], turns[1][:17]  # evenly turned: the score is 2
    assert vendi(few) == pytest.approx(2)
    assert variance("vendi", (few, few)) is None
    assert variance("vendi", (enough, enough)) > 0
    assert variance("vendi_ratio", (few, enough), kernel="cosine") is None
    assert variance("vendi_ratio", (enough, few), kernel="cosine") is None
    assert (
        variance("vendi_ratio", (np.tile(few[:1], (20, 1)), few), kernel="cosine") is None
    )  # the greater score counts
    assert variance("vendi_ratio", (enough, enough), kernel="cosine") > 0


def test_one_sample_is_enough_where_nothing_is_estimated_from_pairs() -> None:
    assert [METRICS[name].minimum({}) for name in ("rke", "rke_ratio", "vendi", "vendi_ratio")] == [1] * 4
    assert mmd.minimum({"unbiased": True}) == 2
    assert mmd.minimum({"unbiased": False}) == 1
    assert rke(np.ones((1, 3)), sigma=1.0) == pytest.approx(vendi(np.ones((1, 3))))
