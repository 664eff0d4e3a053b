"""Memorisation-informed FID: the formula, torchmetrics' other average, copies, interval, splits."""

import numpy as np
import pytest
import torch
from torchmetrics.image.mifid import _mifid_compute

from divmetrics.arrays.pairs import _cosine_nearest as angles
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Moments, Rows
from divmetrics.errors import FeatureError, UsageError
from divmetrics.records.metric import METRICS

mifid, fid = METRICS["mifid"], METRICS["fid"]
TaskInputs = tuple[np.ndarray, np.ndarray]


def drawn(n: int = 80, m: int = 60, d: int = 6, seed: int = 0) -> TaskInputs:
    rng = np.random.RandomState(seed)
    return np.abs(rng.randn(n, d)), np.abs(0.8 * rng.randn(m, d))


def distance(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (real, fake))
    return (1 - np.abs(y @ x.T)).min(1)


def torchmetrics_value(real: np.ndarray, fake: np.ndarray, tau: float) -> float:
    sides = []
    for rows in map(torch.from_numpy, (real, fake)):
        sides += [rows.mean(0), torch.cov(rows.T), rows]
    return float(_mifid_compute(*sides, cosine_distance_eps=tau))


def pooled(*sides: np.ndarray) -> Pool:
    return TwoSamplePool(*(Rows.from_array(side) for side in sides))


@pytest.mark.parametrize("tau", [0.01, 0.5])
def test_the_formula(tau: float) -> None:
    real, fake = drawn()
    mean = distance(real, fake).mean()
    found = mifid.measure(real, fake, tau=tau)
    assert 0.01 < mean < 0.5
    assert found.value == pytest.approx(fid(real, fake) / (mean if mean < tau else 1), rel=1e-9)
    assert found.extras == pytest.approx({"fid": fid(real, fake), "distance": mean})
    assert found.fake["distance"].tolist() == pytest.approx(distance(real, fake).tolist())


def test_torchmetrics_averages_over_the_reals() -> None:
    """torchmetrics 1.9: our value with the sides swapped, and blind to fakes that copy a few reals."""
    real, fake = drawn(200, 150, 24)
    assert mifid(real, fake, tau=0.9) == pytest.approx(torchmetrics_value(fake, real, 0.9), rel=1e-6)
    copied = np.concatenate([real[:10]] * 20)
    assert torchmetrics_value(real, copied, 0.1) == pytest.approx(fid(real, copied), rel=1e-6)  # nothing noticed
    assert mifid(real, copied) > 1e6 * fid(real, copied)


def test_the_opposite_direction_is_as_near() -> None:
    real, _ = drawn(20, 20, 4)
    assert mifid.measure(real, -real).extras["distance"] == 0
    assert mifid.measure(real.astype(np.float32), -3 * real.astype(np.float32)).extras["distance"] < 1e-12


def test_copies_have_no_distance_to_the_reals() -> None:
    real, _ = drawn()
    assert mifid(real, real) == 0
    noisy = real + 1e-3 * np.random.RandomState(1).randn(*real.shape)
    assert mifid(real, noisy) > fid(real, noisy)


def test_wide_features_need_no_matrix_of_their_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 columns took 10.2 GB: the traces were those of two covariances `[d, d]`, 3.2 GB each."""
    real, fake = drawn(d=300)
    expected = fid(real, fake) / (distance(real, fake).mean() + 1e-14)
    with monkeypatch.context() as patch:
        patch.setattr(Moments, "_as_scatter", lambda self: pytest.fail("a matrix [d, d] was made"))
        assert mifid(real, fake, tau=1.0) == pytest.approx(expected)
        assert Moments.from_array(real).total_variance == pytest.approx(real.var(0, ddof=1).sum())
    assert Moments.from_array(real[:, :5]).total_variance == pytest.approx(real[:, :5].var(0, ddof=1).sum())


def test_tau_moves_the_value() -> None:
    assert mifid(*drawn(), tau=0.5) > 2 * mifid(*drawn(), tau=0.001)


@pytest.mark.parametrize("listed", [48, 1])
@pytest.mark.parametrize("tau", [0.5, 0.0])
def test_splits_are_the_metric_on_their_rows(monkeypatch: pytest.MonkeyPatch, tau: float, listed: int) -> None:
    monkeypatch.setattr(angles, "LISTED", listed)  # one neighbour does not suffice: the rest are looked up
    pool = pooled(*drawn())
    identity = Splits(torch.tensor([[REAL] * 80 + [FAKE] * 60], dtype=torch.uint8))
    splits = Splits.of([identity, Splits.halves(80, 60, 2, 0), Splits.permutations(80, 60, 2, 0)])
    expected = [mifid(pool.part(splits.real(b)), pool.part(splits.fake(b)), tau=tau) for b in range(len(splits))]
    assert mifid.uncertainty.resample(pool, splits, tau=tau).tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_standard_errors(tau: float) -> None:
    found = []
    for seed in range(40):
        pool = pooled(*drawn(200, 150, 6, seed))
        low, high = mifid.uncertainty.interval.function(pool, 0.95, tau=tau)
        found.append((mifid(pool.real, pool.fake, tau=tau), (high - low) / (2 * 1.96)))
    values, estimated = np.array(found).T
    assert 0.75 < np.sqrt(np.mean(estimated**2)) / values.std(ddof=1) < 1.35  # 40 draws know an sd to 11 %


def test_a_distance_near_tau_leaves_both_values_open() -> None:
    """Where as many draws fall below tau as above, the interval holds what they come to on average."""
    pools = [pooled(*drawn(200, 150, 6, seed)) for seed in range(40)]
    tau = float(np.median([mifid.measure(pool.real, pool.fake).extras["distance"] for pool in pools]))
    truth = np.mean([mifid(pool.real, pool.fake, tau=tau) for pool in pools])
    ends = np.array([mifid.uncertainty.interval.function(pool, 0.95, tau=tau) for pool in pools])
    assert ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean() > 0.85


def test_bad_input_is_one_sentence() -> None:
    real, fake = drawn()
    with pytest.raises(UsageError, match="tau=2"):
        mifid(real, fake, tau=2)
    with pytest.raises(FeatureError, match="row 3 is all zeros"):
        mifid(real, np.where(np.arange(60)[:, None] == 3, 0, fake))
    with pytest.raises(FeatureError, match="6 columns on one side and 5"):
        mifid(real, fake[:, 1:])
