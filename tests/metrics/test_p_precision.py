"""P-precision and p-recall: the formula, copies, collapse, options; chance against recomputation and fresh draws."""

import numpy as np
import pytest
import torch

from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import TooFewSamples, UsageError
from divmetrics.records.metric import METRICS

NAMES = ("p_precision", "p_recall")
TaskInputs = tuple[np.ndarray, np.ndarray]


def gaussians(n: int = 300, d: int = 8, seed: int = 0) -> TaskInputs:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d))


def distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(left[:, None] - right).sum(2))


def by_formula(queries: np.ndarray, support: np.ndarray, a: float = 1.2, k: int = 4) -> np.ndarray:
    """Park and Kim 2023, eqs. 5 to 7, written out."""
    radius = a * np.sort(distances(support, support), 1)[:, k].mean()
    return 1 - np.minimum(1, distances(queries, support) / radius).prod(1)


WORLDS = {
    "alike": gaussians(),
    "apart": (gaussians()[0], gaussians()[1] + 1.5),
    "other sizes": (gaussians()[0], gaussians()[1][:170]),
    "full of copies": tuple((1.5 * side[:, :3]).round() for side in gaussians()),
    "far from zero": tuple(side + 1e4 for side in gaussians()),
    "float32": tuple((side + 3).astype(np.float32) for side in gaussians(d=200)),
}


@pytest.mark.parametrize("options", [{}, {"a": 0.9, "k": 2}])
@pytest.mark.parametrize("world", WORLDS)
def test_the_formula(world: str, options: dict[str, float]) -> None:
    real, fake = WORLDS[world]
    exact = 1e-9 if real.dtype == np.float64 else 1e-5
    inside = METRICS["p_precision"].measure(real, fake, **options)
    recalled = METRICS["p_recall"].measure(real, fake, **options)
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    assert inside.fake["p_inside"].numpy() == pytest.approx(by_formula(fake, real, **options), abs=exact)
    assert recalled.real["p_recalled"].numpy() == pytest.approx(by_formula(real, fake, **options), abs=exact)
    assert inside.value == pytest.approx(by_formula(fake, real, **options).mean(), abs=exact)
    assert recalled.value == pytest.approx(by_formula(real, fake, **options).mean(), abs=exact)


def test_copies_are_inside_and_a_point_without_extent_holds_its_copies_alone() -> None:
    ones = np.ones((50, 5))
    assert [METRICS[name](ones, ones) for name in NAMES] == [1, 1]
    assert METRICS["p_recall"](np.concatenate([ones, 0 * ones]), ones) == pytest.approx(0.5)
    near = gaussians(60, 256)[0].astype(np.float32)
    assert METRICS["p_precision"](near, near + np.float32(1e-4)) == pytest.approx(1, abs=1e-6)


def test_tight_fakes_within_wide_reals_are_precise_and_do_not_recall() -> None:
    real, fake = gaussians(500, 16)
    assert METRICS["p_precision"](3 * real, 0.3 * fake) > 0.9
    assert METRICS["p_recall"](3 * real, 0.3 * fake) < 0.3


def test_dropped_modes_cost_their_share_of_recall() -> None:
    rng = np.random.default_rng(0)
    centres = 20 * rng.normal(size=(10, 8))
    real, fake = (centres[rng.integers(0, modes, 600)] + rng.normal(size=(600, 8)) for modes in (10, 4))
    assert METRICS["p_precision"](real, fake) > 0.65
    assert METRICS["p_recall"](real, fake) < 0.45


@pytest.mark.parametrize("name", NAMES)
def test_options_move_the_value(name: str) -> None:
    sides, metric = gaussians(), METRICS[name]
    assert metric(*sides, a=1.0) < metric(*sides) < metric(*sides, a=1.4)
    assert metric(*sides, k=2) < metric(*sides) < metric(*sides, k=8)
    with pytest.raises(UsageError, match="a=0"):
        metric(*sides, a=0)
    with pytest.raises(TooFewSamples, match="k=4 needs at least 5 rows per side, fake has 4"):
        metric(sides[0], sides[1][:4])


def pool_of(sides: TaskInputs) -> Pool:
    return TwoSamplePool(Rows.from_array(sides[0]), Rows.from_array(sides[1]))


def as_given(pool: Pool) -> Splits:
    return Splits(torch.tensor([[REAL] * pool.n + [FAKE] * pool.m], dtype=torch.uint8))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("world", WORLDS)
def test_splits_from_one_pass_are_those_recomputed(name: str, world: str) -> None:
    metric, pool = METRICS[name], pool_of(WORLDS[world])
    resample, options = metric.uncertainty.resample, metric.resolve({})
    assert resample(pool, as_given(pool), **options).item() == pytest.approx(metric(*WORLDS[world]), rel=1e-6, abs=1e-9)
    splits = Splits.of([Splits.halves(pool.n, pool.m, 6, 0), Splits.permutations(pool.n, pool.m, 6, 1)])
    anew = [metric(*(pool.part((side == which).nonzero()[:, 0]) for which in (REAL, FAKE))) for side in splits.side]
    assert resample(pool, splits, **options).numpy() == pytest.approx(anew, abs=5e-4)  # interpolated over radii


@pytest.mark.parametrize("name", NAMES)
def test_the_standard_error_is_the_spread_over_fresh_draws(name: str) -> None:
    metric, values, errors = METRICS[name], [], []
    for seed in range(50):
        real, fake = gaussians(300, 16, seed)
        pool = pool_of((real, 0.8 * fake + 0.1))
        values.append(metric(pool.real, pool.fake))
        errors.append(metric.uncertainty.variance(pool, **metric.resolve({})) ** 0.5)
    assert 0.8 < np.mean(errors) / np.std(values, ddof=1) < 1.35


def test_a_jackknife_written_out() -> None:
    """Leaving out a real, and all that follows from it, the radius included."""
    real, fake = gaussians(60, 4)
    left_out = [by_formula(fake, np.delete(real, i, 0)).mean() for i in range(60)]
    jackknife = 59 / 60 * np.square(left_out - np.mean(left_out)).sum()
    metric = METRICS["p_precision"]
    found = metric.uncertainty.variance(pool_of((real, fake)), **metric.resolve({}))
    assert found == pytest.approx(jackknife + by_formula(fake, real).var(ddof=1) / 60, rel=0.02)
