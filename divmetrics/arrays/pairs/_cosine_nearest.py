"""Cosine distance 1 - |cos| of each fake sample to its nearest real sample, also on many splits of a pool.

For unit rows u and v, 1 - |u.v| is the lesser of |u - v|² / 2 and |u + v|² / 2. Differences keep their digits where all
angles are small, as between features far from the origin; a product of float32 rows would lose them.

Splits re-index lists of the nearest samples of the pooled set, so that all of them share one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Self

import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64
from divmetrics.arrays.pairs._distances import blocks, ieee_products
from divmetrics.arrays.pairs._neighbours import nearest_rows
from divmetrics.arrays.splits import Pool, Splits
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError

LISTED = 48
"""Nearest samples listed for each; with as many real as fake samples one list in 10^14 holds no real sample."""
CLOSE = 0.1
"""Squared distances below this share of the squared lengths of both centred rows are computed from differences."""


def nearest_cosine_distances(real: Rows, fake: Rows) -> Tensor:
    """Cosine distance 1 - |cos| of each fake sample to its nearest real sample; exactly 0 for copies.

    Args:
        real: Real samples `[n, d]`.
        fake: Fake samples `[m, d]`; the precision of the two sides may differ.

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
    real_units, fake_units = _unit_rows(real, "real"), _unit_rows(fake, "fake")
    real_units = real_units.to(fake_units.device)
    squared = nearest_rows(fake_units, real_units)[0]
    if float(real_units.min()) < 0 or float(fake_units.min()) < 0:  # else no two rows are opposite
        squared = torch.minimum(squared, nearest_rows(-fake_units, real_units)[0])
    return (squared / 2).clamp_(max=1)


def mean_cosine_distance_on_splits(pool: Pool, splits: Splits) -> Tensor:
    """Mean over the fake samples of `nearest_cosine_distances` on each split of a pool.

    Args:
        pool: The real and fake samples, N together.
        splits: B assignments of them to the two sides.

    Returns:
        `[B]` float64.
    """
    units = _Units.of(pool.whole)
    squared, index = _nearest_lists(units)
    return torch.stack([_mean_on_split(units, squared, index, splits, b) for b in range(len(splits))])


@dataclass(frozen=True, eq=False)
class _Units:
    """Unit rows, exactly and for matrix products."""

    rows: Tensor  # [n, d] float64
    centred: Tensor  # [n, d] in the precision of the features, less their mean: small where all directions are alike
    squares: Tensor  # [n] squared lengths of the centred rows

    @classmethod
    def of(cls, rows: Rows) -> Self:
        units = _unit_rows(rows, "pooled")
        centred = (units - units.mean(0)).to(rows.features.dtype)
        return cls(units, centred, centred.square().sum(1))

    def squared(self, rows: Tensor | slice, others: Tensor | slice) -> Tensor:
        """The lesser of |u - v|² and |u + v|² of rows and others `[r, o]`; the two add up to 4."""
        products = self.centred[rows] @ self.centred[others].T
        apart = torch.add(self.squares[rows][:, None], products, alpha=-2, out=products).add_(self.squares[others])
        return torch.minimum(apart, 4 - apart)


def _mean_on_split(units: _Units, squared: Tensor, index: Tensor, splits: Splits, b: int) -> Tensor:
    """Mean cosine distance on split `b`, read off the lists `[N, K]`; fakes that list no real one are recomputed."""
    device = units.rows.device
    fakes, reals = splits.fake(b).to(device), splits.real(b).to(device)
    is_real = torch.zeros(len(units.rows), dtype=torch.bool, device=device)
    is_real[reals] = True
    listed_real = is_real[index[fakes]]  # [m, K]
    first = listed_real.to(torch.uint8).argmax(1)
    partner, nearest = (part[fakes].gather(1, first[:, None])[:, 0] for part in (index, squared))
    unlisted = (~listed_real.any(1)).nonzero()[:, 0]
    if len(unlisted):
        with ieee_products(device):
            best = units.squared(fakes[unlisted], reals).min(1)
        partner[unlisted], nearest[unlisted] = reals[best.indices], best.values
    distances = nearest.double()
    close = (nearest < CLOSE * (units.squares[fakes] + units.squares[partner])).nonzero()[:, 0]
    u, v = units.rows[fakes[close]], units.rows[partner[close]]
    distances[close] = torch.minimum((u - v).square_().sum(1), (u + v).square_().sum(1))
    return (distances / 2).mean()


def _unit_rows(rows: Rows, side: str) -> Tensor:
    """The rows `[n, d]` scaled to length 1, float64."""
    features = float64(rows.features)
    lengths = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    zero = (lengths[:, 0] == 0).nonzero()[:, 0]
    if len(zero):
        raise FeatureError(f"{side} row {int(rows.index[zero[0]])} is all zeros and has no direction; drop it.")
    units: Tensor = features / lengths
    return units


def _nearest_lists(units: _Units) -> tuple[Tensor, Tensor]:
    """The K least squared distances of each sample to others, ascending, and the numbers of those; `[N, K]` both."""
    values, index = [], []
    total, device = len(units.rows), units.rows.device
    with ieee_products(device):
        for rows in blocks(total):
            squared = units.squared(rows, slice(None))
            own = torch.arange(rows.start, rows.stop, device=device)
            squared[torch.arange(len(own), device=device), own] = inf
            least = squared.topk(min(LISTED, total - 1), dim=1, largest=False)
            values.append(least.values)
            index.append(least.indices)
    return torch.cat(values), torch.cat(index)
