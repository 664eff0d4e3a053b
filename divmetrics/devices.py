"""Which device the networks run on: `auto`, `cpu`, `cuda`, `cuda:1` or `mps` as a torch.device that is there."""

from __future__ import annotations

import re

import torch

from divmetrics.errors import Unavailable, UnknownName


def resolve(name: str) -> torch.device:
    """The device called `name`; `auto` takes CUDA before MPS before the CPU.

    Raises UnknownName where `name` is no device's name, Unavailable where this machine lacks the device.
    """
    if name == "auto":
        found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(found)
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise UnknownName.of("device", name, ["auto", "cpu", "cuda", "cuda:0", "mps"])
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Unavailable(f"no device {name} here: torch finds {torch.cuda.device_count()} CUDA devices. {_WAY_OUT}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise Unavailable(f"no device mps here: this torch or this machine has no Metal. {_WAY_OUT}")
    return device


_WAY_OUT = "Use --device auto or --device cpu."
