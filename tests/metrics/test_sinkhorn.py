"""Sinkhorn divergence: definition, POT, limits, collapse, options, splits, variance, bad input."""

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, MeasureError, UsageError
from divmetrics.metrics.transport import _sinkhorn as room
from divmetrics.metrics.transport import _sinkhorn_on_splits as on_splits
from divmetrics.records.metric import METRICS

sinkhorn = METRICS["sinkhorn"]
DIGITS = load_digits().data
REALS, FAKES = DIGITS[:300], DIGITS[300:600]


def gaussians(n: int = 200, m: int = 150, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)), 1.3 * rng.normal(size=(m, d)) + 0.4


def entropic(a: np.ndarray, b: np.ndarray, epsilon: float, p: float) -> float:
    """min <plan, cost> + epsilon KL(plan | a b), by POT 0.9.7 in the log domain."""
    cost = cdist(a, b) ** p
    weights = [np.full(len(side), 1 / len(side)) for side in (a, b)]
    plan = ot.sinkhorn(*weights, cost, epsilon, method="sinkhorn_log", numItermax=1000, stopThr=1e-7, warn=False)
    some = plan[plan > 0]
    return float((plan * cost).sum() + epsilon * (some * np.log(some * len(a) * len(b))).sum())


@pytest.mark.parametrize(("eps", "p"), [(0.1, 2.0), (0.5, 2.0), (0.2, 1.0), (0.2, 1.5)])
def test_the_definition_by_way_of_pot(eps: float, p: float) -> None:
    real, fake = gaussians(50, 40, 3)
    found = sinkhorn.measure(real, fake, eps=eps, p=p)
    epsilon = eps * np.median(cdist(real, real)[np.triu_indices(50, 1)] ** p)
    assert found.extras["epsilon"] == pytest.approx(epsilon, rel=1e-2)
    joint, *alone = (entropic(*pair, found.extras["epsilon"], p) for pair in ((real, fake), (real, real), (fake, fake)))
    expected = joint - sum(alone) / 2
    assert found.value == pytest.approx(expected, rel=1e-4)


def test_beside_the_divergence_of_pot() -> None:
    """POT 0.9.7 leaves the entropic terms out; on samples this far apart they all but cancel."""
    real, fake = gaussians(50, 50, 2)
    found = sinkhorn.measure(real, fake + 6)
    peer = ot.bregman.empirical_sinkhorn_divergence(real, fake + 6, found.extras["epsilon"], stopThr=1e-6)
    assert found.value == pytest.approx(float(peer), rel=0.02)


def test_limits_of_the_entropy() -> None:
    real, fake = gaussians(100, 100, 3)
    gap = ((real.mean(0) - fake.mean(0)) ** 2).sum()
    assert sinkhorn(real, fake, eps=1e4) == pytest.approx(gap, rel=1e-3)
    energy = cdist(real, fake).mean() - cdist(real, real).mean() / 2 - cdist(fake, fake).mean() / 2
    assert sinkhorn(real, fake, eps=1e4, p=1.0) == pytest.approx(energy, rel=1e-3)
    assert sinkhorn(real, fake, eps=5e-4) == pytest.approx(METRICS["w2"](real, fake) ** 2, rel=0.02)


def test_a_shift_costs_its_squared_length_and_copies_nothing() -> None:
    shift = np.linspace(-2, 3, 64)
    assert sinkhorn(REALS, REALS + shift) == pytest.approx((shift**2).sum(), rel=1e-6)
    for p in (1.0, 2.0):
        assert sinkhorn(REALS, REALS[::-1], p=p) == pytest.approx(0, abs=1e-6)


def test_every_option_moves_the_number() -> None:
    default = sinkhorn(REALS, FAKES)
    assert default not in {sinkhorn(REALS, FAKES, eps=0.1), sinkhorn(REALS, FAKES, p=1.0)}


def test_sees_collapse_and_dropped_modes() -> None:
    healthy = sinkhorn(REALS, FAKES)
    assert sinkhorn(REALS, FAKES.mean(0) + 0.05 * (FAKES - FAKES.mean(0))) > 1.3 * healthy
    assert sinkhorn(REALS, DIGITS[600:][load_digits().target[600:] < 4][:300]) > 1.1 * healthy


def test_far_modes_of_unequal_weight_converge() -> None:
    """Plain scaling needs tens of thousands of rounds here: little of the kernel joins the modes."""
    rng = np.random.default_rng(1)
    centres = 30 * np.eye(4)
    real, fake = (
        centres[rng.choice(4, 200, p=w)] + rng.normal(size=(200, 4)) for w in ([0.4, 0.3, 0.2, 0.1], [0.25] * 4)
    )
    found = sinkhorn(real, fake, eps=0.02)
    assert found == pytest.approx(METRICS["w2"](real, fake) ** 2, rel=0.05)


@pytest.mark.parametrize("options", [{"eps": 0}, {"eps": float("inf")}, {"eps": -1}, {"p": 0}, {"p": 3}])
def test_options_that_cannot_be(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="is not possible"):
        sinkhorn(REALS, FAKES, **options)
    with pytest.raises(UsageError, match="option eps=nan is out of reach"):
        sinkhorn(REALS, FAKES, eps=float("nan"))


def test_the_influence_at_large_entropy_is_that_of_the_distance_of_the_means() -> None:
    real, fake = (torch.from_numpy(side) for side in gaussians(60, 50, 4))
    found, gap = room.solve_entropic(real, fake, 2.0, eps=1e3, mass_tolerance=1e-9), real.mean(0) - fake.mean(0)
    for influence, side, sign in ((found.real_influence, real, 2), (found.fake_influence, fake, -2)):
        expected = sign * (side - side.mean(0)) @ gap
        assert torch.allclose(influence - influence.mean(), expected, atol=0.01 * float(expected.abs().max()))


@pytest.mark.parametrize(("p", "median"), [(1.0, 3.0), (2.0, 9.0)])
def test_the_entropy_is_a_share_of_the_lower_median_cost(p: float, median: float) -> None:
    real = [[0.0], [1.0], [3.0], [7.0]]  # 1, 2, 3, 4, 6 and 7 apart
    assert sinkhorn.measure(real, [[9.0], [2.0]], eps=0.5, p=p).extras["epsilon"] == pytest.approx(0.5 * median)


def test_reals_that_are_alike_give_no_scale() -> None:
    with pytest.raises(FeatureError, match="half of the pairs of real samples are identical"):
        sinkhorn(np.ones((20, 3)), np.zeros((20, 3)))


def test_too_many_samples_and_no_convergence_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(room, "ITERATIONS", 1)
        with pytest.raises(MeasureError, match="did not converge"):
            sinkhorn(*gaussians())
    monkeypatch.setattr(room, "MAX_CELLS", 100)
    with pytest.raises(MeasureError, match=r"of 300 samples needs .* use sliced_wasserstein"):
        sinkhorn(REALS, FAKES)


def pool(kind: str = "gaussian") -> Pool:
    if kind == "gaussian":
        return TwoSamplePool(*(Rows.from_array(side) for side in gaussians()))
    real, fake = REALS, FAKES + (5000 if kind == "apart" else 0)
    return TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))


def whole(of: Pool) -> Splits:
    return Splits(torch.tensor([REAL] * of.n + [FAKE] * of.m, dtype=torch.uint8)[None])


@pytest.mark.parametrize("kind", ["gaussian", "digits", "apart"])
@pytest.mark.parametrize("fine", [4096, 0])
def test_splits_hold_the_value_itself(kind: str, fine: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_splits, "MAX_FLOAT64", fine)  # 0: in float32
    of, options = pool(kind), sinkhorn.resolve({})
    found = sinkhorn.uncertainty.resample(of, whole(of), **options)
    assert float(found[0]) == pytest.approx(sinkhorn(of.real, of.fake), rel=1e-5)


def test_splits_hold_what_each_split_alone_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    of, options = pool("digits"), sinkhorn.resolve({})
    splits = Splits.of([Splits.permutations(300, 300, 3, 0), Splits.halves(300, 300, 2, 0)])
    together = sinkhorn.uncertainty.resample(of, splits, **options)
    monkeypatch.setattr(on_splits, "ITERATIONS", 12)  # the sides by themselves converge, the sides together do not
    assert torch.allclose(together, sinkhorn.uncertainty.resample(of, splits, **options), rtol=1e-5)
    epsilon = sinkhorn.measure(of.real, of.fake).extras["epsilon"]
    for b in range(len(splits)):
        sides = [of.features()[places] for places in (splits.real(b), splits.fake(b))]
        assert float(together[b]) == pytest.approx(room.solve_entropic(*sides, 2.0, entropy=epsilon).value, rel=1e-5)


@pytest.mark.parametrize("kind", ["shift", "dropped"])
def test_the_variance_is_that_of_fresh_draws(kind: str) -> None:
    centres = 4 * np.random.default_rng(5).normal(size=(5, 16))
    values, errors, options = [], [], sinkhorn.resolve({})
    assert sinkhorn.uncertainty.variance is not None
    for seed in range(40):
        rng = np.random.default_rng(seed)
        real, fake = rng.normal(size=(2, 200, 16))
        if kind == "shift":
            fake = fake + 1
        else:
            real, fake = real + centres[rng.integers(5, size=200)], fake + centres[rng.integers(4, size=200)]
        of = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))
        values.append(sinkhorn(of.real, of.fake))
        if seed < 5:
            errors.append(sinkhorn.uncertainty.variance(of, **options) ** 0.5)
    assert 0.75 < np.mean(errors) / np.std(values, ddof=1) < 1.35


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("d", [2, 8, 100])
def test_copies_are_not_below_zero(d: int, offset: float) -> None:
    """-3e-8 was printed, the tolerance of the scalings."""
    rows = (np.random.default_rng(d).normal(size=(120, d)) + offset).astype(np.float32)
    assert 0 <= METRICS["sinkhorn"](rows, rows) < 1e-6
