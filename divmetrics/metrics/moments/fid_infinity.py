"""FID at infinitely many fakes: the value without the part that the number of fakes adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.linalg import each
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import TooFewSamples, UsageError
from divmetrics.metrics.moments import _frechet as frechet
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

WIDE = 64
"""Up to this width the null repeats the whole extrapolation; above, each of its draws takes three subsets of the one
size at which a curved law gives the same line."""


@dataclass(frozen=True)
class _Line:
    """FID against 1/n, through the value at the full size."""

    at_infinity: float
    slope: float
    noise: float
    """Variance of `at_infinity` from which subsets were drawn."""


def _sizes(n: int, points: int) -> list[int]:
    """From min(5000, n/2) to n, the full size left out: there is one subset of it."""
    first = min(5000, ceil(n / 2))
    return [size for size in np.linspace(first, n, points).round().astype(int).tolist() if size < n]


def _one_size(n: int, points: int) -> int:
    """The size whose rise over run is that of all sizes together where FID is a + b/n + c/n²."""
    x = 1 / np.array(_sizes(n, points))
    runs = x - 1 / n
    return round(float(runs.sum() / (runs * x).sum()))


def _line(real: Rows, fake: Rows, sizes: Sequence[int], sides: str, seed: int, full: float) -> _Line:
    """Subsets of the fakes of these sizes; with sides="both" of the reals too, in the same proportion."""
    rng = torch.Generator().manual_seed(seed)
    draws = [torch.randperm(fake.n, generator=rng)[:size] for size in sizes]
    shares = [max(2, round(real.n * size / fake.n)) for size in sizes]
    partners = [torch.randperm(real.n, generator=rng)[:share] for share in shares]
    whole = frechet.fit(real)

    def at(i: int) -> float:
        fit = whole if sides == "fake" else frechet.fit_of(real.take(partners[i]).features)
        return sum(frechet.frechet(fit, frechet.fit_of(fake.take(draws[i]).features)))

    rises, runs = each(at, len(sizes)) - full, 1 / np.array(sizes) - 1 / fake.n
    # A subset's variance is in proportion to its run, and the full size has none: the best line through it has the
    # sum of the rises over the sum of the runs as its slope
    slope = float(rises.sum() / runs.sum())
    spread = float((np.square(rises - slope * runs) / runs).sum() / max(1, len(sizes) - 1))
    return _Line(full - slope / fake.n, slope, spread / float(runs.sum()) / fake.n**2)


# Forgotten with the last user of either side: the interval asks for the line that the value lies on.
_lines: WeakKeyDictionary[Rows, WeakKeyDictionary[Rows, dict[str, _Line]]] = WeakKeyDictionary()


def _whole(real: Rows, fake: Rows, options: dict[str, Any]) -> _Line:
    known = _lines.setdefault(real, WeakKeyDictionary()).setdefault(fake, {})
    if str(options) not in known:
        sizes = _sizes(fake.n, options["points"]) * options["shuffles"]
        full = sum(frechet.frechet(frechet.fit(real), frechet.fit(fake)))
        known[str(options)] = _line(real, fake, sizes, options["sides"], options["seed"], full)
    return known[str(options)]


def _variance(pool: TwoSamplePool, **options: Any) -> float | None:
    """FID's, for both move by the same influence functions, and what the choice of the subsets adds."""
    known = frechet.variance(pool.real, pool.fake)
    return None if known is None else known + _whole(pool.real, pool.fake, options).noise


def _resample(pool: Pool, splits: Splits, **options: Any) -> Tensor:
    full = frechet.on_splits(pool, splits).tolist()
    points, exact = options["points"], pool.fake.d <= WIDE

    def of(b: int) -> float:
        real, fake = pool.part(splits.real(b)), pool.part(splits.fake(b))
        sizes = _sizes(fake.n, points) * options["shuffles"] if exact else [_one_size(fake.n, points)] * 3
        return _line(real, fake, sizes, options["sides"], options["seed"], full[b]).at_infinity

    return torch.from_numpy(each(of, len(splits)))


@metric(
    "fid_infinity",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    # no range: a value near 0 may be extrapolated to below; no row order: subsets are drawn by place
    laws=Laws(row_order=False, translation=True, rotation=True, scaling=2.0),
    role="distance",
    cite="Chong and Forsyth 2020, arXiv:1911.07023",
    minimum=lambda _: 4,
    uncertainty=UncertaintySpec(
        variance=Variance("influence function", _variance), resample=_resample, replicate_cost="decomposed_repeatedly"
    ),
    about=About(
        formula=r"\mathrm{FID}_m - \frac{1}{m} \frac{\sum_i \mathrm{FID}_{m_i} - \mathrm{FID}_m}{\sum_i 1/m_i - 1/m}",
        sees="What FID sees, without the bias that small sets of fakes have.",
        blind="What FID is blind to.",
        bias="That of the reals stays unless sides=both. A straight line in 1/m holds from about m = 4 d on.",
        cost="As many FIDs as points, 15 by default: 4 s at 5,000 + 5,000 x 1280.",
    ),
)
def fid_infinity(
    real: Rows,
    fake: Rows,
    *,
    points: int = 15,
    shuffles: int = 1,
    sides: Literal["fake", "both"] = "fake",
    seed: int = 0,
) -> Measured:
    """FID extrapolated to infinitely many fakes; feature units squared; lower is better. Chong and Forsyth 2020.

    FID of all reals against `points` subsets of the fakes, drawn without replacement at sizes evenly spaced from
    min(5000, m/2) to m = all, `shuffles` times; a line in 1/size gives the value at 1/size = 0. It is the best line
    through the value at full size, the only one without error of its own: four times less noise than plain least
    squares. The reals stay whole, so that their share of the bias remains, as published; `sides="both"` takes
    subsets of both in proportion and removes both shares. Extras: `fid` at full size, `slope`, `noise` (sd over the
    choice of subsets). May be below 0. Raises UsageError for `points` < 2 or `shuffles` < 1, TooFewSamples below 4
    rows.
    """
    if points < 2 or shuffles < 1:
        raise UsageError(f"points={points}, shuffles={shuffles} are not possible; give 2 and 1 or more.")
    if min(real.n, fake.n) < 4:
        raise TooFewSamples(f"subsets need at least 4 rows per side, got {real.n} and {fake.n}; add samples.")
    line = _whole(real, fake, {"points": points, "shuffles": shuffles, "sides": sides, "seed": seed})
    extras = {"fid": line.at_infinity + line.slope / fake.n, "slope": line.slope, "noise": line.noise**0.5}
    return Measured(line.at_infinity, extras=extras)
