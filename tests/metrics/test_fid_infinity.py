"""FID extrapolated: the bias law, the line it draws, options, interval, splits."""

import numpy as np
import pytest
import torch

from divmetrics.arrays.draws import ranked
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import TooFewSamples, UsageError
from divmetrics.records.metric import METRICS

infinity, fid = METRICS["fid_infinity"], METRICS["fid"]


def drawn(n: int, m: int, d: int, seed: int = 0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(seed)
    return rng.randn(n, d), scale * rng.randn(m, d)


def pooled(*sides: np.ndarray) -> Pool:
    return TwoSamplePool(*(Rows.from_array(side) for side in sides))


@pytest.mark.parametrize(("sides", "left"), [("fake", 1 / 600), ("both", 0.0)])
def test_removes_the_bias_of_the_fakes_or_of_both(sides: str, left: float) -> None:
    """d(d+5)/4 (1/N + 1/M) is FID's; what is left is the reals' share, or nothing."""
    found = [infinity(*drawn(600, 300, 16, seed), sides=sides) for seed in range(12)]
    assert np.mean(found) == pytest.approx(16 * 21 / 4 * left, abs=0.03)
    assert np.mean([fid(*drawn(600, 300, 16, seed)) for seed in range(12)]) > 0.35


def test_the_line_through_the_full_size() -> None:
    """With two points there is one subset, of half the fakes: value = 2 FID_m - FID_m/2, however it was drawn."""
    real, fake = drawn(80, 60, 4)
    found = infinity.measure(real, fake, points=2)
    assert found.extras["fid"] == pytest.approx(fid(real, fake))
    rng = torch.Generator().manual_seed(0)
    half = fake[ranked(torch.from_numpy(fake))[torch.randperm(60, generator=rng)[:30]].numpy()]
    assert found.value == pytest.approx(2 * fid(real, fake) - fid(real, half))
    assert found.extras["slope"] == pytest.approx(60 * (fid(real, half) - fid(real, fake)))


def test_less_noise_with_more_points_and_shuffles() -> None:
    sides = drawn(200, 150, 8)
    spread = [
        np.std([infinity(*sides, seed=seed, **more) for seed in range(12)])
        for more in ({"points": 2}, {"points": 15}, {"points": 15, "shuffles": 4})
    ]
    assert spread == sorted(spread, reverse=True)
    noise = infinity.measure(*sides).extras["noise"]
    assert 0.4 < noise / spread[1] < 2.5


def test_options_move_the_value() -> None:
    options = [{}, {"points": 5}, {"shuffles": 2}, {"sides": "both"}, {"seed": 1}]
    assert len({infinity(*drawn(80, 60, 4), **more) for more in options}) == len(options)


def test_grows_with_collapse() -> None:
    values = [infinity(*drawn(200, 200, 8, scale=scale)) for scale in (1.0, 0.7, 0.3, 0.05)]
    assert values == sorted(values)


@pytest.mark.parametrize("d", [4, 70])
def test_splits(d: int) -> None:
    """Up to 64 features the whole extrapolation; above, three subsets of one size, and the same line on average."""
    n, m = (200, 160) if d == 4 else (500, 400)
    real, fake = drawn(n, m, d)
    pool = pooled(real, fake)
    identity = Splits(torch.tensor([[REAL] * n + [FAKE] * m], dtype=torch.uint8))
    found = float(infinity.uncertainty.resample(pool, identity, **infinity.resolve({}))[0])
    value = infinity(real, fake)
    if d == 4:
        assert found == pytest.approx(value, rel=1e-9)
    else:
        many = [
            float(infinity.uncertainty.resample(pool, identity, **infinity.resolve({"seed": s}))[0]) for s in range(20)
        ]
        assert np.mean(many) == pytest.approx(np.mean([infinity(real, fake, seed=s) for s in range(20)]), rel=0.02)
        assert np.std(many) > 0


@pytest.mark.parametrize("scale", [1.0, 0.7])
def test_standard_errors(scale: float) -> None:
    found = []
    for seed in range(40):
        pool = pooled(*drawn(200, 150, 6, seed, scale))
        variance = infinity.uncertainty.variance(pool, **infinity.resolve({}))
        found.append((infinity(pool.real, pool.fake), variance**0.5))
    values, estimated = np.array(found).T
    assert 0.75 < np.sqrt(np.mean(estimated**2)) / values.std(ddof=1) < 1.35  # 40 draws know an sd to 11 %


def test_bad_input_is_one_sentence() -> None:
    real, fake = drawn(20, 20, 4)
    with pytest.raises(UsageError, match="points=1, shuffles=1"):
        infinity(real, fake, points=1)
    with pytest.raises(UsageError, match="shuffles=0"):
        infinity(real, fake, shuffles=0)
    with pytest.raises(TooFewSamples, match="at least 4 rows per side, got 20 and 3"):
        infinity(real, fake[:3])
    assert infinity.uncertainty.variance(pooled(*drawn(20, 20, 30)), **infinity.resolve({})) is None
