"""Mean and covariance of features that another tool has stored: what FID compares, without the samples behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divmetrics.errors import SourceError

MOMENTS = ("mu", "sigma")
"""Names of mean and covariance in the files of pytorch-fid, torch-fidelity, clean-fid and ADM."""
SPATIAL_MOMENTS = ("mu_s", "sigma_s")
"""Names of those of the spatial features that sFID compares, in the files of ADM."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """The mean and covariance in a file."""

    path: str
    mean: np.ndarray
    """`[d]` float64"""
    covariance: np.ndarray
    """`[d, d]` float64, ddof 1"""
    spatial: bool = False
    """Whether the file holds those of spatial features, too, which no metric here reads."""


def checked_statistics(path: str, mean: np.ndarray, covariance: np.ndarray, *, spatial: bool = False) -> Statistics:
    """The statistics of a file. Raises SourceError where they cannot be a mean and a covariance."""
    wanted = f"{path}: mu and sigma"
    if mean.dtype.kind not in "fiu" or covariance.dtype.kind not in "fiu":
        raise SourceError(f"{wanted} are {mean.dtype} and {covariance.dtype}; wanted real numbers.")
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or not len(mean):
        shapes = f"{list(mean.shape)} and {list(covariance.shape)}"
        raise SourceError(f"{wanted} have shapes {shapes}; wanted [d] and [d, d].")
    mean, covariance = mean.astype(np.float64), covariance.astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise SourceError(f"{wanted} hold NaN or Inf; make the file again.")
    largest = np.abs(covariance).max()
    if (np.diagonal(covariance) < 0).any() or np.abs(covariance - covariance.T).max() > 1e-3 * largest:
        raise SourceError(f"{path}: sigma is no covariance: it is not symmetric, or has a negative variance.")
    return Statistics(path, mean, covariance, spatial)
