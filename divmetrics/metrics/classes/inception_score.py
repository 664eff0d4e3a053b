"""Inception Score: exponential of the mutual information between samples and predicted classes."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor

from divmetrics.arrays.class_counts import score_variance
from divmetrics.arrays.draws import drawn_order
from divmetrics.arrays.linalg import float64
from divmetrics.arrays.splits import Pool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def split_scores(logits: Tensor, splits: int) -> Tensor:
    """Inception Score of each of `splits` contiguous parts of `logits` `[n, classes]`; `[splits]` float64."""
    log_p = float64(logits).log_softmax(1)
    n = len(log_p)
    parts = [log_p[n * i // splits : n * (i + 1) // splits] for i in range(splits)]
    return torch.stack([_score(part) for part in parts])


def _in_split_order(rows: Rows, shuffle: bool, seed: int) -> Tensor:
    """Logits `[n, classes]` in the order in which they are cut into parts."""
    if not shuffle:
        return rows.features
    return rows.features[drawn_order(rows.features, seed, content=rows.content).to(rows.features.device)]


def _score(log_p: Tensor) -> Tensor:
    """exp of the mean KL(p(c | x) || p(c)) of `[n, classes]`: entropy of p(c) minus mean entropy of p(c | x)."""
    p = log_p.exp()
    marginal = p.mean(0)
    return ((p * log_p).sum() / len(p) - torch.xlogy(marginal, marginal).sum()).exp()


def _variance(pool: Pool, *, splits: int, shuffle: bool, seed: int) -> float:
    """Sampling variance of the mean over disjoint parts.

    To first order the log score is the mean of the KL terms, because p(c) minimises that mean. The second-order term
    comes from each part's own p(c), so it counts `splits` times; see divmetrics/arrays/class_counts.py.
    """
    value = float(split_scores(_in_split_order(pool.fake, shuffle, seed), splits).mean())
    first, level = score_variance(float64(pool.fake.features).log_softmax(1))
    return value**2 * (max(first - 2 * level, 0) + splits * level)


@metric(
    "inception_score",
    fake=Rows.on("logits"),
    better="higher",
    laws=Laws(range=(1, inf)),
    cite="Salimans 2016, arXiv:1606.03498",
    minimum=lambda options: int(options["splits"]),
    protocols={"inception-2015": {"splits": 10}},
    uncertainty=UncertaintySpec(variance=Variance("influence function", _variance), bias="1/n"),
    about=About(
        formula=r"\exp \mathbb{E}_y\, \mathrm{KL}(p(c \mid y) \,\|\, p(c))",
        sees="Classes that are missing or rare, and uncertain predictions.",
        blind="Diversity within a class: one sample a class is optimal. Does not use the real samples.",
        bias="Too low, more so for smaller parts: 10 splits of 5,000 CIFAR images give 10.75, of 50,000 images 11.24.",
        cost="O(n K) for K classes; the interval O(n K min(n, K)).",
    ),
)
def inception_score(fake: Rows, *, splits: int = 10, shuffle: bool = True, seed: int = 0) -> Measured:
    """exp of the mean KL divergence of class predictions from their mean; in [1, classes], higher is better.

    The Inception Score of Salimans 2016, exp(E KL(p(c | y) || p(c))), averaged over `splits` equal parts of the
    samples. Nearly all published values use 10, although one part is less biased: fewer samples a part give a lower
    score. It does not see diversity within a class.

    Args:
        fake: Class logits of the generated samples, `[m, classes]`.
        splits: Number of parts, from 1 to m; 10 by default.
        shuffle: Whether samples are assigned to parts at random (the default) rather than in their order. Samples are
            often stored sorted by class, and each part must see all classes.
        seed: Seed of the shuffling; 0 by default.

    Returns:
        The score. Extras: `std`, the standard deviation over the parts (ddof 0), which is not a confidence interval.

    Raises:
        UsageError: `splits` is below 1.
        TooFewSamples: `splits` exceeds the number of samples.
        FeatureError: Fewer than two classes.

    Example:
        >>> import divmetrics as dm
        >>> round(dm.metrics.inception_score([[50.0, 0.0], [0.0, 50.0]], splits=1), 6)
        2.0
    """
    if splits < 1:
        raise UsageError(f"splits={splits} is not possible; give 1 or more.")
    if splits > fake.n:
        raise TooFewSamples(
            f"splits={splits} needs as many samples, there are {fake.n}; lower it (splits=1) or add some."
        )
    if fake.d < 2:
        raise FeatureError("logits have one column; an inception score needs at least two classes.")
    scores = split_scores(_in_split_order(fake, shuffle, seed), splits)
    return Measured(float(scores.mean()), extras={"std": float(scores.std(correction=0))})
