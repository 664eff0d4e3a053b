"""Realism on many splits of a pool: the one neighbour metric that looks beyond the neighbours."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from divmetrics.pairs._crowds import whole_rows
from divmetrics.pairs._lists import lists
from divmetrics.pairs._splits import split_hits
from divmetrics.pool import FAKE, REAL, Pool, Splits


def median_realism_on_splits(pool: Pool, splits: Splits, k: int) -> Tensor:
    """Median of `realism` on every split of `pool`, `[B]` float64; NaN where a side has no k-th neighbours.

    The ball that comes closest to a fake for its size may be anyone's, so the distances of the pool are gone through
    once more, some rows at a time, which serve all splits.
    """
    hits = split_hits(pool, splits, k, "open")
    real, fake = hits.side == REAL, hits.side == FAKE
    squared_radii = [hits.radius[b, real[b]] for b in range(len(real))]
    weights = np.full(hits.side.shape, np.inf, np.float32)
    for b, radii in enumerate(squared_radii):
        if hits.usable[b]:
            median = np.partition(radii, (len(radii) - 1) // 2)[(len(radii) - 1) // 2]
            inverse = 1 / radii.clip(min=1e-30)
            weights[b, real[b]] = np.where(radii <= median, inverse, np.inf)
    found = np.zeros(hits.side.shape, np.float32)
    for rows, squared in whole_rows(pool, lists(pool, k), np.flatnonzero(fake.any(0))):
        columns = np.ascontiguousarray(squared.T)  # [N, r]: those of one side are then rows, which copy fast
        for b in np.flatnonzero(hits.usable).tolist():
            wanted = np.flatnonzero(fake[b, rows])
            some = np.flatnonzero(np.isfinite(weights[b]))
            least = (columns[some] * weights[b, some, None]).min(0)
            found[b, rows[wanted]] = least[wanted]
    with np.errstate(divide="ignore"):
        medians = [np.median(1 / np.sqrt(found[b, fake[b]].astype(np.float64))) for b in range(len(found))]
    return hits.settled(np.array(medians))
