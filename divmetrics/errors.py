"""The errors that divmetrics raises on purpose, as one tree. Each error knows the exit code of the command.

    DivmetricsError
    ├── UsageError        2   the command, an option or a rule file is wrong; nothing was measured
    │   └── UnknownName   2   a name does not exist; the message offers the nearest one that does
    ├── InternalError     3   a fault of divmetrics itself
    └── MeasureError      3   the request is right; the samples, the weights or the machine do not allow it
        ├── SourceError   3   samples that are missing, empty or unreadable
        ├── FeatureError  3   NaN or infinite features, unequal widths, zero variance where some is needed
        ├── TooFewSamples 3   fewer samples than a metric needs
        ├── MissingLayer  3   no logits, no labels: the metric cannot be computed from what was given
        ├── ForeignError  3   a network, data set or plug-in of the user raised an error of its own
        └── Unavailable   3   weights, an optional package or a device that is missing

A function raises an error that states the fact; the outer layer that knows the place adds it with `within`. A message
is one sentence or two: where, what was found, what was wanted, the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Self


class DivmetricsError(Exception):
    """Base of all errors that divmetrics raises on purpose; `str(error)` is the message for users.

    Example:
        >>> import divmetrics as dm
        >>> try:
        ...     dm.score("no/such/folder", "fake/")
        ... except dm.DivmetricsError as error:
        ...     print(error.exit_code, type(error).__name__)
        3 SourceError
    """

    exit_code = 3

    def within(self, place: str) -> Self:
        """A copy of the error whose message begins with the place where it happened.

        Args:
            place: Metric, side or extractor: `recall@pixels`.

        Example:
            >>> str(TooFewSamples("k=5 needs at least 6 samples.").within("recall@pixels"))
            'recall@pixels: k=5 needs at least 6 samples.'
        """
        found = type(self)(f"{place}: {self}")
        for note in getattr(self, "__notes__", ()):
            found.add_note(note)
        return found


class UsageError(DivmetricsError):
    """The request is wrong: a command, an option or a rule file. Nothing was measured."""

    exit_code = 2


class UnknownName(UsageError):
    """A name does not exist; the message offers the nearest one that does."""

    @classmethod
    def of(cls, kind: str, name: object, known: Iterable[str]) -> UnknownName:
        """The error for a name that was looked for among others.

        Args:
            kind: What was looked for: `metric`.
            name: The name that does not exist; also what is no text.
            known: All names that do.

        Example:
            >>> str(UnknownName.of("metric", "recal", ["fid", "recall"]))
            "unknown metric 'recal'. Did you mean 'recall'?"
        """
        names = sorted(known)
        spelt = {known.lower(): known for known in reversed(names)}
        text = str(name)
        near = difflib.get_close_matches(text, names, n=1, cutoff=0.5) or [
            spelt[lower] for lower in difflib.get_close_matches(text.lower(), spelt, n=1, cutoff=0.5)
        ]
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names) or 'none'}."
        return cls(f"unknown {kind} {name!r}. {hint}")


class MeasureError(DivmetricsError):
    """The request is right, but these samples, these weights or this machine do not allow it."""


class SourceError(MeasureError):
    """Samples are missing, empty or unreadable."""


class FeatureError(MeasureError):
    """Features that no metric can use: NaN, infinities, unequal widths, no rows."""


class TooFewSamples(MeasureError):
    """A side has fewer samples than the metric needs."""


class MissingLayer(MeasureError):
    """The extractor or the source does not give what the metric reads: logits, labels, pixels."""


class InternalError(DivmetricsError):
    """A fault of divmetrics itself. Its notes hold the traceback."""


class ForeignError(MeasureError):
    """Code of the user raised an error of its own: a network, a data set, a transform, a plug-in. Its notes say all."""


class Unavailable(MeasureError):
    """Weights, an optional package or a device are missing."""
