"""Kernel sums, the MMD and the effective number against their definitions, written out over whole kernel matrices."""

from itertools import combinations
from math import exp, log, sqrt

import numpy as np
import pytest
import torch
from torch import Tensor

from divmetrics.arrays.pairs import (
    GaussianKernel,
    Kernel,
    PolynomialKernel,
    draw_subsets,
    effective_number,
    effective_number_on_splits,
    kernel_bandwidth,
    kernel_sums_on_splits,
    kernel_sums_within,
    log_effective_number_spread,
    log_effective_number_variance,
    median_distance,
    mmd2,
    mmd2_on_splits,
    mmd2_spread,
    mmd2_variance,
)
from divmetrics.arrays.pairs import _distances as distances
from divmetrics.arrays.pairs import _kernel_sums as module
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import TooFewSamples, UsageError

KERNELS = pytest.mark.parametrize("kernel", [GaussianKernel(1.5), PolynomialKernel(3, 0.2, 1.0)], ids=["rbf", "poly"])


def gaussian(n: int, d: int, seed: int, shift: float = 0.0) -> Tensor:
    return shift + torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def matrix(left: Tensor, right: Tensor, kernel: Kernel) -> np.ndarray:
    """The kernel of all pairs from its definition, diagonal included."""
    if isinstance(kernel, GaussianKernel):
        squared = np.square(left.numpy()[:, None] - right.numpy()).sum(2)
        return np.exp(-squared / (2 * kernel.sigma**2))
    assert isinstance(kernel, PolynomialKernel)
    return (kernel.gamma * left.numpy() @ right.numpy().T + kernel.coef0) ** kernel.degree


def off_diagonal(values: np.ndarray) -> np.ndarray:
    return values - np.diag(np.diag(values))


REAL_ROWS, FAKE_ROWS = gaussian(23, 4, 0), gaussian(31, 4, 1, 0.5)


@KERNELS
@pytest.mark.parametrize("block", [5, 1024])
def test_sums_are_those_of_the_whole_matrix(monkeypatch: pytest.MonkeyPatch, kernel: Kernel, block: int) -> None:
    monkeypatch.setattr(distances, "BLOCK", block)
    real, fake = Rows.from_array(REAL_ROWS), Rows.from_array(FAKE_ROWS)
    own = off_diagonal(matrix(REAL_ROWS, REAL_ROWS, kernel))
    within = kernel_sums_within(real, kernel)
    assert within.left.numpy() == pytest.approx(own.sum(1))
    assert within.right.numpy() == pytest.approx(own.sum(1))
    assert within.total == pytest.approx(own.sum())
    assert within.squares == pytest.approx(np.square(own).sum())
    of_real, of_fake, across = module.kernel_sums(real, fake, kernel)
    cross = matrix(REAL_ROWS, FAKE_ROWS, kernel)
    assert of_real.left.numpy() == pytest.approx(own.sum(1))
    assert of_fake.total == pytest.approx(off_diagonal(matrix(FAKE_ROWS, FAKE_ROWS, kernel)).sum())
    assert across.left.numpy() == pytest.approx(cross.sum(1))
    assert across.right.numpy() == pytest.approx(cross.sum(0))
    assert across.squares == pytest.approx(np.square(cross).sum())


@KERNELS
@pytest.mark.parametrize("block", [5, 1024])
def test_sums_on_splits_are_those_of_their_parts(monkeypatch: pytest.MonkeyPatch, kernel: Kernel, block: int) -> None:
    monkeypatch.setattr(distances, "BLOCK", block)
    whole = TwoSamplePool(Rows.from_array(REAL_ROWS), Rows.from_array(FAKE_ROWS)).whole
    splits = Splits.of([Splits.halves(23, 31, 2, 0), Splits.permutations(23, 31, 2, 0)])
    sums = kernel_sums_on_splits(whole, kernel, splits)
    for b in range(len(splits)):
        real, fake = whole.features[splits.real(b)], whole.features[splits.fake(b)]
        assert float(sums.real[b]) == pytest.approx(off_diagonal(matrix(real, real, kernel)).sum() / 2)
        assert float(sums.fake[b]) == pytest.approx(off_diagonal(matrix(fake, fake, kernel)).sum() / 2)
        assert float(sums.across[b]) == pytest.approx(matrix(real, fake, kernel).sum())
        assert (float(sums.n[b]), float(sums.m[b])) == (len(real), len(fake))
        for unbiased in (True, False):
            parts = Rows.from_array(real), Rows.from_array(fake)
            if unbiased or isinstance(kernel, GaussianKernel):
                expected = mmd2(*parts, kernel, unbiased=unbiased)
                assert float(mmd2_on_splits(sums, unbiased=unbiased)[b]) == pytest.approx(expected)


@KERNELS
def test_mmd_is_its_definition(kernel: Kernel) -> None:
    k_real, k_fake = matrix(REAL_ROWS, REAL_ROWS, kernel), matrix(FAKE_ROWS, FAKE_ROWS, kernel)
    cross, real, fake = matrix(REAL_ROWS, FAKE_ROWS, kernel), Rows.from_array(REAL_ROWS), Rows.from_array(FAKE_ROWS)
    unbiased = off_diagonal(k_real).sum() / (23 * 22) + off_diagonal(k_fake).sum() / (31 * 30) - 2 * cross.mean()
    assert mmd2(real, fake, kernel) == pytest.approx(unbiased)
    if isinstance(kernel, GaussianKernel):
        biased = k_real.mean() + k_fake.mean() - 2 * cross.mean()
        assert mmd2(real, fake, kernel, unbiased=False) == pytest.approx(biased)


def test_mmd_needs_two_samples_a_side_and_its_variance_four() -> None:
    kernel = GaussianKernel(1.0)
    one, two, three, four = (Rows.from_array(gaussian(n, 2, n)) for n in (1, 2, 3, 4))
    with pytest.raises(TooFewSamples, match="at least 2 rows per side are needed, got 2 and 1"):
        mmd2(two, one, kernel)
    assert mmd2(two, two, kernel) == pytest.approx(2 * (exp(-float(squared(two)) / 2) - 1) / 2)
    assert mmd2(one, one, kernel, unbiased=False) == pytest.approx(0)
    assert mmd2_variance(three, four, kernel) is None
    assert mmd2_variance(four, three, kernel) is None
    assert mmd2_variance(four, four, kernel) is not None
    assert log_effective_number_variance(three, 1.0) is None
    assert log_effective_number_variance(four, 1.0) is not None


def squared(rows: Rows) -> Tensor:
    """Squared distance of the first two rows."""
    return (rows.features[0] - rows.features[1]).square().sum()


def u_centred(values: np.ndarray) -> np.ndarray:
    """A kernel matrix without its diagonal, U-centred (Szekely and Rizzo 2014, section 2)."""
    n, kept = len(values), off_diagonal(values)
    rows = kept.sum(1, keepdims=True) / (n - 2)
    return off_diagonal(kept - rows - rows.T + kept.sum() / ((n - 1) * (n - 2)))


def centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()


@KERNELS
@pytest.mark.parametrize("size", [None, 10])
@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
def test_the_variance_of_mmd_is_hoeffdings(kernel: Kernel, size: int | None, shift: float) -> None:
    """Both parts from centred matrices: squares of those of pairs, variances of the projections on one sample."""
    real, fake, n, m = REAL_ROWS, gaussian(31, 4, 1, shift), 23, 31
    k_real, k_fake, cross = matrix(real, real, kernel), matrix(fake, fake, kernel), matrix(real, fake, kernel)
    in_real = np.square(u_centred(k_real)).sum() / (n * (n - 3))
    in_fake = np.square(u_centred(k_fake)).sum() / (m * (m - 3))
    between = np.square(centred(cross)).sum() / ((n - 1) * (m - 1))
    of_real = off_diagonal(k_real).sum(1) / (n - 1) - cross.mean(1)
    of_fake = off_diagonal(k_fake).sum(1) / (m - 1) - cross.mean(0)
    single_real = of_real.var(ddof=1) - in_real / (n - 1) - between / m
    single_fake = of_fake.var(ddof=1) - in_fake / (m - 1) - between / n
    n, m = size or n, size or m
    pairs = 2 * in_real / (n * (n - 1)) + 2 * in_fake / (m * (m - 1)) + 4 * between / (n * m)
    expected = max(0.7 * pairs, 4 * single_real / n + 4 * single_fake / m + pairs)
    found = mmd2_variance(Rows.from_array(real), Rows.from_array(fake), kernel, size)
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_variance_of_mmd_has_a_floor() -> None:
    """Among some sets of one distribution the part of single samples is so negative that the floor holds."""
    at_floor, kernel = 0, GaussianKernel(2.0)
    for seed in range(12):
        real, fake = gaussian(12, 3, 2 * seed), gaussian(12, 3, 2 * seed + 1)
        found = mmd2_variance(Rows.from_array(real), Rows.from_array(fake), kernel)
        in_real, in_fake = (np.square(u_centred(matrix(side, side, kernel))).sum() / (12 * 9) for side in (real, fake))
        between = np.square(centred(matrix(real, fake, kernel))).sum() / 11**2
        pairs = (2 * in_real + 2 * in_fake) / (12 * 11) + 4 * between / 144
        assert found is not None
        assert found >= 0.7 * pairs * (1 - 1e-9)
        at_floor += found == pytest.approx(0.7 * pairs, rel=1e-9)
    assert 0 < at_floor < 12


def test_the_effective_number_and_its_variance_are_their_definitions() -> None:
    n, sigma, rows = 23, 0.8, Rows.from_array(REAL_ROWS)
    k2 = matrix(REAL_ROWS, REAL_ROWS, GaussianKernel(sigma)) ** 2
    assert effective_number(rows, sigma) == pytest.approx(1 / k2.mean())
    influence = 2 * off_diagonal(k2).sum(1) / n / k2.mean()
    pairs = 2 * np.square(u_centred(k2)).sum() / (n * (n - 3)) / (n * (n - 1)) / k2.mean() ** 2
    fixed = max(pairs, influence.var(ddof=1) / n - pairs)
    assert log_effective_number_variance(rows, sigma) == pytest.approx(fixed)
    assert fixed > 1.01 * pairs  # the first order shows
    # d log(1 / mean k²) / d log sigma is minus the mean of 2 k² |x - y|² / sigma², over mean k²
    distances = np.square(REAL_ROWS.numpy()[:, None] - REAL_ROWS.numpy()).sum(2)
    slope = -(k2 * 2 * distances / sigma**2).mean() / k2.mean()
    from_mean = np.square(REAL_ROWS.numpy() - REAL_ROWS.numpy().mean(0)).sum(1)
    followed = influence - slope * from_mean / (2 * from_mean.mean())
    expected = max(pairs, followed.var(ddof=1) / n)  # the bandwidth adds pairs of its own
    assert log_effective_number_variance(rows, sigma, own=True) == pytest.approx(expected, rel=1e-3)
    assert expected != pytest.approx(fixed, rel=0.01)


def test_the_effective_number_on_splits_is_that_of_the_parts() -> None:
    pool = TwoSamplePool(Rows.from_array(REAL_ROWS), Rows.from_array(FAKE_ROWS))
    splits = Splits.permutations(23, 31, 2, 0)
    real, fake = effective_number_on_splits(pool.whole, 0.8, splits)
    for b in range(2):
        for found, side in ((real, REAL), (fake, FAKE)):
            places = (splits.side[b] == side).nonzero()[:, 0]
            assert float(found[b]) == pytest.approx(effective_number(pool.part(places), 0.8))


def test_bandwidths() -> None:
    rows = Rows.from_array([[0.0], [0.0], [4.0], [4.0]])  # variance 4, mean squared distance of two draws 8
    assert kernel_bandwidth(rows, None) == pytest.approx(sqrt(8) / 2)
    assert kernel_bandwidth(rows, 0.25) == 0.25
    assert kernel_bandwidth(Rows.from_array([[3.0], [3.0]]), None) == 1.0
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="is not possible"):
            kernel_bandwidth(rows, wrong)


def test_the_median_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = gaussian(101, 3, 0)
    between = sorted(float((rows[i] - rows[j]).norm()) for i, j in combinations(range(101), 2))
    assert median_distance(rows) == pytest.approx(between[(len(between) - 1) // 2])
    assert median_distance(torch.cat([rows, rows[:1].repeat(300, 1)])) < between[-1]
    assert median_distance(torch.tensor([[0.0], [0.0], [0.0], [2.0]])) == 2.0  # copies are no pairs
    assert median_distance(torch.ones(3, 2)) == 1.0
    monkeypatch.setattr(module, "MANY", 50)
    some = median_distance(rows)
    assert some == pytest.approx(between[len(between) // 2], rel=0.15)
    assert some == pytest.approx(median_distance(rows[torch.randperm(101, generator=torch.Generator().manual_seed(0))]))
    monkeypatch.setattr(module, "MANY", 2)  # the rows nearest to the mean and farthest from it
    assert median_distance(torch.tensor([[0.0], [1.0], [2.0], [10.0]])) == pytest.approx(8.0)
    assert median_distance(torch.tensor([[0.0], [3.0]])) == pytest.approx(3.0)


def test_subsets_need_enough_rows() -> None:
    assert [len(part) for part in draw_subsets(5, 6, 2, 5, 0)[1]] == [5, 5]
    assert len(set(draw_subsets(5, 6, 1, 5, 0)[0][0].tolist())) == 5
    with pytest.raises(TooFewSamples, match=r"subset_size=6 needs as many rows per side, real has 5"):
        draw_subsets(5, 6, 1, 6, 0)
    with pytest.raises(UsageError, match="at least 1 subset of 2 rows"):
        draw_subsets(5, 6, 0, 2, 0)
    with pytest.raises(UsageError, match="at least 1 subset of 2 rows"):
        draw_subsets(5, 6, 1, 1, 0)


def test_log_of_the_effective_number_is_the_order_2_entropy() -> None:
    weights = np.array([3, 1]) / 4
    rows = Rows.from_array([[0.0], [0.0], [0.0], [50.0]])
    assert log(effective_number(rows, 1.0)) == pytest.approx(-log(np.square(weights).sum()))


@pytest.mark.parametrize("own", [False, True])
def test_the_curvature_of_the_effective_number_is_that_of_two_modes(own: bool) -> None:
    """Two far modes with weights w and 1 - w: -ln (w² + (1 - w)²), which is largest and curved downwards at w = 1/2."""
    count, n = 240, 600
    rows = Rows.from_array(np.repeat([[0.0], [1.0]], [count, n - count], axis=0))
    weight, sigma = count / n, kernel_bandwidth(rows, None) if own else 0.05

    def log_number(w: float) -> float:
        width = np.sqrt(w * (1 - w) / 2) if own else sigma
        return -np.log(w**2 + (1 - w) ** 2 + 2 * w * (1 - w) * np.exp(-1 / width**2))

    spread = log_effective_number_spread(rows, sigma, own=own)
    slope = (log_number(weight + 1e-4) - log_number(weight - 1e-4)) / 2e-4
    linear = slope**2 * weight * (1 - weight) / n
    move = np.sqrt(linear) / slope
    ends = [log_number(weight + sign * move) for sign in (-1, 0, 1)]
    expected = (ends[0] - 2 * ends[1] + ends[2]) / 2 / np.sqrt(spread.variance)
    assert spread.curvature == pytest.approx(expected, rel=0.1)
    assert spread.curvature < -0.04


def test_the_curvature_is_that_of_the_direction_in_which_the_distance_moves() -> None:
    """|S d|² of a linear kernel from the covariances: the mean differs along a narrow axis, a wide one is oblique."""
    rng = np.random.default_rng(0)
    mixed = np.array([[1.0, 2.0], [0.0, 3.0]])
    real, fake = rng.normal(size=(400, 2)) @ mixed, rng.normal(size=(300, 2)) @ mixed - [3.0, 0.0]
    found = mmd2_spread(Rows.from_array(real), Rows.from_array(fake), PolynomialKernel(1, 1.0, 0.0))
    assert found is not None
    moved = (np.cov(real.T) / 400 + np.cov(fake.T) / 300) @ (real.mean(0) - fake.mean(0))
    curvature = 4 * moved @ moved / found.variance**1.5
    assert found.curvature == pytest.approx(curvature, rel=0.03)
    least = found.variance**0.5 / 4 / np.square(real.mean(0) - fake.mean(0)).sum()
    assert curvature > 1.5 * least
