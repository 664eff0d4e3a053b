"""Precision-recall curves of distributions: the shares of fakes and reals in the cells of a shared k-means.

At an exchange rate r = tan(angle), precision is sum min(r p, q) and recall sum min(p, q / r), p the reals' shares of
the cells and q the fakes'. Clustering sees both sides together and not which is which, so that a permutation of the
sides counts again in the same cells and is exact. Sajjadi 2018, arXiv:1806.00035, sections 3.2 and 4.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from math import pi
from typing import Any
from weakref import WeakKeyDictionary

import torch
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController
from torch import Tensor

from divmetrics.declare import Family, Measured
from divmetrics.errors import TooFewSamples, UsageError
from divmetrics.linalg import float64
from divmetrics.pool import FAKE, REAL, Pool, Splits
from divmetrics.summaries import Rows, same_width

EDGE = 1e-10
"""Distance of the first and last angle from 0 and from a right one, where the exchange rate is 0 or infinite."""
SHOWN = 100
"""Steps of the curve kept in the extras."""

# Forgets a set when its last user does: the keys are weak, the values hold tensors and no Rows.
_memory: WeakKeyDictionary[Rows, WeakKeyDictionary[Rows, dict[tuple[int, int, int], Tensor]]] = WeakKeyDictionary()


def prd(real: Rows, fake: Rows, beta: float, clusters: int, runs: int, angles: int, seed: int) -> Measured:
    """Greatest F_beta on the curve, the mean over `runs` clusterings; the curve, thinned, in the extras.

    Raises UsageError for `clusters`, `runs` < 1 or `angles` < 3, TooFewSamples for fewer samples than clusters.
    """
    _check(clusters, runs, angles, real.n + fake.n)
    whole = torch.cat([torch.full((real.n,), REAL), torch.full((fake.n,), FAKE)])
    precision, recall = _curve(_cells(real, fake, clusters, runs, seed), whole, clusters, angles)
    some = torch.linspace(0, angles - 1, min(angles, SHOWN + 1)).round().long()
    curve = {"precision": precision[some].tolist(), "recall": recall[some].tolist()}
    return Measured(_greatest(precision, recall, beta), extras={"curve": curve})


def prd_on_splits(pool: Pool, splits: Splits, beta: float, clusters: int, runs: int, angles: int, seed: int) -> Tensor:
    """`prd` on each of `splits` `[B]`, counted in the cells of the whole pool."""
    assert pool.real is not None  # noqa: S101  the curve compares two sides
    cells = _cells(pool.real, pool.fake, clusters, runs, seed)
    values = [_greatest(*_curve(cells, side, clusters, angles), beta) for side in splits.side.cpu()]
    return torch.tensor(values, dtype=torch.float64)


def _fill(real: Rows, fake: Rows, options: Sequence[Mapping[str, Any]]) -> None:
    for wanted in options:
        _check(wanted["clusters"], wanted["runs"], wanted["angles"], real.n + fake.n)
        _cells(real, fake, wanted["clusters"], wanted["runs"], wanted["seed"])


PRD = Family("prd", _fill)
"""The family record: one set of clusterings for all that read a curve."""


def _check(clusters: int, runs: int, angles: int, samples: int) -> None:
    for name, value, least, usual in (
        ("clusters", clusters, 1, 20),
        ("runs", runs, 1, 10),
        ("angles", angles, 3, 1001),
    ):
        if value < least:
            raise UsageError(f"{name}={value} is not possible; give {least} or more, {usual} by default.")
    if samples < clusters:
        raise TooFewSamples(
            f"{clusters} clusters of {samples} samples are not possible; lower clusters or add samples."
        )


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def _cells(real: Rows, fake: Rows, clusters: int, runs: int, seed: int) -> Tensor:
    """The cell of each sample of both sides in each clustering, `[runs, n + m]`; remembered while both sets live."""
    known = _memory.setdefault(real, WeakKeyDictionary()).setdefault(fake, {})
    key = (clusters, runs, seed)
    if key not in known:
        same_width(real.d, fake.d)
        pooled = torch.cat([float64(real.features), float64(fake.features).to(real.features.device)])
        rows = (pooled - pooled.mean(0)).float().cpu().numpy()  # far from zero float32 would not tell rows apart
        with _threads().limit(limits=1), warnings.catch_warnings():  # sums over threads come in any order
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters: some stay empty
            fits = [
                MiniBatchKMeans(clusters, n_init=1, random_state=(seed + run) % 2**32).fit(rows) for run in range(runs)
            ]
        known[key] = torch.stack([torch.from_numpy(fit.labels_).long() for fit in fits])
    return known[key]


def _curve(cells: Tensor, side: Tensor, clusters: int, angles: int) -> tuple[Tensor, Tensor]:
    """Precision and recall `[angles]`, means over the clusterings, of the samples of one split `side` `[n + m]`."""
    apart = cells + clusters * torch.arange(len(cells))[:, None]
    counts = [
        torch.bincount(apart[:, side == which].flatten(), minlength=clusters * len(cells)) for which in (REAL, FAKE)
    ]
    p, q = (float64(count).view(len(cells), clusters) / count.sum() * len(cells) for count in counts)
    rates = torch.linspace(EDGE, pi / 2 - EDGE, angles, dtype=torch.float64).tan()[:, None]
    precision = torch.minimum(rates[:, None] * p, q).sum(2)  # [angles, runs]
    return precision.mean(1).clamp(max=1), (precision / rates).mean(1).clamp(max=1)


def _greatest(precision: Tensor, recall: Tensor, beta: float) -> float:
    """Greatest (1 + beta^2) precision recall / (beta^2 precision + recall) over the curve; 0 for sides apart."""
    weighted = beta**2 * precision + recall
    return float(((1 + beta**2) * precision * recall / weighted.clamp(min=1e-300)).max())
