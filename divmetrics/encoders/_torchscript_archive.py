"""Tensors of a TorchScript file, read without running any of its code: it is a zip of a pickle and raw numbers.

The pickle is read by an unpickler that knows five names and builds nothing but dicts, lists and tensors; the classes of
the program become plain records of their attributes, and its code is not looked at.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from divmetrics.errors import Unavailable

_TYPES = {"FloatStorage": torch.float32, "HalfStorage": torch.float16, "LongStorage": torch.int64}
"""Storages of torch that may occur."""


class _Record:
    """An object of a class of the program: its attributes."""

    def __init__(self) -> None:
        self.attributes: Mapping[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("an object without named attributes")
        self.attributes = state


class _Numbers(NamedTuple):
    """A file of raw numbers in the zip."""

    dtype: torch.dtype
    content: bytes


def read_archive(content: bytes, name: str) -> dict[str, Tensor]:
    """All tensors of a TorchScript file.

    Args:
        content: The file.
        name: What messages call it.

    Returns:
        Names of attributes, joined by dots -> tensors, in the order of the file.

    Raises:
        Unavailable: It is no TorchScript file, or its pickle asks for more than tensors.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (root,) = {member.partition("/")[0] for member in archive.namelist()}
            program = _Unpickler(archive, root).load()
        return dict(_tensors(program, ""))
    except Exception as error:  # a damaged zip or pickle may fail in any way
        raise Unavailable(f"{name} is no TorchScript file with tensors ({type(error).__name__}: {error}).") from None


class _Unpickler(pickle.Unpickler):
    """Reads `data.pkl`; whatever it names beyond tensors and records is refused."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")))
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        """The few names that are known. Raises UnpicklingError for any other."""
        if module.split(".")[0] == "__torch__":
            return _Record
        known = {
            ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
            ("torch.jit._pickle", "build_intlist"): list,
            ("collections", "OrderedDict"): dict,
            **{("torch", storage): dtype for storage, dtype in _TYPES.items()},
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Numbers:
        """The raw numbers that a tensor refers to."""
        kind, dtype, key, _device, n = pid
        content = self._archive.read(f"{self._root}/data/{int(key)}")
        if kind != "storage" or len(content) != n * dtype.itemsize:
            raise pickle.UnpicklingError(f"numbers of another size at {key}")
        return _Numbers(dtype, content)


def _rebuilt(numbers: _Numbers, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    """A tensor from its numbers. Raises UnpicklingError where it does not lie in them row by row."""
    rows = [math.prod(size[place + 1 :]) for place in range(len(size))]
    if offset != 0 or list(stride) != rows or math.prod(size) * numbers.dtype.itemsize != len(numbers.content):
        raise pickle.UnpicklingError(f"a tensor {list(size)} that is a part of another")
    return torch.frombuffer(bytearray(numbers.content), dtype=numbers.dtype).reshape(size)


def _tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors below `value`, with their names."""
    if isinstance(value, Tensor):
        yield name, value
    entries = value.attributes if isinstance(value, _Record) else value if isinstance(value, dict) else {}
    for key, entry in entries.items():
        yield from _tensors(entry, f"{name}.{key}" if name else str(key))
