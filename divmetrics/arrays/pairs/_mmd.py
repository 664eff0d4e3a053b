"""The maximum mean discrepancy: what kernel sums say of two sets, how sure that is, and what any split would score."""

from __future__ import annotations

from collections.abc import Sequence

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
)
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples, UsageError

Subset = tuple[Tensor, Tensor]
"""Row numbers of one subset of the reals and one of the fakes, int64."""
FLOOR = 0.7
"""Of the pairs' part a variance is at least this much. The other part has mean 0 where distributions are equal, and to
cut it off at 0 would make intervals there 10 % too wide; without a floor, low values would have too narrow ones."""


def mmd2(real: Rows, fake: Rows, kernel: Kernel, *, unbiased: bool = True) -> float:
    """Squared maximum mean discrepancy, U-statistic over all pairs; may be negative. Gretton 2012, eq. 3.

    Sums are float64; products have the precision of the features, which are centred first.
    `unbiased=False` counts each sample with itself too, for kernels with k(x, x) = 1 (eq. 5).
    Raises TooFewSamples below two rows per side, where unbiased.
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
    """`mmd2` of each split, `[B]`; NaN where a side has too few samples."""
    n, m, between = sums.n, sums.m, sums.across / (sums.n * sums.m)
    if not unbiased:
        return (2 * sums.real + n) / n**2 + (2 * sums.fake + m) / m**2 - 2 * between
    return 2 * sums.real / (n * (n - 1)) + 2 * sums.fake / (m * (m - 1)) - 2 * between


def mmd2_variance(real: Rows, fake: Rows, kernel: Kernel, size: int | None = None) -> float | None:
    """Sampling variance of `mmd2`, both sides random; None below four rows a side.

    Hoeffding's decomposition has two parts. What single samples do, 4 s²/n of each side with s² the variance of their
    mean kernel with the own side less that with the other, rules off the null. What pairs do, the squares of the doubly
    centred kernel, is all there is where the distributions are equal; 4 s²/n counts it twice, so once is taken off
    (the jackknife, which does not, is twice too wide there). The pairs' part is a lower bound; see `FLOOR`.
    `size`: of samples of that size on both sides, drawn from the same distributions.
    """
    n, m = real.n, fake.n
    if min(n, m) < 4:
        return None
    own_real, own_fake, cross = kernel_sums(real, fake, kernel)
    real_score = own_real.left / (n - 1) - cross.left / m
    fake_score = own_fake.left / (m - 1) - cross.right / n
    in_real, in_fake, between = centred_square(own_real, n), centred_square(own_fake, m), _crossed_square(cross, n, m)
    single_real = float(real_score.var()) - in_real / (n - 1) - between / m
    single_fake = float(fake_score.var()) - in_fake / (m - 1) - between / n
    n, m = size or n, size or m
    pairs = 2 * in_real / (n * (n - 1)) + 2 * in_fake / (m * (m - 1)) + 4 * between / (n * m)
    return max(FLOOR * pairs, 4 * single_real / n + 4 * single_fake / m + pairs)


def centred_square(sums: KernelSums, n: int) -> float:
    """Unbiased mean square of the doubly centred kernel within a set (U-centring, Szekely and Rizzo 2014, sec. 2)."""
    rows = float(sums.left.square().sum())
    total = sums.squares - 2 * rows / (n - 2) + sums.total**2 / ((n - 1) * (n - 2))
    return max(total, 0.0) / (n * (n - 3))


def _crossed_square(sums: KernelSums, n: int, m: int) -> float:
    """The same across two sets."""
    rows, columns = float(sums.left.square().sum()), float(sums.right.square().sum())
    return max(sums.squares - rows / m - columns / n + sums.total**2 / (n * m), 0.0) / ((n - 1) * (m - 1))


def mmd2_of_subsets(real: Tensor, fake: Tensor, kernel: Kernel, draws: Sequence[Subset]) -> Tensor:
    """`mmd2` of each of the subsets that `draws` names, `[len(draws)]` float64. Binkowski 2018, section 4."""
    same_width(real.shape[1], fake.shape[1])

    def share(mine: range) -> Tensor:
        found = [_of_subset(reals[i], fakes[j], kernel) for i, j in draws[mine.start : mine.stop]]
        return torch.tensor(found, dtype=torch.float64)

    with ieee_products(real.device):
        centre = centre_of(real, fake)
        reals, fakes = CentredRows.of(real, centre), CentredRows.of(fake, centre)
        return dist.spread(len(draws), share)


def _of_subset(real: CentredRows, fake: CentredRows, kernel: Kernel) -> float:
    """The U-statistic of sets of thousands at most, their kernels held whole."""
    found = -2 * float(kernel_matrix(real, fake, kernel).mean())
    for side in (real, fake):
        n = len(side.rows)
        found += float(kernel_matrix(side, side, kernel).fill_diagonal_(0).sum()) / (n * (n - 1))
    return found


def draw_subsets(n: int, m: int, subsets: int, size: int, seed: int) -> list[Subset]:
    """`subsets` draws of `size` different rows of n reals and m fakes: those of torch-fidelity with `rng_seed=seed`.

    Raises TooFewSamples where a side has fewer rows than that.
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
