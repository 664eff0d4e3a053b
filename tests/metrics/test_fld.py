"""FLD: copies of the training set, the kernel density and the value by hand, uncertainty."""

from math import log

import numpy as np
import pytest
import torch

from divmetrics.arrays.draws import drawn_order
from divmetrics.arrays.splits import HeldOutPool, Pool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.metrics.copies import _kernel_density as module
from divmetrics.metrics.copies._kernel_density import KernelDensity
from divmetrics.metrics.copies.fld import _Likelihoods
from divmetrics.records.metric import METRICS

FLD = METRICS["fld"]
MIDDLES = 2 * np.random.default_rng(0).normal(size=(5, 8))
Sets = tuple[np.ndarray, np.ndarray, np.ndarray]


def world(seed: int, n: int = 300, *, copied: float = 0.0, modes: int = 5) -> Sets:
    """Training set, fakes and held-out reals; a share of the fakes are near-copies of training samples."""
    rng = np.random.default_rng(seed)
    train, fake, held_out = (MIDDLES[rng.integers(0, k, n)] + rng.normal(size=(n, 8)) for k in (5, modes, 5))
    copies = int(copied * n)
    fake[:copies] = train[rng.integers(0, n, copies)] + 0.01 * rng.normal(size=(copies, 8))
    return train, fake, held_out


def pool(sets: Sets) -> Pool:
    train, fake, held_out = (Rows.from_array(side) for side in sets)
    return HeldOutPool(held_out, fake, train)


def test_copies_are_told() -> None:
    assert FLD.measure(*world(1, copied=0.5)).extras["gap"] > FLD.measure(*world(1)).extras["gap"] + 5
    assert FLD(*world(1, copied=0.9)) > FLD(*world(1)) + 2


def test_dropped_modes_are_seen() -> None:
    assert FLD(*world(2, modes=3)) > 5


def test_a_kernel_density_is_a_mean_of_normal_densities() -> None:
    centres, samples = torch.randn(30, 3, dtype=torch.float64), torch.randn(50, 3, dtype=torch.float64)
    found = KernelDensity.fit(centres, samples)
    normals = [
        torch.distributions.MultivariateNormal(mean, float(v.exp()) * torch.eye(3, dtype=torch.float64))
        for mean, v in zip(centres, found.log_variance, strict=True)
    ]
    by_hand = torch.stack([normal.log_prob(samples) for normal in normals]).logsumexp(0) - log(30)
    log_likelihood, variance = found.log_likelihood(samples)
    assert torch.allclose(log_likelihood, by_hand)
    joint = torch.stack([normal.log_prob(samples) for normal in normals])  # [30, 50]
    kept = [joint[torch.arange(30) % 20 != group] for group in range(20)]
    without = torch.stack([part.logsumexp(0).mean() - log(len(part)) for part in kept])
    weights = 30 * joint.softmax(0).mean(1)
    assert variance == pytest.approx(float(19 * without.var(correction=0) + weights.var() / 30) / 2)


def objective(density: KernelDensity, samples: torch.Tensor, broad: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-likelihood of each sample beside a Gaussian of variance `broad` and weight 1, and the shares of both."""
    squared = torch.cdist(samples, density.centres, compute_mode="donot_use_mm_for_euclid_dist").square()
    from_mean = 0.81 * (samples - samples.mean(0)).square().sum(1)
    d, m = samples.shape[1], len(density.centres)
    variance = density.log_variance.exp()
    joint = -squared / (2 * variance) - d / 2 * variance.log() - log(m)
    outside = -from_mean / (2 * broad) - d / 2 * log(broad)
    joint = torch.cat([joint, outside[:, None]], 1)
    return joint.logsumexp(1), joint.softmax(1)


def test_bandwidths_are_at_the_fixed_point_of_expectation_maximisation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOLERANCE", -1.0)
    monkeypatch.setattr(module, "MAX_ITERATIONS", 3000)
    rng = np.random.default_rng(2)
    centres, samples = (torch.from_numpy(rng.normal(size=(n, 3))) for n in (8, 90))
    found = KernelDensity.fit(centres, samples)
    squared = torch.cdist(samples, centres, compute_mode="donot_use_mm_for_euclid_dist").square()
    from_mean, broad = 0.81 * (samples - samples.mean(0)).square().sum(1), 1.0
    for _ in range(3000):  # its variance alone, beside the others as they were found
        outside = objective(found, samples, broad)[1][:, -1]
        broad = float((outside * from_mean).sum() / outside.sum() / 3)
    share = objective(found, samples, broad)[1][:, :-1]
    assert torch.allclose((share * squared).sum(0) / share.sum(0) / 3, found.log_variance.exp(), rtol=1e-3)


def test_a_copy_has_the_least_bandwidth() -> None:
    samples = torch.tensor([[0.0], [0.0], [5.0], [9.0]], dtype=torch.float64)
    found = KernelDensity.fit(torch.tensor([[0.0], [7.0]], dtype=torch.float64), samples)
    assert found.log_variance.exp()[0] == pytest.approx(1e-6)
    assert found.log_variance.exp()[1] > 1


def test_fitting_raises_the_likelihood() -> None:
    centres, samples = torch.randn(40, 3, dtype=torch.float64), torch.randn(80, 3, dtype=torch.float64)
    fitted = KernelDensity.fit(centres, samples)
    wider = KernelDensity(centres, fitted.log_variance + 0.3)
    best = [
        max(float(objective(one, samples, b)[0].mean()) for b in np.linspace(0.3, 3, 50)) for one in (fitted, wider)
    ]
    assert best[0] > best[1]


def test_samples_that_no_centre_is_near_to_widen_none() -> None:
    """Without the broad Gaussian the nearest centre would stretch to them."""
    rng = np.random.default_rng(0)
    near, far = torch.from_numpy(rng.normal(size=(200, 2))), torch.from_numpy(40 + rng.normal(size=(40, 2)))
    centres = torch.from_numpy(rng.normal(size=(50, 2)))
    alone, both = (KernelDensity.fit(centres, rows) for rows in (near, torch.cat([near, far])))
    assert both.log_variance.exp().max() < 2 * alone.log_variance.exp().max()


AUTHORS = {"copies 0": 0.174, "copies 0.5": 5.41, "copies 0.9": 17.6, "all modes": -1.36, "3 of 5 modes": 54.8}
"""What the authors' code gives (marcojira/fld, commit ffbbf20, on the CPU, seed 0): 50 steps of Adam in float32."""


@pytest.mark.parametrize("name", AUTHORS)
def test_the_value_is_that_of_the_authors_code(name: str) -> None:
    """Up to the random halves of the training set, worth about 1, and the steps that Adam stops short of the end."""
    rng = np.random.default_rng(0)
    train, held_out, fake = (rng.normal(size=(1000, 16)) for _ in range(3))
    if name.startswith("copies"):
        copies = int(1000 * float(name.split()[1]))
        fake[:copies] = train[:copies]
    else:
        middles = 2 * rng.normal(size=(5, 16))
        sides = [middles[rng.integers(0, k, 1000)] + rng.normal(size=(1000, 16)) for k in (5, 5, 5, 3)]
        train, held_out, fake = sides[0], sides[1], sides[3 if "3" in name else 2]
    assert FLD(train, fake, held_out) == pytest.approx(AUTHORS[name], abs=2, rel=0.1)


def test_a_generator_that_copies_everything_is_worst() -> None:
    train, _, held_out = world(1)
    assert FLD(train, train, held_out) > 1e6 > FLD(*world(2, modes=2))


def test_neither_the_order_of_rows_nor_their_place_decides() -> None:
    """More fakes than centres, too: the subset is drawn by what the samples are."""
    train, fake, held_out = world(7, 200)
    shuffled = [np.random.default_rng(1).permutation(side) for side in (train, fake, held_out)]
    assert FLD(*shuffled) == pytest.approx(FLD(train, fake, held_out), rel=1e-9)


def test_the_value_by_hand() -> None:
    train, fake, held_out = (torch.from_numpy(side) for side in world(5, 40))
    fake = fake[:15]
    order = drawn_order(train, 3)
    train_z, fake_z, test = ((side - held_out.mean(0)) / held_out.std(0) for side in (train, fake, held_out))
    fakes = KernelDensity.fit(fake_z, train_z)
    reals = KernelDensity.fit(train_z[order[:15]], train_z[order[15:]])
    gain = float((reals.log_likelihood(test)[0] - fakes.log_likelihood(test)[0]).mean())
    gap = float(fakes.log_likelihood(train_z)[0].mean() - fakes.log_likelihood(test)[0].mean())
    found = FLD.measure(train, fake, held_out, seed=3)
    assert found.value == pytest.approx(100 / 8 * gain)
    assert found.extras["gap"] == pytest.approx(100 / 8 * gap)


def test_the_variance_has_parts_of_samples_and_of_centres() -> None:
    nll = torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0.0, 0.0, 0.0])
    found = _Likelihoods(nll, (0.1, 0.3), torch.zeros(2), 4)
    assert found.variance == pytest.approx(25**2 * (7 / 3 + 0.4))
    sets = pool(world(6, 60))
    variance, null = FLD.uncertainty.variance(sets, seed=0), FLD.uncertainty.null(sets, seed=0)
    assert 0 < null.sd < (1.25 * variance) ** 0.5  # given the training set, with the error of a mean of four


def test_the_null_and_the_interval_fit_fresh_draws() -> None:
    """What hangs on the centres is known roughly: between a jackknife that is too wide and an influence too narrow."""
    options = FLD.resolve({})
    draws = [world(seed, 400) for seed in range(40)]
    values = [FLD(*draw, **options) for draw in draws]
    spread = np.std(values, ddof=1)
    nulls = [FLD.uncertainty.null(pool(draw), **options) for draw in draws[:10]]
    errors = [FLD.uncertainty.variance(pool(draw), **options) ** 0.5 for draw in draws[:10]]
    apart = np.subtract(values[:10], [null.mean for null in nulls])
    assert abs(apart.mean()) < 0.8 * spread
    assert 0.8 < np.mean([null.sd for null in nulls]) / spread < 1.8
    assert 0.8 < np.mean(errors) / spread < 1.8


def test_the_seed_deals_the_halves() -> None:
    assert FLD(*world(3), seed=0) != FLD(*world(3), seed=1)


def test_bad_input() -> None:
    train, fake, held_out = world(4, 60)
    with pytest.raises(FeatureError, match="columns"):
        FLD(train, fake, held_out[:, :3])
    with pytest.raises(TooFewSamples, match="two halves"):
        FLD(train[:3], fake, held_out)
    with pytest.raises(UsageError, match="real and fake and held_out"):
        FLD(train, fake)
