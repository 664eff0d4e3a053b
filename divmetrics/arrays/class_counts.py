"""Class counts and mean predictions, also on many splits of a pool, and sampling variances of functions of them.

**Second order.** Divergences and entropies have a zero gradient where both sides agree, or where all classes are
equally frequent: there their first-order variance vanishes, and its plug-in estimate is twice the true variance, which
is that of a chi-squared variable. With `level` that true variance, the estimate less `level` is right in both cases,
and it is never less than `level` (`corrected_variance`).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from scipy.special import ndtri, rel_entr, xlogy
from torch import Tensor

from divmetrics.arrays.confusion import Predicted, true_counts
from divmetrics.arrays.linalg import float64
from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import ClassTally, Rows
from divmetrics.errors import FeatureError

FEW, TAILS = 0.04, 400
"""Squared relative error of a mean probability above which its logarithm is not nearly linear; draws of its tail."""
PIECE = 2**22
"""Entries of a matrix of splits that are processed at once."""


def labels_of(rows: Rows) -> Tensor:
    """Class of each sample: integer labels `[n]` as they are, the largest of logits `[n, classes]`.

    Args:
        rows: Labels or logits.

    Returns:
        `[n]` int64 on the CPU.
    """
    features = rows.features
    return (features if features.ndim == 1 else features.argmax(1)).long().cpu()


def check_classes(columns: int) -> None:
    """Raise FeatureError where logits have one column, whose largest is always the same."""
    if columns < 2:
        raise FeatureError(
            "the logits have one column, so they tell no classes apart; a column for each class is wanted, two for a "
            "classifier that says yes or no."
        )


def both_counts(real: ClassTally, fake: ClassTally) -> tuple[np.ndarray, np.ndarray]:
    """Class counts of both sides over the same classes.

    Args:
        real: Class counts of the real samples.
        fake: Class counts of the fake samples.

    Returns:
        Counts `[classes]` of the real and of the fake samples.

    Example:
        >>> real, fake = ClassTally.from_array([0, 0]), ClassTally.from_array([0, 1])
        >>> [counts.tolist() for counts in both_counts(real, fake)]
        [[2, 0], [1, 1]]
    """
    width = max(len(real.counts), len(fake.counts))
    return real.padded(width).cpu().numpy(), fake.padded(width).cpu().numpy()


def pool_counts(pool: TwoSamplePool) -> tuple[np.ndarray, np.ndarray]:
    """Class counts of the two sides of a pool of labels or logits, over the same classes; as `both_counts`.

    Counts of a classifier are corrected for its errors, and scaled to the independent observations that they are worth.
    """
    labels = [labels_of(pool.real), labels_of(pool.fake)]
    width = int(max(part.max() for part in labels)) + 1
    known = pool.fake if isinstance(pool.fake, Predicted) else None
    width = width if known is None else len(known.confusion)
    reals, fakes = (torch.bincount(part, minlength=width).numpy() for part in labels)
    if known is None:
        return reals, fakes
    reals, fakes = true_counts(reals, fakes, known.confusion)
    return reals, fakes * known.weight


def counts_on_splits(pool: Pool, splits: Splits) -> tuple[np.ndarray, np.ndarray]:
    """Class counts of both sides on every split of a pool of labels or logits.

    Args:
        pool: The real and fake samples.
        splits: B assignments of them to the two sides.

    Returns:
        Counts `[B, classes]` of the real and of the fake samples, those of a classifier corrected for its errors.
    """
    labels = labels_of(pool.whole)
    if isinstance(pool.fake, Predicted):
        confusion = pool.fake.confusion
        counts = partial(label_counts_on_splits, labels, len(confusion), splits)
        return once((pool, splits), "corrected class counts", lambda: true_counts(*counts(), confusion))
    return label_counts_on_splits(labels, int(labels.max()) + 1, splits)


def label_counts_on_splits(labels: Tensor, width: int, splits: Splits) -> tuple[np.ndarray, np.ndarray]:
    """Label counts of both sides on every split of N samples.

    Args:
        labels: `[N]` int64, from 0 to `width` - 1.
        width: Number of labels.
        splits: B assignments of the samples to the two sides.

    Returns:
        Counts `[B, width]` int64 of the real and of the fake samples.
    """
    step = max(1, PIECE // len(labels))
    parts: list[list[Tensor]] = [[], []]
    for side in torch.split(splits.side, step):
        places = labels + width * torch.arange(len(side))[:, None]  # [b, N], bins of their own for each split
        for which, counts in zip((REAL, FAKE), parts, strict=True):
            counts.append(torch.bincount(places[side == which], minlength=width * len(side)).view(-1, width))
    reals, fakes = (torch.cat(counts).numpy() for counts in parts)
    return reals, fakes


def shares(counts: np.ndarray) -> np.ndarray:
    """Relative frequencies of `counts` `[..., K]`, which sum to 1 over the last axis; NaN where the sum is zero."""
    total = counts.sum(-1, keepdims=True)
    return np.asarray(np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0))


def jensen_shannon(reals: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence of the relative frequencies of two sets of counts, in nats; in [0, ln 2].

    Args:
        reals: Counts `[..., K]` of real samples.
        fakes: Counts `[..., K]` of fake samples.

    Returns:
        `[...]`.

    Example:
        >>> round(float(jensen_shannon(np.array([5, 0]), np.array([0, 5]))), 6)  # ln 2
        0.693147
    """
    p, q = shares(fakes), shares(reals)
    return np.asarray((rel_entr(p, (p + q) / 2) + rel_entr(q, (p + q) / 2)).sum(-1) / 2)


def variance_of_mean(values: np.ndarray, counts: np.ndarray) -> float:
    """Sampling variance of the mean of a function of the class, `values` `[K]`, over `counts` `[K]` samples."""
    total = counts.sum()
    mean = (counts * values).sum() / total
    return float((counts * (values - mean) ** 2).sum() / total**2)


def corrected_variance(first: float, level: float) -> float:
    """Sampling variance from a plug-in estimate of the first order, corrected for the second order.

    Args:
        first: First-order variance, which counts the second order twice.
        level: Variance where the gradient vanishes.

    Returns:
        `first - level`, at least `level`; see the module.
    """
    return max(first - level, level)


def log_predictions(rows: Rows) -> Tensor:
    """Log-probabilities log p(c | x) `[n, classes]` float64 of logits `[n, classes]`, of two classes or more."""
    check_classes(rows.features.shape[1])
    return float64(rows.features).log_softmax(1)


def mean_predictions(log_p: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
    """Mean prediction and mean entropy of B subsets of samples.

    Args:
        log_p: Log-probabilities `[N, classes]`.
        side: `[B, N]` bool, the samples of each subset.

    Returns:
        Mean probabilities `[B, classes]`, and the mean `[B]` over samples of the entropy of their predictions in nats.
    """
    p = log_p.exp()
    load = side.to(p) / side.sum(1, keepdim=True).to(p)
    return load @ p, load @ -(p * log_p).sum(1)


def mean_predictions_on_splits(pool: Pool, splits: Splits) -> tuple[Tensor, Tensor, Tensor]:
    """Mean predictions of both sides on every split of a pool of logits.

    Args:
        pool: The real and fake samples.
        splits: B assignments of them to the two sides.

    Returns:
        Mean probabilities `[B, classes]` of the real and of the fake samples, and the mean entropy `[B]` of the
        predictions of the fake samples, in nats.
    """
    log_p = log_predictions(pool.whole)
    side = splits.side.to(log_p.device)
    fake, entropy = mean_predictions(log_p, side == FAKE)
    return mean_predictions(log_p, side == REAL)[0], fake, entropy


def kl(p: Tensor, q: Tensor) -> Tensor:
    """Kullback-Leibler divergence KL(p || q) over the last axis, in nats."""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


def divergence_influence(mean: Tensor, log_p: Tensor) -> tuple[Tensor, float]:
    """Influence function of KL(mean || mean of p) at predictions p, and the variance that it does not capture.

    Args:
        mean: Mean prediction `[classes]` of the real samples.
        log_p: Log-probabilities `[m, classes]` of the fake samples.

    Returns:
        Minus the influence `[m]` of each fake sample, up to a constant; and the variance due to classes whose mean
        probability depends on a few samples, where its logarithm is far from linear. Those classes are left out of the
        influence.
    """
    p = log_p.exp()
    fake = p.mean(0)
    ratio = torch.where(mean > 0, mean / fake.clamp(min=1e-300), 0)
    few = (mean > 0) & (p.var(0) > FEW * len(p) * fake.square())
    rare = [float(mean[c]) ** 2 * log_mean_variance(log_p[:, c].cpu().numpy()) for c in few.nonzero()[:, 0].tolist()]
    return p @ torch.where(few, 0, ratio), sum(rare)


def log_mean_variance(log_p: np.ndarray) -> float:
    """Variance of the logarithm of a mean of probabilities that is dominated by the largest of them.

    A parametric bootstrap: the largest probabilities are drawn from a normal tail of log p fitted to the largest ones
    observed, because resampling the observed values would never draw larger ones.

    Args:
        log_p: Log-probabilities `[n]` of one class.
    """
    n = len(log_p)
    count = min(max(5, round(2 * n**0.5)), max(1, n // 2))
    ordered = np.sort(log_p) - log_p.max()
    places = ndtri((np.arange(n - count, n) + 0.625) / (n + 0.25))
    slope, base = np.polyfit(places, ordered[-count:], 1) if count > 1 else (0.0, 0.0)
    rng = np.random.default_rng(0)
    drawn = rng.poisson(count, TAILS)
    tail = base - slope * ndtri(rng.random((TAILS, max(1, drawn.max()))) * count / n)
    tail = np.where(np.arange(tail.shape[1]) < drawn[:, None], np.minimum(tail, -log_p.max()), -np.inf)
    return float(np.log(np.exp(ordered[:-count]).sum() + np.exp(tail).sum(1)).var(ddof=1))


def curvature(p: Tensor, middle: Tensor) -> float:
    """Squared Frobenius norm of the covariance of predictions, each class scaled by 1 / sqrt(middle).

    Half of it is n² times the second-order variance of KL(mean || middle) over n samples.

    Args:
        p: Probabilities `[n, classes]`.
        middle: Mean probabilities `[classes]`.
    """
    scaled = (p - p.mean(0)) / middle.clamp(min=1e-300).sqrt()
    scaled = scaled if len(scaled) < scaled.shape[1] else scaled.T
    return float((scaled @ scaled.T / len(p)).square().sum())


def score_variance(log_p: Tensor) -> tuple[float, float]:
    """Sampling variance of the logarithm of the Inception Score: of the first order, and `level` of the second.

    Args:
        log_p: Log-probabilities `[n, classes]`.

    Returns:
        The arguments of `corrected_variance`.
    """
    p = log_p.exp()
    middle = p.mean(0)
    gains = (p * log_p - torch.xlogy(p, middle)).sum(1)  # KL of each prediction from their mean
    return float(gains.var()) / len(p), curvature(p, middle) / (2 * len(p) ** 2)


def entropy(counts: np.ndarray) -> np.ndarray:
    """Shannon entropy `[...]` of the relative frequencies of `counts` `[..., K]`, in nats."""
    return np.asarray(-xlogy(shares(counts), shares(counts)).sum(-1))
