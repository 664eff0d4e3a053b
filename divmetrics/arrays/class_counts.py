"""Counts of classes and mean predictions on many splits of a pool, and how sure what is made of them is.

**Second order.** Divergences and entropies are flat where both sides agree, or all classes are equally frequent: there
their first-order variance vanishes, and the plug-in estimate of it is twice the true variance, which is that of a chi
square. With `level` the variance in that flat case, estimate - level is right at both ends, and never less than level.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import ndtri, rel_entr, xlogy
from torch import Tensor

from divmetrics.arrays.linalg import float64
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import ClassTally, Rows

FEW, TAILS = 0.04, 400
"""Squared relative error of a mean probability above which its logarithm is no longer near to linear; draws of it."""
PIECE = 2**22
"""Entries of a split matrix looked at in one go."""


def labels_of(rows: Rows) -> Tensor:
    """Class of each row, int64 `[n]` on the CPU: integer labels as they are, of logits the largest."""
    features = rows.features
    return (features if features.ndim == 1 else features.argmax(1)).long().cpu()


def both_counts(real: ClassTally, fake: ClassTally) -> tuple[np.ndarray, np.ndarray]:
    """Counts of both sides over the same classes, `[classes]` each."""
    width = max(len(real.counts), len(fake.counts))
    return real.padded(width).cpu().numpy(), fake.padded(width).cpu().numpy()


def pool_counts(pool: TwoSamplePool) -> tuple[np.ndarray, np.ndarray]:
    """`both_counts` of a pool of labels or logits."""
    labels = [labels_of(pool.real), labels_of(pool.fake)]
    width = int(max(part.max() for part in labels)) + 1
    reals, fakes = (torch.bincount(part, minlength=width).numpy() for part in labels)
    return reals, fakes


def counts_on_splits(pool: Pool, splits: Splits) -> tuple[np.ndarray, np.ndarray]:
    """Counts of the reals and of the fakes of each split, `[B, classes]` each, of a pool of labels or logits."""
    labels = labels_of(pool.whole)
    return label_counts_on_splits(labels, int(labels.max()) + 1, splits)


def label_counts_on_splits(labels: Tensor, width: int, splits: Splits) -> tuple[np.ndarray, np.ndarray]:
    """How many reals and fakes of each split have each of `width` labels, int64 `[B, width]` each."""
    step = max(1, PIECE // len(labels))
    found: list[list[Tensor]] = [[], []]
    for side in torch.split(splits.side, step):
        places = labels + width * torch.arange(len(side))[:, None]  # [b, N], one run of bins a split
        for which, kept in zip((REAL, FAKE), found, strict=True):
            kept.append(torch.bincount(places[side == which], minlength=width * len(side)).view(-1, width))
    reals, fakes = (torch.cat(kept).numpy() for kept in found)
    return reals, fakes


def shares(counts: np.ndarray) -> np.ndarray:
    """`counts` `[..., K]` divided by their sum; NaN where that is zero."""
    total = counts.sum(-1, keepdims=True)
    return np.asarray(np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0))


def jensen_shannon(reals: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence of the shares of two sets of counts `[..., K]`, in nats; in [0, ln 2]."""
    p, q = shares(fakes), shares(reals)
    return np.asarray((rel_entr(p, (p + q) / 2) + rel_entr(q, (p + q) / 2)).sum(-1) / 2)


def variance_of_mean(values: np.ndarray, counts: np.ndarray) -> float:
    """Variance of the mean of `values` `[K]`, one a class, over `counts` `[K]` samples."""
    total = counts.sum()
    mean = (counts * values).sum() / total
    return float((counts * (values - mean) ** 2).sum() / total**2)


def corrected_variance(first: float, level: float) -> float:
    """The variance of a quantity from its first-order estimate, and that of its second order; see above."""
    return max(first - level, level)


def log_predictions(rows: Rows) -> Tensor:
    """log p(c | x) `[n, classes]` float64 of logits."""
    return float64(rows.features).log_softmax(1)


def mean_predictions(log_p: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
    """Mean prediction `[B, classes]` and mean entropy `[B]` of the rows picked by each row of `side` `[B, N]` bool."""
    p = log_p.exp()
    load = side.to(p) / side.sum(1, keepdim=True).to(p)
    return load @ p, load @ -(p * log_p).sum(1)


def mean_predictions_on_splits(pool: Pool, splits: Splits) -> tuple[Tensor, Tensor, Tensor]:
    """Mean prediction of the reals and of the fakes `[B, classes]`, and mean entropy of the fakes' `[B]`."""
    log_p = log_predictions(pool.whole)
    side = splits.side.to(log_p.device)
    fake, entropy = mean_predictions(log_p, side == FAKE)
    return mean_predictions(log_p, side == REAL)[0], fake, entropy


def kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) over the last axis, in nats."""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


def divergence_influence(mean: Tensor, log_p: Tensor) -> tuple[Tensor, float]:
    """How KL(mean || mean of p) moves with predictions p `[m, classes]`: by minus these `[m]`, first order, and more.

    The second number is the variance owed to classes of which the fakes' mean probability hangs on a few samples, whose
    logarithm is far from linear in it; they have no part in the first.
    """
    p = log_p.exp()
    fake = p.mean(0)
    ratio = torch.where(mean > 0, mean / fake.clamp(min=1e-300), 0)
    few = (mean > 0) & (p.var(0) > FEW * len(p) * fake.square())
    rare = [float(mean[c]) ** 2 * log_mean_variance(log_p[:, c].cpu().numpy()) for c in few.nonzero()[:, 0].tolist()]
    return p @ torch.where(few, 0, ratio), sum(rare)


def log_mean_variance(log_p: np.ndarray) -> float:
    """Variance of the log of a mean of probabilities `[n]` that the largest of them make up.

    It is that over draws of as many samples whose largest come from the tail of a normal law of log p, fitted to the
    largest ones there are: draws of the samples themselves would know none larger.
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
    """Squared norm of the covariance of predictions `p` `[n, classes]`, each class in units of the root of `middle`.

    Half of it is n² times the second-order variance of KL(mean || middle) over n samples.
    """
    scaled = (p - p.mean(0)) / middle.clamp(min=1e-300).sqrt()
    scaled = scaled if len(scaled) < scaled.shape[1] else scaled.T
    return float((scaled @ scaled.T / len(p)).square().sum())


def score_variance(log_p: Tensor) -> tuple[float, float]:
    """Variance of the log of the inception score of `log_p` `[n, classes]`: first order, and level of the second."""
    p = log_p.exp()
    middle = p.mean(0)
    gains = (p * log_p - torch.xlogy(p, middle)).sum(1)  # KL of each prediction from their mean
    return float(gains.var()) / len(p), curvature(p, middle) / (2 * len(p) ** 2)


def entropy(counts: np.ndarray) -> np.ndarray:
    """Shannon entropy of the shares of `counts` `[..., K]`, in nats."""
    return np.asarray(-xlogy(shares(counts), shares(counts)).sum(-1))
