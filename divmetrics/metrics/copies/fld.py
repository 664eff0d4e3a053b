"""Feature likelihood divergence."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import HeldOutPool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples
from divmetrics.metrics.copies._kernel_mixture import Mixture
from divmetrics.records.metric import About, Laws, Measured, Null, UncertaintySpec, Variance, metric


@dataclass(frozen=True, eq=False)
class _Fits:
    """Mixtures about fakes and about as many reals, their bandwidths fitted to the same other reals."""

    nll: tuple[Tensor, Tensor]  # of each held-out sample [n], under the fakes and under the reals
    centres: tuple[float, float]  # variance of their means from the chance of the centres
    fitted: Tensor  # nll under the fakes of the reals that the bandwidths were fitted to
    width: int

    @property
    def excess(self) -> Tensor:
        """How much worse the fakes explain each held-out sample, in hundredths of a nat per column `[n]`."""
        return 100 / self.width * (self.nll[0] - self.nll[1])

    @property
    def variance(self) -> float:
        """From the chance of the held-out samples and of the centres on both sides."""
        return float(self.excess.var()) / len(self.excess) + (100 / self.width) ** 2 * sum(self.centres)


def _fit(real: Rows, fake: Rows, held_out: Rows, seed: int) -> _Fits:
    """Remembered, for the value, its interval and its null."""
    same_width(real.d, fake.d)
    same_width(real.d, held_out.d)
    return once((real, fake, held_out), ("fld", seed), lambda: _fitted(real, fake, held_out, seed))


def _fitted(real: Rows, fake: Rows, held_out: Rows, seed: int) -> _Fits:
    count = min(fake.n, real.n // 2)
    if count < 2:
        raise TooFewSamples(f"two halves of the reals are needed, there are {real.n}; add some.")
    train = real.features.double()
    mean, sd = train.mean(0), train.std(0).clamp(min=1e-12)
    rng = torch.Generator().manual_seed(seed)
    dealt = torch.randperm(real.n, generator=rng).to(train.device)
    own, fit_to = ((train[places] - mean) / sd for places in (dealt[:count], dealt[count:]))
    drawn = torch.randperm(fake.n, generator=rng)[:count].to(fake.features.device)
    fakes, test = ((rows.double() - mean) / sd for rows in (fake.features[drawn], held_out.features))
    mixtures = [Mixture.fit(centres, fit_to) for centres in (fakes, own)]
    (of_fakes, by_fakes), (of_reals, by_reals) = (mixture.log_likelihood(test) for mixture in mixtures)
    fitted = -mixtures[0].log_likelihood(fit_to)[0]
    return _Fits((-of_fakes, -of_reals), (by_fakes, by_reals), fitted, real.d)


def _variance(pool: HeldOutPool, *, seed: int) -> float | None:
    return _fit(pool.train, pool.fake, pool.real, seed).variance


def _null(pool: HeldOutPool, *, seed: int) -> Null | None:
    """Fakes that are alike are exchangeable with the reals that serve as centres, so the mean is 0."""
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
        caveat="how much hangs on single centres is known roughly, so that the interval and the null band are 0.9 "
        "(many columns) to 1.6 times (few) as wide as they should be, and p is rather too large",
    ),
    about=About(
        formula=r"\frac{100}{d}\bigl(\mathrm{NLL}_{\mathrm{fakes}}(\text{held out})"
        r" - \mathrm{NLL}_{\mathrm{reals}}(\text{held out})\bigr)",
        sees="Dropped modes, bad samples, and copies of the training set: a copy gets a narrow bandwidth there, and "
        "explains nothing of the held-out samples.",
        blind="Which of these it was. Fakes shrunk to the middle of a single bell-shaped mode: wide bandwidths make up "
        "for it, and a smooth density may even explain held-out samples better than other reals do.",
        bias="Little: as many fakes as reals are centres, and both are fitted to the same samples. How much hangs on "
        "the centres is known roughly: intervals and null are 0.9 (d = 64) to 1.6 (d = 8) times too wide.",
        cost="O(n^2 d) once for the distances, up to 60 passes over them; about 3 s at 5,000 samples.",
    ),
)
def fld(real: Rows, fake: Rows, held_out: Rows, *, seed: int = 0) -> Measured:
    """How much worse fakes explain held-out reals than other reals do; 100 nats per column; lower is better, alike 0.

    Jiralerspong 2023. A Gaussian at each fake, its bandwidth fitted to the training set (`real`), scored on reals that
    the generator was not trained on (`held_out`); features are standardised by the training set. The original subtracts
    a constant; here it is the same number with half of the training set as centres and the other half to fit to, so
    that 0 is what a perfect generator reaches. Extras: `gap`, held-out less training, large for copies.
    Raises TooFewSamples below 4 reals.
    """
    found = _fit(real, fake, held_out, seed)
    gap = 100 / found.width * float(found.nll[0].mean() - found.fitted.mean())
    return Measured(float(found.excess.mean()), extras={"gap": gap})
