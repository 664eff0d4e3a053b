"""Files of arrays: `.npy`, `.npz` and `.pt`, read without running code and in bounded memory."""

from __future__ import annotations

import math
import pickle
import threading
import tokenize
import zipfile
import zlib
from _codecs import encode as encode_text
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.lib.format import open_memmap

from divmetrics.errors import SourceError
from divmetrics.sources._arrays import Array, as_numpy, open_array
from divmetrics.sources._statistics import MOMENTS, SPATIAL_MOMENTS, Statistics, checked_statistics

MOST_LOADED = 2**30
"""Bytes of an array that is loaded into memory; larger ones must lie in the file as they are, so that it is mapped."""
_LONGEST_HEADER = 2**20
_loading_torch = threading.Lock()


class Arrays(ABC):
    """Arrays of a file by name."""

    path: str
    names: Sequence[str]

    @abstractmethod
    def get(self, name: str) -> np.ndarray:
        """One array. Raises SourceError where it is too large, ValueError where it is damaged."""


class _Npz(Arrays):
    """The arrays of a `.npz` file, read when they are asked for."""

    def __init__(self, path: str, archive: zipfile.ZipFile) -> None:
        self._members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        self.path, self.names, self._archive = path, list(self._members), archive

    def get(self, name: str) -> np.ndarray:
        """As `Arrays.get`."""
        member = self._members[name]
        with self._archive.open(member) as file:
            shape, fortran, dtype = _npy_header(file)
            start = file.tell()
        size = dtype.itemsize * math.prod(shape)
        if size <= MOST_LOADED:
            with self._archive.open(member) as file:
                loaded: np.ndarray = npy.read_array(file, allow_pickle=False)
            return loaded
        if member.compress_type != zipfile.ZIP_STORED:
            raise SourceError(
                f"{self.path}: {name} takes {size / 2**30:.1f} GiB when it is decompressed; write it with numpy.savez, "
                "which does not compress: it is then read in place."
            )
        if start + size > member.file_size:
            raise ValueError(f"{name} is cut off")
        place = _member_start(self._archive, member) + start
        return np.memmap(self.path, dtype, "r", place, tuple(shape), "F" if fortran else "C")


class _Pt(Arrays):
    """The tensors and arrays of a `.pt` file."""

    def __init__(self, path: str, values: Mapping[Any, Any]) -> None:
        arrays = (np.ndarray, torch.Tensor)
        self._values = {str(name): value for name, value in values.items() if isinstance(value, arrays)}
        self.path, self.names = path, list(self._values)

    def get(self, name: str) -> np.ndarray:
        """As `Arrays.get`."""
        return as_numpy(self._values[name])


def open_npy(path: str) -> Array:
    """The samples in a `.npy` file, memory-mapped. Raises SourceError where there are none."""
    with _plain(path):
        with Path(path).open("rb") as file:
            _npy_header(file)
        return open_array(open_memmap(path, mode="r"), path)


def open_named_arrays(path: str) -> Array:
    """The samples in a `.npz` or `.pt` file. Raises SourceError where there are none.

    Samples are the array `images`, `features` or `arr_0`, or the only one in the file. Classes are the array `labels`,
    or `arr_1` beside `arr_0`, as in the sample files of ADM. A mean and covariance beside the samples, as in the
    reference files of ADM, are kept as the `stored` statistics of the source.
    """
    with _arrays_of(path) as arrays:
        key = _samples_key(path, arrays.names)
        label_key = "arr_1" if key == "arr_0" and "arr_1" in arrays.names else "labels"
        rows = arrays.get(key)
        labels = (
            _labels(f"{path}: {label_key}", arrays.get(label_key), len(rows)) if label_key in arrays.names else None
        )
        source = open_array(rows, path, labels)
        return replace(source, stored=_statistics(arrays)) if {*MOMENTS} <= {*arrays.names} else source


def statistics_file(path: str) -> Statistics | None:
    """The mean and covariance in a `.npz` or `.pt` file that holds no samples; None where there is something else.

    Raises SourceError where the file is damaged, or the statistics are none that samples can have.
    """
    if not path.lower().endswith(ARRAY_FILES) or not Path(path).is_file():
        return None
    with _arrays_of(path) as arrays:
        if not {*MOMENTS} <= {*arrays.names} or {"arr_0", "images", "features"} & {*arrays.names}:
            return None
        return _statistics(arrays)


ARRAY_FILES = (".npz", ".pt", ".pth")
"""Suffixes of files with arrays by name."""


def _statistics(arrays: Arrays) -> Statistics:
    spatial = {*SPATIAL_MOMENTS} <= {*arrays.names}
    return checked_statistics(arrays.path, *(arrays.get(name) for name in MOMENTS), spatial=spatial)


@contextmanager
def _arrays_of(path: str) -> Iterator[Arrays]:
    with _plain(path):
        if not path.lower().endswith(".npz"):
            value = _load_torch(path)
            yield _Pt(path, value if isinstance(value, Mapping) else {"samples": value})
            return
        with zipfile.ZipFile(path) as archive:
            yield _Npz(path, archive)


@contextmanager
def _plain(path: str) -> Iterator[None]:
    """Turn what numpy raises on a damaged file, or one with pickles, into SourceError."""
    try:
        yield
    except (ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(
            f"{path} holds no plain array ({error}); write numbers with numpy.save or numpy.savez."
        ) from None


def _npy_header(file: IO[bytes]) -> tuple[list[int], bool, Any]:
    """Shape, whether it is in Fortran order, and type of the array that `file` holds. Raises ValueError."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    place, length = file.tell(), int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
    if length > _LONGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    file.seek(place)
    try:
        shape, fortran, dtype = read(file)
    except (TypeError, OverflowError, SyntaxError, RecursionError, tokenize.TokenError) as error:
        raise ValueError(f"its header is damaged, {type(error).__name__}") from None
    if not all(type(length) is int and 0 <= length < 2**48 for length in shape) or math.prod(shape) >= 2**60:
        raise ValueError(f"its header is damaged, shape {str(shape)[:60]}")
    if dtype.hasobject:
        raise ValueError("Python objects, such as a dict, are pickles, which run code when they are read")
    return [int(length) for length in shape], fortran, dtype


def _member_start(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Place in the file where the content of a member begins."""
    file = archive.fp
    assert file is not None  # noqa: S101  an open archive
    file.seek(member.header_offset + 26)
    lengths = file.read(4)
    return member.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")


def _load_torch(path: str) -> Any:
    """What torch.save wrote, if it is tensors, arrays, numbers, text and their dicts and lists; no code is run.

    Raises SourceError for anything else.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            packed = [entry for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
        if sum(entry.file_size for entry in packed) > MOST_LOADED:  # torch.save does not compress
            raise SourceError(f"{path} takes more than {MOST_LOADED / 2**30:g} GiB when decompressed; write it anew.")
    try:
        with _loading_torch, torch.serialization.safe_globals(_numpy_names()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise SourceError(
            f"{path} is damaged, or holds objects other than tensors and arrays, which run code when they are read; "
            "save what it holds: numpy.savez(FILE, mu=..., sigma=...) for statistics, numpy.save for samples."
        ) from None
    except Exception as error:  # torch raises many types on damaged files
        raise SourceError(f"{path} is damaged or no file of torch.save ({type(error).__name__}).") from None


def _numpy_names() -> list[Any]:
    """What a file of torch.save names where it holds numpy arrays: constructors of arrays, types and numbers."""
    functions = {"_reconstruct": np.zeros(1).__reduce__()[0], "scalar": np.float64(1).__reduce__()[0]}
    old = [(function, f"numpy.core.multiarray.{name}") for name, function in functions.items()]  # before numpy 2
    classes = {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    return [*functions.values(), np.ndarray, np.dtype, encode_text, *classes, *old]


def _samples_key(path: str, keys: Sequence[str]) -> str:
    """Name of the array that holds the samples."""
    candidates = [key for key in keys if key not in {*MOMENTS, *SPATIAL_MOMENTS, "labels"}]
    if not candidates and {*MOMENTS} <= set(keys):
        raise SourceError(f"{path} holds statistics (mu, sigma), no samples; give the images or features behind them.")
    for key in ("images", "features", "arr_0"):
        if key in candidates:
            return key
    if len(candidates) != 1:
        found = ", ".join(keys[:5]) + ", ..." * (len(keys) > 5) or "nothing"
        raise SourceError(f"{path} holds {found}; wanted one array, or samples called images, features or arr_0.")
    return candidates[0]


def _labels(place: str, labels: np.ndarray, n: int) -> tuple[str, ...]:
    """`labels` as class names, one for each of `n` samples; `place` is what messages call them."""
    if labels.shape != (n,) or labels.dtype.kind not in "iuU":
        raise SourceError(
            f"{place} is {labels.dtype} {list(labels.shape)}; wanted one whole number or name for each of {n} samples."
        )
    return tuple(str(label) for label in labels.tolist())
