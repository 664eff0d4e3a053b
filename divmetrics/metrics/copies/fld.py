"""Feature likelihood divergence (FLD): held-out likelihood under densities centred on the samples."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import HeldOutPool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples
from divmetrics.metrics.copies._kernel_density import KernelDensity
from divmetrics.records.metric import About, Laws, Measured, Null, UncertaintySpec, Variance, metric


@dataclass(frozen=True, eq=False)
class _Likelihoods:
    """Negative log-likelihoods under densities centred on fake and on real samples, fitted to the same data."""

    nll: tuple[Tensor, Tensor]  # of each held-out sample [h], under the fake and under the real density
    centre_variance: tuple[float, float]  # variance of the two means due to the sampling of centres
    train_nll: Tensor  # under the fake density, of the training samples that the bandwidths were fitted to
    width: int

    @property
    def excess(self) -> Tensor:
        """NLL under the fake minus the real density of each held-out sample `[h]`, in nats per 100 columns."""
        return 100 / self.width * (self.nll[0] - self.nll[1])

    @property
    def variance(self) -> float:
        """Sampling variance due to the held-out samples and to the centres of both densities."""
        return float(self.excess.var()) / len(self.excess) + (100 / self.width) ** 2 * sum(self.centre_variance)


def _fit(real: Rows, fake: Rows, held_out: Rows, seed: int) -> _Likelihoods:
    """The fits, memoised beside the three sets: the value, its interval and its null share them."""
    same_width(real.d, fake.d)
    same_width(real.d, held_out.d)
    return once((real, fake, held_out), ("fld", seed), lambda: _fit_both(real, fake, held_out, seed))


def _fit_both(real: Rows, fake: Rows, held_out: Rows, seed: int) -> _Likelihoods:
    """Fit both densities to one half of the training set; the other half are the centres of the real one."""
    count = min(fake.n, real.n // 2)
    if count < 2:
        raise TooFewSamples(f"two halves of the training set are needed, it has {real.n} samples; add some.")
    train = real.features.double()
    mean, sd = train.mean(0), train.std(0).clamp(min=1e-12)
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(real.n, generator=rng).to(train.device)
    own, fit_to = ((train[places] - mean) / sd for places in (order[:count], order[count:]))
    drawn = torch.randperm(fake.n, generator=rng)[:count].to(fake.features.device)
    fakes, test = ((rows.double() - mean) / sd for rows in (fake.features[drawn], held_out.features))
    densities = [KernelDensity.fit(centres, fit_to) for centres in (fakes, own)]
    (fake_log, fake_variance), (real_log, real_variance) = (density.log_likelihood(test) for density in densities)
    train_nll = -densities[0].log_likelihood(fit_to)[0]
    return _Likelihoods((-fake_log, -real_log), (fake_variance, real_variance), train_nll, real.d)


def _variance(pool: HeldOutPool, *, seed: int) -> float | None:
    return _fit(pool.train, pool.fake, pool.real, seed).variance


def _null(pool: HeldOutPool, *, seed: int) -> Null | None:
    """Under the null hypothesis fake and real centres are exchangeable, so the mean is 0."""
    return Null(0.0, _fit(pool.train, pool.fake, pool.real, seed).variance ** 0.5)


@metric(
    "fld",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    held_out=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(-inf, inf), row_order=False, translation=True, on_collapse="better"),
    role="copies",
    cite="Jiralerspong 2023, arXiv:2302.04440",
    minimum=lambda _: 4,
    uncertainty=UncertaintySpec(
        variance=Variance("jackknife and influence of the centres", _variance),
        null=_null,
        caveat="the variance due to the choice of centres is estimated roughly: the interval and the null band are 0.9 "
        "(many columns) to 1.6 times (few columns) as wide as they should be, and p tends to be too large",
    ),
    about=About(
        formula=r"\frac{100}{d}\bigl(\mathrm{NLL}_{\mathrm{fake}}(\text{held out})"
        r" - \mathrm{NLL}_{\mathrm{real}}(\text{held out})\bigr)",
        sees="Dropped modes, poor samples, and copies of the training set: a copy gets a narrow bandwidth and gives no "
        "likelihood to held-out samples.",
        blind="Which of these it is. Shrinkage towards the centre of a single bell-shaped mode: wide bandwidths "
        "compensate for it, and the smooth density can even fit held-out samples better than real centres do.",
        bias="Small: both densities have the same number of centres and are fitted to the same samples. Intervals and "
        "null bands are 0.9 (d = 64) to 1.6 (d = 8) times as wide as they should be.",
        cost="O(n^2 d) for distances, then up to 60 passes over them; about 3 s at 5,000 samples.",
    ),
)
def fld(real: Rows, fake: Rows, held_out: Rows, *, seed: int = 0) -> Measured:
    """Held-out NLL of a density on fake samples minus one on real samples; nats per 100 columns, lower is better.

    Jiralerspong 2023; 0 for a perfect generator. The density has an isotropic Gaussian at each fake sample, its
    bandwidth fitted to the training set; features are standardised by the training set. The original subtracts a
    constant. Here the same quantity is
    subtracted with half of the training set as centres and the other half to fit to.

    Args:
        real: Features of the training set, `[n, d]`.
        fake: Features of the generated samples, `[m, d]`.
        held_out: Features of real samples that the generator was not trained on, `[h, d]`.
        seed: Seed of the halves of the training set; 0 by default.

    Returns:
        100 / d times the difference of the mean negative log-likelihoods in nats. Extras: `gap`, the same factor times
        held-out minus training NLL under the fake density, which is large for copies.

    Raises:
        TooFewSamples: Fewer than 4 training samples, or fewer than 2 fake samples.
        FeatureError: The sets have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> train, held_out = [[0.0], [1.0], [2.0], [3.0]], [[0.5], [1.5], [2.5]]
        >>> dm.metrics.fld(train, [[0.4], [2.4]], held_out) < dm.metrics.fld(train, [[0.4], [0.4]], held_out)
        True
    """
    likelihoods = _fit(real, fake, held_out, seed)
    gap = 100 / likelihoods.width * float(likelihoods.nll[0].mean() - likelihoods.train_nll.mean())
    return Measured(float(likelihoods.excess.mean()), extras={"gap": gap})
