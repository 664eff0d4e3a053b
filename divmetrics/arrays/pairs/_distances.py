"""Squared Euclidean distances between the rows of two sets: directly in float64, or bounded by matrix products.

The direct sum of squared differences is the reference. A matrix product is faster and gives lower and upper bounds:
with a = fl(x - c), b = fl(y - c) and any centre c, |x - y|² differs from |a|² + |b|² - 2ab by at most `bound`
(|a|² + |b|²). The sum of d products, in whatever order, is off by at most d u times the sum of their magnitudes
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1; u is the unit roundoff), and that sum is
at most |a||b| <= (|a|² + |b|²) / 2; rounding the rows adds 4.1 u, rounding the squared norms 1.1 u, two additions
4.1 u. The centre keeps |a| and |b| small for features that lie far from zero, and with them the bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock
from typing import Any, Self

import torch
from torch import Tensor

from divmetrics.arrays.devices import SharedSetting

BLOCK = 1024
"""Rows and columns of a block of pairs; beside the rows themselves, a few blocks are the largest thing in memory."""
WIDE = 128
"""Number of columns from which a float32 product saves more time than its wider error bound costs."""
FEW = 1 / 1024
"""Share of a block's pairs up to which computing them directly is faster than repeating the block in float64."""


def squared_distances(left: Tensor, right: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Squared Euclidean distances of pairs of rows, computed directly from their differences.

    The terms are added in a fixed binary tree: the same two rows give the same bits in any batch, in either order and
    on any device, so equal distances compare equal.

    Args:
        left: Rows `[u, d]`.
        right: Rows `[v, d]`.
        i: Row numbers `[p]` int64 into `left`, one a pair.
        j: Row numbers `[p]` int64 into `right`.

    Returns:
        `[p]` float64, in feature units squared.

    Example:
        >>> import torch
        >>> left, right = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0]])
        >>> squared_distances(left, right, torch.tensor([0, 1]), torch.tensor([0, 0])).tolist()
        [25.0, 13.0]
    """
    step = max(1, 2**18 // left.shape[1])  # stays in cache
    parts = zip(torch.split(i, step), torch.split(j, step), strict=True)
    return torch.cat([_tree_sum(left[a].double().sub_(right[b]).square_()) for a, b in parts])


def _tree_sum(terms: Tensor) -> Tensor:
    """Row sums of `[p, d]` by halving the columns until one is left; overwrites its argument."""
    width = terms.shape[1]
    while width > 1:
        half = width // 2
        terms[:, :half] += terms[:, width - half : width]
        width -= half
    return terms[:, 0].clone()


def blocks(n: int) -> list[slice]:
    """`range(n)` cut into slices of `BLOCK`; the last may be shorter."""
    return [slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]


def centre_of(left: Tensor, right: Tensor) -> Tensor:
    """Mean `[d]` of about a thousand rows of each set, in the finer of their dtypes: the centre of the products.

    Any point gives valid bounds; one near the samples gives tight ones.
    """
    means = [rows[:: 1 + len(rows) // 1024].double().mean(0) for rows in (left, right)]
    return ((means[0] + means[1]) / 2).to(torch.promote_types(left.dtype, right.dtype))


@contextmanager
def ieee_products(device: torch.device) -> Iterator[None]:
    """Matrix products inside are rounded as IEEE 754 demands, whatever the caller has set: no TF32, bfloat16, autocast.

    Args:
        device: Where the products run.
    """
    with _ieee("ieee"), torch.autocast(device.type, enabled=False), torch.no_grad():
        yield


@contextmanager
def _products(precision: str) -> Iterator[None]:
    before = _product_precision()
    _product_precision(precision, precision)
    try:
        yield
    finally:
        _product_precision(*before)


_ieee: SharedSetting[str] = SharedSetting(_products, ("ieee",))
"""The precision is a setting of the process: the last of the threads that are inside puts it back."""


def _product_precision(*wanted: str) -> tuple[str, ...]:
    """Set the precision of float32 products on CUDA and CPU to `wanted`, if given; returns the previous setting."""
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
    """The centred rows of a set in working precision, with a bound on the rounding error of distances to each row."""

    rows: Tensor  # [u, d] float32 or float64, centred
    low: Tensor  # [u] same dtype, (1 - bound) |row|²: its share of a lower bound of a squared distance
    error_bound: Tensor  # [u] float64, 2 bound |row|²: its share of the gap between lower and upper bound

    @classmethod
    def of(cls, sets: Sequence[Tensor], centre: Tensor, dtype: torch.dtype) -> Self:
        """Centre the rows of `sets` `[u, d]`, one set after the other, at `centre` `[d]` and round them to `dtype`."""
        width, finest, total = len(centre), torch.promote_types(centre.dtype, dtype), sum(map(len, sets))
        rows = torch.empty(total, width, dtype=dtype, device=centre.device)
        norms = torch.empty(total, dtype=torch.float64, device=centre.device)
        parts = (part for features in sets for part in torch.split(features, BLOCK))
        start = 0
        for part in parts:
            at = slice(start, start + len(part))
            rows[at] = part.to(finest) - centre
            norms[at] = rows[at].double().square().sum(1)
            start = at.stop
        # 16 units cover the constants above, 16 + d of float64 the norms here and the direct sum itself.
        bound = 1.01 * (width + 16) * (torch.finfo(dtype).eps / 2 + torch.finfo(torch.float64).eps)
        vanished = 4 * width * torch.finfo(dtype).tiny  # products that underflow to zero
        return cls(rows, (norms * (1 - bound) - vanished).to(dtype), 2 * bound * norms + 2 * vanished)

    @property
    def usable(self) -> bool:
        """Whether squared norms stay far from overflow and underflow of float32."""
        return 1e-30 < float(self.error_bound.max()) < 1e25


def lower_bounds(left: BoundedMatrix, right: BoundedMatrix, rows: slice | Tensor, columns: slice) -> Tensor:
    """Lower bounds of the squared distances of a block of pairs, from one matrix product.

    A lower bound plus the `error_bound` of its row and of its column is an upper bound.

    Args:
        left: The set whose rows are the rows of the block.
        right: The set whose rows are its columns.
        rows: Which rows of `left`.
        columns: Which rows of `right`.

    Returns:
        `[rows, columns]`, in the precision of the two matrices.
    """
    products = left.rows[rows] @ right.rows[columns].T
    return torch.add(left.low[rows][:, None], products, alpha=-2, out=products).add_(right.low[columns])


@dataclass(frozen=True, eq=False)
class Pairs:
    """Distance bounds of all pairs of two sets, or of one set with itself, evaluated block by block."""

    left: Tensor  # [u, d]
    right: Tensor  # [v, d]
    _making: Any = field(default_factory=RLock, repr=False)

    @cached_property
    def _float64(self) -> tuple[BoundedMatrix, BoundedMatrix]:
        return self._matrices(torch.float64)

    def _matrices(self, dtype: torch.dtype) -> tuple[BoundedMatrix, BoundedMatrix]:
        centre = centre_of(self.left, self.right)
        left = BoundedMatrix.of([self.left], centre, dtype)
        return left, left if self.right is self.left else BoundedMatrix.of([self.right], centre, dtype)

    @property
    def float64(self) -> tuple[BoundedMatrix, BoundedMatrix]:
        """Both sets in float64; made once, whichever of several threads asks first."""
        with self._making:
            return self._float64

    @cached_property
    def float32(self) -> tuple[BoundedMatrix, BoundedMatrix]:
        """Both sets in float32 where that is faster and its bounds are valid, else `float64`."""
        if self.left.shape[1] >= WIDE:
            matrices = self._matrices(torch.float32)
            if all(matrix.usable for matrix in matrices):
                return matrices
        return self.float64

    def ready(self) -> Self:
        """The same, once the bounds that every block reads are made, before several threads ask for them."""
        _ = self.float32
        return self

    def settle(
        self, rows: slice, columns: slice, i: Tensor, j: Tensor, low: Tensor, unsure: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """Squared distances of some pairs of a block: exact where their bounds leave a comparison open.

        Args:
            rows: Rows of the block.
            columns: Columns of the block.
            i: Row `[p]` of each pair within the block.
            j: Column `[p]` of each pair within the block.
            low: `lower_bounds` of the block, from `float32`.
            unsure: Lower and upper bounds `[p]` -> `[p]` bool, where they do not decide the comparison.

        Returns:
            `[p]` float64: the exact squared distance where `unsure`, else a lower bound on the same side.
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
    """Lower and upper bounds `[p]` float64 of the squared distances of pairs (i, j), from a block's lower bounds."""
    least = low[i, j].double()
    return least, least + matrices[0].error_bound[rows][i] + matrices[1].error_bound[columns][j]
