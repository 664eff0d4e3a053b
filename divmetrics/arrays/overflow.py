"""Features that are too large to be measured: what fails on them is no fault of the arithmetic."""

from __future__ import annotations

from divmetrics.arrays.summaries import Rows
from divmetrics.errors import DivmetricsError, FeatureError, InternalError

LARGE = 1e9
"""Beyond it, powers that metrics take may overflow: the cubed products of KID, the squared distances of float32."""


def explained(error: DivmetricsError, *sides: Rows) -> DivmetricsError:
    """`error`, or, where the arithmetic failed on features that are very large, an error that says so.

    Args:
        error: What a metric raised.
        *sides: The features that it read.

    Example:
        >>> rows = Rows.from_array([[1e200, 0.0], [0.0, 1.0]])
        >>> explained(InternalError("a fault."), rows)
        FeatureError('features as large as 1e+200 overflow in this metric; scale both sides alike, x / 1e+200.')
    """
    if not isinstance(error, InternalError):
        return error
    largest = max((float(rows.features.abs().max()) for rows in sides if rows.n), default=0.0)
    if largest <= LARGE:
        return error
    return FeatureError(
        f"features as large as {largest:.3g} overflow in this metric; scale both sides alike, x / {largest:.1g}."
    )
