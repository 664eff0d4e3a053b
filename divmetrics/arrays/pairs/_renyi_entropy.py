"""Collision entropy of a Gaussian kernel: how many samples are worth counting as different, on one side or split."""

from __future__ import annotations

from math import log, sqrt

from torch import Tensor

from divmetrics.arrays.linalg import float64
from divmetrics.arrays.pairs._kernel_sums import GaussianKernel, kernel_sums_on_splits, kernel_sums_within
from divmetrics.arrays.pairs._mmd import centred_square
from divmetrics.arrays.splits import Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError

STEP = 0.02
"""Relative step of the derivative by the bandwidth."""


def kernel_bandwidth(rows: Rows, sigma: float | None) -> float:
    """`sigma`, or half the root mean square distance of two rows where it is None. Raises UsageError for one <= 0.

    Half, because at the typical distance itself all pairs look alike where distances concentrate, as they do in high
    dimension; root mean square and not the median, because it is smooth: the interval follows it.
    """
    if sigma is not None and not sigma > 0:
        raise UsageError(f"sigma={sigma} is not possible; give a length above 0, or none for one from the data.")
    if sigma is not None:
        return sigma
    squares = float(_squares(rows).mean())
    return sqrt(squares / 2) or 1.0  # of two independent rows the mean squared distance is twice that from the mean


def _squares(rows: Rows) -> Tensor:
    """Squared distances from the mean, `[n]`."""
    centred = float64(rows.features)
    return (centred - centred.mean(0)).square().sum(1)


def effective_number(rows: Rows, sigma: float) -> float:
    """1 / mean k² over all pairs, each sample with itself too; in [1, n]. Jalali 2023, eq. 9."""
    return rows.n**2 / (rows.n + kernel_sums_within(rows, _squared(sigma)).total)


def effective_number_on_splits(whole: Rows, sigma: float, splits: Splits) -> tuple[Tensor, Tensor]:
    """`effective_number` of the reals and of the fakes of each split, `[B]` each."""
    sums = kernel_sums_on_splits(whole, _squared(sigma), splits)
    return sums.n**2 / (sums.n + 2 * sums.real), sums.m**2 / (sums.m + 2 * sums.fake)


def log_effective_number_variance(rows: Rows, sigma: float, *, own: bool = False) -> float | None:
    """Sampling variance of the log of `effective_number`, a mean over pairs; None below 4 rows.

    4 s²/n with s² the variance over samples of their mean k², in which what pairs do counts twice; see `mmd2_variance`.
    `own`: the bandwidth is that of these rows, and moves with them.
    """
    n = rows.n
    if n < 4:
        return None
    sums = kernel_sums_within(rows, _squared(sigma))
    mean = (n + sums.total) / n**2
    pulls = 2 * sums.left / n / mean
    if own:
        ends = [log(effective_number(rows, sigma * factor)) for factor in (1 + STEP, 1 - STEP)]
        squares = _squares(rows)
        pulls -= (ends[0] - ends[1]) / (2 * STEP) * squares / (2 * float(squares.mean()))
    pairs = 2 * centred_square(sums, n) / (n * (n - 1)) / mean**2
    return max(pairs, float(pulls.var()) / n - pairs)


def _squared(sigma: float) -> GaussianKernel:
    """The kernel k² of the kernel k with bandwidth `sigma`."""
    return GaussianKernel(sigma / sqrt(2))
