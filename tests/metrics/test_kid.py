"""Kernel Inception Distance: closed form, original values, collapse, options, accuracy in float32."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch_fidelity.metric_kid import kid_features_to_metric

from divmetrics.arrays.pairs import PolynomialKernel, draw_subsets, mmd2, mmd2_of_subsets
from divmetrics.arrays.pairs import _distances as distances
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.records.metric import METRICS

kid = METRICS["kid"]


def digits() -> tuple[np.ndarray, np.ndarray]:
    rows = load_digits().data / 16
    return rows[:898], rows[898:1796]


def gaussians(n: int = 300, d: int = 32, shift: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(0)
    return rng.randn(n, d), rng.randn(n, d) + shift


def formula(real: np.ndarray, fake: np.ndarray, degree: int = 3, gamma: float | None = None, coef0: float = 1) -> float:
    """The U-statistic as it is written, in float64."""

    def kernel(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return (left @ right.T * (1 / left.shape[1] if gamma is None else gamma) + coef0) ** degree

    def within(rows: np.ndarray) -> float:
        values = kernel(rows, rows)
        return (values.sum() - values.trace()) / (len(rows) * (len(rows) - 1))

    real, fake = real.astype(np.float64), fake.astype(np.float64)
    return within(real) + within(fake) - 2 * kernel(real, fake).mean()


def test_closed_form_of_two_points_a_side() -> None:
    """Reals 1, 1 and fakes 0, 0 in one dimension: 2³ + 1³ - 2 · 1³."""
    assert kid(np.ones((2, 1)), np.zeros((2, 1))) == pytest.approx(7, abs=1e-12)


def test_published_values() -> None:
    """torch-fidelity's algorithm, RandomState(2020), 100 subsets of 500, on digits / 16; from reference-values.md."""
    found = kid.measure(*digits(), subsets=100, subset_size=500, seed=2020)
    assert found.value == pytest.approx(0.0037381013, abs=1e-9)
    assert found.extras["sd"] == pytest.approx(0.0008692021, abs=1e-9)
    assert kid(*digits()) == pytest.approx(0.0037287031, abs=1e-9)


def test_torch_fidelity_beside_ours_on_the_same_subsets() -> None:
    real, fake = gaussians(120, 16)
    theirs = kid_features_to_metric(
        torch.from_numpy(real),
        torch.from_numpy(fake[:90]),
        kid_subsets=7,
        kid_subset_size=50,
        rng_seed=3,
        verbose=False,
    )
    found = kid.measure(real, fake[:90], subsets=7, subset_size=50, seed=3)
    assert found.value == pytest.approx(theirs["kernel_inception_distance_mean"], abs=1e-9)
    assert found.extras["sd"] == pytest.approx(theirs["kernel_inception_distance_std"], abs=1e-9)


def test_each_subset_is_the_formula_on_its_rows() -> None:
    real, fake = gaussians()
    draws = draw_subsets(300, 300, 3, 40, seed=1)
    found = mmd2_of_subsets(torch.from_numpy(real), torch.from_numpy(fake), PolynomialKernel(3, 1 / 32, 1.0), draws)
    assert found.tolist() == pytest.approx([formula(real[i], fake[j]) for i, j in draws], abs=1e-12)


@pytest.mark.parametrize("options", [{}, {"degree": 2}, {"gamma": 0.5}, {"coef0": 0.3}], ids=str)
@pytest.mark.parametrize("offset", [0, 1e2])
def test_the_formula_with_any_options_anywhere(options: dict[str, float], offset: float) -> None:
    real, fake = (side + offset for side in gaussians())
    expected = formula(real, fake[:170], **options)
    assert kid(real, fake[:170], **options) == pytest.approx(expected, rel=1e-6)


def test_options_move_the_value() -> None:
    sides = gaussians()
    values = [kid(*sides, **options) for options in ({}, {"degree": 2}, {"gamma": 0.5}, {"coef0": 0.3})]
    subsets = {"subsets": 5, "subset_size": 100}
    values += [kid(*sides, **(subsets | more)) for more in ({}, {"subsets": 9}, {"subset_size": 50}, {"seed": 1})]
    assert len(set(values)) == len(values)


def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = kid(*gaussians())
    monkeypatch.setattr(distances, "BLOCK", 64)
    assert kid(*gaussians()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("offset", [0.0, 0.5, 10.0])
def test_float32_rows_are_measured_as_exactly_as_float64_ones(offset: float) -> None:
    """Features as networks give them: wide, not negative, far from centred. The smallest KID that matters is 1e-5."""
    rng = np.random.RandomState(0)
    real, fake = (np.maximum(rng.randn(600, 512) + offset, 0).astype(np.float32) for _ in range(2))
    products = {"float32": kid(real, fake), "float64": kid(real.astype(np.float64), fake.astype(np.float64))}
    assert products["float32"] == pytest.approx(products["float64"], abs=1e-9 * (1 + offset) ** 4)


def test_autocast_does_not_round_the_products() -> None:
    real, fake = (side.astype(np.float32) for side in gaussians())
    expected = kid(real, fake)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert kid(real, fake) == expected


def test_shift_and_collapse_are_worse_than_a_fresh_draw() -> None:
    real, fake = gaussians(shift=0)
    fresh = kid(real, fake)
    assert abs(fresh) < 0.01
    assert kid(real, fake + 0.5) > 20 * abs(fresh)
    assert kid(3 * real, 0.1 * fake) > 20 * abs(fresh)


def test_bad_input_is_one_sentence() -> None:
    real, fake = gaussians(40, 4)
    with pytest.raises(TooFewSamples, match="subset_size=1000 needs as many rows per side, real has 40"):
        kid(real, fake, subsets=100)
    with pytest.raises(UsageError, match="subset_size=50 says nothing without subsets"):
        kid(real, fake, subset_size=50)
    with pytest.raises(UsageError, match="-1 subsets of 1000"):
        kid(real, fake, subsets=-1)
    with pytest.raises(TooFewSamples, match="at least 2 rows"):
        kid(real, fake[:1])
    with pytest.raises(FeatureError, match="4 columns on one side and 3"):
        kid(real, fake[:, :3])
    assert kid.minimum({"subsets": 0, "subset_size": 1000}) == 2
    assert kid.minimum({"subsets": 5, "subset_size": 1000}) == 1000


def test_the_same_value_as_a_function_of_rows() -> None:
    real, fake = gaussians()
    assert mmd2(Rows.from_array(real), Rows.from_array(fake), PolynomialKernel(3, 1 / 32, 1.0)) == kid(real, fake)
