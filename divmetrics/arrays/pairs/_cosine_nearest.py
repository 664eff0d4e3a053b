"""Cosine distance 1 - |cos| of each fake sample to its nearest real sample, also on many splits of a pool.

Splits re-index lists of the nearest samples of the pooled set, so that all of them share one matrix product.
"""

from __future__ import annotations

import torch
from torch import Tensor

from divmetrics.arrays.pairs._distances import blocks, ieee_products
from divmetrics.arrays.splits import Pool, Splits
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError

LISTED = 48
"""Nearest samples listed for each; with as many real as fake samples one list in 10^14 holds no real sample."""
CLOSE = 1e-4
"""Cosine distances below this are computed from differences: a float32 product is off by about 1e-6."""


def nearest_cosine_distances(real: Rows, fake: Rows) -> Tensor:
    """Cosine distance 1 - |cos| of each fake sample to its nearest real sample; exactly 0 for copies.

    Args:
        real: Real samples `[n, d]`.
        fake: Fake samples `[m, d]`.

    Returns:
        `[m]` float64, in [0, 1].

    Raises:
        FeatureError: A row is all zeros and has no direction, or the two sets have different numbers of columns.

    Example:
        >>> from divmetrics.arrays.summaries import Rows
        >>> real, fake = Rows.from_array([[1.0, 0.0]]), Rows.from_array([[-2.0, 0.0], [0.0, 1.0]])
        >>> nearest_cosine_distances(real, fake).tolist()  # a sign does not count
        [0.0, 1.0]
    """
    same_width(real.d, fake.d)
    real_units, fake_units = _unit_rows(real), _unit_rows(fake)
    parts = []
    with ieee_products(fake_units.device):
        for rows in blocks(len(fake_units)):
            best = (fake_units[rows] @ real_units.T).abs_().max(1)
            parts.append(_cosine_distances(fake_units[rows], real_units[best.indices], best.values))
    return torch.cat(parts)


def mean_cosine_distance_on_splits(pool: Pool, splits: Splits) -> Tensor:
    """Mean over the fake samples of `nearest_cosine_distances` on each split of a pool.

    Args:
        pool: The real and fake samples, N together.
        splits: B assignments of them to the two sides.

    Returns:
        `[B]` float64.
    """
    units = _unit_rows(pool.whole)
    cosines, index = _nearest_lists(units)
    return torch.stack([_mean_on_split(units, cosines, index, splits, b) for b in range(len(splits))])


def _mean_on_split(units: Tensor, cosines: Tensor, index: Tensor, splits: Splits, b: int) -> Tensor:
    """Mean cosine distance on split `b`, read off the lists `[N, K]`; fakes that list no real one are recomputed."""
    fakes, reals = splits.fake(b).to(units.device), splits.real(b).to(units.device)
    is_real = torch.zeros(len(units), dtype=torch.bool, device=units.device)
    is_real[reals] = True
    listed_real = is_real[index[fakes]]  # [m, K]
    first = listed_real.to(torch.uint8).argmax(1)
    partner, cosine = (part[fakes].gather(1, first[:, None])[:, 0] for part in (index, cosines))
    unlisted = (~listed_real.any(1)).nonzero()[:, 0]
    if len(unlisted):
        with ieee_products(units.device):
            best = (units[fakes[unlisted]] @ units[reals].T).abs_().max(1)
        partner[unlisted], cosine[unlisted] = reals[best.indices], best.values
    return _cosine_distances(units[fakes], units[partner], cosine).mean()


def _unit_rows(rows: Rows) -> Tensor:
    """The rows `[n, d]` scaled to length 1."""
    lengths = torch.linalg.vector_norm(rows.features, dim=1, keepdim=True, dtype=torch.float64)
    zero = (lengths[:, 0] == 0).nonzero()[:, 0]
    if len(zero):
        raise FeatureError(f"row {int(rows.index[zero[0]])} is all zeros and has no direction; drop it.")
    units: Tensor = rows.features / lengths.to(rows.features.dtype)
    return units


def _nearest_lists(units: Tensor) -> tuple[Tensor, Tensor]:
    """The K largest |cos| of each sample to others, descending, and the numbers of those samples; `[N, K]` both."""
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


def _cosine_distances(left: Tensor, right: Tensor, cosines: Tensor) -> Tensor:
    """1 - |cos| `[p]` of pairs of unit rows; of close pairs |u - v|² / 2, or |u + v|² / 2 if that is less."""
    distances = 1 - cosines.double()
    close = (distances < CLOSE).nonzero()[:, 0]
    u, v = left[close].double(), right[close].double()
    distances[close] = torch.minimum((u - v).square().sum(1), (u + v).square().sum(1)) / 2
    return distances
