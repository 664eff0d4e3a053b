"""`Fact`: something exact about the samples themselves that decides what their numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fact:
    """One exact statement about the samples, counted and not estimated: copies, or files of another nature.

    The kinds, and the samples of `side` that `count` counts:

    - `identical_files`, `identical_images`, `identical_rows`: equal to another sample of the side `to`, byte for byte,
      in every pixel, or in every number;
    - `same_samples`: all, for both sides hold the same ones;
    - `transparency`, `grey`, `enlarged`: with transparent pixels, without colour, enlarged by repeating pixels, where
      fewer of the side `to` are;
    - `size`, `aspect`, `format`, `jpeg_quality`, `colour_mode`, `bit_depth`: with a value that no sample of the side
      `to` has; `values` counts them all;
    - `nearly_black`: without a bright pixel.

    Example:
        >>> import numpy as np
        >>> import divmetrics as dm
        >>> real = np.random.default_rng(0).normal(size=(20, 2))
        >>> fake = np.concatenate([real[:3], real[5:] + 1])
        >>> (fact,) = dm.score(real, fake, metrics="fid", ci_level=0, null=False).facts
        >>> fact.kind, fact.side, fact.to, fact.count, fact.of
        ('identical_rows', 'fake', 'real', 3, 18)
    """

    kind: str
    """What is stated: one of the kinds above."""
    side: str
    """Side whose samples are counted: `real`, `fake` or `held_out`."""
    count: int
    """How many of them it concerns."""
    text: str
    """The statement as a sentence, with what to do about it."""
    of: int | None = None
    """Number of samples of the side."""
    to: str | None = None
    """The other side of the statement; `side` itself for copies within one set."""
    samples: tuple[str, ...] = ()
    """Names of a few samples that show it."""
    values: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Side -> value -> number of samples, the most frequent first."""

    def to_json(self) -> dict[str, Any]:
        """The entry of the fact under `facts` in a report, plain JSON."""
        values = {side: dict(counts) for side, counts in self.values.items()}
        return {**vars(self), "samples": list(self.samples), "values": values}
