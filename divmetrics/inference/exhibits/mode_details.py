"""One mode measured by itself: recall, spread, Frechet distance and spacing of its samples."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from divmetrics.arrays.draws import drawn_order
from divmetrics.arrays.summaries import Rows
from divmetrics.inference.on_rows import value_on_rows
from divmetrics.records.metric import METRICS

LARGEST = 500
"""Samples of a mode that are measured on each side; of more, this many are drawn by the seed."""
FEWEST = 2
"""Samples of each side below which nothing is measured."""


@dataclass(frozen=True)
class ModeMeasures:
    """Measures of one mode; None is what cannot be computed."""

    recall: float | None = None
    spread: float | None = None
    """Standard deviation of the fake samples over that of the real ones."""
    fid: float | None = None
    spacing_ratio: float | None = None


def measure_mode(real: Rows, fake: Rows, seed: int) -> ModeMeasures:
    """Measure the samples of one mode, as many of one side as of the other, since all but the spread depend on that.

    Args:
        real: Its real samples `[n, d]`.
        fake: Its fake samples `[m, d]`.
        seed: Seed of the draw.

    Example:
        >>> import torch
        >>> rows = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
        >>> found = measure_mode(Rows.from_array(rows), Rows.from_array(rows / 2), 0)
        >>> round(found.spread, 3), round(found.spacing_ratio, 3)
        (0.5, 0.5)
    """
    size = min(real.n, fake.n, LARGEST)
    if size < FEWEST:
        return ModeMeasures()
    even = [side if side.n == size else side.take(drawn_order(side.features, seed)[:size]) for side in (real, fake)]
    sides = dict(zip(("real", "fake"), even, strict=True))
    recall, fid, spacing = (value_on_rows(METRICS[name], {}, sides) for name in ("recall", "fid", "spacing_ratio"))
    return ModeMeasures(recall, _spread(real, fake), fid, spacing)


def _spread(real: Rows, fake: Rows) -> float | None:
    """Ratio of the total standard deviations; None where the real samples are all equal."""
    of_real, of_fake = (float(side.features.double().var(0).sum()) for side in (real, fake))
    ratio = (of_fake / of_real) ** 0.5 if of_real > 0 else None
    return ratio if ratio is not None and isfinite(ratio) else None
