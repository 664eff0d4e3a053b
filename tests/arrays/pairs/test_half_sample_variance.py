"""Variances from half-samples against their formulas, for values chosen by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor

from divmetrics.arrays.pairs import (
    HALF_PAIRS,
    disjoint_halves_variance,
    half_sample_error,
    half_sample_variance,
    neighbour_uncertainty,
)
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows

VALUES = np.random.default_rng(0).normal(2.0, 1.0, 2 * HALF_PAIRS)
"""One for each half-sample; every two neighbours belong to disjoint halves."""


def pool_of(n: int, m: int) -> TwoSamplePool:
    return TwoSamplePool(*(Rows.from_array(torch.arange(float(size))[:, None]) for size in (n, m)))


def given(splits: Splits) -> Tensor:
    """The values by hand; 3 for the samples as they are."""
    return torch.from_numpy(VALUES[: len(splits)].copy()) if len(splits) > 1 else torch.tensor([3.0])


def expected(pairs: int, m: int, larger: bool = False) -> float:
    both, kept = VALUES[: 2 * pairs].reshape(-1, 2), m // 2
    single = both.var(ddof=1) * kept / (m - kept)
    disjoint = np.mean((both[:, 0] - both[:, 1]) ** 2) / 2 * kept / m
    return float(max(single, disjoint) if larger else (single + disjoint) / 2)


@pytest.mark.parametrize("m", [10, 11])
@pytest.mark.parametrize("pairs", [3, 10, HALF_PAIRS])
def test_the_variance_is_the_mean_of_both_estimates(m: int, pairs: int) -> None:
    found = half_sample_variance(pool_of(8, m), given, pairs=pairs)
    assert found == pytest.approx(expected(pairs, m))
    larger = half_sample_variance(pool_of(8, m), given, pairs=pairs, larger=True)
    assert larger == pytest.approx(expected(pairs, m, larger=True))
    assert larger != found


def test_the_variance_of_a_share_goes_with_p_times_one_minus_p() -> None:
    def shares(splits: Splits) -> Tensor:
        return given(splits) / 10

    plain = half_sample_variance(pool_of(8, 11), shares)
    middle = VALUES.mean() / 10
    found = half_sample_variance(pool_of(8, 11), shares, share=True)
    assert found == pytest.approx(plain * 0.3 * 0.7 / (middle * (1 - middle)))
    at_the_end = half_sample_variance(pool_of(8, 11), lambda splits: shares(splits) * (len(splits) > 1), share=True)
    assert at_the_end == pytest.approx(plain), "0 of all samples is no certainty"


def test_pairs_of_which_one_is_unknown_are_left_out() -> None:
    def some(splits: Splits) -> Tensor:
        values = given(splits)
        values[torch.arange(5, len(values), 2)] = torch.nan  # all pairs but the first few
        return values

    assert half_sample_variance(pool_of(8, 10), lambda splits: some(splits)) is None  # two pairs are left

    def three(splits: Splits) -> Tensor:
        values = given(splits)
        values[7::2] = torch.inf
        return values

    assert half_sample_variance(pool_of(8, 10), three) == pytest.approx(expected(3, 10))


def test_the_variance_of_disjoint_halves_alone() -> None:
    both = VALUES.reshape(-1, 2)
    expected = np.mean((both[:, 0] - both[:, 1]) ** 2) / 2 * 5 / 11
    assert disjoint_halves_variance(pool_of(8, 11), given) == pytest.approx(expected)


def test_the_standard_error_of_half_samples() -> None:
    assert half_sample_error(pool_of(8, 11), given) == pytest.approx(VALUES.std(ddof=1) * np.sqrt(5 / 6))
    for known, enough in ((HALF_PAIRS // 2, True), (HALF_PAIRS // 2 - 1, False)):

        def few(splits: Splits, known: int = known) -> Tensor:
            values = given(splits)
            values[known:] = torch.nan
            return values

        found = half_sample_error(pool_of(8, 10), few)
        assert found == (pytest.approx(VALUES[:known].std(ddof=1)) if enough else None)


def test_the_uncertainty_of_a_metric_passes_all_on() -> None:
    seen: list[tuple[Pool, dict[str, object]]] = []

    def resample(pool: Pool, splits: Splits, **options: object) -> Tensor:
        seen.append((pool, options))
        assert ((splits.side == REAL).sum(1) == 4).all()
        assert ((splits.side == FAKE).sum(1) == 5).all()
        return given(splits)

    pool = pool_of(8, 10)
    spec = neighbour_uncertainty(resample, pairs=10, replicate_cost="recomputed")
    assert spec.variance is not None
    assert spec.variance(pool, k=4) == pytest.approx(expected(10, 10))
    assert seen == [(pool, {"k": 4})]
    assert (spec.resample, spec.replicate_cost) == (resample, "recomputed")
