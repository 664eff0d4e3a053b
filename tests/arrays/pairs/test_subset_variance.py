"""Standard errors from subsets of seven tenths of both sides."""

import numpy as np
import pytest
import torch
from torch import Tensor

import divmetrics as dm
from divmetrics.arrays.pairs import SUBSET_FREEDOM, subset_error, subset_uncertainty
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows

VALUES = np.random.default_rng(0).normal(2.0, 0.3, 80)


def pool_of(n: int, m: int) -> TwoSamplePool:
    return TwoSamplePool(*(Rows.from_array(torch.arange(float(size))[:, None]) for size in (n, m)))


def given(splits: Splits) -> Tensor:
    """The values by hand; 3 for the samples as they are."""
    return torch.from_numpy(VALUES.copy()) if len(splits) > 1 else torch.tensor([3.0], dtype=torch.float64)


def test_the_error_is_in_proportion_to_the_value() -> None:
    expected = VALUES.std(ddof=1) * np.sqrt(7 / 4) * 3 / VALUES.mean()  # 7 of 11 are kept
    assert subset_error(pool_of(8, 11), given) == pytest.approx(expected)
    below_zero = subset_error(pool_of(8, 11), lambda splits: -given(splits))
    assert below_zero == pytest.approx(VALUES.std(ddof=1) * np.sqrt(7 / 4))


def test_a_value_that_few_subsets_have_no_error() -> None:
    def known(count: int) -> float | None:
        return subset_error(pool_of(8, 10), lambda splits: given(splits)[:count] if len(splits) > 1 else given(splits))

    assert known(19) is None
    assert known(20) is not None


def test_seven_tenths_of_both_sides_are_kept_and_the_interval_is_that_of_the_logarithm() -> None:
    sizes: list[tuple[int, int]] = []

    def resample(pool: TwoSamplePool, splits: Splits, *, k: int) -> Tensor:
        assert k == 4
        sizes.extend({(int((side == REAL).sum()), int((side == FAKE).sum())) for side in splits.side})
        return given(splits)

    spec, pool = subset_uncertainty(resample, event=lambda pool, k: 1 / k / pool.m), pool_of(20, 11)
    assert spec.variance is not None
    assert spec.variance.freedom == SUBSET_FREEDOM
    found = spec.variance.spread(pool, k=4)
    assert set(sizes) == {(14, 7), (20, 11)}
    error = subset_error(pool, given)
    assert found is not None
    assert error is not None
    assert found.variance == pytest.approx(error**2)
    assert found.curvature == pytest.approx(error / 3 / 2), "that of the exponential of a normal value"


def test_a_density_of_0_is_no_certainty() -> None:
    real, fake = np.random.default_rng(0).normal(size=(2, 40, 3))
    (result,) = dm.score(real, fake + 100, metrics=["density"]).metrics.values()
    assert result.value == 0
    assert result.ci == pytest.approx((0, 3.7 / (5 * 40)), rel=0.05), "of no event up to 3.7 are likely"


@pytest.mark.slow
def test_hubs_do_not_make_the_error_of_density_too_small() -> None:
    """80 samples with tails of Student's t: over half-samples the variance was .7 of that of fresh draws."""
    values, variances = [], []
    spec = dm.metrics.density.uncertainty.variance
    assert spec is not None
    for number in range(120):
        rng = np.random.default_rng(number)
        sides = [Rows.from_array(rng.normal(size=(80, 12)) / np.sqrt(rng.chisquare(5, (80, 1)) / 5)) for _ in range(2)]
        values.append(dm.metrics.density(*sides))
        if number < 12:
            variances.append(spec(TwoSamplePool(*sides), k=5, ties="open"))
    assert 0.8 < np.mean(np.array(variances, float)) / np.var(values, ddof=1) < 1.35
