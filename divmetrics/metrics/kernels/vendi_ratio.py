"""Vendi score of the fakes against that of the reals, with a kernel that the reals place and scale."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.linalg import Pull, each, entropy_pull, float64, gram, spectral_entropy
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError, UsageError
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

Kernel = Literal["anchored", "cosine"]
HEIGHT = 0.5
"""Length of the constant that is appended to rows whose root mean square length is 1."""
ENOUGH = 8
"""Samples a side, in units of the score, from which the influence functions hold."""


@dataclass(frozen=True, eq=False)
class _Lifted:
    """A side as unit rows whose inner products are the kernel."""

    units: Tensor  # [n, d] float64
    lengths: Tensor  # [n], of the rows before
    scale: float
    """What the features were divided by."""

    def score(self, order: float) -> float:
        """Vendi score."""
        n, d = self.units.shape
        return exp(spectral_entropy(gram(self.units if n >= d else self.units.T) / n, order))


def _lift(real: Tensor, fake: Tensor, kernel: Kernel) -> tuple[_Lifted, _Lifted]:
    """Both sides, `[n, d]` and `[m, d]`, for the kernel, which for "anchored" the reals place and scale."""
    same_width(real.shape[1], fake.shape[1])
    rows, scale = [float64(real), float64(fake)], 1.0
    if kernel == "anchored":
        mean = rows[0].mean(0)
        rows = [side - mean for side in rows]
        scale = float(rows[0].square().sum(1).mean()) ** 0.5 or 1.0
        rows = [torch.nn.functional.pad(side / scale, (0, 1), value=HEIGHT) for side in rows]
    lengths = [torch.linalg.vector_norm(side, dim=1) for side in rows]
    if not all(bool((length > 0).all()) for length in lengths):
        raise FeatureError("a row is all zeros and has no direction; use kernel=anchored or drop it.")
    lifted = [_Lifted(side / length[:, None], length, scale) for side, length in zip(rows, lengths, strict=True)]
    return lifted[0], lifted[1]


def _variance(pool: TwoSamplePool, *, order: float, kernel: Kernel) -> float | None:
    """Of the log ratio: each side's own pulls, and how reals move both scores by way of the anchor."""
    real, fake = _lift(pool.real.features, pool.fake.features, kernel)
    pulls = entropy_pull(real.units, order), entropy_pull(fake.units, order)
    scores = real.score(order), fake.score(order)
    if pulls[0] is None or pulls[1] is None or min(pool.n, pool.m) < ENOUGH * max(scores):
        return None
    by_real = -pulls[0].single
    if kernel == "anchored":
        (place, size), (own_place, own_size) = _anchor(fake, pulls[1]), _anchor(real, pulls[0])
        rows = (real.units * real.lengths[:, None])[:, :-1].cpu().numpy()  # centred, of root mean square length 1
        by_real += rows @ (place - own_place) + (size - own_size) * (np.square(rows).sum(1) - 1) / 2
    variance = pulls[0].of(by_real) + pulls[1].variance
    return variance * (scores[1] / scores[0]) ** 2


def _anchor(side: _Lifted, pull: Pull) -> tuple[np.ndarray, float]:
    """How a side's entropy moves with the anchor's place `[d]`, in units of the scale, and with the log scale."""
    units, lengths = side.units.cpu().numpy(), side.lengths.cpu().numpy()
    slopes = pull.slopes
    gradient = (
        2 * (slopes - units * (units * slopes).sum(1, keepdims=True))[:, :-1] / lengths[:, None]
    )  # by the rows before they became units
    return -gradient.mean(0), -float((gradient * units[:, :-1] * lengths[:, None]).sum(1).mean())


def _resample(pool: Pool, splits: Splits, *, order: float, kernel: Kernel) -> Tensor:
    """With an anchor of its own for every split: the reals are centred on their own mean, which the fakes are not."""
    rows = float64(pool.features())

    def of(b: int) -> float:
        real, fake = _lift(rows[splits.real(b)], rows[splits.fake(b)], kernel)
        return fake.score(order) / real.score(order)

    return torch.from_numpy(each(of, len(splits)))


@metric(
    "vendi_ratio",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=0.0, on_copies=1.0),
    cite="Friedman and Dieng 2023, arXiv:2210.02410",
    minimum=lambda _: 1,
    equal_n=True,
    uncertainty=UncertaintySpec(
        variance=Variance("influence function", _variance), resample=_resample, replicate_cost="decomposed_repeatedly"
    ),
    about=About(
        formula=r"\mathrm{VS}(Y) / \mathrm{VS}(X), \quad k(x, y) = \cos(\phi(x), \phi(y)), "
        r"\quad \phi(x) = ((x - \mu_r) / s_r, 1/2)",
        sees="Dropped modes, shrunken modes, repeated samples.",
        blind="Where the fakes are: noise and invented modes read as diversity. Look at a fidelity metric beside it.",
        bias="None to first order at equal sizes.",
        cost="O(n d² + d³) a side: 1 s at 5,000 + 5,000 x 1280; the interval and the null 2 s.",
    ),
)
def vendi_ratio(real: Rows, fake: Rows, *, order: float = 1.0, kernel: Kernel = "anchored") -> Measured:
    """Effective number of distinct fakes over that of the reals; 1 for equal distributions, lower is collapse.

    `kernel="cosine"` is that of vendi: it sees directions from the origin alone, and features of networks all lie in
    one direction. About the mean of the reals it would see their modes, but no shrinking towards that mean.
    `"anchored"` sees both: rows are centred on the reals' mean, scaled to their root mean square length, and a constant
    1/2 is appended before the cosine is taken, so that rows near the mean become alike. (A Gaussian kernel with the
    reals' bandwidth sees shrinking sooner but dropped modes later, and its score goes on growing with n.) `order` as in
    vendi. Extras: `real`, `fake`. Raises UsageError on a negative order, FeatureError on a row of zeros with cosine.
    """
    if not order >= 0:
        raise UsageError(f"order={order} is not possible; give a number from 0 to inf, such as order=1.")
    reals, fakes = (side.score(order) for side in _lift(real.features, fake.features, kernel))
    return Measured(fakes / reals, extras={"real": reals, "fake": fakes})
