"""MS-SSIM: beside torchmetrics on photographs, a brute-force window, collapse, options, bad input, the interval."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from sklearn.datasets import load_sample_images
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as peer

from divmetrics.arrays.splits import OneSamplePool
from divmetrics.arrays.summaries import Sample
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.metrics.others._ms_ssim import SMALLEST, WEIGHTS, PairSimilarities, ms_ssim, pair_similarities
from divmetrics.records.metric import METRICS

METRIC = METRICS["ms_ssim"]


def photographs() -> list[Tensor]:
    """Two photographs `[3, 427, 640]` in [0, 1]."""
    return [torch.from_numpy(np.array(image)).permute(2, 0, 1).double() / 255 for image in load_sample_images().images]


def crops(side: int) -> tuple[Tensor, Tensor]:
    """Pairs that are far apart, near, of two photographs, each other's negative, and the same."""
    one, two = photographs()
    left = [
        one[:, :side, :side],
        one[:, 100 : 100 + side, 200 : 200 + side],
        two[:, -side:, :side],
        one[:, :side, :side],
    ]
    right = [two[:, :side, :side], one[:, 101 : 101 + side, 200 : 200 + side], two[:, -side:, 3 : side + 3]]
    return torch.stack([*left, left[0]]), torch.stack([*right, 1 - left[0], left[0]])


def noise(n: int, shared: float, side: int = 176, seed: int = 0) -> Tensor:
    """Images of coarse noise, `shared` of it common to all."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 1, 22, 22, generator=rng, dtype=torch.float64)
    mixed = shared * coarse[:1] + (1 - shared) * coarse
    return torch.nn.functional.interpolate(mixed, size=(side, side), mode="bilinear")


def brute_force(left: np.ndarray, right: np.ndarray) -> float:
    """MS-SSIM of two grey images whose sides divide by 16, from the formulas with a two-dimensional window."""
    bell = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(bell, bell) / bell.sum() ** 2
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        x, y, xx, yy, xy = (
            correlate(image, window)[5:-5, 5:-5] for image in (left, right, left**2, right**2, left * right)
        )
        contrast = (2 * (xy - x * y) + 0.03**2) / (xx - x * x + yy - y * y + 0.03**2)
        luminance = (2 * x * y + 0.01**2) / (x * x + y * y + 0.01**2)
        product *= max(0.0, float((contrast * luminance if scale == 4 else contrast).mean())) ** weight
        if scale < 4:
            left, right = (i.reshape(len(i) // 2, 2, -1, 2).mean((1, 3)) for i in (left, right))
    return product


@pytest.mark.parametrize("side", [192])
def test_torchmetrics_beside_ours_on_photographs(side: int) -> None:
    left, right = crops(side)
    theirs = peer(left, right, data_range=1.0, reduction="none").tolist()
    assert ms_ssim(left, right, "reflect").tolist() == pytest.approx(theirs, abs=1e-6)
    assert ms_ssim(left.float(), right.float(), "reflect").tolist() == pytest.approx(theirs, abs=1e-5)


def test_the_window_never_leaves_the_image() -> None:
    left, right = (side.mean(1, keepdim=True) for side in crops(176))
    ours = ms_ssim(left, right).tolist()
    assert ours == pytest.approx([brute_force(a[0].numpy(), b[0].numpy()) for a, b in zip(left, right, strict=True)])
    assert ours[1] > 0.8
    assert ours[3] == 0  # a negative correlates negatively, and that counts as 0
    assert ours[4] == 1


# pytorch-msssim 1.0.0, ms_ssim(left, right, data_range=1.0, size_average=False) on the grey crops(192) in float64
GREY_192 = [0.0, 0.8984479746, 0.9843537762]


def test_pytorch_msssim_on_grey_crops() -> None:
    left, right = (side.mean(1, keepdim=True)[:3] for side in crops(192))
    assert ms_ssim(left, right).tolist() == pytest.approx(GREY_192, abs=1e-6)


def test_an_odd_side_is_halved_with_its_mirror_image() -> None:
    left, right = crops(SMALLEST)
    found = ms_ssim(left, right)
    even = ms_ssim(*crops(176))
    assert found[4] == 1
    assert found[1:3].tolist() == pytest.approx(even[1:3].tolist(), abs=0.05)


def test_value_is_the_mean_over_all_pairs_of_few_images() -> None:
    images = noise(5, 0.5)
    i, j = torch.triu_indices(5, 5, offset=1)
    found = METRIC.measure(images)
    values = ms_ssim(images[i], images[j])
    assert found.value == pytest.approx(float(values.mean()))
    assert found.extras["pairs"] == 10
    assert found.extras["images"] == 5
    assert found.extras["closest"]["value"] == pytest.approx(float(values.max()))
    first, second = found.extras["closest"]["samples"]
    assert float(ms_ssim(images[[first]], images[[second]])) == pytest.approx(float(values.max()))


def test_the_more_the_fakes_share_the_worse() -> None:
    values = [METRIC(noise(8, shared)) for shared in (0.0, 0.5, 0.9, 1.0)]
    assert values == sorted(values)
    assert values[0] < 0.3
    assert values[-1] == pytest.approx(1)


def test_options_move_the_value() -> None:
    images = noise(8, 0.5)
    values = [
        METRIC(images, pairs=9),
        METRIC(images, pairs=9, seed=1),
        METRIC(images),
        METRIC(images, border="reflect"),
    ]
    assert len(set(values)) == 4


def test_order_of_arrival_does_not_matter() -> None:
    images = noise(6, 0.5)
    index = torch.arange(6)
    turned = Sample.of(images.flip(0), index.flip(0))
    assert METRIC(turned, pairs=4) == METRIC(images, pairs=4)


@pytest.mark.parametrize(("n", "pairs", "alone"), [(60, 120, 0.3), (256, 500, 0.3), (40, 780, 0.3), (60, 120, 3.0)])
def test_interval_of_pairs_that_share_images(n: int, pairs: int, alone: float) -> None:
    """Over fresh samples of likenesses a_i + a_j + `alone` * e_ij the standard error is right, pairs drawn or all."""
    rng = np.random.default_rng(0)
    i, j = np.triu_indices(n, 1)
    means, variances = [], []
    for _ in range(400):
        drawn = rng.permutation(len(i))[:pairs]
        own = rng.exponential(size=n)
        values = own[i[drawn]] + own[j[drawn]] + alone * rng.normal(size=len(drawn))
        found = PairSimilarities(torch.from_numpy(i[drawn]), torch.from_numpy(j[drawn]), torch.from_numpy(values))
        means.append(values.mean())
        variances.append(found.variance)
    assert 0.87 < np.sqrt(np.mean(variances)) / np.std(means) < 1.1


def test_the_variance_sums_over_pairs_that_share_an_image() -> None:
    first, second = torch.tensor([0, 0, 3]), torch.tensor([1, 2, 4])
    found = PairSimilarities(first, second, torch.tensor([0.1, 0.2, 0.9], dtype=torch.float64))
    shared = 2 * 0.3 * 0.2  # the first two pairs share image 0
    assert found.variance == pytest.approx((0.3**2 + 0.2**2 + 0.5**2 + shared) / 9)
    opposed = PairSimilarities(first[:2], second[:2], torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert opposed.variance == pytest.approx(0.5 / 4), "at least that of independent pairs"


def test_eight_images_are_enough_for_a_variance() -> None:
    images = Sample.from_array(noise(8, 0.0, side=161))
    assert METRIC.uncertainty.variance(OneSamplePool(images), pairs=4, border="valid", seed=0) < 0.25


def test_variance_is_that_of_the_pairs_compared() -> None:
    images = Sample.from_array(noise(9, 0.0, side=161))
    found = METRIC.uncertainty.variance(OneSamplePool(images), pairs=6, border="valid", seed=3)
    assert 0 < found == pair_similarities(images, 6, 3, "valid").variance < 0.01


def test_of_a_handful_nothing_is_known() -> None:
    pool = OneSamplePool(Sample.from_array(noise(4, 0.5)))
    assert METRIC.uncertainty.variance(pool, **METRIC.resolve({})) == 0.25


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(FeatureError, match=r"160 x 176 pixels are too small.*161 x 161.*size=256"):
        METRIC(torch.rand(3, 3, 160, 176))
    with pytest.raises(FeatureError, match=r"images \[n, channels, h, w\] are needed, got rows of shape \(8,\)"):
        METRIC(torch.rand(3, 8))
    with pytest.raises(FeatureError, match="from 0 to 255; scale"):
        METRIC(torch.linspace(0, 255, 3 * 176**2).reshape(3, 1, 176, 176))
    with pytest.raises(TooFewSamples, match="2 images"):
        METRIC(torch.rand(1, 3, 176, 176))
    with pytest.raises(UsageError, match="pairs=0"):
        METRIC(torch.rand(3, 3, 176, 176), pairs=0)
