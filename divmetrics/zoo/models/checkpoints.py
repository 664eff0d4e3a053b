"""Checkpoint files of trained generators: tensors, and a header with recipe, seed, oracle numbers and digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from divmetrics.errors import MeasureError, Unavailable
from divmetrics.records.files import atomic

SCHEMA = "divmetrics.checkpoint/1"
_RETRAIN = "train it again: divmetrics zoo train {} -o DIR."


@dataclass(frozen=True)
class Checkpoint:
    """A trained generator: half-precision tensors and how they were trained."""

    entry: str
    """Name of the entry of the zoo."""
    recipe: str
    """Everything that the training depended on except the seed, as JSON."""
    seed: int
    oracle: Mapping[str, Any]
    """The oracle's numbers of its samples."""
    tensors: Mapping[str, Tensor]

    def write(self, path: Path) -> None:
        """Write to `path`, atomically."""
        tensors = {name: tensor.contiguous() for name, tensor in self.tensors.items()}
        header = {
            "schema": SCHEMA,
            "entry": self.entry,
            "recipe": self.recipe,
            "seed": str(self.seed),
            "oracle": json.dumps(self.oracle),
            "digest": digest(tensors),
        }
        with atomic(path) as temporary:
            save_file(tensors, temporary, metadata=header)

    @classmethod
    def read(cls, path: Path, entry: str) -> Checkpoint:
        """Read the checkpoint of `entry` from `path`.

        Raises:
            Unavailable: where there is none.
            MeasureError: where it belongs to another entry or its digest is wrong.
        """
        if not path.is_file():
            raise Unavailable(f"{entry} has no checkpoint at {path}; make one: divmetrics zoo train {entry} -o DIR.")
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
        except (SafetensorError, OSError):
            raise MeasureError(f"{path} is damaged or no safetensors file; {_RETRAIN.format(entry)}") from None
        if header.get("schema") != SCHEMA or header.get("entry") != entry:
            raise MeasureError(f"{path} is a checkpoint of {header.get('entry', 'something else')}, not of {entry}.")
        if header.get("digest") != digest(tensors):
            raise MeasureError(f"{path} is damaged, its digest is wrong; {_RETRAIN.format(entry)}")
        return cls(entry, header["recipe"], int(header["seed"]), json.loads(header["oracle"]), tensors)


def to_half_precision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as a checkpoint holds them: floats in half precision, integers unchanged."""
    return {name: t.half() if t.is_floating_point() else t for name, t in state.items()}


def digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and bytes of `tensors`, sorted by name."""
    whole = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"sha256:{whole.hexdigest()}"
