"""Mode table: shares of each class or cluster on both sides, with a test whether the fakes miss it.

Each mode is tested by Fisher's exact one-sided test; its state follows from Holm's step-down procedure over all modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from divmetrics.arrays.class_counts import both_counts
from divmetrics.arrays.clustering import clusters
from divmetrics.arrays.confusion import confusion_rates, corrected_counts, leaks, there
from divmetrics.arrays.confusion import true_counts as without_absent
from divmetrics.arrays.summaries import ClassTally, Rows, same_width
from divmetrics.records.results import Mode, ModeState

ALPHA = 0.01
"""Family-wise false-alarm rate of the states `missing` and `thinned`."""
STRAYS = 0.2
"""Part of its share up to which a cluster, or another region of feature space, is missing: samples of the modes around
a missing one stray into its region. A class by name has no strays, so one sample is enough for it to be there."""
EXEMPLARS = 5
"""Real samples shown of a cluster."""


def mode_table(
    real: ClassTally, fake: ClassTally, names: Sequence[str] | None, confusion: Any = None, *, estimated: bool = False
) -> tuple[Mode, ...]:
    """One `Mode` for each class of the real samples, in the order of the classes.

    `p` is that of Fisher's exact one-sided test of "this class is rarer among the fakes", unadjusted. The states use
    Holm's step-down procedure at 1 % over all classes, so one table in a hundred of a faithful generator names a mode.

    Args:
        real: Class counts of the real samples.
        fake: Class counts of the fakes.
        names: Name of each class; None calls them `class 0`, `class 1`, ...
        confusion: Confusion matrix of the classifier `[classes, classes]`, row = true class, column = predicted class,
            counts or shares. With it the shares are those of the true classes, and tests and states allow for samples
            of other classes that were classified as this one.
        estimated: Whether `confusion` holds counts of a finite sample, so that the rates of its errors are uncertain.

    Returns:
        A `Mode` for each class that real samples have.

    Raises:
        UsageError: `confusion` does not fit the classes.

    Example:
        >>> import torch
        >>> table = mode_table(ClassTally(torch.tensor([50, 50])), ClassTally(torch.tensor([99, 1])), ["cat", "dog"])
        >>> [(mode.name, mode.state) for mode in table]
        [('cat', 'present'), ('dog', 'thinned')]
    """
    real_counts, fake_counts = both_counts(real, fake)
    if confusion is not None:
        return _corrected_table(real_counts, fake_counts, names, confusion, estimated)
    p = _fisher_p(real_counts, fake_counts, np.ones(len(real_counts)))
    return _table(real_counts, fake_counts, p, fake_counts > 0, names, "class", False)


def cluster_table(real: Rows, fake: Rows, count: int | None, seed: int) -> tuple[tuple[Mode, tuple[int, ...]], ...]:
    """One `Mode` for each cluster of the real samples, with exemplars; the tests are those of `mode_table`.

    A cluster is missing where significantly few fakes are in it, at most `STRAYS` of its share.

    The real samples shape the clusters and are counted in them too. That does no harm here: in 400 tables of faithful
    samples from a ring, from a Gaussian and from digits 2, 0 and 3 named a mode.

    Args:
        real: Real samples `[n, d]`.
        fake: Fakes `[m, d]`.
        count: Number of clusters; None chooses it by the data.
        seed: Seed of the clustering.

    Returns:
        For each cluster its mode and its exemplars: the places in the whole set of the (up to five) real samples
        nearest to the cluster's centre.

    Raises:
        UsageError: `count` is below 1.
        FeatureError: Both sides have different widths.
    """
    same_width(real.d, fake.d)
    clustering = clusters(real, count, seed)
    real_counts, fake_counts = (
        np.bincount(labels.numpy(), minlength=clustering.count)
        for labels in (clustering.labels, clustering.assign(fake.features))
    )
    p = _fisher_p(real_counts, fake_counts, np.ones(clustering.count))
    strays = fake_counts * real.n <= STRAYS * real_counts * fake.n
    modes = _table(real_counts, fake_counts, p, fake_counts > 0, None, "cluster", False, strays=strays)
    exemplars = clustering.exemplars(real.features, EXEMPLARS)
    return tuple((mode, tuple(real.index[exemplars[mode.id]].tolist())) for mode in modes)


def _corrected_table(
    real_counts: np.ndarray, fake_counts: np.ndarray, names: Sequence[str] | None, confusion: Any, estimated: bool
) -> tuple[Mode, ...]:
    """The table for predicted counts `[classes]`, corrected by the classifier's confusion matrix."""
    width = len(np.asarray(confusion))
    if width < len(real_counts):
        confusion_rates(confusion, len(real_counts))  # raises, and says what does not fit
    real_counts, fake_counts = (np.pad(side, (0, width - len(side))) for side in (real_counts, fake_counts))
    rates, n, m = confusion_rates(confusion, width), real_counts.sum(), fake_counts.sum()
    if estimated:
        true_counts = without_absent(real_counts, fake_counts, confusion)
    else:
        true_counts = corrected_counts(real_counts, confusion), corrected_counts(fake_counts, confusion)
    hit_rate = np.diagonal(rates)
    leaking = [leaks(side / side.sum(), rates) for side in true_counts]
    # Under "no rarer than among the real samples" both sides have one share of the class, estimated from both together
    excess = real_counts + fake_counts - n * leaking[0] - m * leaking[1]
    common = np.clip(excess / ((n + m) * np.maximum(hit_rate, 1e-12)), 0, 1)
    expected = [np.clip(common * hit_rate + leak, 1e-12, 1 - 1e-12) for leak in leaking]
    odds = expected[1] / (1 - expected[1]) * (1 - expected[0]) / expected[0]
    found = true_counts[1] >= 0.5 if estimated else there(fake_counts, leaking[1], ALPHA / width)
    listed = np.where(true_counts[0] >= 0.5, real_counts, 0)
    p = _fisher_p(real_counts, fake_counts, odds)
    if estimated:  # the correction is uncertain: the counts as they are must say the same
        p = np.maximum(p, _fisher_p(real_counts, fake_counts, np.ones(width)))
    return _table(listed, fake_counts, p, found, names, "class", True, true_counts)


def _fisher_p(real_counts: np.ndarray, fake_counts: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """Probability of no more fakes in each class `[classes]`, given its count on both sides together.

    `odds` `[classes]` are those of a fake against a real sample under the null hypothesis, 1 without a correction.
    """
    n, m = int(real_counts.sum()), int(fake_counts.sum())
    p = scipy.stats.hypergeom.cdf(fake_counts, n + m, real_counts + fake_counts, m)
    for c in np.flatnonzero(np.abs(odds - 1) > 1e-9):
        both = int(real_counts[c] + fake_counts[c])
        p[c] = scipy.stats.nchypergeom_fisher.cdf(fake_counts[c], n + m, both, m, odds[c])
    return np.asarray(p)


def _table(
    real_counts: np.ndarray,
    fake_counts: np.ndarray,
    p: np.ndarray,
    found: np.ndarray,
    names: Sequence[str] | None,
    kind: str,
    corrected: bool,
    true_counts: tuple[np.ndarray, np.ndarray] | None = None,
    strays: np.ndarray | None = None,
) -> tuple[Mode, ...]:
    """A `Mode` for each class with real samples; shares are those of `true_counts` where the counts are corrected.

    `found` `[classes]` says whether fakes have the class at all, `strays` whether those in it may be of other modes.
    """
    classes = np.flatnonzero(real_counts)
    rejected = _holm(p[classes])
    real_share, fake_share = (side / side.sum() for side in (true_counts or (real_counts, fake_counts)))
    return tuple(
        Mode(
            id=int(c),
            name=names[int(c)] if names is not None else f"{kind} {c}",
            real_share=float(real_share[c]),
            fake_share=float(fake_share[c]),
            p=float(p[c]),
            state=_state(bool(found[c]), bool(found[c] if strays is None else not strays[c]), bool(rejected[place])),
            corrected=corrected,
        )
        for place, c in enumerate(classes)
    )


def _holm(p: np.ndarray) -> np.ndarray:
    """Which hypotheses Holm's step-down procedure rejects at ALPHA."""
    order = np.argsort(p)
    passed = p[order] <= ALPHA / np.arange(len(p), 0, -1)
    rejected = np.zeros(len(p), bool)
    rejected[order] = np.logical_and.accumulate(passed)
    return rejected


def _state(found: bool, own: bool, rejected: bool) -> ModeState:
    """The state of a mode, by whether any fakes are in it, whether some are its own, and whether they are too few."""
    if rejected:
        return "thinned" if own else "missing"
    return "present" if found else "unseen"
