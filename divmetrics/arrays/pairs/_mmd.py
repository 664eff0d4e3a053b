"""Squared maximum mean discrepancy (MMD) of two sample sets: value, sampling variance, splits and subsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays import dist
from divmetrics.arrays.pairs._distances import centre_of, ieee_products
from divmetrics.arrays.pairs._kernel_sums import (
    CentredRows,
    Kernel,
    KernelSums,
    KernelSumsOnSplits,
    kernel_matrix,
    kernel_sums,
    weighted_kernel_sums,
)
from divmetrics.arrays.skewness import curvature_of_square, spread_of
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples, UsageError
from divmetrics.records.metric import Spread

Subset = tuple[Tensor, Tensor]
"""Row numbers of a subset of the real samples and of a subset of the fake samples, int64 `[size]` each."""
FLOOR = 0.7
"""Least variance, as a fraction of the contribution of pairs. The contribution of single samples has mean 0 where the
distributions are equal: cut off at 0 it would make intervals there 10 % too wide, without a floor low values would have
intervals that are too narrow."""


def mmd2(real: Rows, fake: Rows, kernel: Kernel, *, unbiased: bool = True) -> float:
    """Squared maximum mean discrepancy (unbiased U-statistic over all pairs, may be negative). Gretton 2012, eq. 3.

    Sums are float64; products have the precision of the features, which are centred first.

    Args:
        real: Real samples `[n, d]`.
        fake: Fake samples `[m, d]`.
        kernel: Gaussian or polynomial kernel.
        unbiased: False for the biased estimate, which pairs each sample with itself too (eq. 5); for kernels with
            k(x, x) = 1 (default True).

    Returns:
        The estimate; 0 in expectation for equal distributions where unbiased.

    Raises:
        TooFewSamples: A side has fewer than two samples, where unbiased.
        FeatureError: The two sets have different numbers of columns.

    Example:
        >>> from divmetrics.arrays.pairs._kernel_sums import PolynomialKernel
        >>> real, fake = Rows.from_array([[0.0], [2.0]]), Rows.from_array([[3.0], [5.0]])
        >>> mmd2(real, fake, PolynomialKernel(1, 1.0, 0.0))  # 0 * 2 + 3 * 5 - 2 * 1 * 4
        7.0
    """
    n, m = real.n, fake.n
    if unbiased and min(n, m) < 2:
        raise TooFewSamples(f"at least 2 rows per side are needed, got {n} and {m}; add samples.")
    own_real, own_fake, cross = (sums.total for sums in kernel_sums(real, fake, kernel))
    between = cross / (n * m)
    if not unbiased:
        return (own_real + n) / n**2 + (own_fake + m) / m**2 - 2 * between
    return own_real / (n * (n - 1)) + own_fake / (m * (m - 1)) - 2 * between


def mmd2_on_splits(sums: KernelSumsOnSplits, *, unbiased: bool = True) -> Tensor:
    """`mmd2` on every split of a pool.

    Args:
        sums: Kernel sums on the B splits.
        unbiased: As in `mmd2` (default True).

    Returns:
        `[B]` float64; NaN where a side has too few samples.
    """
    n, m, between = sums.n, sums.m, sums.across / (sums.n * sums.m)
    if not unbiased:
        return (2 * sums.real + n) / n**2 + (2 * sums.fake + m) / m**2 - 2 * between
    return 2 * sums.real / (n * (n - 1)) + 2 * sums.fake / (m * (m - 1)) - 2 * between


def mmd2_spread(real: Rows, fake: Rows, kernel: Kernel, size: int | None = None) -> Spread | None:
    """Sampling variance of `mmd2` over draws of both sides with its shape, by Hoeffding's decomposition.

    Single samples contribute 4 s²/n on each side, s² the variance over samples of their mean kernel with their own
    side less that with the other; this dominates where the distributions differ. Pairs contribute the mean square of
    the doubly centred kernel, which is all there is where the distributions are equal. 4 s²/n counts it twice, so it is
    subtracted once (the jackknife does not, and is twice too wide there). For the lower limit see `FLOOR`. The value is
    a squared distance in the space of the kernel, and curved like one.

    Args:
        real: Real samples `[n, d]`.
        fake: Fake samples `[m, d]`.
        kernel: Gaussian or polynomial kernel.
        size: Sample size on both sides that the variance is for (default None: those given).

    Returns:
        The spread; None below four samples a side.
    """
    n, m = real.n, fake.n
    if min(n, m) < 4:
        return None
    own_real, own_fake, cross = kernel_sums(real, fake, kernel)
    real_score = own_real.left / (n - 1) - cross.left / m
    fake_score = own_fake.left / (m - 1) - cross.right / n
    in_real, in_fake = centred_square(own_real, n), centred_square(own_fake, m)
    between = _centred_square_across(cross, n, m)
    single_real = float(real_score.var()) - in_real / (n - 1) - between / m
    single_fake = float(fake_score.var()) - in_fake / (m - 1) - between / n
    n, m = size or n, size or m
    pairs = 2 * in_real / (n * (n - 1)) + 2 * in_fake / (m * (m - 1)) + 4 * between / (n * m)
    single = 4 * single_real / n + 4 * single_fake / m
    variance = max(FLOOR * pairs, single + pairs)
    if variance <= 0:
        return Spread(0.0)
    linear = min(1.0, max(0.0, single / variance))
    value = own_real.total / (real.n * (real.n - 1)) + own_fake.total / (fake.n * (fake.n - 1))
    value -= 2 * cross.total / (real.n * fake.n)
    influence = [2 * score.cpu().numpy() for score in (real_score, fake_score)]
    weights = torch.cat([_centred(real_score) / (real.n * n), -_centred(fake_score) / (fake.n * m)])
    moved = float(weighted_kernel_sums(_joined(real, fake), weights[:, None], kernel))
    curvature = curvature_of_square(value, variance, linear, moved)
    # A small value has a small error too: it may stem from equal distributions, or be a low draw from different ones
    reserve = curvature_of_square(value, variance, moved=moved) - curvature
    return replace(spread_of(variance, influence, curvature=curvature, linear=linear), reserve=reserve)


def _centred(score: Tensor) -> Tensor:
    return score - score.mean()


def _joined(real: Rows, fake: Rows) -> Rows:
    """The samples of both sides as one set."""
    return Rows.from_array(torch.cat([real.features, fake.features]))


def mmd2_variance(real: Rows, fake: Rows, kernel: Kernel, size: int | None = None) -> float | None:
    """The variance of `mmd2_spread`."""
    found = mmd2_spread(real, fake, kernel, size)
    return None if found is None else found.variance


def centred_square(sums: KernelSums, n: int) -> float:
    """Unbiased mean square of the doubly centred kernel within a set (U-centring, Szekely and Rizzo 2014, sec. 2)."""
    rows = float(sums.left.square().sum())
    total = sums.squares - 2 * rows / (n - 2) + sums.total**2 / ((n - 1) * (n - 2))
    return max(total, 0.0) / (n * (n - 3))


def _centred_square_across(sums: KernelSums, n: int, m: int) -> float:
    """Mean square of the doubly centred kernel across n and m samples, with n - 1 and m - 1 degrees of freedom."""
    rows, columns = float(sums.left.square().sum()), float(sums.right.square().sum())
    return max(sums.squares - rows / m - columns / n + sums.total**2 / (n * m), 0.0) / ((n - 1) * (m - 1))


def mmd2_of_subsets(real: Tensor, fake: Tensor, kernel: Kernel, draws: Sequence[Subset]) -> Tensor:
    """`mmd2` of random subsets of the two sets, as KID averages them. Binkowski 2018, section 4.

    Args:
        real: Real samples `[n, d]`.
        fake: Fake samples `[m, d]`.
        kernel: Gaussian or polynomial kernel.
        draws: Row numbers of each pair of subsets; see `draw_subsets`.

    Returns:
        `[len(draws)]` float64.

    Raises:
        FeatureError: The two sets have different numbers of columns.
    """
    same_width(real.shape[1], fake.shape[1])

    def share(mine: range) -> Tensor:
        values = [_mmd2_of_subset(reals[i], fakes[j], kernel) for i, j in draws[mine.start : mine.stop]]
        return torch.tensor(values, dtype=torch.float64)

    with ieee_products(real.device):
        centre = centre_of(real, fake)
        reals, fakes = CentredRows.of(real, centre), CentredRows.of(fake, centre)
        return dist.spread(len(draws), share)


def _mmd2_of_subset(real: CentredRows, fake: CentredRows, kernel: Kernel) -> float:
    """The U-statistic of sets of at most some thousand rows, from whole kernel matrices."""
    value = -2 * float(kernel_matrix(real, fake, kernel).mean())
    for side in (real, fake):
        n = len(side.rows)
        value += float(kernel_matrix(side, side, kernel).fill_diagonal_(0).sum()) / (n * (n - 1))
    return value


def draw_subsets(n: int, m: int, subsets: int, size: int, seed: int) -> list[Subset]:
    """Random subsets of the real and of the fake samples, those of torch-fidelity with `rng_seed=seed`.

    Args:
        n: Number of real samples.
        m: Number of fake samples.
        subsets: Number of pairs of subsets.
        size: Rows of each subset, drawn without replacement.
        seed: Seed of numpy's legacy generator.

    Returns:
        Row numbers of each pair of subsets.

    Raises:
        UsageError: Fewer than 1 subset or than 2 rows are wanted.
        TooFewSamples: A side has fewer than `size` rows.
    """
    if subsets < 1 or size < 2:
        raise UsageError(f"{subsets} subsets of {size} rows: at least 1 subset of 2 rows is needed.")
    side, fewest = min(("real", n), ("fake", m), key=lambda pair: pair[1])
    if fewest < size:
        raise TooFewSamples(
            f"subset_size={size} needs as many rows per side, {side} has {fewest}. Lower it or add samples."
        )
    # The legacy generator, for its stream never changes and is the one that published numbers were drawn with.
    generator = np.random.RandomState(seed)
    sides = [[torch.from_numpy(generator.choice(rows, size, replace=False)) for rows in (n, m)] for _ in range(subsets)]
    return [(reals, fakes) for reals, fakes in sides]
