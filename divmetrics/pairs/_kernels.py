"""Sums of kernels over pairs, and the maximum mean discrepancy that they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from divmetrics import dist
from divmetrics.errors import TooFewSamples, UsageError
from divmetrics.pairs._distances import blocks, centre_of, ieee_products
from divmetrics.summaries import same_width

Kernel = Callable[[Tensor], Tensor]
"""Inner products, a float64 block that may be overwritten -> kernel values."""
Draw = tuple[Tensor, Tensor]
"""Row numbers of one subset of the reals and one of the fakes, int64."""


@dataclass(frozen=True)
class Polynomial:
    """The kernel (gamma xy + coef0) ** degree."""

    degree: int
    gamma: float
    coef0: float

    def __call__(self, products: Tensor) -> Tensor:
        """Kernel values of a block of inner products, in place."""
        return products.mul_(self.gamma).add_(self.coef0).pow_(self.degree)


@dataclass(frozen=True, eq=False)
class _Factors:
    """Rows such that xy = ab + shift_x + shift_y with a = x - c: what float32 rounds is small, the rest is float64.

    A polynomial kernel is not translation invariant, so the means cannot just be dropped.
    """

    rows: Tensor  # [n, d] centred, in the precision of the features
    shift: Tensor  # [n] float64, cx - cc / 2

    @classmethod
    def of(cls, features: Tensor, centre: Tensor) -> Self:
        """Factors of `features` `[n, d]` about `centre` `[d]`."""
        exact = centre.double()
        shift = torch.cat([features[rows].double() @ exact for rows in blocks(len(features))])
        return cls(features - centre, shift - exact @ exact / 2)

    def __getitem__(self, rows: slice | Tensor) -> _Factors:
        return _Factors(self.rows[rows], self.shift[rows])


def _factors(real: Tensor, fake: Tensor) -> tuple[_Factors, _Factors]:
    same_width(real.shape[1], fake.shape[1])
    centre = centre_of(real, fake)
    return _Factors.of(real, centre), _Factors.of(fake, centre)


def mmd2(real: Tensor, fake: Tensor, kernel: Kernel) -> float:
    """Squared maximum mean discrepancy of `[n, d]` and `[m, d]`, unbiased U-statistic over all pairs; may be negative.

    Gretton 2012, eq. 3. Sums are float64; products have the precision of the features, which are centred first.
    Raises TooFewSamples below two rows per side.
    """
    if min(len(real), len(fake)) < 2:
        raise TooFewSamples(f"at least 2 rows per side are needed, got {len(real)} and {len(fake)}; add samples.")
    with ieee_products(real.device):
        return float(_mmd2(*_factors(real, fake), kernel, dist.spread))


def mmd2_subsets(real: Tensor, fake: Tensor, kernel: Kernel, draws: Sequence[Draw]) -> Tensor:
    """`mmd2` of each of the subsets that `draws` names, `[len(draws)]` float64. Binkowski 2018, section 4."""

    def share(mine: range) -> Tensor:
        found = [float(_mmd2(reals[i], fakes[j], kernel, _alone)) for i, j in draws[mine.start : mine.stop]]
        return torch.tensor(found, dtype=torch.float64)

    with ieee_products(real.device):
        reals, fakes = _factors(real, fake)
        return dist.spread(len(draws), share)


def draw_subsets(n: int, m: int, subsets: int, size: int, seed: int) -> list[Draw]:
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


Spread = Callable[[int, Callable[[range], Tensor]], Tensor]


def _alone(n: int, function: Callable[[range], Tensor]) -> Tensor:
    """`dist.spread` for work that is itself one rank's share."""
    return function(range(n))


def _mmd2(real: _Factors, fake: _Factors, kernel: Kernel, spread: Spread) -> Tensor:
    n, m = len(real.rows), len(fake.rows)
    within = _total(real, real, kernel, spread) / (n * (n - 1)) + _total(fake, fake, kernel, spread) / (m * (m - 1))
    return within - 2 * _total(real, fake, kernel, spread) / (n * m)


def _total(left: _Factors, right: _Factors, kernel: Kernel, spread: Spread) -> Tensor:
    """Sum of the kernel over all pairs; of a set with itself over all ordered pairs of two different samples."""
    same = left is right
    tasks = [
        (rows, columns)
        for rows in blocks(len(left.rows))
        for columns in blocks(len(right.rows))
        if not same or rows.start <= columns.start
    ]

    def share(mine: range) -> Tensor:
        sums = torch.zeros(len(mine), dtype=torch.float64, device=left.rows.device)
        for slot, task in enumerate(mine):
            rows, columns = tasks[task]
            products = (left.rows[rows] @ right.rows[columns].T).double()
            values = kernel(products.add_(left.shift[rows][:, None]).add_(right.shift[columns]))
            if same and rows == columns:
                sums[slot] = values.sum() - values.diagonal().sum()
            else:
                sums[slot] = values.sum() * (2 if same else 1)  # of one set, a block stands for its mirror image too
        return sums

    return spread(len(tasks), share).sum()
