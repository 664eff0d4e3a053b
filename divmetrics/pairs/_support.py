"""What precision, recall, density and coverage share: one pass over all pairs, remembered beside the two sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from divmetrics.declare import Family
from divmetrics.errors import TooFewSamples, UsageError
from divmetrics.pairs._distinct import Distinct
from divmetrics.pairs._hits import Hits, hits
from divmetrics.pairs._neighbours import radii
from divmetrics.summaries import Rows, same_width

Ties = Literal["open", "closed"]

# Both forget a set when its last user does: the keys are weak, the values hold tensors and no Rows.
_balls: WeakKeyDictionary[Rows, tuple[Distinct, dict[int, Tensor]]] = WeakKeyDictionary()
_hits: WeakKeyDictionary[Rows, WeakKeyDictionary[Rows, dict[tuple[int, Ties], Hits]]] = WeakKeyDictionary()


def support(real: Rows, fake: Rows, k: int, ties: Ties) -> Hits:
    """Counts `[n]` and `[m]` of who lies in whose k-nearest-neighbour ball; remembered where the pass was made before.

    Raises UsageError on k < 1, TooFewSamples below k + 1 rows a side, FeatureError on different widths.
    """
    return _measure(real, fake, [(k, ties)])[k, ties]


def _fill(real: Rows, fake: Rows, options: Sequence[Mapping[str, Any]]) -> None:
    _measure(real, fake, [(wanted["k"], wanted["ties"]) for wanted in options])


SUPPORT = Family("support", _fill)
"""The family record: one pass for every (k, ties) that its members ask for."""


def _measure(real: Rows, fake: Rows, wanted: Sequence[tuple[int, Ties]]) -> dict[tuple[int, Ties], Hits]:
    """The memory of this pair of sets, `wanted` in it."""
    known = _hits.setdefault(real, WeakKeyDictionary()).setdefault(fake, {})
    missing = sorted({key for key in wanted if key not in known})
    if missing:
        same_width(real.d, fake.d)
        for k, _ in missing:
            enough_rows(k, real.n, fake.n)
        ks = [k for k, _ in missing]
        (reals, real_radii), (fakes, fake_radii) = _radii(real, ks), _radii(fake, ks)
        closed = torch.tensor([ties == "closed" for _, ties in missing], device=real.features.device)
        found = hits(reals, fakes, real_radii, fake_radii, closed)
        for column, key in enumerate(missing):
            known[key] = Hits(**{name: counts[:, column] for name, counts in vars(found).items()})
    return known


def _radii(side: Rows, ks: Sequence[int]) -> tuple[Distinct, Tensor]:
    """The distinct rows of a set and their squared radii `[u, len(ks)]`, shared by all sets it is compared with."""
    if side not in _balls:
        _balls[side] = (Distinct.of(side.features), {})
    points, known = _balls[side]
    missing = sorted(set(ks) - known.keys())
    if missing:
        known.update(zip(missing, radii(points, missing).unbind(1), strict=True))
    return points, torch.stack([known[k] for k in ks], 1)


def enough_rows(k: int, real: int, fake: int) -> None:
    """Raise UsageError unless k >= 1, TooFewSamples unless both sides have a k-th nearest other sample."""
    if k < 1:
        raise UsageError(f"k={k} must be at least 1.")
    side, fewest = min(("real", real), ("fake", fake), key=lambda pair: pair[1])
    if fewest <= k:
        lower = f"Lower it with k={fewest - 1} or add" if fewest > 1 else "Add"
        raise TooFewSamples(f"k={k} needs at least {k + 1} rows per side, {side} has {fewest}. {lower} samples.")
