"""`python:MODULE:ATTRIBUTE`: a network of one's own from one's own code, which is imported and run."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import IMAGENET, drawn, foreign, own_preparer
from divmetrics.encoders._preparing import Interpolation
from divmetrics.encoders._state_dicts import state_digest
from divmetrics.errors import UsageError
from divmetrics.records.extractor import extractor


class _Function(nn.Module):
    """A plain function from a batch to features, as a network."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, batch: Tensor) -> Any:
        return self.function(batch)


@extractor("python", modality="image", provides=("pooled", "logits"), cite="")
def python(
    attribute: str,
    *,
    size: int = 224,
    mean: str = IMAGENET["mean"],
    std: str = IMAGENET["std"],
    interpolation: Interpolation = "bicubic",
) -> Encoder:
    """What a Python object `module:attribute` makes of images: features `[b, d]`, or a pair of features and logits.

    The object is a torch module; a function from a batch `[b, 3, size, size]` to features; or something without
    arguments (a class, a function) that gives either, or a whole `Encoder`. Modules of the current folder are found.
    The whole image is resized to `size`, grey levels in [0, 1] less `mean` over `std`, each one number or three as
    `0.5/0.4/0.3`. Raises UsageError where there is no such object or it gives something else.
    """
    found, module = _import(attribute)
    made = drawn(found, 0) if not isinstance(found, (nn.Module, Encoder)) and _takes_nothing(found) else found
    if isinstance(made, Encoder):
        return made
    if not callable(made):
        raise UsageError(f"python:{attribute} is {made!r:.80}; wanted a torch module, a function or an Encoder.")
    network = made if isinstance(made, nn.Module) else _Function(made)
    code = Path(module.__file__).read_bytes() if module.__file__ else b""
    digest = hashlib.sha256(code + state_digest(network.state_dict()).encode()).hexdigest()
    prepare = own_preparer(size, mean, std, interpolation)
    return foreign(network, digest, prepare, f"python:{attribute}", traceable=False)


def _import(attribute: str) -> tuple[Any, Any]:
    name, _, path = attribute.partition(":")
    if not path:
        raise UsageError(f"python:{attribute} names no attribute; write python:module:attribute.")
    here = str(Path.cwd())
    sys.path.insert(0, here)  # as for `python -m`; the script `divmetrics` would not look here
    try:
        found = module = importlib.import_module(name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"python:{attribute}: {error}.") from None
    finally:
        sys.path.remove(here)
    return found, module


def _takes_nothing(found: Any) -> bool:
    """Whether `found` can be called without arguments: then it makes the network, and is not it."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return callable(found) and all(p.default is not p.empty or p.kind in kinds for p in parameters)
