"""FID: closed forms, the values of pytorch-fid and torchmetrics, collapse, bad input."""

import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from sklearn.datasets import load_digits
from torchmetrics.image.fid import _compute_fid

from divmetrics.arrays import splits as pools
from divmetrics.arrays.linalg import ACCURACY
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Moments, Rows
from divmetrics.errors import FeatureError, TooFewSamples
from divmetrics.metrics.moments import _frechet as frechet
from divmetrics.records.metric import METRICS

fid = METRICS["fid"]
DIGITS = load_digits().data
REAL, FAKE = DIGITS[:898], DIGITS[898:1796]


def drawn(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(seed)
    return rng.randn(n, d), rng.randn(n, d)


@pytest.mark.parametrize("d", [1, 16, 300])
def test_shift_of_a_standard_normal_is_its_dimension(d: int) -> None:
    real, fake = (Moments.from_statistics(np.full(d, mean), np.eye(d), n=100) for mean in (0.0, 1.0))
    assert fid(real, fake) == pytest.approx(d, rel=1e-12)


@pytest.mark.parametrize(
    ("n", "d", "seed", "value"),  # reference-values table of the project; randn of RandomState(seed), ddof 1
    [
        (4, 4, 1, 4.75383761),
        (128, 128, 2023, 67.6644468),
        (2048, 64, 2023, 1.1037376018),
        (4096, 256, 2023, 8.1584849594),
        (2, 8, 2023, 22.606314),
        (16, 64, 2023, 82.326316),
    ],
)
def test_published_values(n: int, d: int, seed: int, value: float) -> None:
    # 5e-6: the peers that gave these values leak that much in eigenvalue round-off where the rank is deficient
    assert fid(*drawn(n, d, seed)) == pytest.approx(value, rel=5e-6)


@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")  # of pytorch-fid
def test_beside_pytorch_fid_and_torchmetrics() -> None:
    real, fake = drawn(300, 48, 5)
    statistics = [part for rows in (real, fake) for part in (rows.mean(0), np.cov(rows, rowvar=False))]
    value = fid(real, fake)
    assert value == pytest.approx(calculate_frechet_distance(*statistics), rel=1e-9)  # pytorch-fid 0.3.0
    assert value == pytest.approx(float(_compute_fid(*map(torch.from_numpy, statistics))), rel=1e-9)  # torchmetrics 1.9


def test_digits_as_pytorch_fid() -> None:
    assert fid(REAL, FAKE) == pytest.approx(75.67036753707, rel=1e-9)  # pytorch-fid 0.3.0 calculate_frechet_distance


@pytest.mark.parametrize("rows", [REAL, REAL[:40], np.ones((9, 4))], ids=["n > d", "n < d", "constant"])
def test_equal_sets_are_at_zero(rows: np.ndarray) -> None:
    assert abs(fid(rows, rows)) <= 1e-8 * max(1.0, float(rows.var(0).sum()))


def test_terms_add_up() -> None:
    found = fid.measure(REAL, FAKE)
    assert found.extras["mean_term"] == pytest.approx(((REAL.mean(0) - FAKE.mean(0)) ** 2).sum())
    assert found.extras["mean_term"] + found.extras["covariance_term"] == found.value


def test_float32_far_from_zero_agrees_with_float64() -> None:
    real, fake = ((side * 0.5 + 1e3).astype(np.float32) for side in drawn(200, 16, 0))
    assert fid(real, fake) == pytest.approx(fid(real.astype(float), fake.astype(float)), rel=1e-9)


def test_bias_of_whitened_features_is_the_known_one() -> None:
    """d(d+5)/4 (1/N + 1/M), here .336: most of a small FID is sample size."""
    values = [fid(*drawn(500, 16, seed)) for seed in range(30)]
    assert np.mean(values) == pytest.approx(16 * 21 / 4 * 2 / 500, rel=0.1)


def test_grows_with_collapse() -> None:
    values = [fid(REAL, REAL.mean(0) + shrink * (FAKE - REAL.mean(0))) for shrink in (1.0, 0.7, 0.3, 0.05)]
    assert values == sorted(values)


def test_one_row_has_no_covariance() -> None:
    with pytest.raises(TooFewSamples, match="at least 2 rows per side, fake has 1"):
        fid(REAL, REAL[:1])


def test_unequal_widths_are_refused() -> None:
    with pytest.raises(FeatureError, match="64 columns on one side and 63"):
        fid(REAL, FAKE[:, 1:])


def split_pool(n: int, m: int, d: int, seed: int = 0, scale: float = 1.0) -> Pool:
    rng = np.random.RandomState(seed)
    return TwoSamplePool(Rows.from_array(rng.randn(n, d)), Rows.from_array(scale * rng.randn(m, d)))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("n", "m", "d"), [(60, 50, 8), (20, 50, 30), (12, 10, 30)])
def test_splits_are_the_metric_on_their_rows(
    n: int, m: int, d: int, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if exact:
        monkeypatch.setattr(frechet, "DRAW_ACCURACY", ACCURACY)
    pool = split_pool(n, m, d)
    identity = Splits(torch.tensor([[pools.REAL] * n + [pools.FAKE] * m], dtype=torch.uint8))
    splits = Splits.of([identity, Splits.halves(n, m, 2, 0), Splits.permutations(n, m, 2, 0)])
    expected = [fid(pool.part(splits.real(b)).features, pool.part(splits.fake(b)).features) for b in range(len(splits))]
    found = fid.uncertainty.resample(pool, splits).tolist()
    assert found == pytest.approx(expected, rel=1e-9 if exact else 1e-6)


@pytest.mark.parametrize("scale", [1.0, 0.7])
def test_standard_errors_on_and_off_the_null(scale: float) -> None:
    found = []
    for seed in range(40):
        pool = split_pool(200, 150, 8, seed, scale)
        variance = fid.uncertainty.variance(pool)
        found.append((fid(pool.real.features, pool.fake.features), variance**0.5))
    values, estimated = np.array(found).T
    assert 0.75 < np.sqrt(np.mean(estimated**2)) / values.std(ddof=1) < 1.35  # 40 draws know an sd to 11 %


def test_influence_is_the_derivative() -> None:
    """The distance with one sample weighing a little more, against the influence function there."""
    pool = split_pool(60, 50, 4, scale=0.6)
    real, fake = pool.real.features, pool.fake.features
    found = frechet.influence(pool.real, pool.fake)

    def weighted(rows: torch.Tensor, at: int, more: float) -> Moments:
        weights = torch.full((len(rows),), (1 - more) / len(rows), dtype=torch.float64)
        weights[at] += more
        centred = rows - weights @ rows
        return Moments.from_statistics(weights @ rows, centred.T @ (weights[:, None] * centred), len(rows))

    step = 1e-5
    for side, at in ((0, 3), (1, 7)):
        ends = [
            fid(*(weighted(rows, at, h if i == side else 0.0) for i, rows in enumerate((real, fake))))
            for h in (step, -step)
        ]
        assert found[side][at] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=0.1)  # ddof 0 here, 1 there


def test_too_few_rows_for_the_interval() -> None:
    assert fid.uncertainty.variance(split_pool(40, 40, 30)) is None
    singular = split_pool(60, 60, 4)
    flat = Rows.from_array(np.zeros((60, 4)))
    assert fid.uncertainty.variance(TwoSamplePool(flat, singular.fake)) is None


@pytest.mark.parametrize(("n", "d", "offset"), [(60, 8, 0.0), (200, 100, 1000.0), (30, 300, 5.0), (2000, 64, 0.0)])
def test_copies_are_at_exactly_zero(n: int, d: int, offset: float) -> None:
    """Round-off of either sign was printed: -5.7e-14."""
    rows = np.random.default_rng(0).normal(size=(n, d)) + offset
    assert METRICS["fid"](rows, rows) == 0
    assert METRICS["fid"](rows, rows[::-1].copy()) == pytest.approx(0, abs=1e-12)
    labels = np.arange(n) % 2
    assert METRICS["intra_fid"]((rows, labels), (rows, labels)) == 0
    assert METRICS["fid"](rows, rows * (1 + 1e-3)) > 0
