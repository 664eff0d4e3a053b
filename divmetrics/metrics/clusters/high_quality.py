"""High-quality share: fakes that lie within the reach of a mode."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import rel_entr
from torch import Tensor

from divmetrics.arrays.splits import FAKE, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import UsageError
from divmetrics.metrics.clusters._gaussian_modes import Blobs, blobs, fitted
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

FITS = 12
"""Refits on halves of the reals behind the variance."""


def _inside(pool_real: Rows, fake: Rows, count: int | None, sigmas: float | None, seed: int) -> tuple[Blobs, Tensor]:
    """The modes, and whether each real (without itself) and then each fake is in one, bool `[n + m]` on the CPU."""
    same_width(pool_real.d, fake.d)
    if sigmas is not None and not sigmas > 0:
        raise UsageError(f"sigmas={sigmas} is not possible; give a number above 0.")
    modes = blobs(pool_real, count, seed)
    limit = modes.limit(sigmas)
    return modes, torch.cat([modes.own, modes.place(fake.features)[1]]) <= limit


def _resample(pool: TwoSamplePool, splits: Splits, *, count: int | None, sigmas: float | None, seed: int) -> Tensor:
    """Modes stay as they are; reals count by their distance to their mode without them, as if they were fresh."""
    _, inside = _inside(pool.real, pool.fake, count, sigmas, seed)
    chosen = (splits.side == FAKE).double()
    return chosen @ inside.double() / chosen.sum(1)


def _variance(pool: TwoSamplePool, *, count: int | None, sigmas: float | None, seed: int) -> float | None:
    """Binomial, of the fakes, and what the other half of the reals would have made of them."""
    modes, inside = _inside(pool.real, pool.fake, count, sigmas, seed)
    share = float(inside[pool.n :].double().mean())
    found = []
    for b in range(FITS):
        half = torch.randperm(pool.n, generator=torch.Generator().manual_seed(seed + b))[: pool.n // 2].sort().values
        other = fitted(pool.real.take(half), modes.labels[half])
        found.append(float((other.place(pool.fake.features)[1] <= other.limit(sigmas)).double().mean()))
    return share * (1 - share) / pool.m + float(np.var(found, ddof=1)) or None


def _captured(modes: Blobs, mode: Tensor, inside: Tensor, reals_inside: Tensor) -> dict[str, object]:
    """Modes with a high-quality fake, and how far the shares of the modes are from the reals', in nats."""
    width = len(modes.centres)
    fakes = torch.bincount(mode[inside], minlength=width).numpy()
    reals = torch.bincount(modes.labels, minlength=width).numpy()
    q = reals / reals.sum()
    kl = float(rel_entr(fakes / fakes.sum(), q).sum()) if fakes.any() else None
    out = float((~reals_inside).double().sum() + 0.5) / (len(reals_inside) + 1)  # of no real outside, half a one
    p = np.append(fakes, len(mode) - fakes.sum()) / len(mode)
    with_outside = float(rel_entr(p, np.append(q * (1 - out), out)).sum())
    captured = int((fakes > 0).sum())
    return {"modes_captured": captured, "modes_total": width, "kl": kl, "kl_with_outside": with_outside}


@metric(
    "high_quality",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_collapse="blind"),
    cite="Srivastava 2017 (VEEGAN), arXiv:1705.07761; Lin 2018 (PacGAN), arXiv:1712.04086",
    minimum=lambda _: 2,
    uncertainty=UncertaintySpec(variance=Variance("binomial and refitted modes", _variance), resample=_resample),
    about=About(
        formula=r"\frac1m \#\{j : \|y_j - \mu_{k(j)}\| \le r_{k(j)}\},\quad k(j) = \arg\min_k \|y_j - \mu_k\|",
        sees="Fakes between the modes of the reals, or far from all of them.",
        blind="Missing modes, which stand in extras. Shrunken modes score above 98.89 %, which is what reals score.",
        bias="None to speak of: reals count by their distance to their mode without them.",
        cost="k-means once (see ndb), then O(m K d).",
    ),
)
def high_quality(
    real: Rows, fake: Rows, *, count: int | None = None, sigmas: float | None = None, seed: int = 0
) -> Measured:
    """Share of fakes within the radius of the nearest mode; in [0, 1], higher is better, healthy sets score 98.89 %.

    After Srivastava 2017, without labels: modes are `count` k-means clusters of the reals, or as many as suit them,
    each with one variance for all dimensions. The radius holds 98.89 % of a round Gaussian: in two dimensions the
    classic three standard deviations, which `sigmas=3` takes literally in any. Where modes are not round, the
    degrees of freedom of the chi square are those that the reals' own distances show.
    Extras: `real`, the reals' own share; `dof`; `modes_captured` (with a high-quality fake) of `modes_total`; `kl`, the
    divergence of the high-quality fakes' shares of the modes from the reals', None without any; `kl_with_outside`, the
    same with all others as a mode of their own. Per fake: `high_quality`, `cluster`.
    Raises UsageError for `sigmas` <= 0 or `count` < 1.
    """
    modes, inside = _inside(real, fake, count, sigmas, seed)
    own, good = inside[: real.n], inside[real.n :]
    mode = modes.place(fake.features)[0]
    extras = {"real": float(own.double().mean()), "dof": modes.freedom, **_captured(modes, mode, good, own)}
    return Measured(float(good.double().mean()), fake={"high_quality": good, "cluster": mode}, extras=extras)
