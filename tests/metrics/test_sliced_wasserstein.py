"""Sliced Wasserstein: closed forms, POT, options, collapse, bad input. The lines: test_transport_sliced.py."""

import numpy as np
import ot
import pytest
import torch
from sklearn.datasets import load_digits

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.metrics.transport import directions
from divmetrics.records.metric import METRICS

sliced_wasserstein = METRICS["sliced_wasserstein"]
DIGITS = load_digits().data
REAL, FAKE = DIGITS[:500], DIGITS[500:900]


def test_one_dimension_is_sorting() -> None:
    real, fake = np.sort(REAL[:400, 20]), np.sort(FAKE[:, 20])
    value = sliced_wasserstein(REAL[:400, 20:21], FAKE[:, 20:21], p=2.0)
    assert value == pytest.approx(np.sqrt(((real - fake) ** 2).mean()), rel=1e-12)


def test_a_shift_is_seen_by_one_over_root_d() -> None:
    shift = np.linspace(-2, 3, 64)
    value = sliced_wasserstein(REAL, REAL + shift, projections=4000)
    assert value == pytest.approx(np.linalg.norm(shift) / 8, rel=0.05)
    assert sliced_wasserstein(REAL, REAL) == 0.0


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_beside_pot(p: float) -> None:
    peer = ot.sliced_wasserstein_distance(REAL, FAKE, projections=directions(64, 500, seed=0).numpy().T, p=p)
    assert sliced_wasserstein(REAL, FAKE, p=p) == pytest.approx(float(peer), rel=1e-9)  # POT 0.9.7


def test_every_option_moves_the_number() -> None:
    default = sliced_wasserstein(REAL, FAKE)
    assert sliced_wasserstein(REAL, FAKE) == default
    assert default not in {
        sliced_wasserstein(REAL, FAKE, projections=100),
        sliced_wasserstein(REAL, FAKE, p=1.0),
        sliced_wasserstein(REAL, FAKE, seed=1),
    }


def test_sees_collapse() -> None:
    values = [sliced_wasserstein(REAL, REAL.mean(0) + shrink * (FAKE - REAL.mean(0))) for shrink in (1.0, 0.5, 0.1)]
    assert values == sorted(values)


@pytest.mark.parametrize("options", [{"projections": 0}, {"p": 0.5}, {"p": float("inf")}])
def test_options_that_cannot_be(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="is not possible"):
        sliced_wasserstein(REAL, FAKE, **options)
    with pytest.raises(UsageError, match="option p=nan is out of reach"):
        sliced_wasserstein(REAL, FAKE, p=float("nan"))


@pytest.mark.parametrize("sizes", [(120, 120), (120, 90)])
def test_splits_hold_what_each_split_alone_gives(sizes: tuple[int, int]) -> None:
    n, m = sizes
    pool, options = (
        TwoSamplePool(Rows.from_array(REAL[:n]), Rows.from_array(FAKE[:m])),
        {"projections": 40, "p": 2.0, "seed": 0},
    )
    whole = Splits(torch.tensor([1] * n + [2] * m, dtype=torch.uint8)[None])
    splits = Splits.of([whole, Splits.permutations(n, m, 3, 0), Splits.halves(n, m, 2, 0)])
    found = sliced_wasserstein.uncertainty.resample(pool, splits, **options)
    assert float(found[0]) == pytest.approx(sliced_wasserstein(pool.real, pool.fake, **options), rel=1e-9)
    for b in range(len(splits)):
        alone = [pool.part(places).features for places in (splits.real(b), splits.fake(b))]
        assert float(found[b]) == pytest.approx(sliced_wasserstein(*alone, **options), rel=1e-9)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_the_variance_is_that_of_fresh_draws(p: float) -> None:
    values, errors, options = [], [], {"projections": 50, "p": p, "seed": 0}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        real, fake = rng.normal(size=(300, 8)), 1.5 * rng.normal(size=(300, 8)) + 1
        pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))
        values.append(sliced_wasserstein(pool.real, pool.fake, **options))
        if seed < 10:
            errors.append(sliced_wasserstein.uncertainty.variance(pool, **options) ** 0.5)
    assert 0.75 < np.mean(errors) / np.std(values, ddof=1) < 1.3
