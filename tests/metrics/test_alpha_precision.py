"""Alpha-precision and beta-recall: the formula, collapse, options, columns, and splits against recomputation."""

import numpy as np
import pytest
import torch

from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.records.metric import METRICS

NAMES = ("alpha_precision", "beta_recall")
TaskInputs = tuple[np.ndarray, np.ndarray]


def gaussians(n: int = 200, d: int = 6) -> TaskInputs:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d))


def by_formula(real: np.ndarray, fake: np.ndarray, levels: int = 30) -> tuple[float, float]:
    """Alaa 2022 by the authors' code, with the mean as the centre, sample by sample; copies of a real are no others."""
    shares = np.linspace(0, 1, levels)
    centre = real.mean(0)
    within = np.quantile([np.linalg.norm(x - centre) for x in real], shares)
    precision = [np.mean([np.linalg.norm(y - centre) <= reach for y in fake]) for reach in within]
    centre = fake.mean(0)
    nearest, covered = [], []
    for x in real:
        to_fakes, to_reals = (np.linalg.norm(side - x, axis=1) for side in (fake, real))
        nearest.append(np.linalg.norm(fake[to_fakes.argmin()] - centre))
        covered.append(to_fakes.min() <= to_reals[to_reals > 0].min())
    recall = [np.mean(np.array(covered) & (nearest <= reach)) for reach in np.quantile(nearest, shares)]
    step = shares[1] - shares[0]
    return tuple(max(0.0, 1 - 2 * np.abs(curve - shares).sum() * step) for curve in (precision, recall))


WORLDS = {
    "alike": gaussians(),
    "apart": (gaussians()[0], gaussians()[1] + 1),
    "far apart": (gaussians()[0], gaussians()[1] + 50),
    "shrunken": (gaussians()[0], 0.5 * gaussians()[1]),
    "other sizes": (gaussians()[0], gaussians()[1][:90]),
    "copies among fakes": (gaussians()[0], np.repeat(gaussians()[1][:20], 10, 0)),
    "copies among reals": (np.concatenate([gaussians()[0][:150], gaussians()[0][:50]]), gaussians()[1]),
    "some reals copied": (gaussians()[0], np.concatenate([gaussians()[0][:50], gaussians()[1][:150]])),
    "wide": gaussians(100, 200),
}


@pytest.mark.parametrize("options", [{}, {"levels": 11}])
@pytest.mark.parametrize("world", WORLDS)
def test_the_formula(world: str, options: dict[str, int]) -> None:
    found = [METRICS[name](*WORLDS[world], **options) for name in NAMES]
    assert found == pytest.approx(by_formula(*WORLDS[world], **options), abs=1e-9)


def test_all_within_the_balls_and_none() -> None:
    """A shell of fakes at the median of the reals: P jumps from 0 to 1 at one half, the mean gap is 1/4."""
    real, fake = gaussians(2000, 16)
    centre = real.mean(0)
    fake *= np.median(np.linalg.norm(real - centre, axis=1)) / np.linalg.norm(fake, axis=1, keepdims=True)
    assert METRICS["alpha_precision"](real, centre + fake) == pytest.approx(0.5, abs=0.02)
    assert METRICS["alpha_precision"](real, centre + 100 * fake) == pytest.approx(0, abs=1e-9)
    assert METRICS["alpha_precision"](real, fake * 0 + centre) == pytest.approx(0, abs=1e-9)
    assert METRICS["alpha_precision"](real, real) == pytest.approx(1, abs=0.002)
    assert METRICS["beta_recall"](real, real) == pytest.approx(1, abs=0.002)


def test_collapse_shows_in_both() -> None:
    rng = np.random.default_rng(0)
    real, fake = gaussians(400, 16)
    assert METRICS["alpha_precision"](3 * real, 0.3 * fake) < 0.1
    assert METRICS["beta_recall"](3 * real, 0.3 * fake) < 0.3
    centres = 20 * rng.normal(size=(10, 8))
    real, few, all_ = (centres[rng.integers(0, modes, 600)] + rng.normal(size=(600, 8)) for modes in (10, 3, 10))
    assert METRICS["beta_recall"](real, few) < METRICS["beta_recall"](real, all_) - 0.1


def test_columns_and_extras() -> None:
    real, fake = gaussians()
    inside = METRICS["alpha_precision"].measure(real, fake)
    curve = np.array(inside.extras["curve"])
    assert len(curve) == 10
    assert curve[0, 0] == 0
    assert curve[-1, 0] == 1
    assert (np.diff(curve[:, 1]) >= 0).all()
    assert inside.fake["real_quantile"].shape == (200,)
    assert (inside.fake["real_quantile"] <= 0.5).double().mean().item() == pytest.approx(
        np.interp(0.5, curve[:, 0], curve[:, 1]), abs=0.05
    )
    hit = METRICS["beta_recall"].measure(real, fake)
    assert hit.real["beta_covered"].double().mean().item() == pytest.approx(hit.extras["curve"][-1][1])


@pytest.mark.parametrize("name", NAMES)
def test_bad_input(name: str) -> None:
    real, fake = gaussians()
    with pytest.raises(UsageError, match="levels=1 must be at least 2"):
        METRICS[name](real, fake, levels=1)
    with pytest.raises(FeatureError, match="6 columns on one side and 5"):
        METRICS[name](real, fake[:, :5])
    if name == "beta_recall":
        with pytest.raises(TooFewSamples, match="at least 2 rows"):
            METRICS[name](real[:1], fake)


def pool_of(sides: TaskInputs) -> Pool:
    return TwoSamplePool(Rows.from_array(sides[0]), Rows.from_array(sides[1]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("world", WORLDS)
def test_splits_from_one_pass_are_those_recomputed(name: str, world: str) -> None:
    metric, pool = METRICS[name], pool_of(WORLDS[world])
    given = Splits(torch.tensor([[REAL] * pool.n + [FAKE] * pool.m], dtype=torch.uint8))
    splits = Splits.of([given, Splits.halves(pool.n, pool.m, 4, 0), Splits.permutations(pool.n, pool.m, 4, 1)])
    anew = [metric(*(pool.part((side == which).nonzero()[:, 0]) for which in (REAL, FAKE))) for side in splits.side]
    # Where fakes are copies of others a distance from the mean is a reach, on either side of which it may be rounded
    ties = 0.01 if "cop" in world else 1e-9
    assert metric.uncertainty.resample(pool, splits, levels=30).numpy() == pytest.approx(anew, abs=ties)


@pytest.mark.parametrize("name", NAMES)
def test_sparse_splits_are_found_beyond_the_neighbours_kept(name: str) -> None:
    metric, pool = METRICS[name], pool_of(gaussians(150, 3))
    side = torch.zeros(1, 300, dtype=torch.uint8)
    side[0, :150:40], side[0, 150::40] = REAL, FAKE
    anew = metric(*(pool.part((side[0] == which).nonzero()[:, 0]) for which in (REAL, FAKE)))
    assert metric.uncertainty.resample(pool, Splits(side), levels=30).item() == pytest.approx(anew, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_half_samples_spread_as_fresh_draws(name: str) -> None:
    metric, values, errors = METRICS[name], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        pool = pool_of((rng.normal(size=(200, 16)), 0.9 * rng.normal(size=(200, 16)) + 0.1))
        values.append(metric(pool.real, pool.fake))
        if seed < 15:
            halves = metric.uncertainty.resample(pool, Splits.halves(200, 200, 40, seed), levels=30)
            errors.append(halves.std().item())
    assert 0.75 < np.mean(errors) / np.std(values, ddof=1) < 1.4
