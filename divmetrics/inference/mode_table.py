"""Which modes of the reals the fakes miss, class by class or cluster by cluster, with the chance that it is chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from divmetrics.arrays.class_counts import both_counts
from divmetrics.arrays.clustering import clusters
from divmetrics.arrays.summaries import ClassTally, Rows, same_width
from divmetrics.errors import UsageError
from divmetrics.records.results import Mode

ALPHA = 0.01
"""Family-wise false-alarm rate of the states `missing` and `thinned`."""
EXEMPLARS = 5
"""Reals shown of a cluster."""
STEPS = 5000
"""EM iterations at most; it stops where no count moves by a thousandth of a sample."""


def mode_table(
    real: ClassTally, fake: ClassTally, names: Sequence[str] | None, confusion: Any = None
) -> tuple[Mode, ...]:
    """One `Mode` for each class of the reals, in the order of the classes.

    `p` is Fisher's exact one-sided test of "this class is rarer among the fakes", unadjusted; the states use Holm's
    step-down at 1 % over all classes, so one table in a hundred of a faithful generator names a mode at all.

    With `confusion` `[classes, classes]`, row = true class, column = class given, counts or shares, the shares are
    those of the true classes, and the test and the states allow for what leaks in from the others.
    Raises UsageError where `confusion` does not fit.
    """
    reals, fakes = both_counts(real, fake)
    if confusion is not None:
        return _corrected_table(reals, fakes, names, confusion)
    p = _rarer(reals, fakes, np.ones(len(reals)))
    return _table(reals, fakes, p, fakes > 0, names, "class", False)


def cluster_table(real: Rows, fake: Rows, count: int | None, seed: int) -> tuple[tuple[Mode, tuple[int, ...]], ...]:
    """One `Mode` for each of `count` clusters of the reals (as many as suit them, if None), with exemplars.

    The test is that of `mode_table`. The exemplars are the places in the whole set of up to five reals nearest to the
    cluster's middle. That the reals shape the clusters and are counted in them too does no harm here: in 400 tables of
    faithful samples from a ring, from a Gaussian and from digits 2, 0 and 3 named a mode.
    Raises UsageError for a `count` below 1, FeatureError on different widths.
    """
    same_width(real.d, fake.d)
    found = clusters(real, count, seed)
    reals, fakes = (
        np.bincount(labels.numpy(), minlength=found.count) for labels in (found.labels, found.assign(fake.features))
    )
    modes = _table(reals, fakes, _rarer(reals, fakes, np.ones(found.count)), fakes > 0, None, "cluster", False)
    places = found.exemplars(real.features, EXEMPLARS)
    return tuple((mode, tuple(real.index[places[mode.id]].tolist())) for mode in modes)


def corrected_counts(counts: np.ndarray, confusion: Any) -> np.ndarray:
    """How many samples `[classes]` are truly of each class, where `counts` `[classes]` were given each.

    The most likely shares on the simplex under "given = true x confusion", by EM (Richardson and Lucy). Row k of
    `confusion` holds how often class k is given each class, in counts or shares.
    Raises UsageError where it does not fit.
    """
    rates = _rates(confusion, len(counts))
    total = float(counts.sum())
    share = (np.asarray(counts, float) + 0.5) / (total + len(counts) / 2)  # EM never leaves 0, so none starts there
    for _ in range(STEPS):
        given = share @ rates
        next_share = share * (rates @ np.divide(counts, given, out=np.zeros_like(given), where=given > 0)) / total
        moved = float(np.abs(next_share - share).max())
        share = next_share
        if moved * total < 1e-3:
            break
    return share * total


def _rates(confusion: Any, classes: int) -> np.ndarray:
    """`confusion` as shares `[classes, classes]`, each row summing to 1."""
    rates = np.asarray(confusion, float)
    if rates.ndim != 2 or rates.shape[0] != rates.shape[1] or len(rates) < classes:
        raise UsageError(f"the confusion matrix has shape {rates.shape}; {classes} x {classes} classes are needed.")
    sums = rates.sum(1, keepdims=True)
    if not np.isfinite(rates).all() or (rates < 0).any() or (sums <= 0).any():
        raise UsageError("the confusion matrix needs a positive sum in each row and no negative entry.")
    return np.asarray(rates / sums)


def _corrected_table(
    reals: np.ndarray, fakes: np.ndarray, names: Sequence[str] | None, confusion: Any
) -> tuple[Mode, ...]:
    width = len(np.asarray(confusion))
    if width < len(reals):
        _rates(confusion, len(reals))  # says what does not fit
    reals, fakes = (np.pad(side, (0, width - len(side))) for side in (reals, fakes))
    rates, n, m = _rates(confusion, width), reals.sum(), fakes.sum()
    true_real, true_fake = corrected_counts(reals, confusion), corrected_counts(fakes, confusion)
    kept = np.diagonal(rates)
    leaks = [np.clip(side / side.sum() @ rates - side / side.sum() * kept, 0, 1) for side in (true_real, true_fake)]
    # Under "no rarer than among the reals" both sides have one share of the class, here from both counts together
    common = np.clip((reals + fakes - n * leaks[0] - m * leaks[1]) / ((n + m) * np.maximum(kept, 1e-12)), 0, 1)
    expected = [np.clip(common * kept + leak, 1e-12, 1 - 1e-12) for leak in leaks]
    odds = expected[1] / (1 - expected[1]) * (1 - expected[0]) / expected[0]
    seen = scipy.stats.binom.sf(fakes - 1, m, leaks[1]) <= ALPHA / width  # more than what leaks in
    listed = np.where(true_real >= 0.5, reals, 0)
    return _table(listed, fakes, _rarer(reals, fakes, odds), seen, names, "class", True, (true_real, true_fake))


def _rarer(reals: np.ndarray, fakes: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """Chance of no more fakes in each class, given its count on both sides; `odds` of a fake against a real."""
    n, m = int(reals.sum()), int(fakes.sum())
    p = scipy.stats.hypergeom.cdf(fakes, n + m, reals + fakes, m)
    for c in np.flatnonzero(np.abs(odds - 1) > 1e-9):
        p[c] = scipy.stats.nchypergeom_fisher.cdf(fakes[c], n + m, int(reals[c] + fakes[c]), m, odds[c])
    return np.asarray(p)


def _table(
    reals: np.ndarray,
    fakes: np.ndarray,
    p: np.ndarray,
    seen: np.ndarray,
    names: Sequence[str] | None,
    kind: str,
    corrected: bool,
    shown: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[Mode, ...]:
    """Rows for the classes with reals; `shown` are the counts to make shares of, where they are not those tested."""
    classes = np.flatnonzero(reals)
    rejected = _holm(p[classes])
    real_share, fake_share = (side / side.sum() for side in (shown or (reals, fakes)))
    return tuple(
        Mode(
            id=int(c),
            name=names[int(c)] if names is not None else f"{kind} {c}",
            real_share=float(real_share[c]),
            fake_share=float(fake_share[c]),
            p=float(p[c]),
            state=_state(bool(seen[c]), bool(rejected[place])),
            corrected=corrected,
        )
        for place, c in enumerate(classes)
    )


def _holm(p: np.ndarray) -> np.ndarray:
    """Which hypotheses Holm's step-down rejects at ALPHA."""
    order = np.argsort(p)
    passed = p[order] <= ALPHA / np.arange(len(p), 0, -1)
    rejected = np.zeros(len(p), bool)
    rejected[order] = np.logical_and.accumulate(passed)
    return rejected


def _state(seen: bool, rejected: bool) -> str:
    if rejected:
        return "thinned" if seen else "missing"
    return "present" if seen else "unseen"
