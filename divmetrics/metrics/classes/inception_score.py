"""Inception score: are the class predictions sharp one by one, and spread all together?"""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor

from divmetrics.arrays.class_counts import score_variance
from divmetrics.arrays.linalg import float64
from divmetrics.arrays.splits import Pool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def split_scores(logits: Tensor, splits: int) -> Tensor:
    """Inception score of each of `splits` contiguous parts of `logits` `[n, classes]`, as they lie."""
    log_p = float64(logits).log_softmax(1)
    n = len(log_p)
    parts = [log_p[n * i // splits : n * (i + 1) // splits] for i in range(splits)]
    return torch.stack([_score(part) for part in parts])


def _dealt(rows: Rows, shuffle: bool, seed: int) -> Tensor:
    """Logits in the order in which they are cut into parts."""
    if not shuffle:
        return rows.features
    order = torch.randperm(rows.n, generator=torch.Generator().manual_seed(seed))
    return rows.features[order.to(rows.features.device)]


def _score(log_p: Tensor) -> Tensor:
    """exp of the mean KL(p(c | x) || p(c)), which is the entropy of p(c) less the mean entropy of p(c | x)."""
    p = log_p.exp()
    marginal = p.mean(0)
    return ((p * log_p).sum() / len(p) - torch.xlogy(marginal, marginal).sum()).exp()


def _variance(pool: Pool, *, splits: int, shuffle: bool, seed: int) -> float:
    """Of a mean over parts that share no sample. log score moves with each KL alone, for p(c) minimises their mean.

    The second order, of every part's own p(c), adds up `splits` times; see divmetrics/arrays/class_counts.py.
    """
    value = float(split_scores(_dealt(pool.fake, shuffle, seed), splits).mean())
    first, level = score_variance(float64(pool.fake.features).log_softmax(1))
    return value**2 * (max(first - 2 * level, 0) + splits * level)


@metric(
    "inception_score",
    fake=Rows.on("logits"),
    better="higher",
    laws=Laws(range=(1, inf), row_order=False),
    cite="Salimans 2016, arXiv:1606.03498",
    minimum=lambda options: int(options["splits"]),
    protocols={"inception-2015": {"splits": 10}},
    uncertainty=UncertaintySpec(variance=Variance("influence function", _variance), bias="1/n"),
    about=About(
        formula=r"\exp \mathbb{E}_y\, \mathrm{KL}(p(c \mid y) \,\|\, p(c))",
        sees="Classes that are missing or rare, and predictions that are not sharp.",
        blind="Diversity within a class: one sample a class is the optimum. It never looks at the real data.",
        bias="Too low, the more so the smaller a part is: 10 splits of 5,000 CIFAR images give 10.75, of 50,000 11.24.",
        cost="O(n K) for K classes; the interval O(n K min(n, K)).",
    ),
)
def inception_score(fake: Rows, *, splits: int = 10, shuffle: bool = True, seed: int = 0) -> Measured:
    """exp of the mean KL from each sample's class prediction to the average one; in [1, classes], higher is better.

    Salimans 2016. The mean over `splits` parts, 10 as in nearly all published values, although one split is less
    biased: fewer samples a part means a lower score. `shuffle` deals the rows out by `seed`, because samples often lie
    sorted by class and a part must see all of them. Extras: `std` over the parts (ddof 0), which is no confidence
    interval. Blind to diversity within a class. Raises UsageError for `splits` < 1, TooFewSamples for `splits` > n.
    """
    if splits < 1:
        raise UsageError(f"splits={splits} is not possible; give 1 or more.")
    if splits > fake.n:
        raise TooFewSamples(
            f"splits={splits} needs as many samples, there are {fake.n}; lower it (splits=1) or add some."
        )
    if fake.d < 2:
        raise FeatureError("logits have one column; an inception score needs at least two classes.")
    scores = split_scores(_dealt(fake, shuffle, seed), splits)
    return Measured(float(scores.mean()), extras={"std": float(scores.std(correction=0))})
