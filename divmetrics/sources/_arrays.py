"""Arrays as sources: numpy arrays, torch tensors, `.npy` and `.npz` files."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.lib.npyio import NpzFile

from divmetrics.errors import SourceError
from divmetrics.sources._base import Kind, Source
from divmetrics.sources._pixels import as_image, check_image

_STATISTICS = {"mu", "sigma", "mu_s", "sigma_s"}  # names of the moments in files of pytorch-fid, clean-fid and ADM


@dataclass(frozen=True, eq=False)
class Array(Source):
    """Rows of one array: images `[n, h, w, c]`, `[n, c, h, w]` or `[n, h, w]`, or features `[n, d]`."""

    name: str
    kind: Kind
    rows: np.ndarray
    labels: tuple[str, ...] | None = None
    file: Path | None = None
    """The `.npy` file that `rows` is mapped from; worker processes map it again instead of receiving a copy."""
    threadsafe = True

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """As `Source.read`."""
        if self.kind == "image":
            return [as_image(self.rows[i]) for i in indices]
        native = self.rows.dtype.newbyteorder("=")  # torch accepts native byte order only
        return [np.array(self.rows[i], native) for i in indices]

    def fingerprints(self, indices: Sequence[int]) -> list[bytes]:
        """As `Source.fingerprints`: the sha256 of type, shape and values of each row."""
        kind = f"{self.rows.dtype.str}{self.rows.shape[1:]}".encode()
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
            whole.update(np.ascontiguousarray(self.rows[start : start + 1024]).data)
        whole.update("\0".join(self.labels or ()).encode())
        return f"sha256:{whole.hexdigest()}"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ if self.file is None else {**self.__dict__, "rows": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["file"] is not None:
            state["rows"] = open_memmap(state["file"], mode="r")
        self.__dict__.update(state)


def open_array(
    value: np.ndarray | torch.Tensor, name: str, labels: tuple[str, ...] | None = None, file: Path | None = None
) -> Array:
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
    return Array(name, "image" if rows.ndim > 2 else "features", rows, labels, file)


def _check_not_one_image(name: str, shape: tuple[int, ...]) -> None:
    """Raise SourceError where three axes may be one image with channels; labels would tell, one a sample."""
    if shape[0] in (3, 4) or shape[2] in (1, 3, 4):
        raise SourceError(
            f"{name} has shape {list(shape)}, which may be one image with channels or {shape[0]} grey images "
            "[n, h, w]; give one image as [1,c,h,w], grey images as [n,1,h,w]."
        )


def as_numpy(value: np.ndarray | torch.Tensor) -> np.ndarray:
    """The values as a numpy array; bfloat16, which numpy lacks, becomes float32."""
    if isinstance(value, np.ndarray):
        return value
    value = value.detach().cpu()
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def is_float(value: np.ndarray | torch.Tensor) -> bool:
    """Whether the values are floats of any width."""
    return value.is_floating_point() if isinstance(value, torch.Tensor) else np.issubdtype(value.dtype, np.floating)


def open_npy(path: str) -> Array:
    """The samples in a `.npy` file, memory-mapped. Raises SourceError where there are none."""
    with _numpy_file(path):
        return open_array(open_memmap(path, mode="r"), path, file=Path(path))


def open_npz(path: str) -> Array:
    """The samples in a `.npz` file. Raises SourceError where there are none.

    Samples are the array `images`, `features` or `arr_0`, or the only one in the file. Classes are the array `labels`,
    or `arr_1` beside `arr_0`, as in the sample files of ADM.
    """
    with _numpy_file(path), Path(path).open("rb") as file, NpzFile(file, allow_pickle=False) as arrays:
        key = _samples_key(path, arrays.files)
        label_key = "arr_1" if key == "arr_0" and "arr_1" in arrays.files else "labels"
        rows = arrays[key]
        labels = _labels(f"{path}: {label_key}", arrays[label_key], len(rows)) if label_key in arrays.files else None
        return open_array(rows, path, labels)


@contextmanager
def _numpy_file(path: str) -> Iterator[None]:
    """Turn what numpy raises on a damaged file, or one with pickles, into SourceError."""
    try:
        yield
    except (ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(
            f"{path} holds no plain array ({error}); write numbers with numpy.save or numpy.savez."
        ) from None


def _samples_key(path: str, keys: Sequence[str]) -> str:
    """Name of the array that holds the samples."""
    candidates = [key for key in keys if key not in _STATISTICS | {"labels"}]
    if not candidates and {"mu", "sigma"} <= set(keys):
        raise SourceError(f"{path} holds statistics (mu, sigma), no samples; give the images or features behind them.")
    for key in ("images", "features", "arr_0"):
        if key in candidates:
            return key
    if len(candidates) != 1:
        found = ", ".join(keys) or "nothing"
        raise SourceError(f"{path} holds {found}; wanted one array, or samples called images, features or arr_0.")
    return candidates[0]


def _labels(place: str, labels: np.ndarray, n: int) -> tuple[str, ...]:
    """`labels` as class names, one for each of `n` samples; `place` is what messages call them."""
    if labels.shape != (n,) or labels.dtype.kind not in "iuU":
        raise SourceError(
            f"{place} is {labels.dtype} {list(labels.shape)}; wanted one whole number or name for each of {n} samples."
        )
    return tuple(str(label) for label in labels.tolist())
