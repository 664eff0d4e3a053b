"""Class counts from an imperfect classifier, corrected by its confusion matrix.

Where a classifier says of n samples which class they are, "predicted = true x confusion" holds for the shares. EM
inverts it (Richardson and Lucy), which never leaves the simplex.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.special import bdtrc, ndtri

from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError

LEAST = 0.5
"""Count of a class that is not shown to be absent, at least."""
STEPS = 5000
"""EM iterations at most; it stops where no count moves by a thousandth of a sample."""
ABSENT = 0.01
"""A class is taken to be absent where its count is explained by errors, at this level, and lower than presence would
explain, at this level for all classes together."""


def confusion_rates(confusion: Any, classes: int) -> np.ndarray:
    """A confusion matrix as shares, each row summing to 1.

    Args:
        confusion: `[classes, classes]`, row k how often class k is predicted to be each class, in counts or shares.
        classes: Classes that it must cover at least.

    Raises:
        UsageError: It does not fit.
    """
    rates = np.asarray(confusion, float)
    if rates.ndim != 2 or rates.shape[0] != rates.shape[1] or len(rates) < classes:
        raise UsageError(f"the confusion matrix has shape {rates.shape}; {classes} x {classes} classes are needed.")
    sums = rates.sum(1, keepdims=True)
    if not np.isfinite(rates).all() or (rates < 0).any() or (sums <= 0).any():
        raise UsageError("the confusion matrix needs a positive sum in each row and no negative entry.")
    return np.asarray(rates / sums)


def corrected_counts(counts: np.ndarray, confusion: Any, possible: np.ndarray | None = None) -> np.ndarray:
    """How many samples are truly of each class, from the counts that an imperfect classifier gave.

    The maximum-likelihood shares under "predicted = true x confusion", by EM (Richardson and Lucy).

    Args:
        counts: Samples predicted to be of each class `[..., classes]`.
        confusion: `[classes, classes]`, row k how often class k is predicted to be each class, in counts or shares.
        possible: `[..., classes]` bool, the classes that may have samples at all; None for all.

    Returns:
        Samples `[..., classes]` float64, with the same sums.

    Raises:
        UsageError: `confusion` does not fit.

    Example:
        >>> corrected_counts(np.array([90, 10]), [[0.9, 0.1], [0.0, 1.0]]).round().tolist()
        [100.0, 0.0]
    """
    rates = _sparse(confusion_rates(confusion, counts.shape[-1]))
    total = counts.sum(-1, keepdims=True).astype(float)
    # EM never leaves 0, so no share starts there
    share = (np.asarray(counts, float) + 0.5) / (total + counts.shape[-1] / 2)
    if possible is not None:
        share = share * possible / np.maximum((share * possible).sum(-1, keepdims=True), 1e-300)
    for _ in range(STEPS):
        predicted = share @ rates
        ratio = np.divide(counts, predicted, out=np.zeros_like(predicted), where=predicted > 0)
        next_share = share * (ratio @ rates.T) / np.maximum(total, 1e-300)
        moved = float((np.abs(next_share - share) * total).max(initial=0))
        share = next_share
        if moved < 1e-3:
            break
    sums = share.sum(-1, keepdims=True)  # below 1 where a prediction is of a class that no possible one is taken for
    return np.asarray(share / np.where(sums > 0, sums, 1) * total)


def _sparse(rates: np.ndarray) -> Any:
    """`rates` in a form that multiplies fast: of a thousand classes each is taken for few others."""
    return csr_array(rates) if np.count_nonzero(rates) < rates.size / 10 else rates


def leaks(share: np.ndarray, confusion: Any, *, sds: float = 0.0) -> np.ndarray:
    """Share of all samples that are predicted to be of each class and are of another one.

    Args:
        share: True shares `[..., classes]`.
        confusion: As in `corrected_counts`.
        sds: So many standard errors are added, for a matrix that holds counts of a finite sample.

    Returns:
        `[..., classes]`.
    """
    rates = confusion_rates(confusion, share.shape[-1])
    others = rates * (1 - np.eye(len(rates)))
    found = share @ others
    if sds:
        counted = np.asarray(confusion, float).sum(1, keepdims=True)
        spread = rates * (1 - rates) / counted * (1 - np.eye(len(rates)))
        found = found + sds * np.sqrt(share**2 @ spread + counted.sum() ** -2)  # none of n is no proof
    return np.asarray(np.clip(found, 0, 1))


def there(counts: np.ndarray, leak: np.ndarray, level: float) -> np.ndarray:
    """Whether more samples are predicted to be of a class `[..., classes]` than errors explain, a share `leak`."""
    whole = np.rint(counts).astype(np.int64)
    return np.asarray((bdtrc(whole - 1, whole.sum(-1, keepdims=True), leak) <= level) & (whole > 0))


def true_counts(real: np.ndarray, fake: np.ndarray, confusion: Any) -> tuple[np.ndarray, np.ndarray]:
    """Corrected counts of both sides; the fakes have no sample of a class whose count the errors explain.

    A class is absent among the fakes where no more samples are predicted to be of it than errors explain, and
    significantly fewer than its share among the real samples would give: of the classes of a faithful generator one is
    called absent in a hundred sets at most, however many there are. Without this rule a class that is never
    generated keeps a few samples in every second set, by chance.

    Args:
        real: Predicted counts `[..., classes]` of the real samples.
        fake: Predicted counts `[..., classes]` of the fakes.
        confusion: Counts of the classifier on real samples that it was not shown, as in `corrected_counts`.

    Returns:
        Counts `[..., classes]` float64 of the real samples and of the fakes, with the same sums.

    Example:
        >>> errors = [[90, 10], [0, 100]]
        >>> [side.round().tolist() for side in true_counts(np.array([90, 110]), np.array([180, 22]), errors)]
        [[100.0, 100.0], [202.0, 0.0]]
    """
    rates = confusion_rates(confusion, real.shape[-1])
    n, m = real.sum(-1, keepdims=True), fake.sum(-1, keepdims=True)
    true_real, true_fake = (corrected_counts(side, confusion) for side in (real, fake))
    common = (real + fake) / (n + m)
    spread = np.sqrt(common * (1 - common) * (1 / n + 1 / m))
    families = np.maximum((real > 0).sum(-1, keepdims=True), 1)
    fewer = (true_real / n - true_fake / m) * np.diagonal(rates) > -ndtri(ABSENT / families) * spread
    absent = fewer & ~there(fake, leaks(true_fake / m, confusion, sds=2), ABSENT)
    if absent.any():
        true_fake = corrected_counts(fake, confusion, ~absent)
    return true_real, _at_least(true_fake, (real > 0) & (fake > 0) & ~absent)


def _at_least(counts: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Counts of the same sums, at least `LEAST` of the classes `kept`: the likeliest share of a small one may be 0."""
    low = kept & (counts < LEAST)
    if not low.any():
        return counts
    others = np.where(low, 0, counts)
    left = counts.sum(-1, keepdims=True) - LEAST * low.sum(-1, keepdims=True)
    scaled = others * np.maximum(left, 0) / np.maximum(others.sum(-1, keepdims=True), 1e-300)
    return np.asarray(np.where(low, LEAST, scaled))


@dataclass(frozen=True, eq=False)
class Predicted(Rows):
    """The classes that a classifier gave to the samples of one side, and what is known of its errors.

    `features` `[n]` int64 are the class numbers. Class counts of a pool of these rows are corrected, see
    `arrays/class_counts.py`.
    """

    confusion: np.ndarray = field(default_factory=lambda: np.eye(1))
    """Counts `[classes, classes]`, row = true class, column = predicted class."""
    weight: float = 1.0
    """Independent observations that one sample is worth: fewer than 1 where the side holds copies or the classifier
    errs. Sampling variances rest on it."""
