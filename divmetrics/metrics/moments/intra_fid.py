"""Intra-FID: mean FID within classes, for class-conditional generators."""

from __future__ import annotations

from math import inf, nan
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.linalg import each
from divmetrics.arrays.skewness import mean_spread
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Labelled, same_width
from divmetrics.errors import MeasureError, TooFewSamples, UsageError
from divmetrics.metrics.moments import _frechet as frechet
from divmetrics.records.metric import About, Laws, Measured, Spread, UncertaintySpec, Variance, metric


def _classes(real: Labelled, fake: Labelled, options: dict[str, Any]) -> tuple[list[int], list[int]]:
    """The classes with enough samples on both sides, and the other classes of the real samples."""
    least = options["min_count"]
    width = 1 + int(max(real.labels.max(), fake.labels.max()))
    real_counts, fake_counts = (torch.bincount(side.labels.cpu(), minlength=width) for side in (real, fake))
    wanted, enough = real_counts >= least, fake_counts >= least
    absent = (wanted & ~enough).nonzero()[:, 0].tolist()
    if absent and options["missing"] == "error":
        raise TooFewSamples(
            f"{len(absent)} of {int(wanted.sum())} classes have fewer than {least} fake samples, the first is class "
            f"{_name(real, absent[0])} with {int(fake_counts[absent[0]])}. Add samples of them, or leave them out "
            "with missing=skip."
        )
    both = wanted & enough
    if not both.any():
        raise TooFewSamples(f"no class has {least} samples on both sides; lower min_count or add samples.")
    return both.nonzero()[:, 0].tolist(), ((real_counts > 0) & ~both).nonzero()[:, 0].tolist()


def _name(real: Labelled, number: int) -> int | str:
    """Name of a class; its number where classes have no names."""
    return real.names[number] if real.names else number


def _of_class(side: Labelled, number: int) -> Labelled:
    return side.take((side.labels == number).nonzero()[:, 0])


def _values(real: Labelled, fake: Labelled, classes: list[int]) -> np.ndarray:
    """FID within each of `classes`, `[K]`."""

    def within(i: int) -> float:
        return frechet.distance(*(frechet.fit_of(_of_class(side, classes[i]).features) for side in (real, fake)))

    return each(within, len(classes))


def _variance(pool: TwoSamplePool, **options: Any) -> Spread | None:
    """Spread of the mean over independent classes; None where a class has too few samples for its own."""
    assert isinstance(pool.real, Labelled)  # noqa: S101  declared so
    assert isinstance(pool.fake, Labelled)  # noqa: S101
    classes, _ = _classes(pool.real, pool.fake, options)
    found = []
    for number in classes:
        of_class = frechet.spread(_of_class(pool.real, number), _of_class(pool.fake, number))
        if of_class is None:
            return None
        found.append(of_class)
    return mean_spread(found)


def _resample(pool: Pool, splits: Splits, **options: Any) -> Tensor:
    """The value on each split `[B]`; NaN where a split leaves a class without enough samples."""

    def on_split(b: int) -> float:
        real, fake = (pool.part(places) for places in (splits.real(b), splits.fake(b)))
        assert isinstance(real, Labelled)  # noqa: S101  declared so
        assert isinstance(fake, Labelled)  # noqa: S101
        try:
            return float(_values(real, fake, _classes(real, fake, options)[0]).mean())
        except MeasureError:
            return nan

    return torch.from_numpy(each(on_split, len(splits)))


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
        variance=Variance(frechet.METHOD, _variance), resample=_resample, replicate_cost="recomputed", bias="1/n"
    ),
    about=About(
        formula=r"\frac{1}{K} \sum_c \mathrm{FID}(X_c, Y_c)",
        sees="What FID sees, within each class: a class drawn from one template, classes drawn in place of each other.",
        blind="The shares of the classes. Within a class, what FID is blind to.",
        bias="That of FID at the size of a class, so far larger than FID's own: compare at the same class sizes.",
        cost="One FID for each class.",
    ),
)
def intra_fid(
    real: Labelled, fake: Labelled, *, min_count: int = 2, missing: Literal["error", "skip"] = "error"
) -> Measured:
    """Mean over the classes of the FID within each class; >= 0, feature units squared, lower is better.

    Classes with fewer than `min_count` real samples are left out, as are classes that no real sample has. Miyato and
    Koyama 2018.

    Args:
        real: Real samples with their classes: the pair `(features, labels)` of `[n, d]` and `[n]` arrays, or
            `Labelled`.
        fake: Fake samples with the classes they were generated for: the pair of `[m, d]` and `[m]` arrays.
        min_count: Samples that a class needs on both sides; at least 2 (default 2).
        missing: What to do about a class with enough real samples and too few fake ones: `"error"` (default), since a
            mean over the other classes would hide that it was dropped, or `"skip"` it.

    Returns:
        The mean. `measure` adds the extras `classes` (the FID of each, by class name, or number where classes have no
        names) and `skipped` (classes of the real samples that do not count).

    Raises:
        UsageError: `min_count` is below 2, or a side is not a pair.
        TooFewSamples: A class has too few fake samples and `missing` is `"error"`, or no class has enough samples.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real = [[0.0], [2.0], [10.0], [12.0]], [0, 0, 1, 1]
        >>> fake = [[0.0], [2.0], [13.0], [15.0]], [0, 0, 1, 1]
        >>> round(dm.metrics.intra_fid(real, fake), 6)  # class 0 alike, class 1 shifted by 3: (0 + 3^2) / 2
        4.5
    """
    if min_count < 2:
        raise UsageError(f"min_count={min_count} is not possible; a covariance needs 2 samples or more.")
    same_width(real.d, fake.d)
    classes, skipped = _classes(real, fake, {"min_count": min_count, "missing": missing})
    values = _values(real, fake, classes)
    by_class = {str(_name(real, number)): value for number, value in zip(classes, values.tolist(), strict=True)}
    left_out = [_name(real, number) for number in skipped]
    return Measured(float(values.mean()), extras={"classes": by_class, "skipped": left_out})
