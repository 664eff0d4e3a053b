"""Mean and covariance files of other tools, which are enough for FID and for no other metric.

pytorch-fid, torch-fidelity and clean-fid write `.npz` files with `mu` `[d]` and `sigma` `[d, d]`. They name neither the
number of samples, which is unknown in the report, nor the network, which is taken to be the extractor of the run.
"""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from divmetrics.arrays.summaries import Moments
from divmetrics.errors import SourceError, UsageError
from divmetrics.records.results import Side
from divmetrics.scoring.collected import Collected, EncoderInfo

UNKNOWN = EncoderInfo(digest="", preprocessing="unknown", engine="none")
"""The network of a statistics file, which does not name it."""


def read_statistics(path: str, extractors: Sequence[str]) -> Collected | None:
    """The moments in a `.npz` file with `mu` and `sigma`, for the run's one extractor; None where it holds samples.

    Raises SourceError where the shapes do not match, UsageError where the run has several extractors.
    """
    moments = _moments(path)
    if moments is None:
        return None
    if len(extractors) != 1:
        raise UsageError(f"{path} holds the statistics of one network; name that one with --extractor.")
    mean, covariance = moments
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        shapes = f"{list(mean.shape)} and {list(covariance.shape)}"
        raise SourceError(f"{path}: mu and sigma have shapes {shapes}; wanted [d] and [d, d].")
    warnings.warn(f"{path} does not say which network made it; taken to be {extractors[0]}.", stacklevel=2)
    summary = Moments.from_statistics(mean, covariance, n=2)  # any n: only the covariance is used
    digest = f"sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
    return Collected(
        Side(path, None, digest), {extractors[0]: UNKNOWN}, {(extractors[0], "pooled", "Moments"): summary}
    )


def _moments(path: str) -> tuple[np.ndarray, np.ndarray] | None:
    if not path.lower().endswith(".npz") or not Path(path).is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as loaded:
            if not {"mu", "sigma"} <= set(loaded.files) or {"arr_0", "images", "features"} & set(loaded.files):
                return None
            return loaded["mu"], loaded["sigma"]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        return None  # opening it as samples reports the fault
