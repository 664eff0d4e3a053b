"""How near the nearest real is in direction: 1 - |cos|, of every fake, and on all splits of a pool from one pass."""

from __future__ import annotations

import torch
from torch import Tensor

from divmetrics.arrays.pairs._distances import blocks, ieee_products
from divmetrics.arrays.splits import Pool, Splits
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError

LISTED = 48
"""Neighbours kept of each sample; with as many reals as fakes one in 10^14 samples has no real among them."""
CLOSE = 1e-4
"""Distances below this are computed from differences: a product in float32 is off by about 1e-6."""


def nearest_cosine_distances(real: Rows, fake: Rows) -> Tensor:
    """Least 1 - |cos| of each fake to a real, `[m]` float64; exactly 0 for copies.

    Raises FeatureError on a row of zeros, which has no direction, and on different widths.
    """
    same_width(real.d, fake.d)
    reals, fakes = _units(real), _units(fake)
    found = []
    with ieee_products(fakes.device):
        for rows in blocks(len(fakes)):
            best = (fakes[rows] @ reals.T).abs_().max(1)
            found.append(_distances(fakes[rows], reals[best.indices], best.values))
    return torch.cat(found)


def mean_cosine_distance_on_splits(pool: Pool, splits: Splits) -> Tensor:
    """Mean over the fakes of `nearest_cosine_distances` on each split, `[B]` float64."""
    units = _units(pool.whole)
    values, index = _compute_lists(units)
    return torch.stack([_mean_angle(units, values, index, splits, b) for b in range(len(splits))])


def _mean_angle(units: Tensor, values: Tensor, index: Tensor, splits: Splits, b: int) -> Tensor:
    fakes, reals = splits.fake(b).to(units.device), splits.real(b).to(units.device)
    is_real = torch.zeros(len(units), dtype=torch.bool, device=units.device)
    is_real[reals] = True
    hit = is_real[index[fakes]]  # [m, K]
    first = hit.to(torch.uint8).argmax(1)
    partner, cosine = (part[fakes].gather(1, first[:, None])[:, 0] for part in (index, values))
    lost = (~hit.any(1)).nonzero()[:, 0]
    if len(lost):
        with ieee_products(units.device):
            best = (units[fakes[lost]] @ units[reals].T).abs_().max(1)
        partner[lost], cosine[lost] = reals[best.indices], best.values
    return _distances(units[fakes], units[partner], cosine).mean()


def _units(rows: Rows) -> Tensor:
    lengths = torch.linalg.vector_norm(rows.features, dim=1, keepdim=True, dtype=torch.float64)
    zero = (lengths[:, 0] == 0).nonzero()[:, 0]
    if len(zero):
        raise FeatureError(f"row {int(rows.index[zero[0]])} is all zeros and has no direction; drop it.")
    units: Tensor = rows.features / lengths.to(rows.features.dtype)
    return units


def _compute_lists(units: Tensor) -> tuple[Tensor, Tensor]:
    """The largest |cos| of each sample to the others, descending, and whose they are, `[N, K]`."""
    values, index = [], []
    with ieee_products(units.device):
        for rows in blocks(len(units)):
            cosines = (units[rows] @ units.T).abs_()
            own = torch.arange(rows.start, rows.stop, device=units.device)
            cosines[torch.arange(len(own), device=units.device), own] = -1
            best = cosines.topk(min(LISTED, len(units) - 1), dim=1)
            values.append(best.values)
            index.append(best.indices)
    return torch.cat(values), torch.cat(index)


def _distances(left: Tensor, right: Tensor, cosines: Tensor) -> Tensor:
    """1 - |cos| of pairs of unit rows; of close ones |u - v|² / 2, or |u + v|² / 2 if that is less."""
    found = 1 - cosines.double()
    close = (found < CLOSE).nonzero()[:, 0]
    u, v = left[close].double(), right[close].double()
    found[close] = torch.minimum((u - v).square().sum(1), (u + v).square().sum(1)) / 2
    return found
