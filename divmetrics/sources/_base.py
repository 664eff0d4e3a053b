"""What a sample set is before any network: a `Source` if its samples have places, a `Stream` if they come once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

Kind = Literal["image", "features"]
"""What one sample is: an image, uint8 `[h, w, 3]`; or a row of features, float `[d]`."""


class UnreadableSample(Exception):
    """One sample that cannot be decoded. Raised by `read`; the extraction loop skips the sample and lists it."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)  # both as args, so that it survives the way back from a worker process
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Source(ABC):
    """Samples with places 0..n-1. It knows files and arrays, nothing of networks, and travels to worker processes."""

    name: str
    """As the user gave it; type and shape of a Python object."""
    kind: Kind
    labels: Sequence[str] | None = None
    """One class name a sample, where the layout gives classes."""
    threadsafe: bool = False
    """Whether several threads may read at once; where they may not, processes do."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """The samples at `indices`, decoded, as writable arrays. Raises UnreadableSample for one that cannot be."""

    def jpeg(self, index: int) -> bytes | None:  # noqa: ARG002
        """The sample as the content of a JPEG file, None where it is no such file. Raises UnreadableSample."""
        return None

    @abstractmethod
    def path(self, index: int) -> str:
        """What a report calls the sample at `index`: a file's path below the source, or `#17` in an array."""

    def fingerprints(self, indices: Sequence[int]) -> list[bytes] | None:  # noqa: ARG002
        """A hash of the content of each of these samples, names left out; None where it may change at every reading."""
        return None

    @abstractmethod
    def digest(self) -> str | None:
        """`sha256:...` over names and contents, the same on every machine; computed on the first call.

        None for a Dataset or a list: its items may differ from one reading to the next.
        """


class Stream(ABC):
    """Samples that come once and in order, their number unknown: a DataLoader, a generator of batches."""

    name: str
    kind: Kind

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[np.ndarray, str | None]]:
        """(sample, class name or None), one at a time; samples as in `Source`. One pass only."""
