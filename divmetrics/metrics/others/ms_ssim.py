"""Multi-scale structural similarity between pairs of fakes."""

from __future__ import annotations

from divmetrics.arrays.splits import Pool
from divmetrics.arrays.summaries import Sample
from divmetrics.metrics.others._ms_ssim import SMALLEST, Border, compared
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

FEWEST = 8
"""Images below which nothing is known of how much they vary."""


def _variance(pool: Pool, *, pairs: int, border: Border, seed: int) -> float:
    images: Sample = pool.fake  # type: ignore[assignment]  # a pool holds what the metric is sampled as
    # Below `FEWEST` the most that a number in [0, 1] can vary
    return compared(images, pairs, seed, border).variance if len(images.features) >= FEWEST else 0.25


@metric(
    "ms_ssim",
    fake=Sample.on("pixels"),
    better="lower",
    laws=Laws(range=(0, 1), row_order=False),
    cite="Odena 2017, arXiv:1610.09585; Wang 2003, doi:10.1109/ACSSC.2003.1292216",
    uncertainty=UncertaintySpec(variance=Variance("dyadic", _variance)),
    min_image_size=SMALLEST,
    companion="pixels?size=256",
    about=About(
        formula=r"\frac1P\sum_{(i,j)} l_5^{w_5}(y_i,y_j)\prod_{s=1}^{5} \mathrm{cs}_s^{w_s}(y_i,y_j)",
        sees="Fakes that look alike place by place: one image, or one layout, again and again.",
        blind="The reals, and any likeness that is not aligned: a shifted or mirrored copy counts as another image.",
        bias="None: a mean over pairs. Small images are enlarged first, which makes all pairs more alike. "
        "At 4 s a draw its interval is not in the calibration run; tests hold it against fresh draws of small sets.",
        cost="8 ms a pair at 256 x 256 on one core, whatever n; at most 256 images are kept.",
    ),
)
def ms_ssim(fake: Sample, *, pairs: int = 500, border: Border = "valid", seed: int = 0) -> Measured:
    """Mean MS-SSIM over random pairs of fakes; in [0, 1], lower is more diverse. Wang 2003; for diversity Odena 2017.

    1 where all fakes are one image; compare it with the reals' own, `extras.real` in a report. Images are `[n,
    channels, h, w]` in [0, 1]; `pairs` pairs of at most 256 of them are drawn by `seed`, all where there are no more.
    `border="reflect"` is torchmetrics' convention. Extras: `pairs`, `images` and the most similar pair, `closest`.
    Raises FeatureError below 161 pixels a side and for values far outside [0, 1].
    """
    found = compared(fake, pairs, seed, border)
    top = int(found.values.argmax())
    closest = {
        "value": float(found.values[top]),
        "samples": [int(fake.index[side[top]]) for side in (found.first, found.second)],
    }
    extras = {"pairs": len(found.values), "images": len(fake.features), "closest": closest}
    return Measured(float(found.values.mean()), extras=extras)
