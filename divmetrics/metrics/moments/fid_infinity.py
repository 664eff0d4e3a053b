"""FID extrapolated to infinitely many fake samples, which removes their share of its bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.draws import ranked
from divmetrics.arrays.linalg import each
from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import TooFewSamples, UsageError
from divmetrics.metrics.moments import _frechet as frechet
from divmetrics.records.metric import About, Laws, Measured, Spread, UncertaintySpec, Variance, metric

WIDE = 64
"""Up to this many columns each draw of the null repeats the whole extrapolation; above, it takes three subsets of the
one size that gives the same line under a law with a 1/n² term."""


@dataclass(frozen=True)
class _Line:
    """Line of FID against 1/n through the value at the full size."""

    at_infinity: float
    slope: float
    noise: float
    """Variance of `at_infinity` due to the random choice of subsets."""


def _sizes(n: int, points: int) -> list[int]:
    """Subset sizes, evenly spaced from min(5000, n/2) to n; n itself is left out, for it has only one subset."""
    first = min(5000, ceil(n / 2))
    return [size for size in np.linspace(first, n, points).round().astype(int).tolist() if size < n]


def _one_size(n: int, points: int) -> int:
    """The subset size that gives the same slope as all sizes together where FID is a + b/n + c/n²."""
    inverse = 1 / np.array(_sizes(n, points))
    runs = inverse - 1 / n
    return round(float(runs.sum() / (runs * inverse).sum()))


def _line(real: Rows, fake: Rows, sizes: Sequence[int], sides: str, seed: int, full: float) -> _Line:
    """The line through FID of subsets of the fake samples, of these sizes; `full` is FID at the full size.

    With sides="both" the real samples are cut to subsets in the same proportion.
    """
    rng = torch.Generator().manual_seed(seed)
    of_fake = ranked(fake.features, fake.content)
    of_real = ranked(real.features, real.content) if sides == "both" else torch.empty(0)
    draws = [of_fake[torch.randperm(fake.n, generator=rng)[:size]] for size in sizes]
    shares = [max(2, round(real.n * size / fake.n)) for size in sizes]
    partners = [of_real[torch.randperm(real.n, generator=rng)[:share]] for share in shares] if sides == "both" else []
    whole = frechet.fit(real)

    def at(i: int) -> float:
        fit = whole if sides == "fake" else frechet.fit_of(real.take(partners[i]).features)
        return frechet.distance(fit, frechet.fit_of(fake.take(draws[i]).features))

    rises, runs = each(at, len(sizes)) - full, 1 / np.array(sizes) - 1 / fake.n
    # A subset's variance is in proportion to its run, and the full size has none: the best line through it has the
    # sum of the rises over the sum of the runs as its slope
    slope = float(rises.sum() / runs.sum())
    spread = float((np.square(rises - slope * runs) / runs).sum() / max(1, len(sizes) - 1))
    return _Line(full - slope / fake.n, slope, spread / float(runs.sum()) / fake.n**2)


def _whole(real: Rows, fake: Rows, options: dict[str, Any]) -> _Line:
    """The line of both sets as they are; computed once, for the interval asks for the one that the value lies on."""

    def make() -> _Line:
        sizes = _sizes(fake.n, options["points"]) * options["shuffles"]
        full = frechet.distance(frechet.fit(real), frechet.fit(fake))
        return _line(real, fake, sizes, options["sides"], options["seed"], full)

    return once((real, fake), ("fid_infinity line", *sorted(options.items())), make)


def _variance(pool: TwoSamplePool, **options: Any) -> Spread | None:
    """Variance of FID, whose influence function it shares, plus that from the random choice of subsets."""
    of_fid = frechet.spread(pool.real, pool.fake)
    return None if of_fid is None else of_fid.plus(_whole(pool.real, pool.fake, options).noise)


def _resample(pool: Pool, splits: Splits, **options: Any) -> Tensor:
    full = frechet.on_splits(pool, splits).tolist()
    points, exact = options["points"], pool.fake.d <= WIDE

    def on_split(b: int) -> float:
        real, fake = pool.part(splits.real(b)), pool.part(splits.fake(b))
        sizes = _sizes(fake.n, points) * options["shuffles"] if exact else [_one_size(fake.n, points)] * 3
        return _line(real, fake, sizes, options["sides"], options["seed"], full[b]).at_infinity

    return torch.from_numpy(each(on_split, len(splits)))


@metric(
    "fid_infinity",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    # no range: a value near 0 may be extrapolated to below
    laws=Laws(translation=True, rotation=True, scaling=2.0),
    role="distance",
    cite="Chong and Forsyth 2020, arXiv:1911.07023",
    minimum=lambda _: 4,
    uncertainty=UncertaintySpec(
        variance=Variance(frechet.METHOD, _variance), resample=_resample, replicate_cost="decomposed_repeatedly"
    ),
    about=About(
        formula=r"\mathrm{FID}_m - \frac{1}{m} \frac{\sum_i \mathrm{FID}_{m_i} - \mathrm{FID}_m}{\sum_i 1/m_i - 1/m}",
        sees="What FID sees, without the bias that small numbers of fake samples cause.",
        blind="What FID is blind to.",
        bias="The share of the real samples remains unless sides=both. The line in 1/m holds from about m = 4 d on.",
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
    """FID extrapolated to infinitely many fake samples; feature units squared, lower is better, may be below 0.

    FID of all real samples against subsets of the fake ones, of sizes evenly spaced from min(5000, m/2) to m, is fitted
    by a line in 1/size, whose value at 1/size = 0 is reported. Chong and Forsyth 2020. The line goes through the value
    at full size, which has no error from the choice of a subset: four times less noise than plain least squares.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n >= 4.
        fake: Fake samples: `[m, d]`, m >= 4, in the same feature space.
        points: Number of subset sizes, the full one included; at least 2 (default 15, as published). More give less
            noise.
        shuffles: Subsets drawn of each size; at least 1 (default 1). More give less noise.
        sides: `"fake"` (default, as published) keeps the real samples whole, so that their share of the bias remains;
            `"both"` takes subsets of both sides in proportion and removes both shares.
        seed: Seed of the subsets, which are drawn without replacement (default 0).

    Returns:
        The extrapolated value. `measure` adds the extras `fid` (at full size), `slope` (of the line in 1/size) and
        `noise` (standard deviation due to the choice of subsets).

    Raises:
        UsageError: `points` is below 2 or `shuffles` below 1.
        TooFewSamples: A side has fewer than 4 samples.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [2.0], [0.0], [2.0]], 4 * [[4.0]]
        >>> round(dm.metrics.fid_infinity(real, fake), 4)  # all subsets have the same FID, (1 - 4)^2 + 4/3: slope 0
        10.3333
    """
    if points < 2 or shuffles < 1:
        raise UsageError(f"points={points}, shuffles={shuffles} are not possible; give 2 and 1 or more.")
    if min(real.n, fake.n) < 4:
        raise TooFewSamples(f"subsets need at least 4 rows per side, got {real.n} and {fake.n}; add samples.")
    line = _whole(real, fake, {"points": points, "shuffles": shuffles, "sides": sides, "seed": seed})
    extras = {"fid": line.at_infinity + line.slope / fake.n, "slope": line.slope, "noise": line.noise**0.5}
    return Measured(line.at_infinity, extras=extras)
