"""Which device the networks run on: `auto`, `cpu`, `cuda`, `cuda:1` or `mps` as a torch.device that is there.

Also how torch computes on it for a while: on one thread, in float32 or TF32.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

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


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes on one thread inside: for work so small that others would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def matmul(precision: Literal["highest", "high"]) -> Iterator[None]:
    """Products of float32 matrices inside: `highest` in float32, `high` in TF32 where a GPU has it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
