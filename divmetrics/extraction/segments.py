"""Files of the feature cache: features of up to 512 samples by one encoder, each with the key of its sample.

A segment is a safetensors file named by the hash of its bytes, so that damage anywhere in it is seen before a number is
used, and reading it executes no code.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from divmetrics.records.extractor import Layer
from divmetrics.sources import Traits

SCHEMA = "divmetrics.segment/1"
KEY = 16
"""Bytes of a key: of the sha256 of a sample's content, enough that no two samples of a user agree by chance."""
KEYS = "keys"
"""Name of the tensor with the keys, `[m, 16]` uint8, beside one for each layer."""


class DamagedSegment(Exception):
    """A file of the cache is not what was written."""


@dataclass(frozen=True)
class Head:
    """What a segment holds, without the features. Nothing of it is verified."""

    path: Path
    keys: np.ndarray  # [m] S16
    layers: frozenset[Layer]
    encoder: str
    engine: str


def content_of(
    keys: Sequence[bytes], rows: Mapping[Layer, Tensor], encoder: str, engine: str, traits: Traits
) -> tuple[str, bytes]:
    """Name and content of a segment.

    Args:
        keys: Key of each sample.
        rows: Layer -> features `[m, ...]`.
        encoder: Name of the encoder, for people who look into the cache.
        engine: What ran its network.
        traits: Of the samples.
    """
    header = {"schema": SCHEMA, "encoder": encoder, "engine": engine, "traits": traits.to_json()}
    tensors: dict[str, Tensor] = {layer: value.cpu().contiguous() for layer, value in rows.items()}
    tensors[KEYS] = torch.frombuffer(bytearray(b"".join(keys)), dtype=torch.uint8).reshape(len(keys), KEY)
    content = save(tensors, {"header": json.dumps(header)})
    return _digest(content), content


def head_of(path: Path) -> Head:
    """What a segment holds. Raises DamagedSegment, or OSError where it cannot be read."""
    try:
        with _opened(path) as file:
            names = set(file.keys())
            keys, header = file.get_tensor(KEYS).numpy(), _header(file.metadata())
        if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != KEY:
            raise DamagedSegment("its keys have another form")
        flat = np.ascontiguousarray(keys).reshape(-1).view(f"S{KEY}")
        return Head(path, flat, frozenset(names - {KEYS}), str(header["encoder"]), str(header["engine"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamagedSegment(str(error)) from None


def verify(path: Path) -> Traits:
    """Check every byte of a segment; the traits of its samples. Raises DamagedSegment or OSError."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    if found != path.stem:
        raise DamagedSegment("its checksum is another one")
    try:
        with _opened(path) as file:
            return Traits.from_json(_header(file.metadata())["traits"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamagedSegment(str(error)) from None


def read_rows(path: Path, layers: Sequence[Layer], rows: np.ndarray) -> dict[Layer, Tensor]:
    """Features of some samples, by layer, `[len(rows), ...]`. Raises OSError where another process removed the file.

    Args:
        path: A segment that was verified.
        layers: The layers to read.
        rows: Numbers of the samples in the segment.
    """
    first, last = int(rows.min()), int(rows.max())
    chosen = torch.from_numpy(rows - first)
    whole = bool((np.diff(rows) == 1).all())
    dense = 4 * len(rows) > last - first
    found: dict[Layer, Tensor] = {}
    try:
        with _opened(path) as file:
            for layer in layers:
                values = file.get_slice(layer)
                if whole:
                    found[layer] = values[first : last + 1]
                elif dense:
                    found[layer] = values[first : last + 1][chosen]
                else:
                    found[layer] = torch.cat([values[row : row + 1] for row in rows.tolist()])
    except SafetensorError as error:
        raise OSError(str(error)) from None
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, opened; OSError where another process has removed it, also between the two times that it is opened."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except RuntimeError as error:  # what torch makes of a file that is gone
        raise OSError(errno.ENOENT, str(error), str(path)) from None


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _header(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    header = json.loads((metadata or {})["header"])
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        raise DamagedSegment("it has another schema")
    return header
