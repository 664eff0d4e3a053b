"""Sums of a kernel over all pairs of samples, block by block: for each sample and in total, also on many splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from divmetrics.arrays import dist
from divmetrics.arrays.linalg import float64
from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs._distances import BLOCK, blocks, centre_of, ieee_products
from divmetrics.arrays.splits import FAKE, REAL, Splits
from divmetrics.arrays.summaries import Rows, same_width

MANY = 1024
"""Greatest number of rows that the median distance is computed from; its error is then below 1 %."""


class Kernel(Protocol):
    """A kernel that is a function of the inner product or of the squared distance of two rows.

    Either is `weight` times the product of the centred rows, plus a term of each row.
    """

    @property
    def weight(self) -> float:
        """Factor of the products of the centred rows."""

    def terms(self, rows: CentredRows) -> Tensor:
        """Term of each row, `[n]` float64."""

    def __call__(self, block: Tensor) -> Tensor:
        """Kernel values of a float64 block, in place."""


@dataclass(frozen=True)
class PolynomialKernel:
    """The polynomial kernel (gamma x'y + coef0) ** degree."""

    degree: int
    gamma: float
    coef0: float
    weight: float = field(default=1.0, init=False)

    def terms(self, rows: CentredRows) -> Tensor:
        """Shifts `[n]`: x'y = a'b + shift_x + shift_y."""
        return rows.shift

    def __call__(self, block: Tensor) -> Tensor:
        """Kernel values of a block of inner products, in place."""
        return block.mul_(self.gamma).add_(self.coef0).pow_(self.degree)


@dataclass(frozen=True)
class GaussianKernel:
    """The Gaussian kernel exp(-|x - y|² / (2 sigma²)), sigma in feature units; its square is that of sigma / sqrt 2."""

    sigma: float
    weight: float = field(default=-2.0, init=False)

    def terms(self, rows: CentredRows) -> Tensor:
        """Squared norms `[n]`: |x - y|² = -2 a'b + |a|² + |b|²."""
        return rows.square

    def __call__(self, block: Tensor) -> Tensor:
        """Kernel values of a block of squared distances, in place; negative ones are round-off of equal rows."""
        return block.clamp_(min=0).mul_(-0.5 / self.sigma**2).exp_()


@dataclass(frozen=True, eq=False)
class CentredRows:
    """Rows a = x - c about a centre c, and the float64 terms that restore their inner products: x'y = a'b + shifts.

    Float32 rounds only the small a'b. A polynomial kernel is not translation invariant, so the centre must be restored.
    """

    rows: Tensor  # [n, d] centred, in the precision of the features
    shift: Tensor  # [n] float64, c'x - c'c / 2
    square: Tensor  # [n] float64, |a|²

    @classmethod
    def of(cls, features: Tensor, centre: Tensor) -> CentredRows:
        """Rows of `features` `[n, d]` about `centre` `[d]`."""
        exact = centre.double()
        rows = features - centre
        shift = torch.cat([features[part].double() @ exact for part in blocks(len(features))])
        square = torch.cat([rows[part].double().square().sum(1) for part in blocks(len(features))])
        return cls(rows, shift - exact @ exact / 2, square)

    def __getitem__(self, rows: slice | Tensor) -> CentredRows:
        return CentredRows(self.rows[rows], self.shift[rows], self.square[rows])


def kernel_matrix(left: CentredRows, right: CentredRows, kernel: Kernel) -> Tensor:
    """Kernel matrix `[n, m]` float64 of all pairs of rows."""
    products = (left.rows @ right.rows.T).double().mul_(kernel.weight)
    return kernel(products.add_(kernel.terms(left)[:, None]).add_(kernel.terms(right)))


@dataclass(frozen=True, eq=False)
class KernelSums:
    """Sums of a kernel over all pairs of two sets, or over all pairs of two different samples of one set."""

    left: Tensor  # [n] float64, over the partners of each sample
    right: Tensor  # [m] float64; for one set the same as `left`
    squares: float
    """Sum of the squared kernel; for one set over ordered pairs."""

    @property
    def total(self) -> float:
        """Sum of the kernel; for one set over ordered pairs."""
        return float(self.left.sum())


def kernel_sums_within(rows: Rows, kernel: Kernel) -> KernelSums:
    """Kernel sums over all pairs of two different samples of a set; computed once for each set and kernel.

    Args:
        rows: Samples `[n, d]`.
        kernel: Gaussian or polynomial kernel.

    Returns:
        The sums, float64.

    Example:
        >>> from divmetrics.arrays.summaries import Rows
        >>> kernel_sums_within(Rows.from_array([[1.0], [2.0], [3.0]]), PolynomialKernel(1, 1.0, 0.0)).left.tolist()
        [5.0, 8.0, 9.0]
    """

    def compute() -> KernelSums:
        with ieee_products(rows.features.device):
            centred = CentredRows.of(rows.features, centre_of(rows.features, rows.features))
            return _sums(centred, centred, kernel)

    return once((rows,), ("kernel sums within", kernel), compute)


def kernel_sums(real: Rows, fake: Rows, kernel: Kernel) -> tuple[KernelSums, KernelSums, KernelSums]:
    """Kernel sums within the real samples, within the fake samples and across; computed once for each pair of sets.

    All are computed about one centre, so that the rounding of a row is the same in all three and cancels in their
    difference.

    Args:
        real: Real samples `[n, d]`.
        fake: Fake samples `[m, d]`.
        kernel: Gaussian or polynomial kernel.

    Returns:
        The three sums, float64.

    Raises:
        FeatureError: The two sets have different numbers of columns.
    """

    def compute() -> tuple[KernelSums, KernelSums, KernelSums]:
        same_width(real.d, fake.d)
        with ieee_products(real.features.device):
            centre = centre_of(real.features, fake.features)
            reals, fakes = CentredRows.of(real.features, centre), CentredRows.of(fake.features, centre)
            return _sums(reals, reals, kernel), _sums(fakes, fakes, kernel), _sums(reals, fakes, kernel)

    return once((real, fake), ("kernel sums within and across", kernel), compute)


def _tasks(n: int, m: int | None) -> list[tuple[slice, slice]]:
    """Blocks of n rows and m columns; for one set (m None) those on and above the diagonal."""
    columns = blocks(n if m is None else m)
    return [(r, c) for r in blocks(n) for c in columns if m is not None or r.start <= c.start]


def _sums(left: CentredRows, right: CentredRows, kernel: Kernel) -> KernelSums:
    """Row and column sums; kept apart for each block, so that any number of processes adds them in the same order."""
    same = left is right
    tasks = _tasks(len(left.rows), None if same else len(right.rows))

    def share(mine: range) -> Tensor:
        of_blocks = torch.zeros(len(mine), 2, BLOCK + 1, dtype=torch.float64, device=left.rows.device)
        for slot, (rows, columns) in zip(of_blocks, tasks[mine.start : mine.stop], strict=True):
            block = kernel_matrix(left[rows], right[columns], kernel)
            if same and rows == columns:
                block.fill_diagonal_(0)
            slot[0, : len(block)] = block.sum(1)
            if not (same and rows == columns):
                slot[1, : block.shape[1]] = block.sum(0)
            slot[0, -1] = block.square_().sum() * (2 if same and rows != columns else 1)
        return of_blocks

    of_blocks = dist.spread(len(tasks), share)
    of_rows, of_columns = (of_blocks.new_zeros(len(side.rows)) for side in (left, right))
    for slot, (rows, columns) in zip(of_blocks, tasks, strict=True):
        of_rows[rows] += slot[0, : rows.stop - rows.start]
        of_columns[columns] += slot[1, : columns.stop - columns.start]
    if same:
        of_rows = of_columns = of_rows + of_columns
    return KernelSums(of_rows, of_columns, float(of_blocks[:, 0, -1].sum()))


@dataclass(frozen=True, eq=False)
class KernelSumsOnSplits:
    """Sums of a kernel over pairs within each side and across the sides, on each split of a pool; `[B]` float64."""

    real: Tensor  # over unordered pairs of two different real samples
    fake: Tensor  # the same of fake samples
    across: Tensor  # over pairs of a real and a fake sample
    n: Tensor  # number of real samples
    m: Tensor  # number of fake samples


def kernel_sums_on_splits(whole: Rows, kernel: Kernel, splits: Splits) -> KernelSumsOnSplits:
    """Kernel sums on every split of a pool, from one pass: blocks of the kernel times the indicators of the sides.

    Args:
        whole: The pooled samples `[N, d]`, real ones first.
        kernel: Gaussian or polynomial kernel.
        splits: B assignments of them to the two sides.

    Returns:
        The sums, `[B]` float64 each.
    """
    with ieee_products(whole.features.device):
        centred = CentredRows.of(whole.features, centre_of(whole.features, whole.features))
        side = splits.side.T.to(centred.rows.device)  # [n + m, B]
        reals, fakes = (side == REAL).double(), (side == FAKE).double()
        both, count = torch.cat([reals, fakes], 1), len(splits)
        tasks = _tasks(whole.n, None)

        def share(mine: range) -> Tensor:
            of_blocks = torch.zeros(len(mine), 3, count, dtype=torch.float64, device=side.device)
            for slot, (rows, columns) in zip(of_blocks, tasks[mine.start : mine.stop], strict=True):
                block = kernel_matrix(centred[rows], centred[columns], kernel)
                if rows == columns:
                    block.fill_diagonal_(0).mul_(0.5)  # it holds both orders of a pair
                partners = block @ both[columns]
                with_reals, with_fakes = partners[:, :count], partners[:, count:]
                slot[0] = (reals[rows] * with_reals).sum(0)
                slot[1] = (fakes[rows] * with_fakes).sum(0)
                slot[2] = (reals[rows] * with_fakes).sum(0) + (fakes[rows] * with_reals).sum(0)
            return of_blocks

        total = dist.spread(len(tasks), share).sum(0)
    return KernelSumsOnSplits(total[0], total[1], total[2], reals.sum(0), fakes.sum(0))


def weighted_kernel_sums(rows: Rows, weights: Tensor, kernel: Kernel) -> Tensor:
    """Sums of a kernel over ordered pairs of two different samples that have weights, for several sets of weights.

    Args:
        rows: Samples `[n, d]`.
        weights: Weights `[n, B]` float64.
        kernel: Gaussian or polynomial kernel.

    Returns:
        The sums, `[B]` float64.
    """
    with ieee_products(rows.features.device):
        centred = CentredRows.of(rows.features, centre_of(rows.features, rows.features))
        tasks = _tasks(rows.n, None)

        def share(mine: range) -> Tensor:
            of_blocks = torch.zeros(len(mine), weights.shape[1], dtype=torch.float64, device=weights.device)
            for slot, (left, right) in zip(of_blocks, tasks[mine.start : mine.stop], strict=True):
                block = kernel_matrix(centred[left], centred[right], kernel)
                if left == right:
                    block.fill_diagonal_(0)
                slot += (weights[left] * (block @ weights[right])).sum(0) * (1 if left == right else 2)
            return of_blocks

        return dist.spread(len(tasks), share).sum(0)


def median_distance(features: Tensor) -> float:
    """Median distance of two different rows, the usual bandwidth of a Gaussian kernel ("median heuristic").

    Pairs of equal rows are left out, because a bandwidth of 0 distinguishes nothing. Of more than `MANY` rows it is
    computed from that many of them, evenly spaced in the order of their distance from the mean, which no shuffling or
    rotation changes.

    Args:
        features: Rows `[n, d]`.

    Returns:
        The distance in feature units; 1 if all rows coincide.

    Example:
        >>> import torch
        >>> median_distance(torch.tensor([[0.0], [1.0], [4.0], [4.0]]))  # of the distances 1, 3, 3, 4 and 4
        3.0
    """
    rows = float64(features)
    rows = rows - rows.mean(0)
    square = rows.square().sum(1)
    if len(rows) > MANY:
        chosen = square.argsort(stable=True)[torch.linspace(0, len(rows) - 1, MANY, device=rows.device).round().long()]
        rows, square = rows[chosen], square[chosen]
    size = square[:, None] + square
    squared = size - 2 * (rows @ rows.T)
    i, j = torch.triu_indices(len(rows), len(rows), 1, device=rows.device)
    squared, size = squared[i, j], size[i, j]
    apart = squared[squared > 1e-12 * size]
    return float(apart.median().sqrt()) if len(apart) else 1.0
