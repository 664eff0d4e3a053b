"""Squared distances twice over: directly, which is the truth, and by matrix products, which bound it from both sides.

With a = fl(x - c), b = fl(y - c) and any centre c, |x - y|² is close to |a|² + |b|² - 2ab, wrong by at most `bound`
(|a|² + |b|²): the sum of d products, in whatever order, is off by d u times the sum of their magnitudes (Higham,
Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1; u is the unit roundoff), and that sum is at most
|a||b| <= (|a|² + |b|²) / 2; rounding the rows adds 4.1 u, rounding the squared norms 1.1 u, two additions 4.1 u. The
centre keeps |a| and |b| small for features that lie far from zero, and with them the bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

BLOCK = 1024
"""Rows and columns of a block; beside the sheets, the largest thing in memory is a few blocks."""
WIDE = 128
"""From this width on a float32 product saves more than its wider bound costs."""
FEW = 1 / 1024
"""Up to this share of a block's pairs, computing them directly is faster than the block once more in float64."""


def squared_distances(left: Tensor, right: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Squared distances of `left[i]` and `right[j]` `[p]`, float64, computed from differences.

    A fixed tree of additions: the same two rows give the same bits in any batch, in either order, on any device, so
    ties are ties.
    """
    step = max(1, 2**18 // left.shape[1])  # stays in cache
    parts = zip(torch.split(i, step), torch.split(j, step), strict=True)
    return torch.cat([_tree_sum(left[a].double().sub_(right[b]).square_()) for a, b in parts])


def _tree_sum(terms: Tensor) -> Tensor:
    """Row sums of `[p, d]`, overwriting it."""
    width = terms.shape[1]
    while width > 1:
        half = width // 2
        terms[:, :half] += terms[:, width - half : width]
        width -= half
    return terms[:, 0].clone()


def blocks(n: int) -> list[slice]:
    """`range(n)` in slices of `BLOCK`."""
    return [slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]


def centre_of(left: Tensor, right: Tensor) -> Tensor:
    """A point `[d]` amid both sets, in the finer of their dtypes. Any would do; a thousand rows find a good one."""
    means = [rows[:: 1 + len(rows) // 1024].double().mean(0) for rows in (left, right)]
    return ((means[0] + means[1]) / 2).to(torch.promote_types(left.dtype, right.dtype))


@contextmanager
def ieee_products(device: torch.device) -> Iterator[None]:
    """Matrix products as IEEE 754 rounds them, whatever the caller allows: no TF32, no bfloat16, no autocast."""
    before = _product_precision()
    try:
        _product_precision("ieee", "ieee")
        with torch.autocast(device.type, enabled=False), torch.no_grad():
            yield
    finally:
        _product_precision(*before)


def _product_precision(*wanted: str) -> tuple[str, ...]:
    """Set the precision of float32 products on CUDA and CPU to `wanted`, if given; returns what it was."""
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        switches = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
        before = tuple(switch.fp32_precision for switch in switches)
        for switch, precision in zip(switches, wanted, strict=False):
            switch.fp32_precision = precision
        return before
    before = (torch.get_float32_matmul_precision(),)  # torch before 2.9 has one switch for all
    if wanted:
        torch.set_float32_matmul_precision("highest" if wanted[0] == "ieee" else wanted[0])
    return before


@dataclass(frozen=True, eq=False)
class BoundedMatrix:
    """A set ready for products, centred and in a working precision, and what rounding can do to each row."""

    rows: Tensor  # [u, d] float32 or float64
    low: Tensor  # [u] same dtype, (1 - bound) |row|²
    error_bound: Tensor  # [u] float64, 2 bound |row|²

    @classmethod
    def of(cls, features: Tensor, centre: Tensor, dtype: torch.dtype) -> Self:
        """Centre `features` `[u, d]` at `centre` `[d]`, round to `dtype`."""
        width, finest = features.shape[1], torch.promote_types(centre.dtype, dtype)
        rows = torch.empty_like(features, dtype=dtype)
        norms = torch.empty(len(features), dtype=torch.float64, device=features.device)
        for block in blocks(len(features)):
            rows[block] = features[block].to(finest) - centre
            norms[block] = rows[block].double().square().sum(1)
        # 16 units cover the constants above, 16 + d of float64 the norms here and the direct sum itself.
        bound = 1.01 * (width + 16) * (torch.finfo(dtype).eps / 2 + torch.finfo(torch.float64).eps)
        vanished = 4 * width * torch.finfo(dtype).tiny  # products that underflow to zero
        return cls(rows, (norms * (1 - bound) - vanished).to(dtype), 2 * bound * norms + 2 * vanished)

    @property
    def usable(self) -> bool:
        """Whether squares stay far from overflow and underflow."""
        return 1e-30 < float(self.error_bound.max()) < 1e25


def lower_bounds(left: BoundedMatrix, right: BoundedMatrix, rows: slice | Tensor, columns: slice) -> Tensor:
    """Lower bounds of the squared distances of a block `[rows, columns]`, in the sheets' precision.

    Adding the doubts of the row and of the column to one gives an upper bound.
    """
    products = left.rows[rows] @ right.rows[columns].T
    return torch.add(left.low[rows][:, None], products, alpha=-2, out=products).add_(right.low[columns])


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs of two sets (or of one with itself), looked at block by block."""

    left: Tensor  # [u, d]
    right: Tensor  # [v, d]

    def _matrices(self, dtype: torch.dtype) -> tuple[BoundedMatrix, BoundedMatrix]:
        centre = centre_of(self.left, self.right)
        left = BoundedMatrix.of(self.left, centre, dtype)
        return left, left if self.right is self.left else BoundedMatrix.of(self.right, centre, dtype)

    @cached_property
    def float64(self) -> tuple[BoundedMatrix, BoundedMatrix]:
        """Both sides in float64."""
        return self._matrices(torch.float64)

    @cached_property
    def float32(self) -> tuple[BoundedMatrix, BoundedMatrix]:
        """Both sides in float32 where that pays and holds, else `float64`."""
        if self.left.shape[1] >= WIDE:
            matrices = self._matrices(torch.float32)
            if all(matrix.usable for matrix in matrices):
                return matrices
        return self.float64

    def settle(
        self, rows: slice, columns: slice, i: Tensor, j: Tensor, low: Tensor, unsure: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """Squared distances `[p]` float64 of the pairs (i, j) of a block: exact where that matters, else a lower bound.

        `low` holds the block's `lower_bounds` of `float32`; `unsure(least, most)` says where bounds do not do.
        """
        least, most = _bounds(self.float32, rows, columns, i, j, low)
        undecided = unsure(least, most)
        if low.dtype == torch.float32 and int(undecided.sum()) > FEW * low.numel():
            least, most = _bounds(self.float64, rows, columns, i, j, lower_bounds(*self.float64, rows, columns))
            undecided = unsure(least, most)
        at = undecided.nonzero()[:, 0]
        least[at] = squared_distances(self.left[rows], self.right[columns], i[at], j[at])
        return least


def _bounds(
    matrices: tuple[BoundedMatrix, BoundedMatrix], rows: slice, columns: slice, i: Tensor, j: Tensor, low: Tensor
) -> tuple[Tensor, Tensor]:
    """Lower and upper bounds `[p]` float64 of the pairs (i, j) of a block whose lower bounds are `low`."""
    least = low[i, j].double()
    return least, least + matrices[0].error_bound[rows][i] + matrices[1].error_bound[columns][j]
