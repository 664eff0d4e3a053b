"""The place of a summary that these samples do not have, so that other metrics can still be measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor

from divmetrics import errors
from divmetrics.arrays.summaries._summary import Summary
from divmetrics.errors import DivmetricsError


@dataclass(frozen=True, eq=False)
class Failed(Summary):
    """Why a summary of a sample set could not be made, such as cosine similarities of a row of zeros.

    Example:
        >>> failed = Failed.of_error(errors.FeatureError("row 3 is all zeros."))
        >>> failed.exception
        FeatureError('row 3 is all zeros.')
    """

    error: str
    """Class of the error."""
    reason: str
    """Its message."""

    @classmethod
    def of_error(cls, error: DivmetricsError) -> Self:
        """The place of the summary whose making raised `error`."""
        return cls(type(error).__name__, str(error))

    @property
    def exception(self) -> DivmetricsError:
        """The error, to be raised by who asks for the summary."""
        kind = getattr(errors, self.error, DivmetricsError)
        made: DivmetricsError = kind(self.reason)
        return made

    @classmethod
    def of(cls, rows: Tensor, index: Tensor) -> Self:  # noqa: ARG003  no rows make it
        raise TypeError("a Failed is made by Failed.of_error, of the error that it stands for.")

    def merge(self, other: Any) -> Self:  # noqa: ARG002  what one part of a set lacks, the whole lacks
        return self

    @property
    def n(self) -> int:
        return 0


def merged(first: Summary, second: Summary) -> Summary:
    """The summary of two sets together, as `Summary.merge`; where one of them could not be made, the first such.

    Args:
        first: Summary of the first set.
        second: Summary of the second set, of the same class if both could be made.
    """
    return second if isinstance(second, Failed) and not isinstance(first, Failed) else first.merge(second)


def summarised(kind: type[Summary], rows: Tensor, index: Tensor) -> Summary:
    """`kind.of(rows, index)`, or why these rows have no such summary.

    Args:
        kind: Class of the summary.
        rows: Rows `[b, ...]`.
        index: Their numbers `[b]` within the whole set.
    """
    try:
        return kind.of(rows, index)
    except DivmetricsError as error:
        return Failed.of_error(error)
