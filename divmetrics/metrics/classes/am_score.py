"""AM score: divergence of the mean class predictions plus mean entropy of the fake predictions."""

from __future__ import annotations

import torch
from torch import Tensor

from divmetrics.arrays.class_counts import (
    corrected_variance,
    curvature,
    divergence_influence,
    kl,
    log_predictions,
    mean_predictions_on_splits,
)
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _resample(pool: Pool, splits: Splits) -> Tensor:
    real, fake, entropy = mean_predictions_on_splits(pool, splits)
    return kl(real, fake) + entropy


def _variance(pool: TwoSamplePool) -> float | None:
    """Sampling variance by the influence function of both sides; None where the score is infinite."""
    log_q, log_p = log_predictions(pool.real), log_predictions(pool.fake)
    p, q = log_p.exp(), log_q.exp()
    fake, real = p.mean(0), q.mean(0)
    if bool(((fake <= 0) & (real > 0)).any()):
        return None
    influence, rare = divergence_influence(real, log_p)
    gains = -(p * log_p).sum(1) - influence
    ratio = torch.where(real > 0, real / fake.clamp(min=1e-300), 0)
    first = float(gains.var()) / pool.m + rare + float((q @ ratio.clamp(min=1e-300).log()).var()) / pool.n
    level = curvature(torch.cat([p, q]), (fake + real) / 2) / 2 * (1 / pool.n + 1 / pool.m) ** 2
    return corrected_variance(first, level)


@metric(
    "am_score",
    real=Rows.on("logits"),
    fake=Rows.on("logits"),
    better="lower",
    laws=Laws(range=(0, float("inf"))),
    cite="Zhou 2018, arXiv:1703.02000",
    minimum=lambda _: 1,
    uncertainty=UncertaintySpec(variance=Variance("influence function", _variance), resample=_resample, bias="1/n"),
    about=About(
        formula=r"\mathrm{KL}(p^* \,\|\, p) + \mathbb{E}_y\, H(p(c \mid y))",
        sees="Classes that are rarer than among the real samples, and uncertain predictions.",
        blind="Diversity within a class. Confident predictions can compensate for missing classes.",
        bias="Too high by about (K - 1)/2 (1/n + 1/m) with confident predictions of K classes.",
        cost="O((n + m) K) for K classes.",
    ),
)
def am_score(real: Rows, fake: Rows) -> Measured:
    """KL divergence of the mean real from the mean fake prediction plus mean fake entropy; nats, >= 0, lower is better.

    Zhou 2018: KL(p* || p) + E H(p(c | y)). It is infinite, and reported as no value, where a class of the real samples
    has probability 0 for all fake samples.

    Args:
        real: Class logits of the real samples, `[n, classes]`.
        fake: Class logits of the generated samples, `[m, classes]`.

    Returns:
        The score, in nats. Extras: its two terms, `divergence` and `entropy`.

    Raises:
        FeatureError: Fewer than two classes, or different numbers of classes.

    Example:
        >>> import divmetrics as dm
        >>> real = [[50.0, 0.0], [0.0, 50.0]]
        >>> round(dm.metrics.am_score(real, [[50.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 0.0]]), 4)  # KL(1/2 || 3/4)
        0.1438
    """
    same_width(real.d, fake.d)
    if fake.d < 2:
        raise FeatureError("logits have one column; an AM score needs at least two classes.")
    log_p = log_predictions(fake)
    p = log_p.exp()
    divergence = max(0.0, float(kl(log_predictions(real).exp().mean(0), p.mean(0))))
    entropy = float(-(p * log_p).sum(1).mean())
    return Measured(divergence + entropy, extras={"divergence": divergence, "entropy": entropy})
