"""`python:MODULE:ATTRIBUTE`: a user's network from the user's code, which is imported and run."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import IMAGENET, own_preparer, randomly_initialised, wrap
from divmetrics.encoders._loaded import FileVersion, file_versions
from divmetrics.encoders._preparing import Interpolation
from divmetrics.encoders._state_dicts import state_digest
from divmetrics.errors import UsageError
from divmetrics.records.extractor import extractor


class _Function(nn.Module):
    """A function from a batch to features, as a network."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, batch: Tensor) -> Any:
        return self.function(batch)


@dataclass(frozen=True)
class _Identity:
    """An object that is equal to itself only."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _content(attribute: str, **_: Any) -> Hashable:
    """The object that the attribute is now, and its weights, if it has any."""
    found, _module = _import(attribute)
    weights = state_digest(found.state_dict()) if isinstance(found, nn.Module) else ""
    return _Identity(found), weights


@extractor("python", modality="image", provides=("pooled", "logits"), cite="", content=_content)
def python(
    attribute: str,
    *,
    size: int = 224,
    mean: str = IMAGENET["mean"],
    std: str = IMAGENET["std"],
    interpolation: Interpolation = "bicubic",
) -> Encoder:
    """Output of a Python object `module:attribute`: features `[b, d]`, or a pair of features and logits.

    The object is a torch module, a function from a batch `[b, 3, size, size]` to features, or a class or function
    without arguments that makes one of these or a complete `Encoder`. Modules in the current folder are found. Layers:
    `pooled`, and `logits` if there is a second output. Preprocessing: the whole image to `size` x `size` with Pillow,
    grey levels in [0, 1] minus `mean`, divided by `std`; an `Encoder` has its own. A module whose file has been edited
    is executed again, in place.

    Args:
        attribute: `module:attribute`, where the attribute may contain dots.
        size: Side of the input in pixels.
        mean: Mean of the grey levels in [0, 1], one number or three as `0.5/0.4/0.3`; by default that of ImageNet.
        std: Their standard deviation, likewise.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.

    Raises:
        UsageError: There is no such object, or it fails or returns something else.
    """
    found, module = _import(attribute)
    made = (
        randomly_initialised(found, 0)
        if not isinstance(found, (nn.Module, Encoder)) and _takes_nothing(found)
        else found
    )
    if isinstance(made, Encoder):
        return made
    if not callable(made):
        raise UsageError(f"python:{attribute} is {made!r:.80}; wanted a torch module, a function or an Encoder.")
    network = made if isinstance(made, nn.Module) else _Function(made)
    code = Path(module.__file__).read_bytes() if module.__file__ else b""
    digest = hashlib.sha256(code + state_digest(network.state_dict()).encode()).hexdigest()
    prepare = own_preparer(size, mean, std, interpolation)
    return wrap(network, digest, prepare, f"python:{attribute}", traceable=False)


def _import(attribute: str) -> tuple[Any, Any]:
    name, _, path = attribute.partition(":")
    if not path:
        raise UsageError(f"python:{attribute} names no attribute; write python:module:attribute.")
    here = str(Path.cwd())
    sys.path.insert(0, here)  # as for `python -m`; the script `divmetrics` would not look here
    try:
        found = module = _current(importlib.import_module(name))
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"python:{attribute}: {error}.") from None
    finally:
        sys.path.remove(here)
    return found, module


_versions: dict[str, tuple[FileVersion, ...]] = {}
"""Name of a module -> version of the file that it was executed from."""


def _current(module: ModuleType) -> ModuleType:
    """`module`, executed again in place if its file has been edited since this function saw it first."""
    version = file_versions([Path(module.__file__)]) if module.__file__ and module.__name__ != "__main__" else ()
    if _versions.setdefault(module.__name__, version) != version:
        source = Path(str(module.__file__)).read_bytes()  # not importlib.reload: its bytecode is dated to the second
        exec(compile(source, str(module.__file__), "exec"), module.__dict__)  # noqa: S102  it was imported before
        _versions[module.__name__] = version
    return module


def _takes_nothing(found: Any) -> bool:
    """Whether `found` can be called without arguments, so that it makes the network rather than being it."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return callable(found) and all(p.default is not p.empty or p.kind in kinds for p in parameters)
