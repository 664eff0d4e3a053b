"""Mean and covariance of other tools, which are enough for FID and for no other metric.

pytorch-fid and clean-fid write `.npz` files and torch-fidelity `.pt` files with `mu` `[d]` and `sigma` `[d, d]`. They
name neither the number of samples, which is unknown in the report, nor the network, which is taken to be the extractor
of the run. The reference files of ADM hold both: images, and the mean and covariance that published values compare.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from divmetrics.arrays.summaries import Moments
from divmetrics.errors import MissingLayer, UsageError
from divmetrics.records.results import Side
from divmetrics.scoring.collected import STORED, Collected, EncoderInfo
from divmetrics.sources import Statistics, statistics_file

UNKNOWN = EncoderInfo(digest="", preprocessing="unknown", engine="none")
"""The network of a statistics file, which does not name it."""


def read_statistics(path: str, extractors: Sequence[str]) -> Collected | None:
    """The moments in a file with `mu` and `sigma`, for the run's one extractor; None where it holds samples.

    Raises SourceError where the numbers cannot be a mean and a covariance, UsageError where the run has several
    extractors.
    """
    statistics = statistics_file(path)
    if statistics is None:
        return None
    if len(extractors) != 1:
        raise UsageError(f"{path} holds the statistics of one network; name that one with --extractor.")
    warnings.warn(f"{path} does not say which network made it; taken to be {extractors[0]}.", stacklevel=2)
    digest = f"sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
    summaries = {(extractors[0], "pooled", "Moments"): _moments(statistics)}
    return Collected(Side(path, None, digest), {extractors[0]: UNKNOWN}, summaries)  # type: ignore[arg-type]


def with_stored(collected: Collected, statistics: Statistics) -> Collected:
    """`collected` with the statistics that came with its samples, for the extractor whose features they can be of.

    They can be if they have its width and a mean near that of its features of the same images: within half the spread
    of the features, and the error of a small sample.
    """
    named = [name for name in collected.encoders if _fits(collected, name, statistics)]
    spatial = "; mu_s and sigma_s, of sFID, are not used" if statistics.spatial else ""
    if len(named) != 1:
        made = " and ".join(named) if named else ", ".join(collected.encoders)
        why = "they may be of either" if named else "they are not of its features"
        warnings.warn(
            f"{statistics.path}: the stored mu and sigma of {len(statistics.mean)} columns are not used with {made}, "
            f"as {why}; its images serve every metric{spatial}.",
            stacklevel=2,
        )
        return collected
    warnings.warn(
        f"{statistics.path}: fid compares the stored mu and sigma, taken to be of {named[0]}, and every other metric "
        f"the images{spatial}.",
        stacklevel=2,
    )
    stored = {(named[0], STORED, "Moments"): _moments(statistics)}
    return replace(collected, summaries={**collected.summaries, **stored})


def _fits(collected: Collected, extractor: str, statistics: Statistics) -> bool:
    try:
        found = collected.get(extractor, "pooled", Moments)
    except MissingLayer:
        return False
    stored = _moments(statistics)
    if len(found.mean) != len(stored.mean) or not found.n:
        return False
    spread = float(stored.covariance.diagonal().sum())
    gap = float(((found.mean.cpu() - stored.mean) ** 2).sum())
    return gap <= spread * (0.25 + 10 / found.n)


def _moments(statistics: Statistics) -> Moments:
    return Moments.from_statistics(statistics.mean, statistics.covariance, n=2)  # any n: only the covariance is used
