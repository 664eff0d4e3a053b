"""Samplers with exact scores behave as field notes 2.2 describe."""

import numpy as np
import pytest
import torch

from divmetrics.errors import UsageError
from divmetrics.records.generator import ZOO
from divmetrics.zoo.models.diffusion import average_scores, ddpm, guided_score, mixture_score, normal_sampler
from divmetrics.zoo.oracle import measure_samples
from divmetrics.zoo.targets import target

N = 2500


def seen(name, level, n=N):
    model = ZOO[name]
    return measure_samples(target(model.target), model.function(n, 0, level=level))


def majority(name, n=1280, **options):
    """Share of samples in the mode that weighs .8."""
    modes, _ = target("two-modes").nearest_modes(ZOO[name].function(n, 0, **options))
    return float((modes == 0).mean())


def test_the_score_is_the_gradient_of_the_log_density():
    means, weights = np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([0.3, 0.7])
    at = torch.tensor([[0.5, 0.2], [-1.0, 3.0]], dtype=torch.float64, requires_grad=True)
    signal, noise, sd = 0.8, 0.6, 0.5
    squares = torch.cdist(at, signal * torch.from_numpy(means)).square()
    density = (torch.log(torch.from_numpy(weights)) - squares / (2 * ((signal * sd) ** 2 + noise**2))).logsumexp(1)
    (slope,) = torch.autograd.grad(density.sum(), at)
    found = mixture_score(means, sd, weights)(at.detach(), signal, noise)
    assert found.numpy() == pytest.approx(slope.numpy(), abs=1e-12)


TEMPERATURES = {0: (1, 3.22), 0.25: (15, 1.41), 0.5: (25, 0.43), 0.75: (25, 0.084), 0.9: (25, 0.030), 1: (25, 0.004)}
STARTS = {0.1: (5, 3.10), 0.25: (12, 1.58), 0.5: (25, 0.57), 0.75: (25, 0.094), 1: (25, 0.007)}
STEPS = {3: 0.03, 5: 0.03, 10: 0.04, 20: 0.52, 50: 0.98, 250: 1.0}
SLOW = pytest.mark.slow


@pytest.mark.parametrize("level", [0, 0.5, *(pytest.param(t, marks=SLOW) for t in (0.25, 0.75, 0.9, 1))])
def test_lower_temperature_loses_modes(level):
    modes, kl = TEMPERATURES[level]
    found = seen("grid-25-temperature", level)
    assert found.modes_found == pytest.approx(modes, abs=0.1 * modes + 0.5)
    assert found.mode_kl == pytest.approx(kl, abs=0.02 + 0.05 * kl)
    assert found.high_quality > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("level", STARTS)
def test_a_narrow_start_loses_modes(level):
    modes, kl = STARTS[level]
    found = seen("grid-25-start", level)
    assert found.modes_found == pytest.approx(modes, abs=0.1 * modes + 0.5)
    assert found.mode_kl == pytest.approx(kl, abs=0.02 + 0.05 * kl)
    assert found.high_quality >= 0.99


@pytest.mark.parametrize("level", [3, 20, *(pytest.param(t, marks=SLOW) for t in (5, 10, 50, 250))])
def test_few_steps_cost_fidelity(level):
    assert seen("grid-25-steps", level).high_quality == pytest.approx(STEPS[level], abs=0.03)


def test_the_exact_sampler_narrows_the_modes():
    """25 modes, all samples good, and the standard deviation within modes is a bit above half of the true one."""
    found = seen("grid-25-temperature", 1)
    assert (found.modes_found, found.high_quality > 0.99) == (25, True)
    assert found.spread == pytest.approx(0.57, abs=0.03)


@pytest.mark.slow
def test_plain_langevin_dynamics_do_not_see_weights():
    assert majority("two-modes-langevin") == pytest.approx(0.51, abs=0.03)


LEVELS = {10: 0.79, 5: 0.77, 3: 0.71, 2: 0.58}
NOISES = {1.5: 0.52, 2: 0.56, 3: 0.69, 5: 0.79, 8: 0.78, 20: 0.79}
ANNEALED = {1: 0.56, 5: 0.62, 20: 0.73, 100: 0.79}


@pytest.mark.parametrize("level", [1, 5, *(pytest.param(t, marks=SLOW) for t in (20, 100))])
def test_annealing_takes_time(level):
    assert majority("two-modes-anneal-steps", level=level) == pytest.approx(ANNEALED[level], abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_annealing_takes_levels(level):
    assert majority("two-modes-anneal-levels", level=level) == pytest.approx(LEVELS[level], abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("level", NOISES)
def test_annealing_takes_noise(level):
    assert majority("two-modes-anneal-noise", level=level) == pytest.approx(NOISES[level], abs=0.04)


def test_averaged_scores_hold_the_intersection_and_mixed_samples_the_union():
    product, mixed = seen("grid-25-scores-averaged", 0.4), seen("grid-25-scores-mixed", 0.4)
    assert product.modes_found == 5
    assert product.mode_kl == pytest.approx(np.log(5), abs=0.02)
    assert product.high_quality == pytest.approx(0.86, abs=0.03)
    assert mixed.modes_found == 25
    assert mixed.mode_kl == pytest.approx(0.048, abs=0.02)


def test_guidance_does_nothing_to_modes_that_are_apart():
    grid = target("grid-25")
    means = grid.means / 3
    whole, one = mixture_score(means, 0.02, grid.weights), mixture_score(means[:1], 0.02, np.ones(1))
    drawn = [
        ddpm(guided_score(one, whole, w), 400, 2, normal_sampler(np.random.default_rng(0)), steps=100)
        for w in (0.0, 4.0)
    ]
    assert drawn[1].mean(0).numpy() == pytest.approx(drawn[0].mean(0).numpy(), abs=0.003)
    assert drawn[1].std(0).numpy() == pytest.approx(drawn[0].std(0).numpy(), rel=0.1)


def test_guidance_narrows_and_moves_classes_that_overlap():
    means, half = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0.5, 0.5])
    whole, one = mixture_score(means, 1.0, half), mixture_score(means[:1], 1.0, np.ones(1))
    weights = (0.0, 0.5, 2.0, 8.0)
    drawn = [
        ddpm(guided_score(one, whole, w), 1000, 2, normal_sampler(np.random.default_rng(0)), steps=50) for w in weights
    ]
    spreads, places = ([float(of(rows[:, 0])) for rows in drawn] for of in (torch.std, torch.mean))
    assert spreads == sorted(spreads, reverse=True)
    assert places == sorted(places)
    assert spreads[0] == pytest.approx(0.97, abs=0.05)
    assert spreads[1] == pytest.approx(0.86, abs=0.05)


def test_one_score_averaged_is_itself():
    score = mixture_score(np.zeros((1, 2)), 1.0, np.ones(1))
    rows = torch.ones(3, 2, dtype=torch.float64)
    assert torch.equal(average_scores([score, score])(rows, 0.5, 0.5), score(rows, 0.5, 0.5))


def test_draws_are_those_of_their_seed_and_levels_have_ends():
    model = ZOO["grid-25-temperature"]
    assert np.array_equal(model.function(20, 3), model.function(20, 3))
    assert not np.array_equal(model.function(20, 3), model.function(20, 4))
    with pytest.raises(UsageError, match=r"level=2 .* is not possible; give 0 to 1"):
        model.function(20, 3, level=2.0)
