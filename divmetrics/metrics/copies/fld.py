"""Feature likelihood divergence (FLD): held-out likelihood under densities centred on the samples."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch import Tensor

from divmetrics.arrays.draws import drawn_order
from divmetrics.arrays.linalg import float64
from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import HeldOutPool, Splits
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples
from divmetrics.metrics.copies._kernel_density import KernelDensity
from divmetrics.records.metric import About, Laws, Measured, Null, UncertaintySpec, Variance, metric

MOST_CENTRES = 10_000
"""Centres of a density at most, as in the authors' code; of more fake samples a random subset."""
PERMUTATIONS = 4
"""Permutations behind the mean of the null; its standard deviation is that of the estimate."""


@dataclass(frozen=True, eq=False)
class _Likelihoods:
    """Negative log-likelihoods under densities centred on fake and on real samples."""

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
        return self.variance_given_training + (100 / self.width) ** 2 * self.centre_variance[1]

    @property
    def variance_given_training(self) -> float:
        """That due to the held-out samples and to the centres of the fake density."""
        return float(self.excess.var()) / len(self.excess) + (100 / self.width) ** 2 * self.centre_variance[0]


def _fit(real: Rows, fake: Rows, held_out: Rows, seed: int) -> _Likelihoods:
    """The fits, memoised beside the three sets: the value, its interval and its null share them."""
    same_width(real.d, fake.d)
    same_width(real.d, held_out.d)
    return once((real, fake, held_out), ("fld", seed), lambda: _fit_both(real, fake, held_out, seed))


def _fit_both(real: Rows, fake: Rows, held_out: Rows, seed: int) -> _Likelihoods:
    """Fit the fake density to the whole training set, and one with half of it as centres to the other half."""
    count = min(fake.n, real.n // 2, MOST_CENTRES)
    if count < 2:
        raise TooFewSamples(f"two halves of the training set are needed, it has {real.n} samples; add some.")
    if held_out.n < 2:
        raise TooFewSamples("the held-out set has a single sample, which has no standard deviation; add some.")
    rows = [float64(side.features) for side in (real, fake, held_out)]
    mean, sd = rows[2].mean(0), rows[2].std(0)
    sd = sd.where(sd > 0, 1.0)  # a column that does not vary keeps its unit
    train, fakes, test = ((side - mean.to(side.device)) / sd.to(side.device) for side in rows)
    order = drawn_order(real.features, seed, content=real.content)
    if fake.n > MOST_CENTRES:
        fakes = fakes[drawn_order(fake.features, seed, content=fake.content)[:MOST_CENTRES]]
    of_fakes = KernelDensity.fit(fakes, train)
    of_reals = KernelDensity.fit(train[order[:count]], train[order[count:]])
    (fake_log, fake_variance), (real_log, real_variance) = (one.log_likelihood(test) for one in (of_fakes, of_reals))
    train_nll = -of_fakes.log_likelihood(train)[0]
    return _Likelihoods((-fake_log, -real_log), (fake_variance, real_variance), train_nll, real.d)


def _variance(pool: HeldOutPool, *, seed: int) -> float | None:
    return _fit(pool.train, pool.fake, pool.real, seed).variance


def _null(pool: HeldOutPool, *, seed: int) -> Null | None:
    """Mean of a few permutations of the fake and held-out samples, with the standard deviation of the estimate.

    The mean is not 0: the fake density is fitted to the whole training set, the other to half of it.
    """
    splits = Splits.permutations(pool.n, pool.m, PERMUTATIONS, seed)
    values = [
        float(_fit(pool.train, pool.part(splits.fake(b)), pool.part(splits.real(b)), seed).excess.mean())
        for b in range(PERMUTATIONS)
    ]
    sd = _fit(pool.train, pool.fake, pool.real, seed).variance_given_training ** 0.5
    return Null(sum(values) / PERMUTATIONS, sd * (1 + 1 / PERMUTATIONS) ** 0.5)


@metric(
    "fld",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    held_out=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(-inf, inf), translation=True, on_collapse="blind"),
    role="copies",
    cite="Jiralerspong 2023, arXiv:2302.04440",
    minimum=lambda _: 4,
    uncertainty=UncertaintySpec(
        variance=Variance("jackknife and influence of the centres", _variance),
        null=_null,
        caveat="the variance due to the choice of centres is estimated roughly: the interval is 0.8 times (many "
        "columns) to 1.2 times (few columns) as wide as it should be, the null band 1.5 times, and p tends to be too "
        "large",
    ),
    about=About(
        formula=r"\frac{100}{d}\bigl(\mathrm{NLL}_{\mathrm{fake}}(\text{held out})"
        r" - \mathrm{NLL}_{\mathrm{real}}(\text{held out})\bigr)",
        sees="Dropped modes, poor samples, and copies of the training set: a copy gets a narrow bandwidth and gives no "
        "likelihood to held-out samples.",
        blind="Which of these it is. Shrinkage towards the centre of a single bell-shaped mode: wide bandwidths "
        "compensate for it, and the smooth density can even fit held-out samples better than real centres do.",
        bias="A perfect generator is somewhat below 0, by 1 to 2 at 1,000 samples, for the fake density has the whole "
        "training set to be fitted to and the other half of it. The null band is there.",
        cost="O(n m d) for distances, then up to 60 passes over them, and as much for each of 4 permutations behind "
        "the null.",
    ),
)
def fld(real: Rows, fake: Rows, held_out: Rows, *, seed: int = 0) -> Measured:
    """Held-out NLL of a density on fake samples minus one on real samples; nats per 100 columns, lower is better.

    Jiralerspong 2023, as in the authors' code. The density has an isotropic Gaussian at each fake sample (at most
    10,000), its bandwidth fitted to the whole training set: a copy of a training sample gets a tiny one and is worth
    nothing on held-out samples, so that a generator that copies everything reaches 1e7 and more. What is subtracted is
    the same for real samples, with half of the training set as centres, as many as there are fake ones at most, and the
    rest to fit to. Features are standardised by the held-out samples.

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
