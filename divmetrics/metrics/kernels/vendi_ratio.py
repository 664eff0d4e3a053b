"""Vendi score of the fake samples relative to the real ones, with a kernel that the real samples define."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.linalg import InfluenceFunction, each, entropy_influence, float64, gram, spectral_entropy
from divmetrics.arrays.skewness import mean_spread
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError, UsageError
from divmetrics.records.metric import About, Laws, Measured, Spread, UncertaintySpec, Variance, metric

KernelName = Literal["anchored", "cosine"]
CONSTANT = 0.5
"""Column appended to rows of root mean square length 1, before they are scaled to unit length."""
ENOUGH = 8
"""Samples per side, in units of the score, from which the influence functions hold."""


@dataclass(frozen=True, eq=False)
class _KernelRows:
    """One side as unit rows whose inner products are the kernel."""

    units: Tensor  # [n, d] float64
    lengths: Tensor  # [n], of the rows before they were scaled to unit length

    def score(self, order: float) -> float:
        """Vendi score of this side."""
        n, d = self.units.shape
        return exp(spectral_entropy(gram(self.units if n >= d else self.units.T) / n, order))


def _kernel_rows(real: Tensor, fake: Tensor, kernel: KernelName) -> tuple[_KernelRows, _KernelRows]:
    """Both sides, `[n, d]` and `[m, d]`, as kernel rows; with "anchored" the real samples give centre and scale."""
    same_width(real.shape[1], fake.shape[1])
    rows = [float64(real), float64(fake)]
    if kernel == "anchored":
        mean = rows[0].mean(0)
        rows = [side - mean for side in rows]
        scale = float(rows[0].square().sum(1).mean()) ** 0.5 or 1.0
        rows = [torch.nn.functional.pad(side / scale, (0, 1), value=CONSTANT) for side in rows]
    lengths = [torch.linalg.vector_norm(side, dim=1) for side in rows]
    for side, length in zip(("real", "fake"), lengths, strict=True):
        if not bool((length > 0).all()):
            raise FeatureError(f"a {side} row is all zeros and has no direction; use kernel=anchored or drop it.")
    units = [_KernelRows(side / length[:, None], length) for side, length in zip(rows, lengths, strict=True)]
    return units[0], units[1]


def _variance(pool: TwoSamplePool, *, order: float, kernel: KernelName) -> Spread | None:
    """Spread by the influence function of the log ratio; real samples also act on both scores by centre and scale."""
    real, fake = _kernel_rows(pool.real.features, pool.fake.features, kernel)
    influence = entropy_influence(real.units, order), entropy_influence(fake.units, order)
    scores = real.score(order), fake.score(order)
    if influence[0] is None or influence[1] is None or min(pool.n, pool.m) < ENOUGH * max(scores):
        return None
    by_real = -influence[0].values
    if kernel == "anchored":
        of_fake, of_real = _anchor_slopes(fake, influence[1]), _anchor_slopes(real, influence[0])
        by_centre, by_scale = of_fake[0] - of_real[0], of_fake[1] - of_real[1]
        rows = (real.units * real.lengths[:, None])[:, :-1].cpu().numpy()  # centred, of root mean square length 1
        by_real += rows @ by_centre + by_scale * (np.square(rows).sum(1) - 1) / 2
    logs = [influence[0].spread_of(by_real), influence[1].spread_of(influence[1].values)]
    return mean_spread(logs).times(2.0).exponential(scores[1] / scores[0])


def _anchor_slopes(side: _KernelRows, influence: InfluenceFunction) -> tuple[np.ndarray, float]:
    """Derivative of a side's entropy by the centre `[d]`, in units of the scale, and by the log of the scale."""
    units, lengths = side.units.cpu().numpy(), side.lengths.cpu().numpy()
    slopes = influence.slopes
    gradient = (
        2 * (slopes - units * (units * slopes).sum(1, keepdims=True))[:, :-1] / lengths[:, None]
    )  # by the rows before they became units
    return -gradient.mean(0), -float((gradient * units[:, :-1] * lengths[:, None]).sum(1).mean())


def _resample(pool: Pool, splits: Splits, *, order: float, kernel: KernelName) -> Tensor:
    """The ratio on each split `[B]`, each with the centre and scale of its own real samples."""
    rows = float64(pool.features())

    def on_split(b: int) -> float:
        real, fake = _kernel_rows(rows[splits.real(b)], rows[splits.fake(b)], kernel)
        return fake.score(order) / real.score(order)

    return torch.from_numpy(each(on_split, len(splits)))


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
        variance=Variance("influence function with skewness", _variance),
        resample=_resample,
        replicate_cost="decomposed_repeatedly",
    ),
    about=About(
        formula=r"\mathrm{VS}(Y) / \mathrm{VS}(X), \quad k(x, y) = \cos(\phi(x), \phi(y)), "
        r"\quad \phi(x) = ((x - \mu_r) / s_r, 1/2)",
        sees="Dropped modes, shrunken modes, repeated samples.",
        blind="Where the fake samples are: noise and invented modes read as diversity. Look at a fidelity metric "
        "beside it.",
        bias="None to first order at equal sizes.",
        cost="O(n d² + d³) a side: 1 s at 5,000 + 5,000 x 1280; the interval and the null 2 s.",
    ),
)
def vendi_ratio(real: Rows, fake: Rows, *, order: float = 1.0, kernel: KernelName = "anchored") -> Measured:
    """Effective number of distinct fake samples over that of the real ones; >= 0, 1 for equal distributions, lower
    means collapse.

    The ratio of Vendi scores (as vendi; Friedman and Dieng 2023), with a kernel that the real samples define.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`.
        fake: Fake samples: `[m, d]`, in the same feature space.
        order: Order of the Renyi entropy, from 0 to inf (default 1); see vendi.
        kernel: `"anchored"` (default): rows are centred on the mean of the real samples, divided by their root mean
            square length, and a constant 1/2 is appended before the cosine is taken, so that rows near the mean are
            alike. It sees both missing modes and shrinking towards the mean. `"cosine"` is the kernel of vendi:
            features of networks all lie in one direction from the origin, so that it sees little. (A Gaussian kernel
            with the bandwidth of the real samples sees shrinking sooner but dropped modes later, and its score goes on
            growing with n.)

    Returns:
        The ratio. `measure` adds the extras `real` and `fake`, the two scores.

    Raises:
        UsageError: `order` is negative or not a number.
        FeatureError: A row is all zeros with `kernel="cosine"`, or the sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [2.0, 0.0]]
        >>> round(dm.metrics.vendi_ratio(real, fake, kernel="cosine"), 6)  # one direction of two
        0.5
    """
    if not order >= 0:
        raise UsageError(f"order={order} is not possible; give a number from 0 to inf, such as order=1.")
    of_real, of_fake = (side.score(order) for side in _kernel_rows(real.features, fake.features, kernel))
    return Measured(of_fake / of_real, extras={"real": of_real, "fake": of_fake})
