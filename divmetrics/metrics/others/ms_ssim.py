"""Mean multi-scale structural similarity (MS-SSIM) of pairs of fake images."""

from __future__ import annotations

from divmetrics.arrays.splits import Pool
from divmetrics.arrays.summaries import Sample
from divmetrics.metrics.others._ms_ssim import SMALLEST, Border, pair_similarities
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

MIN_IMAGES = 8
"""Images below which their variance cannot be estimated."""


def _variance(pool: Pool, *, pairs: int, border: Border, seed: int) -> float:
    """Dyadic sampling variance; below `MIN_IMAGES` images the largest variance of a number in [0, 1]."""
    images: Sample = pool.fake  # type: ignore[assignment]  # a pool holds what the metric is sampled as
    return pair_similarities(images, pairs, seed, border).variance if len(images.features) >= MIN_IMAGES else 0.25


@metric(
    "ms_ssim",
    fake=Sample.on("pixels"),
    better="lower",
    laws=Laws(range=(0, 1)),
    cite="Odena 2017, arXiv:1610.09585; Wang 2003, doi:10.1109/ACSSC.2003.1292216",
    uncertainty=UncertaintySpec(variance=Variance("dyadic", _variance)),
    min_image_size=SMALLEST,
    companion="pixels?size=256",
    about=About(
        formula=r"\frac1P\sum_{(i,j)} l_5^{w_5}(y_i,y_j)\prod_{s=1}^{5} \mathrm{cs}_s^{w_s}(y_i,y_j)",
        sees="Fake images that are similar pixel by pixel: the same image or layout repeated.",
        blind="The real images, and similarity without alignment: a shifted or mirrored copy counts as another image.",
        bias="None: a mean over pairs. Small images are enlarged first, which makes all pairs more similar. "
        "Its interval is too slow for the calibration run (4 s a draw); tests compare it with draws of small sets.",
        cost="8 ms a pair at 256 x 256 on one core, for any n; at most 256 images are kept.",
    ),
)
def ms_ssim(fake: Sample, *, pairs: int = 500, border: Border = "valid", seed: int = 0) -> Measured:
    """Mean MS-SSIM of random pairs of fake images; in [0, 1], lower is more diverse. Odena 2017.

    MS-SSIM is by Wang 2003. The value is 1 where all fake images are the same. Compare it with the value of the real
    images, `extras.real` in a report.

    Args:
        fake: Generated images in [0, 1], `[m, channels, h, w]`, at least 161 pixels high and wide; at most 256 of them
            are used, and of those above 295 x 295 as many as take 0.27 GB.
        pairs: Number of random pairs, >= 1; 500 by default, all pairs if there are no more.
        border: `valid` (the default) uses only windows inside the image, as the original does; `reflect` extends the
            image at the coarsest scale, as torchmetrics does.
        seed: Seed of the pairs; 0 by default.

    Returns:
        The mean similarity. Extras: `pairs` and `images`, their numbers; `closest`, the most similar pair (`value` and
        `samples`).

    Raises:
        UsageError: `pairs` is below 1.
        TooFewSamples: Fewer than two images.
        FeatureError: Not images, smaller than 161 pixels, or values far outside [0, 1].

    Example:
        >>> import torch
        >>> import divmetrics as dm
        >>> image = torch.rand(1, 1, 161, 161)
        >>> round(dm.metrics.ms_ssim(image.repeat(3, 1, 1, 1)), 6)  # three copies of one image
        1.0
    """
    similarities = pair_similarities(fake, pairs, seed, border)
    top = int(similarities.values.argmax())
    closest = {
        "value": float(similarities.values[top]),
        "samples": [int(fake.index[side[top]]) for side in (similarities.first, similarities.second)],
    }
    extras = {"pairs": len(similarities.values), "images": len(fake.features), "closest": closest}
    return Measured(float(similarities.values.mean()), extras=extras)
