"""Mode score: an Inception Score corrected by the class distribution of the real samples."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from divmetrics.arrays.class_counts import (
    corrected_variance,
    curvature,
    divergence_influence,
    kl,
    log_predictions,
    mean_predictions_on_splits,
    score_variance,
)
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

Divergence = Literal["fake_to_real", "real_to_fake"]


def _log_score(real: Tensor, fake: Tensor, entropy: Tensor, divergence: Divergence) -> Tensor:
    """Log mode score `[B]` from mean predictions `[B, classes]` of both sides and mean fake prediction entropy `[B]`.

    E KL(p(c|y) || p*) - KL(p || p*) = E sum p(c|y) ln p(c|y) - sum p ln p: p* cancels. The form without p* avoids
    infinity minus infinity where a class has no real samples.
    """
    score = -torch.xlogy(fake, fake).sum(-1) - entropy
    return score if divergence == "fake_to_real" else score - kl(real, fake)


def _resample(pool: Pool, splits: Splits, *, divergence: Divergence) -> Tensor:
    return _log_score(*mean_predictions_on_splits(pool, splits), divergence).exp()


def _variance(pool: TwoSamplePool, *, divergence: Divergence) -> float | None:
    """Sampling variance by the influence function of both sides; None where the score is 0."""
    log_q, log_p = log_predictions(pool.real), log_predictions(pool.fake)
    p, q = log_p.exp(), log_q.exp()
    fake, real = p.mean(0), q.mean(0)
    value = float(_log_score(real, fake, -(p * log_p).sum(1).mean(), divergence).exp())
    if divergence == "fake_to_real":
        return value**2 * corrected_variance(*score_variance(log_p))
    if not value > 0:
        return None
    influence, rare = divergence_influence(real, log_p)
    gains = (p * log_p - torch.xlogy(p, fake)).sum(1) + influence
    ratio = real / fake
    first = float(gains.var()) / pool.m + rare + float((q @ ratio.clamp(min=1e-300).log()).var()) / pool.n
    level = curvature(torch.cat([p, q]), (fake + real) / 2) / 2 / pool.n**2
    return value**2 * corrected_variance(first, level)


@metric(
    "mode_score",
    real=Rows.on("logits"),
    fake=Rows.on("logits"),
    better="higher",
    laws=Laws(range=(0, float("inf"))),
    cite="Che 2017, arXiv:1612.02136",
    minimum=lambda _: 1,
    uncertainty=UncertaintySpec(variance=Variance("influence function", _variance), resample=_resample, bias="1/n"),
    about=About(
        formula=r"\exp(\mathbb{E}_y\, \mathrm{KL}(p(c \mid y) \,\|\, p^*) - \mathrm{KL}(p \,\|\, p^*))",
        sees="The same as the Inception Score with one split, to which it is equal. With `real_to_fake` also classes "
        "whose share differs from that among the real samples.",
        blind="The real samples, in the published form, because p* cancels. Diversity within a class.",
        bias="Too low by a factor of about 1 - (K - 1)/(2 m) with confident predictions of K classes.",
        cost="O((n + m) K) for K classes.",
    ),
)
def mode_score(real: Rows, fake: Rows, *, divergence: Divergence = "fake_to_real") -> Measured:
    """Mode score, an Inception Score with a term for the real classes; in [1, classes], higher is better. Che 2017.

    exp(E KL(p(c|y) || p*) - KL(p || p*)) with p* the mean real prediction. As published it *equals the Inception Score
    of one split*: p* cancels because p is the mean of p(c|y) (Zhou 2018). The other form depends on the real samples
    and reaches 0 where a class of the real samples has no fake sample at all.

    Args:
        real: Class logits of the real samples, `[n, classes]`.
        fake: Class logits of the generated samples, `[m, classes]`.
        divergence: Direction of the second term: `fake_to_real` (the default) is the published score, `real_to_fake`
            is exp(E KL(p(c|y) || p) - KL(p* || p)), in [0, classes].

    Returns:
        The score. Extras: `fake_to_real` and `real_to_fake`, both divergences of the mean predictions in nats.

    Raises:
        FeatureError: Fewer than two classes, or different numbers of classes.

    Example:
        >>> import divmetrics as dm
        >>> logits = [[50.0, 0.0], [0.0, 50.0]]
        >>> round(dm.metrics.mode_score(logits, logits), 6)
        2.0
    """
    same_width(real.d, fake.d)
    if fake.d < 2:
        raise FeatureError("logits have one column; a mode score needs at least two classes.")
    log_p = log_predictions(fake)
    p = log_p.exp()
    mean, reference = p.mean(0), log_predictions(real).exp().mean(0)
    score = _log_score(reference, mean, -(p * log_p).sum(1).mean(), divergence).exp()
    extras = {"fake_to_real": float(kl(mean, reference)), "real_to_fake": float(kl(reference, mean))}
    return Measured(float(score), extras=extras)
