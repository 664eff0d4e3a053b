"""Every failure a user can meet, drawn as one tree. Each error knows its exit code.

    DivmetricsError
    ├── UsageError        2   the command, an option or a rule file is wrong; nothing was measured
    │   └── UnknownName   2   ... and here is the nearest name that exists
    └── MeasureError      3   the request is fine; the samples, the weights or the machine are not
        ├── SourceError   3   samples that are missing, empty or unreadable
        ├── FeatureError  3   NaN or Inf, unequal widths, zero variance where some is needed
        ├── TooFewSamples 3
        ├── MissingLayer  3   no logits, no labels: this metric cannot be computed on what was given
        └── Unavailable   3   weights, an optional package or a device that is not here

An inner function raises the bare fact; the outer layer that knows where it happened adds it with `within`.
A message is one sentence or two: where, what was found, what was wanted, the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Self


class DivmetricsError(Exception):
    """Base of all errors that divmetrics raises on purpose; `str(error)` is the sentence to show."""

    exit_code = 3

    def within(self, place: str) -> Self:
        """The same error, its sentence prefixed by where it happened: `"recall@pixels: ..."`."""
        return type(self)(f"{place}: {self}")


class UsageError(DivmetricsError):
    """The request itself is wrong; nothing was measured."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that nothing answers to; the sentence carries the nearest one that exists."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> UnknownName:
        """`kind` is what was looked for ("metric"), `known` all names that would have been right."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names) or 'none'}."
        return cls(f"unknown {kind} {name!r}. {hint}")


class MeasureError(DivmetricsError):
    """The request is fine, but it cannot be measured on these samples or this machine."""


class SourceError(MeasureError):
    """Samples that are missing, empty or unreadable."""


class FeatureError(MeasureError):
    """Features no metric can work on: NaN, Inf, unequal widths, zero rows."""


class TooFewSamples(MeasureError):
    """Fewer samples than the metric needs."""


class MissingLayer(MeasureError):
    """The extractor or the source does not give what the metric reads (logits, labels, ...)."""


class Unavailable(MeasureError):
    """Weights, an optional package or a device that is not here."""
