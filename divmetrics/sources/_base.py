"""Sample sets: a `Source` is read by index, a `Stream` once and in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Literal, Self

import numpy as np

from divmetrics.records.results import Skipped
from divmetrics.sources._statistics import Statistics
from divmetrics.sources._thumbnails import thumbnail_of_pixels
from divmetrics.sources._traits import Look, look_of_pixels

Kind = Literal["image", "features"]
"""Kind of the samples: images, uint8 `[h, w, 3]`, or rows of features, float `[d]`."""


class UnreadableSample(Exception):
    """One sample that cannot be decoded. Raised by `Source.read`; extraction skips the sample and lists it.

    Args:
        path: What the report calls the sample.
        reason: Why it cannot be decoded, in a few words.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)  # both in args, so that it can be pickled on its way from a worker process
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Source(ABC):
    """Samples with indices 0 to n - 1. Sources are picklable, since worker processes read from them."""

    name: str
    """The path as the user gave it; type and shape of a Python object."""
    kind: Kind
    """Kind of the samples."""
    labels: Sequence[str] | None = None
    """Class name of each sample; None where there are no classes."""
    skipped: Sequence[Skipped] = ()
    """Files that were found and are no samples that can be read, with the reasons; they have no index."""
    stored: Statistics | None = None
    """Mean and covariance of features that came with the samples: what FID compares in place of the samples."""
    threadsafe: bool = False
    """Whether several threads may read at once; else several processes do."""

    @property
    def found(self) -> int:
        """Number of samples and of files that were skipped; for a subset, those of the whole source."""
        return len(self) + len(self.skipped)

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    def limited(self, max_pixels: int) -> Self:  # noqa: ARG002
        """The same samples, of which images of more pixels are unreadable before they are decoded."""
        return self

    @abstractmethod
    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """Read and decode samples.

        Args:
            indices: Which samples, each in 0 to n - 1.

        Returns:
            One writable array for each index: uint8 `[h, w, 3]` for images, float `[d]` for features.

        Raises:
            UnreadableSample: for a sample that cannot be decoded.
        """

    def inspect(self, index: int) -> tuple[np.ndarray, Look]:
        """One sample as `read` gives it, and what is known of its pixels and of its file. Raises UnreadableSample."""
        (sample,) = self.read([index])
        return sample, look_of_pixels(sample)

    def inspect_hashed(self, index: int) -> tuple[np.ndarray, Look, bytes | None]:
        """As `inspect`, with the fingerprint of the content that was decoded; None where that cannot have changed."""
        return *self.inspect(index), None

    def thumbnail(self, index: int, side: int) -> np.ndarray:
        """A small version of an image, to be looked at.

        Args:
            index: Which sample.
            side: Length of its longer side at most.

        Returns:
            uint8 `[h, w, 3]`, or `[h, w, 4]` where the image is transparent somewhere.

        Raises:
            UnreadableSample: It cannot be decoded.
        """
        (sample,) = self.read([index])
        return thumbnail_of_pixels(sample, side)

    def jpeg(self, index: int) -> bytes | None:  # noqa: ARG002
        """Undecoded content of the sample `index` if it is a JPEG file, else None. Raises UnreadableSample."""
        return None

    @abstractmethod
    def path(self, index: int) -> str:
        """What reports call the sample `index`: a file's path relative to the source, or `#17` in an array."""

    def fingerprints(self, indices: Sequence[int]) -> list[bytes] | None:  # noqa: ARG002
        """A hash of the content of each of these samples, without its name; None where reading twice may differ."""
        return None

    def file_hashes(self, indices: Sequence[int]) -> list[bytes] | None:  # noqa: ARG002
        """A hash of the file of each of these samples; None where they have no files of their own."""
        return None

    @abstractmethod
    def digest(self) -> str | None:
        """`sha256:...` over names and contents, the same on every machine; computed at the first call.

        None for a Dataset or a list, whose items may differ from one reading to the next.
        """


class Stream(ABC):
    """Samples that come once and in order, in unknown number: a DataLoader, a generator of batches."""

    name: str
    """Type of the Python object."""
    kind: Kind
    """Kind of the samples."""

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[np.ndarray, str | None]]:
        """(sample, class name or None), one at a time, samples as in `Source.read`. Only one pass is possible."""
