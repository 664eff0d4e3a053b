"""FLD: copies of the training set, the kernel density and the value by hand, uncertainty."""

from math import log

import numpy as np
import pytest
import torch

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


def test_bandwidths_are_at_the_fixed_point_of_expectation_maximisation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOLERANCE", -1.0)
    monkeypatch.setattr(module, "MAX_ITERATIONS", 3000)
    rng = np.random.default_rng(2)
    centres, samples = (torch.from_numpy(rng.normal(size=(n, 3))) for n in (8, 90))
    found = KernelDensity.fit(centres, samples)
    squared = torch.cdist(samples, centres, compute_mode="donot_use_mm_for_euclid_dist").square()
    share = (-squared / (2 * found.log_variance.exp()) - 1.5 * found.log_variance).softmax(1)
    assert torch.allclose((share * squared).sum(0) / share.sum(0) / 3, found.log_variance.exp(), rtol=1e-3)


def test_a_copy_has_the_least_bandwidth() -> None:
    samples = torch.tensor([[0.0], [0.0], [5.0], [9.0]], dtype=torch.float64)
    found = KernelDensity.fit(torch.tensor([[0.0], [7.0]], dtype=torch.float64), samples)
    assert found.log_variance.exp().tolist() == pytest.approx([1e-6, 4.0], rel=1e-3)


def test_fitting_raises_the_likelihood() -> None:
    centres, samples = torch.randn(40, 3, dtype=torch.float64), torch.randn(80, 3, dtype=torch.float64)
    fitted = KernelDensity.fit(centres, samples)
    wider = KernelDensity(centres, fitted.log_variance + 0.3)
    assert fitted.log_likelihood(samples)[0].mean() > wider.log_likelihood(samples)[0].mean()


def test_the_value_by_hand() -> None:
    train, fake, held_out = (torch.from_numpy(side) for side in world(5, 40))
    fake = fake[:15]
    rng = torch.Generator().manual_seed(3)
    order = torch.randperm(40, generator=rng)
    drawn = torch.randperm(15, generator=rng)
    train_z, fake_z, test = ((side - train.mean(0)) / train.std(0) for side in (train, fake, held_out))
    centres, fit_to = train_z[order[:15]], train_z[order[15:]]
    fakes, reals = KernelDensity.fit(fake_z[drawn], fit_to), KernelDensity.fit(centres, fit_to)
    gain = float((reals.log_likelihood(test)[0] - fakes.log_likelihood(test)[0]).mean())
    gap = float(fakes.log_likelihood(fit_to)[0].mean() - fakes.log_likelihood(test)[0].mean())
    found = FLD.measure(train, fake, held_out, seed=3)
    assert found.value == pytest.approx(100 / 8 * gain)
    assert found.extras["gap"] == pytest.approx(100 / 8 * gap)


def test_the_variance_has_parts_of_samples_and_of_centres() -> None:
    nll = torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0.0, 0.0, 0.0])
    found = _Likelihoods(nll, (0.1, 0.3), torch.zeros(2), 4)
    assert found.variance == pytest.approx(25**2 * (7 / 3 + 0.4))
    sets = pool(world(6, 60))
    variance, null = FLD.uncertainty.variance(sets, seed=0), FLD.uncertainty.null(sets, seed=0)
    assert null.sd == pytest.approx(variance**0.5)


def test_the_null_and_the_interval_fit_fresh_draws() -> None:
    """What hangs on the centres is known roughly: between a jackknife that is too wide and an influence too narrow."""
    options = FLD.resolve({})
    draws = [world(seed, 400) for seed in range(40)]
    spread = np.std([FLD(*draw, **options) for draw in draws], ddof=1)
    nulls = [FLD.uncertainty.null(pool(draw), **options) for draw in draws[:10]]
    errors = [FLD.uncertainty.variance(pool(draw), **options) ** 0.5 for draw in draws[:10]]
    assert all(null.mean == 0 for null in nulls)
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
