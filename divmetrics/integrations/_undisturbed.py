"""Drawing samples in the middle of a training without a trace: modes of networks and all random numbers come back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn


@contextmanager
def undisturbed(model: Any, seed: int) -> Iterator[None]:
    """Inside, `model` is in evaluation mode, nothing is differentiated, and random numbers begin at `seed`.

    Afterwards each part of the model is in the mode in which it was, and the generators of Python, NumPy and torch, on
    all devices, go on from where they were, whatever was raised inside.

    Args:
        model: The model whose samples are drawn; anything but a torch module is left alone.
        seed: Seed of the random numbers inside.
    """
    with _own_random_numbers(seed), _evaluation_mode(model), torch.no_grad():
        yield


@contextmanager
def _evaluation_mode(model: Any) -> Iterator[None]:
    if not isinstance(model, nn.Module):
        yield
        return
    before = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        model.train(before[0][1])  # some modules change their weights with the mode, and change them back here
        for part, training in before:
            part.training = training


@contextmanager
def _own_random_numbers(seed: int) -> Iterator[None]:
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    # a generator of a GPU that was never used has no state, and torch would seed it as soon as it is used
    used = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    cuda = torch.cuda.get_rng_state_all() if used else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    if cuda is not None:
        torch.cuda.manual_seed_all(seed)
    if mps is not None:
        torch.mps.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)
