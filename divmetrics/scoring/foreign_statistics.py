"""Mean and covariance files of other tools: enough to be a side of FID, and of nothing else.

pytorch-fid, torch-fidelity and clean-fid write `.npz` with `mu` `[d]` and `sigma` `[d, d]`. How many samples they were
made of, and by which network, they do not say: the one is unknown in the report, the other is the caller's word.
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
"""What a statistics file says of the network that made it."""


def read_statistics(path: str, extractors: Sequence[str]) -> Collected | None:
    """The moments in a `.npz` of `mu` and `sigma`, as made by the one extractor named; None where it holds samples.

    Raises SourceError where the two do not fit together, UsageError where several extractors could be meant.
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
    summary = Moments.from_statistics(mean, covariance, n=2)  # any n: what is asked of it is the covariance
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
        return None  # whoever opens it as samples says what is wrong
