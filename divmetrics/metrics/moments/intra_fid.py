"""Intra-FID: FID class by class, for generators that are told which class to draw."""

from __future__ import annotations

from math import inf, nan
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.linalg import each
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Labelled, same_width
from divmetrics.errors import MeasureError, TooFewSamples, UsageError
from divmetrics.metrics.moments import _frechet as frechet
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _classes(real: Labelled, fake: Labelled, options: dict[str, Any]) -> tuple[list[int], list[int]]:
    """The classes that are compared, and those of the reals that are not."""
    least = options["min_count"]
    width = 1 + int(max(real.labels.max(), fake.labels.max()))
    reals, fakes = (torch.bincount(side.labels.cpu(), minlength=width) for side in (real, fake))
    known, absent = reals >= least, ((reals >= least) & (fakes < least)).nonzero()[:, 0].tolist()
    if absent and options["missing"] == "error":
        raise TooFewSamples(
            f"{len(absent)} of {int(known.sum())} classes have fewer than {least} fakes, the first is class "
            f"{absent[0]} with {int(fakes[absent[0]])}. Add fakes of them, or leave them out with missing=skip."
        )
    both = known & (fakes >= least)
    if not both.any():
        raise TooFewSamples(f"no class has {least} samples on both sides; lower min_count or add samples.")
    return both.nonzero()[:, 0].tolist(), ((reals > 0) & ~both).nonzero()[:, 0].tolist()


def _of_class(side: Labelled, number: int) -> Labelled:
    return side.take((side.labels == number).nonzero()[:, 0])


def _values(real: Labelled, fake: Labelled, kept: list[int]) -> np.ndarray:
    """FID of each of the classes `kept`."""

    def of(i: int) -> float:
        return sum(frechet.frechet(*(frechet.fit_of(_of_class(side, kept[i]).features) for side in (real, fake))))

    return each(of, len(kept))


def _variance(pool: TwoSamplePool, **options: Any) -> float | None:
    """The classes are independent samples; None where one of them has too few for its influence function."""
    assert isinstance(pool.real, Labelled)  # noqa: S101  declared so
    assert isinstance(pool.fake, Labelled)  # noqa: S101
    kept, _ = _classes(pool.real, pool.fake, options)
    found = []
    for number in kept:
        found.append(frechet.variance(_of_class(pool.real, number), _of_class(pool.fake, number)))
        if found[-1] is None:
            return None
    return sum(one for one in found if one is not None) / len(kept) ** 2


def _resample(pool: Pool, splits: Splits, **options: Any) -> Tensor:
    """NaN for a split that leaves a class without samples."""

    def of(b: int) -> float:
        real, fake = (pool.part(places) for places in (splits.real(b), splits.fake(b)))
        assert isinstance(real, Labelled)  # noqa: S101  declared so
        assert isinstance(fake, Labelled)  # noqa: S101
        try:
            return float(_values(real, fake, _classes(real, fake, options)[0]).mean())
        except MeasureError:
            return nan

    return torch.from_numpy(each(of, len(splits)))


@metric(
    "intra_fid",
    real=Labelled.on("pooled"),
    fake=Labelled.on("pooled"),
    better="lower",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=2.0, on_copies=0.0),
    role="distance",
    cite="Miyato and Koyama 2018, arXiv:1802.05637",
    minimum=lambda options: int(options["min_count"]),
    uncertainty=UncertaintySpec(
        variance=Variance("influence function", _variance), resample=_resample, replicate_cost="recomputed", bias="1/n"
    ),
    about=About(
        formula=r"\frac{1}{K} \sum_c \mathrm{FID}(X_c, Y_c)",
        sees="What FID sees, within each class: a class drawn from one template, classes drawn in place of each other.",
        blind="The shares of the classes. Within a class, what FID is blind to.",
        bias="FID's at the size of a class, so far larger than FID's: compare at the same sizes of the classes.",
        cost="One FID a class.",
    ),
)
def intra_fid(
    real: Labelled, fake: Labelled, *, min_count: int = 2, missing: Literal["error", "skip"] = "error"
) -> Measured:
    """Mean over the classes of the FID within a class; >= 0, feature units squared; lower is better.

    Miyato and Koyama 2018. From arrays each side is the pair `(features, labels)`. Classes with fewer than `min_count`
    reals are left out; one that has reals enough and too few fakes is an error, for a mean over the others would hide
    that it was dropped, unless `missing="skip"`. Extras: `classes`, the value of each by its number, and `skipped`.
    Classes of the fakes that no real has do not count. Raises UsageError for `min_count` < 2, TooFewSamples.
    """
    if min_count < 2:
        raise UsageError(f"min_count={min_count} is not possible; a covariance needs 2 samples or more.")
    same_width(real.d, fake.d)
    kept, skipped = _classes(real, fake, {"min_count": min_count, "missing": missing})
    values = _values(real, fake, kept)
    by_class = {str(number): value for number, value in zip(kept, values.tolist(), strict=True)}
    return Measured(float(values.mean()), extras={"classes": by_class, "skipped": skipped})
