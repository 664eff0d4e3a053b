"""High-quality samples: share of the fake samples that lie close to a mode of the real distribution."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import rel_entr
from torch import Tensor

from divmetrics.arrays.splits import FAKE, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import UsageError
from divmetrics.metrics.clusters._gaussian_modes import GaussianModes, fit_gaussian_modes, gaussian_modes
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

FITS = 12
"""Refits on halves of the real samples behind the variance."""


def _modes_and_inside(
    real: Rows, fake: Rows, count: int | None, sigmas: float | None, seed: int
) -> tuple[GaussianModes, Tensor]:
    """The modes, and whether each real (left out of its mode) and then each fake sample is in one, bool `[n + m]`."""
    same_width(real.d, fake.d)
    if sigmas is not None and not sigmas > 0:
        raise UsageError(f"sigmas={sigmas} is not possible; give a number above 0.")
    modes = gaussian_modes(real, count, seed)
    limit = modes.squared_radius(sigmas)
    return modes, torch.cat([modes.own, modes.assign(fake.features)[1]]) <= limit


def _resample(pool: TwoSamplePool, splits: Splits, *, count: int | None, sigmas: float | None, seed: int) -> Tensor:
    """Share inside on each split; modes stay fixed, and real samples count by their leave-one-out distance."""
    _, inside = _modes_and_inside(pool.real, pool.fake, count, sigmas, seed)
    chosen = (splits.side == FAKE).double()
    return chosen @ inside.double() / chosen.sum(1)


def _variance(pool: TwoSamplePool, *, count: int | None, sigmas: float | None, seed: int) -> float:
    """Sampling variance: binomial in the fake samples, plus that over modes refitted to halves of the real samples.

    The centres of half as many samples are less exact, so that another share lies inside and varies more: the second
    part is that of the logit of the share.

    Where all are inside or none is, the binomial part of that share is 0, though modes that are a little narrower or
    wider would say otherwise: it is that among four samples more then, of which two are inside (Agresti, Coull 1998).
    """
    modes, inside = _modes_and_inside(pool.real, pool.fake, count, sigmas, seed)
    share = float(inside[pool.n :].double().mean())
    if share in (0, 1):
        share = (share * pool.m + 2) / (pool.m + 4)
    refitted = []
    for b in range(FITS):
        half = torch.randperm(pool.n, generator=torch.Generator().manual_seed(seed + b))[: pool.n // 2].sort().values
        other = fit_gaussian_modes(pool.real.take(half), modes.labels[half])
        refitted.append(float((other.assign(pool.fake.features)[1] <= other.squared_radius(sigmas)).double().mean()))
    of_modes, middle = float(np.var(refitted, ddof=1)), float(np.mean(refitted))
    if 0 < middle < 1:
        of_modes *= (share * (1 - share) / (middle * (1 - middle))) ** 2
    return share * (1 - share) / pool.m + of_modes


def _mode_statistics(modes: GaussianModes, mode: Tensor, inside: Tensor, real_inside: Tensor) -> dict[str, object]:
    """Modes with a high-quality fake sample, and the divergences of mode shares from the real ones, in nats."""
    width = len(modes.centres)
    fake_counts = torch.bincount(mode[inside], minlength=width).numpy()
    real_counts = torch.bincount(modes.labels, minlength=width).numpy()
    q = real_counts / real_counts.sum()
    kl = float(rel_entr(fake_counts / fake_counts.sum(), q).sum()) if fake_counts.any() else None
    out = float((~real_inside).double().sum() + 0.5) / (len(real_inside) + 1)  # half a sample where none is outside
    p = np.append(fake_counts, len(mode) - fake_counts.sum()) / len(mode)
    with_outside = float(rel_entr(p, np.append(q * (1 - out), out)).sum())
    captured = int((fake_counts > 0).sum())
    return {"modes_captured": captured, "modes_total": width, "kl": kl, "kl_with_outside": with_outside}


@metric(
    "high_quality",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_collapse="blind"),
    cite="Srivastava 2017 (VEEGAN), arXiv:1705.07761; Lin 2018 (PacGAN), arXiv:1712.04086",
    minimum=lambda _: 2,
    uncertainty=UncertaintySpec(
        variance=Variance("binomial and refitted modes, as a logit", _variance), resample=_resample
    ),
    about=About(
        formula=r"\frac1m \#\{j : \|y_j - \mu_{k(j)}\| \le r_{k(j)}\},\quad k(j) = \arg\min_k \|y_j - \mu_k\|",
        sees="Fake samples between the modes of the real distribution, or far from all of them.",
        blind="Missing modes (see the extras). Shrunken modes score above the 98.89 % of real samples.",
        bias="Negligible: real samples are judged by their leave-one-out distance.",
        cost="k-means once (see `ndb`), then O(m K d).",
    ),
)
def high_quality(
    real: Rows, fake: Rows, *, count: int | None = None, sigmas: float | None = None, seed: int = 0
) -> Measured:
    """Share of fake samples within the radius of their nearest mode; in [0, 1], higher is better, 98.89 % if healthy.

    After Srivastava 2017, without labels: modes are k-means clusters of the real samples, each with one variance for
    all dimensions. By default the radius holds 98.89 % of an isotropic Gaussian, which is the usual three standard
    deviations in two dimensions. Where modes are not isotropic, the degrees of freedom of the chi-square distribution
    are fitted to the distances of the real samples.

    Args:
        real: Features of the real samples, `[n, d]`.
        fake: Features of the generated samples, `[m, d]`.
        count: Number of modes, >= 1; None (the default) chooses the number of best silhouette.
        sigmas: Radius of a mode in standard deviations per dimension, > 0; None (the default) for the 98.89 % radius.
        seed: Seed of the clustering; 0 by default.

    Returns:
        The share. Per fake sample: `high_quality` and `cluster`, its nearest mode. Extras: `real`, the same share of
        real samples; `dof`, the degrees of freedom; `modes_captured`, the modes with a high-quality fake sample, out of
        `modes_total`; `kl`, the KL divergence of the high-quality samples' mode shares from the real ones, None without
        any; `kl_with_outside`, the same with all other samples as a mode of their own.

    Raises:
        UsageError: `count` or `sigmas` is out of range.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real = [[0.0], [0.2], [0.4], [9.0], [9.2], [9.4]]
        >>> dm.metrics.high_quality(real, [[0.1], [9.1], [9.3], [5.0]], count=2)  # the last is between the modes
        0.75
    """
    modes, inside = _modes_and_inside(real, fake, count, sigmas, seed)
    own, good = inside[: real.n], inside[real.n :]
    mode = modes.assign(fake.features)[0]
    extras = {
        "real": float(own.double().mean()),
        "dof": modes.degrees_of_freedom,
        **_mode_statistics(modes, mode, good, own),
    }
    return Measured(float(good.double().mean()), fake={"high_quality": good, "cluster": mode}, extras=extras)
