"""Cosine distances against numpy, on whole sets and on splits, also where a list holds no real sample."""

import numpy as np
import pytest
import torch
from torch import Tensor

from divmetrics.arrays.pairs import _cosine_nearest as module
from divmetrics.arrays.pairs import mean_cosine_distance_on_splits, nearest_cosine_distances
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError


def gaussian(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def brute(real: Tensor, fake: Tensor) -> np.ndarray:
    a, b = (side.numpy() / np.linalg.norm(side.numpy(), axis=1, keepdims=True) for side in (real, fake))
    return np.asarray(1 - np.abs(b @ a.T).max(1))


def test_the_nearest_real_sample_in_direction() -> None:
    real, fake = gaussian(40, 6, 0), gaussian(30, 6, 1)
    fake[0], fake[1] = -3 * real[5], 0.5 * real[7]  # opposite and equal directions
    fake[2] = real[3] + 1e-5 * gaussian(1, 6, 2)[0] * real[3].norm()
    found = nearest_cosine_distances(Rows.from_array(real), Rows.from_array(fake)).numpy()
    assert found == pytest.approx(brute(real, fake), abs=1e-12)
    assert found[0] == pytest.approx(0, abs=1e-30)
    assert 1e-12 < found[2] < 1e-9


def test_close_directions_do_not_suffer_from_float32() -> None:
    real = gaussian(20, 6, 0).float()
    real /= real.norm(dim=1, keepdim=True)
    fake = real + 1e-3 * gaussian(20, 6, 1).float()
    found = nearest_cosine_distances(Rows.from_array(real), Rows.from_array(fake)).numpy()
    assert found == pytest.approx(brute(real.double(), fake.double()), rel=1e-3)


@pytest.mark.parametrize("listed", [1, 3, 48])
def test_the_mean_on_splits_is_that_of_the_parts(monkeypatch: pytest.MonkeyPatch, listed: int) -> None:
    monkeypatch.setattr(module, "LISTED", listed)
    pool = TwoSamplePool(Rows.from_array(gaussian(30, 5, 0)), Rows.from_array(gaussian(25, 5, 1)))
    splits = Splits.of([Splits.halves(30, 25, 2, 0), Splits.permutations(30, 25, 3, 0)])
    found = mean_cosine_distance_on_splits(pool, splits)
    for b in range(len(splits)):
        real, fake = pool.part(splits.real(b)).features, pool.part(splits.fake(b)).features
        assert float(found[b]) == pytest.approx(brute(real, fake).mean(), rel=1e-12)


def test_a_row_without_direction_and_other_widths_are_refused() -> None:
    real, fake = gaussian(5, 3, 0), gaussian(5, 3, 1)
    fake[3] = 0
    with pytest.raises(FeatureError, match="row 3 is all zeros and has no direction"):
        nearest_cosine_distances(Rows.from_array(real), Rows.from_array(fake))
    with pytest.raises(FeatureError, match="3 columns on one side and 4"):
        nearest_cosine_distances(Rows.from_array(real), Rows.from_array(gaussian(5, 4, 0)))


def test_a_near_copy_of_a_real_sample_that_no_list_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LISTED", 1)
    real, fake = gaussian(9, 5, 0), gaussian(2, 5, 1)
    fake[0] = fake[1] = real[7] + 1e-5 * gaussian(1, 5, 2)[0]  # the fake samples list each other
    pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))
    side = torch.tensor([1] * 9 + [2] * 2, dtype=torch.uint8)
    side[0] = 0  # row numbers among the real samples differ from those in the pool
    found = mean_cosine_distance_on_splits(pool, Splits(side[None]))
    assert float(found[0]) == pytest.approx(brute(real, fake).mean(), rel=1e-3)


def test_far_from_the_origin_no_digit_is_lost() -> None:
    """A float32 product of these rows is off by as much as their distances, and took another row for the copied one."""
    real, fake = (1000 + gaussian(300, 32, seed).float() for seed in (0, 1))
    fake[:100] = real[:100]
    exact = nearest_cosine_distances(Rows.from_array(real.double()), Rows.from_array(fake.double()))
    for sides in ((real, fake), (real.double(), fake), (real, fake.double())):
        pool = TwoSamplePool(*map(Rows.from_array, sides))
        found = nearest_cosine_distances(pool.real, pool.fake)
        assert (found[:100] == 0).all()
        assert torch.allclose(found, exact, rtol=1e-9, atol=0)
        identity = Splits(torch.tensor([[1] * 300 + [2] * 300], dtype=torch.uint8))
        assert float(mean_cosine_distance_on_splits(pool, identity)[0]) == pytest.approx(float(exact.mean()), rel=1e-5)
