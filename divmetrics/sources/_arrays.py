"""Arrays as sources: numpy arrays, torch tensors, `.npy` and `.npz` files."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from divmetrics.arrays.array_likes import as_array
from divmetrics.errors import FeatureError, SourceError
from divmetrics.sources._base import Kind, Source
from divmetrics.sources._pixels import as_image, check_image
from divmetrics.sources._statistics import Statistics


@dataclass(frozen=True, eq=False)
class Array(Source):
    """Rows of one array: images `[n, h, w, c]`, `[n, c, h, w]` or `[n, h, w]`, or features `[n, d]`."""

    name: str
    kind: Kind
    rows: np.ndarray
    labels: tuple[str, ...] | None = None
    stored: Statistics | None = None
    threadsafe = True

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """As `Source.read`."""
        native = self.rows.dtype.newbyteorder("=")  # torch accepts native byte order only
        with _unmapped_after(self.rows):
            return [as_image(self.rows[i]) if self.kind == "image" else np.array(self.rows[i], native) for i in indices]

    def fingerprints(self, indices: Sequence[int]) -> list[bytes]:
        """As `Source.fingerprints`: the sha256 of type, shape and values of each row."""
        kind = f"{self.rows.dtype.str}{self.rows.shape[1:]}".encode()
        with _unmapped_after(self.rows):
            return [hashlib.sha256(kind + np.ascontiguousarray(self.rows[i]).tobytes()).digest() for i in indices]

    def path(self, index: int) -> str:
        """`#17`, the index in the array."""
        return f"#{index}"

    def digest(self) -> str:
        """sha256 over type, shape, values and labels, equal for an array in memory and in a file."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        """As `digest`, computed once."""
        whole = hashlib.sha256(f"{self.rows.dtype.str}{self.rows.shape}".encode())
        for start in range(0, len(self), 1024):  # in chunks: a mapped file need not fit into memory
            with _unmapped_after(self.rows):
                whole.update(np.ascontiguousarray(self.rows[start : start + 1024]).data)
        whole.update("\0".join(self.labels or ()).encode())
        return f"sha256:{whole.hexdigest()}"

    def __getstate__(self) -> dict[str, Any]:
        """Rows that are mapped from a file travel as the place in it, since worker processes can map it again."""
        rows = self.rows
        if not isinstance(rows, np.memmap) or rows.filename is None:
            return self.__dict__
        order = "C" if rows.flags.c_contiguous else "F"
        return {**self.__dict__, "rows": (rows.filename, rows.dtype, "r", rows.offset, rows.shape, order)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        rows = state["rows"]
        self.__dict__.update({**state, "rows": np.memmap(*rows) if isinstance(rows, tuple) else rows})


@contextmanager
def _unmapped_after(rows: np.ndarray) -> Iterator[None]:
    """Pages of a file that are read inside are not held by this process afterwards: the system's cache still has them.

    A whole file that was read once would be in memory beside the features that were made from it.
    """
    yield
    if isinstance(rows, np.memmap) and rows.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):  # nothing to write back
        owner: Any = rows
        while isinstance(owner, np.ndarray):
            owner = owner.base
        if isinstance(owner, mmap.mmap):
            owner.madvise(mmap.MADV_DONTNEED)


def open_array(value: np.ndarray | torch.Tensor, name: str, labels: tuple[str, ...] | None = None) -> Array:
    """An array or tensor as a source. Raises SourceError where its shape or type fits neither images nor features.

    Three axes are grey images `[n, h, w]`, unless they may be one image with channels: that is refused.
    """
    rows = as_numpy(value)
    if rows.ndim not in (2, 3, 4):
        raise SourceError(
            f"{name} has shape {list(rows.shape)}; "
            "wanted images [n, h, w, c], [n, c, h, w] or [n, h, w], or features [n, d]."
        )
    if 0 in rows.shape:
        raise SourceError(f"{name} has shape {list(rows.shape)}: no samples; wanted at least one row.")
    if rows.ndim == 3 and labels is None:
        _check_not_one_image(name, rows.shape)
    if rows.ndim > 2:
        check_image(rows, rows.shape[1:])
    elif not is_float(rows):
        raise SourceError(
            f"{name} is [n, d] of {rows.dtype}, which may be features or flattened images; "
            "give features as float32, images as uint8 [n, h, w, c]."
        )
    return Array(name, "image" if rows.ndim > 2 else "features", rows, labels)


def _check_not_one_image(name: str, shape: tuple[int, ...]) -> None:
    """Raise SourceError where three axes may be one image with channels; labels would tell, one a sample."""
    if shape[0] in (3, 4) or shape[2] in (1, 3, 4):
        raise SourceError(
            f"{name} has shape {list(shape)}, which may be one image with channels or {shape[0]} grey images "
            "[n, h, w]; give one image as [1,c,h,w], grey images as [n,1,h,w]."
        )


def as_numpy(value: Any) -> np.ndarray:
    """The values as a numpy array; bfloat16, which numpy lacks, becomes float32. Raises SourceError for no numbers."""
    if isinstance(value, np.memmap) and value.dtype.kind in "fiub" and value.dtype.itemsize <= 8:
        return value  # stays mapped from its file
    try:
        found = as_array(value)
    except FeatureError as error:
        raise SourceError(str(error)) from None
    return found if isinstance(found, np.ndarray) else found.cpu().numpy()


def is_float(value: np.ndarray | torch.Tensor) -> bool:
    """Whether the values are floats of any width."""
    return value.is_floating_point() if isinstance(value, torch.Tensor) else np.issubdtype(value.dtype, np.floating)
