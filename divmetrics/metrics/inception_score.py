"""Inception score: are the class predictions sharp one by one, and spread all together?"""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor

from divmetrics.declare import Laws, Measured, metric
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.linalg import float64
from divmetrics.summaries import Rows


def split_scores(logits: Tensor, splits: int) -> Tensor:
    """Inception score of each of `splits` contiguous parts of `logits` `[n, classes]`, as they lie."""
    log_p = float64(logits).log_softmax(1)
    n = len(log_p)
    parts = [log_p[n * i // splits : n * (i + 1) // splits] for i in range(splits)]
    return torch.stack([_score(part) for part in parts])


def _score(log_p: Tensor) -> Tensor:
    """exp of the mean KL(p(c | x) || p(c)), which is the entropy of p(c) less the mean entropy of p(c | x)."""
    p = log_p.exp()
    marginal = p.mean(0)
    return ((p * log_p).sum() / len(p) - torch.xlogy(marginal, marginal).sum()).exp()


@metric(
    "inception_score",
    fake=Rows.on("logits"),
    better="higher",
    laws=Laws(range=(1, inf), row_order=False),
    cite="Salimans 2016, arXiv:1606.03498",
    presets=("default",),
    minimum=lambda options: int(options["splits"]),
    protocols={"inception-2015": {"splits": 10}},
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
    logits = fake.features
    if shuffle:
        logits = logits[torch.randperm(fake.n, generator=torch.Generator().manual_seed(seed)).to(logits.device)]
    scores = split_scores(logits, splits)
    return Measured(float(scores.mean()), extras={"std": float(scores.std(correction=0))})
