"""Sums of kernels over pairs, block by block: of each sample with its own side and with the other, and over splits."""

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
"""Samples from which a typical distance is taken; its error is then below 1 %."""


class Kernel(Protocol):
    """A function of an inner product or of a distance, both of which are `weight` ab + a term a row + one a column."""

    @property
    def weight(self) -> float:
        """What the products of the centred rows are multiplied by."""

    def terms(self, factors: CentredRows) -> Tensor:
        """What is added for each row, `[n]` float64."""

    def __call__(self, block: Tensor) -> Tensor:
        """Kernel values of a float64 block, in place."""


@dataclass(frozen=True)
class PolynomialKernel:
    """The kernel (gamma xy + coef0) ** degree."""

    degree: int
    gamma: float
    coef0: float
    weight: float = field(default=1.0, init=False)

    def terms(self, factors: CentredRows) -> Tensor:
        """xy = ab + shift_x + shift_y."""
        return factors.shift

    def __call__(self, block: Tensor) -> Tensor:
        """Kernel values of a block of inner products, in place."""
        return block.mul_(self.gamma).add_(self.coef0).pow_(self.degree)


@dataclass(frozen=True)
class GaussianKernel:
    """The kernel exp(-|x - y|² / (2 sigma²)); its square is the one of sigma / sqrt 2."""

    sigma: float
    weight: float = field(default=-2.0, init=False)

    def terms(self, factors: CentredRows) -> Tensor:
        """|x - y|² = -2ab + |a|² + |b|²."""
        return factors.square

    def __call__(self, block: Tensor) -> Tensor:
        """Kernel values of a block of squared distances, in place; below 0 they are round-off of equal rows."""
        return block.clamp_(min=0).mul_(-0.5 / self.sigma**2).exp_()


@dataclass(frozen=True, eq=False)
class CentredRows:
    """Rows such that xy = ab + shift_x + shift_y with a = x - c: what float32 rounds is small, the rest is float64.

    A polynomial kernel is not translation invariant, so the means cannot just be dropped.
    """

    rows: Tensor  # [n, d] centred, in the precision of the features
    shift: Tensor  # [n] float64, cx - cc / 2
    square: Tensor  # [n] float64, aa

    @classmethod
    def of(cls, features: Tensor, centre: Tensor) -> CentredRows:
        """Factors of `features` `[n, d]` about `centre` `[d]`."""
        exact = centre.double()
        rows = features - centre
        shift = torch.cat([features[part].double() @ exact for part in blocks(len(features))])
        square = torch.cat([rows[part].double().square().sum(1) for part in blocks(len(features))])
        return cls(rows, shift - exact @ exact / 2, square)

    def __getitem__(self, rows: slice | Tensor) -> CentredRows:
        return CentredRows(self.rows[rows], self.shift[rows], self.square[rows])


def kernel_matrix(left: CentredRows, right: CentredRows, kernel: Kernel) -> Tensor:
    """The kernel of all pairs, `[n, m]` float64."""
    products = (left.rows @ right.rows.T).double().mul_(kernel.weight)
    return kernel(products.add_(kernel.terms(left)[:, None]).add_(kernel.terms(right)))


@dataclass(frozen=True, eq=False)
class KernelSums:
    """Sums of a kernel over the pairs of two sets, or over the pairs of two different samples of one."""

    left: Tensor  # [n] over the partners of each sample
    right: Tensor  # [m]; of one set the same as `left`
    squares: float
    """Sum of the squared kernel; of one set over ordered pairs."""

    @property
    def total(self) -> float:
        """Sum of the kernel; of one set over ordered pairs."""
        return float(self.left.sum())


def kernel_sums_within(rows: Rows, kernel: Kernel) -> KernelSums:
    """Sums over all pairs of two different samples of a set; remembered beside it."""

    def compute() -> KernelSums:
        with ieee_products(rows.features.device):
            factors = CentredRows.of(rows.features, centre_of(rows.features, rows.features))
            return _sums(factors, factors, kernel)

    return once((rows,), ("kernel sums within", kernel), compute)


def kernel_sums(real: Rows, fake: Rows, kernel: Kernel) -> tuple[KernelSums, KernelSums, KernelSums]:
    """Sums within the reals, within the fakes and across; remembered beside the two sets.

    All about one centre, so that what rounding does to a row is the same in all three and cancels in their difference.
    Raises FeatureError on different widths.
    """

    def compute() -> tuple[KernelSums, KernelSums, KernelSums]:
        same_width(real.d, fake.d)
        with ieee_products(real.features.device):
            centre = centre_of(real.features, fake.features)
            reals, fakes = CentredRows.of(real.features, centre), CentredRows.of(fake.features, centre)
            return _sums(reals, reals, kernel), _sums(fakes, fakes, kernel), _sums(reals, fakes, kernel)

    return once((real, fake), ("kernel sums within and across", kernel), compute)


def _tasks(n: int, m: int | None) -> list[tuple[slice, slice]]:
    """Blocks of n rows and m columns; of one set (m None) those on and above the diagonal."""
    columns = blocks(n if m is None else m)
    return [(r, c) for r in blocks(n) for c in columns if m is not None or r.start <= c.start]


def _sums(left: CentredRows, right: CentredRows, kernel: Kernel) -> KernelSums:
    """Row and column sums; each block keeps its own, so that any number of processes adds them in one order."""
    same = left is right
    tasks = _tasks(len(left.rows), None if same else len(right.rows))

    def share(mine: range) -> Tensor:
        found = torch.zeros(len(mine), 2, BLOCK + 1, dtype=torch.float64, device=left.rows.device)
        for slot, (rows, columns) in zip(found, tasks[mine.start : mine.stop], strict=True):
            block = kernel_matrix(left[rows], right[columns], kernel)
            if same and rows == columns:
                block.fill_diagonal_(0)
            slot[0, : len(block)] = block.sum(1)
            if not (same and rows == columns):
                slot[1, : block.shape[1]] = block.sum(0)
            slot[0, -1] = block.square_().sum() * (2 if same and rows != columns else 1)
        return found

    found = dist.spread(len(tasks), share)
    of_rows, of_columns = (found.new_zeros(len(side.rows)) for side in (left, right))
    for slot, (rows, columns) in zip(found, tasks, strict=True):
        of_rows[rows] += slot[0, : rows.stop - rows.start]
        of_columns[columns] += slot[1, : columns.stop - columns.start]
    if same:
        of_rows = of_columns = of_rows + of_columns
    return KernelSums(of_rows, of_columns, float(found[:, 0, -1].sum()))


@dataclass(frozen=True, eq=False)
class KernelSumsOnSplits:
    """Sums of a kernel for each split of a pool, `[B]` float64: over pairs within each side and across."""

    real: Tensor  # over unordered pairs of two different reals
    fake: Tensor
    across: Tensor
    n: Tensor  # reals of each split
    m: Tensor


def kernel_sums_on_splits(whole: Rows, kernel: Kernel, splits: Splits) -> KernelSumsOnSplits:
    """The sums of all splits from one pass: each block of the kernel is multiplied with who is real and who is fake."""
    with ieee_products(whole.features.device):
        factors = CentredRows.of(whole.features, centre_of(whole.features, whole.features))
        side = splits.side.T.to(factors.rows.device)  # [n + m, B]
        reals, fakes = (side == REAL).double(), (side == FAKE).double()
        both, count = torch.cat([reals, fakes], 1), len(splits)
        tasks = _tasks(whole.n, None)

        def share(mine: range) -> Tensor:
            found = torch.zeros(len(mine), 3, count, dtype=torch.float64, device=side.device)
            for slot, (rows, columns) in zip(found, tasks[mine.start : mine.stop], strict=True):
                block = kernel_matrix(factors[rows], factors[columns], kernel)
                if rows == columns:
                    block.fill_diagonal_(0).mul_(0.5)  # holds both orders of a pair
                partners = block @ both[columns]
                with_reals, with_fakes = partners[:, :count], partners[:, count:]
                slot[0] = (reals[rows] * with_reals).sum(0)
                slot[1] = (fakes[rows] * with_fakes).sum(0)
                slot[2] = (reals[rows] * with_fakes).sum(0) + (fakes[rows] * with_reals).sum(0)
            return found

        total = dist.spread(len(tasks), share).sum(0)
    return KernelSumsOnSplits(total[0], total[1], total[2], reals.sum(0), fakes.sum(0))


def median_distance(features: Tensor) -> float:
    """Median distance of two different rows of `[n, d]`, the usual bandwidth of a Gaussian kernel; 1 if all coincide.

    Repeated rows are left out, for a bandwidth of 0 sees nothing. Beyond `MANY` rows it is taken over that many of
    them, evenly spread in the order of their distance from the mean, which no shuffling or rotation changes.
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
