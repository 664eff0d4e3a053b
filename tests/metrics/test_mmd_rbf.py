"""MMD with a Gaussian kernel: the formula, CMMD's options and blindness, bandwidth, interval and splits."""

from typing import Any

import numpy as np
import pytest
import torch

from divmetrics.arrays.pairs import GaussianKernel, PolynomialKernel, kernel_sums_within, median_distance
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.records.metric import METRICS, Metric

mmd = METRICS["mmd_rbf"]
CMMD = mmd.protocols["cmmd-2024"]
TaskInputs = tuple[np.ndarray, np.ndarray]


def gaussians(n: int = 200, d: int = 16, shift: float = 0.3, seed: int = 0) -> TaskInputs:
    rng = np.random.RandomState(seed)
    return rng.randn(n, d), rng.randn(n, d) + shift


def kernel(left: np.ndarray, right: np.ndarray, sigma: float) -> np.ndarray:
    return np.exp(-np.square(left[:, None] - right).sum(2) / (2 * sigma**2))


def u_statistic(real: np.ndarray, fake: np.ndarray, sigma: float) -> float:
    """As it is written, in float64."""
    own = [(kernel(x, x, sigma).sum() - len(x)) / (len(x) * (len(x) - 1)) for x in (real, fake)]
    return sum(own) - 2 * kernel(real, fake, sigma).mean()


def cmmd(real: np.ndarray, fake: np.ndarray) -> float:
    """Jayasumana 2024: rows of unit length, sigma 10, means over all pairs with the diagonal, times 1000."""
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (real, fake))
    return 1000 * (kernel(x, x, 10).mean() + kernel(y, y, 10).mean() - 2 * kernel(x, y, 10).mean())


def identity(pool: Pool) -> Splits:
    return Splits(torch.tensor([[REAL] * pool.n + [FAKE] * pool.m], dtype=torch.uint8))


def test_closed_form_of_gaussians() -> None:
    """E k over N(0, I), N(mu, I): (1 + 2/s²)^(-d/2) (1 - exp(-|mu|²/(2 (s² + 2)))), twice."""
    sigma, d, shift = 2.0, 4, 0.5
    scale = (1 + 2 / sigma**2) ** (-d / 2)
    expected = 2 * scale * (1 - np.exp(-d * shift**2 / (2 * (sigma**2 + 2))))
    found = [mmd(*gaussians(500, d, shift, seed), sigma=sigma) for seed in range(20)]
    assert np.mean(found) == pytest.approx(expected, abs=3 * np.std(found) / 20**0.5)


@pytest.mark.parametrize("sigma", [1.0, 5.0])
def test_the_formula(sigma: float) -> None:
    real, fake = gaussians()
    assert mmd(real, fake[:90], sigma=sigma) == pytest.approx(u_statistic(real, fake[:90], sigma), abs=1e-12)


def test_default_bandwidth_is_the_median_distance_of_the_pool() -> None:
    real, fake = gaussians(60)
    pool = np.concatenate([real, fake])
    distances = np.sort(np.sqrt(np.square(pool[:, None] - pool).sum(2)[np.triu_indices(120, 1)]))
    sigma = mmd.measure(real, fake).extras["sigma"]
    assert distances[len(distances) // 2 - 1] <= sigma <= distances[len(distances) // 2]
    assert mmd(real, fake) == pytest.approx(u_statistic(real, fake, sigma), abs=1e-12)


def test_typical_distance_of_many_rows_is_close_to_that_of_all() -> None:
    rows = np.random.RandomState(0).standard_t(4, size=(3000, 8))
    squared = np.square(rows).sum(1)[:, None] + np.square(rows).sum(1) - 2 * rows @ rows.T
    whole = np.sqrt(np.median(squared[np.triu_indices(3000, 1)]))
    assert median_distance(torch.from_numpy(rows)) == pytest.approx(whole, rel=0.01)
    assert median_distance(torch.ones(5, 3)) == 1
    assert median_distance(torch.tensor([[0.0], [0.0], [0.0], [3.0]])) == pytest.approx(3)


def test_cmmd_to_the_letter() -> None:
    real, fake = gaussians()
    assert mmd(real, fake, **CMMD) == pytest.approx(cmmd(real, fake), rel=1e-9)


def test_cmmd_does_not_see_a_collapse_that_the_default_sees() -> None:
    """Fakes on two antipodal points have the right mean: field notes, section 0.7."""
    rng = np.random.RandomState(0)
    real = rng.randn(400, 64)
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    pole = np.eye(64)[0]
    collapsed = np.where(np.arange(400)[:, None] % 2, pole, -pole)
    shifted = real + 0.05
    assert mmd(real, collapsed, **CMMD) < 0.2 * mmd(real, shifted, **CMMD)
    assert mmd(real, collapsed) > 1.5 * mmd(real, shifted)


def test_options_move_the_value() -> None:
    options: list[dict[str, Any]] = [{}, {"sigma": 2.0}, {"normalise": True}, {"unbiased": False}, {"scale": 1000.0}]
    assert len({mmd(*gaussians(), **more) for more in options}) == len(options)


def test_float32_rows_are_measured_as_float64_ones() -> None:
    real, fake = (side.astype(np.float32) + 50 for side in gaussians(300, 256, 0.05))
    assert mmd(real, fake) == pytest.approx(mmd(real.astype(float), fake.astype(float)), abs=1e-8)


def test_kernel_sums_within_a_set() -> None:
    rows = Rows.from_array(gaussians(50)[0])
    sums = kernel_sums_within(rows, GaussianKernel(2.0))
    expected = kernel(rows.features.numpy(), rows.features.numpy(), 2.0) - np.eye(50)
    assert np.allclose(sums.left, expected.sum(1))
    assert sums.squares == pytest.approx(np.square(expected).sum())
    assert kernel_sums_within(rows, GaussianKernel(2.0)) is sums
    assert PolynomialKernel(3, 1.0, 1.0).weight == 1


CASES = [("kid", {}), ("mmd_rbf", {}), ("mmd_rbf", {"sigma": 1.0, "unbiased": False}), ("mmd_rbf", dict(CMMD))]


@pytest.mark.parametrize(("name", "given"), CASES, ids=str)
def test_splits_are_the_metric_on_their_rows(name: str, given: dict[str, Any]) -> None:
    metric = METRICS[name]
    real, fake = gaussians(60)
    pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake[:40]))
    options = metric.resolve(given)
    found = metric.uncertainty.resample(pool, identity(pool), **options)
    assert float(found[0]) == pytest.approx(metric(real, fake[:40], **given), abs=1e-11)
    splits = Splits.of([Splits.halves(60, 40, 2, 0), Splits.permutations(60, 40, 2, 0)])
    options |= {"sigma": mmd.measure(real, fake[:40], **given).extras["sigma"]} if name == "mmd_rbf" else {}
    expected = [metric(pool.part(splits.real(b)), pool.part(splits.fake(b)), **options) for b in range(len(splits))]
    assert metric.uncertainty.resample(pool, splits, **options).tolist() == pytest.approx(expected, abs=1e-11)


def errors(metric: Metric, shift: float, **given: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values and estimated standard errors over fresh draws."""
    found = []
    for seed in range(40):
        real, fake = gaussians(150, 8, shift, seed)
        pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake[:100]))
        variance = metric.uncertainty.variance(pool, **metric.resolve(given))
        found.append((metric(pool.real, pool.fake, **given), variance**0.5))
    values, estimated = np.array(found).T
    return values, estimated


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize(("name", "given"), [*CASES[:2], CASES[3], ("kid", {"subsets": 5, "subset_size": 50})], ids=str)
def test_standard_errors_on_and_off_the_null(name: str, given: dict[str, Any], shift: float) -> None:
    values, estimated = errors(METRICS[name], shift, **given)
    assert 0.7 < np.sqrt(np.mean(estimated**2)) / values.std(ddof=1) < 1.5  # 40 draws know an sd to 11 %


def test_null_of_subsets_is_as_wide_as_their_means_are() -> None:
    kid, given = METRICS["kid"], {"subsets": 4, "subset_size": 40}
    values = [kid(*gaussians(150, 8, 0.0, seed), **given) for seed in range(60)]
    pool = TwoSamplePool(*(Rows.from_array(side) for side in gaussians(150, 8, 0.0)))
    null = kid.uncertainty.resample(pool, Splits.permutations(150, 150, 199, 0), **kid.resolve(given))
    assert float(null.std()) == pytest.approx(np.std(values), rel=0.35)


def test_few_rows_have_no_variance() -> None:
    pool = TwoSamplePool(*(Rows.from_array(side[:3]) for side in gaussians()))
    assert mmd.uncertainty.variance(pool, **mmd.resolve({})) is None


def test_bad_input_is_one_sentence() -> None:
    real, fake = gaussians(20, 4)
    with pytest.raises(UsageError, match="sigma=0"):
        mmd(real, fake, sigma=0)
    with pytest.raises(TooFewSamples, match="at least 2 rows"):
        mmd(real, fake[:1])
    with pytest.raises(FeatureError, match="4 columns on one side and 3"):
        mmd(real, fake[:, :3])
    with pytest.raises(FeatureError, match="row 0 is all zeros"):
        mmd(0 * real, fake, normalise=True)
    assert mmd(real, fake[:1], unbiased=False) > 0
