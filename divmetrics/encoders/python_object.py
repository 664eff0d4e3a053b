"""`python:MODULE:ATTRIBUTE`: a user's network from the user's code, which is imported and run."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import warnings
from collections.abc import Callable, Hashable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import IMAGENET, own_preparer, randomly_initialised, wrap
from divmetrics.encoders._loaded import FileVersion, file_versions
from divmetrics.encoders._preparing import Interpolation, PillowTransform
from divmetrics.encoders._reachable import Unknown, digest_of
from divmetrics.errors import UsageError
from divmetrics.records.extractor import Given, extractor
from divmetrics.records.foreign import foreign


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
    """The object that the attribute is now, and what it computes with; of what makes a network, only the object."""
    found, _module = _import(attribute)
    if not isinstance(found, nn.Module) and _takes_nothing(found):
        return _Identity(found), ""
    try:
        return _Identity(found), digest_of(found)
    except Unknown:
        return _Identity(found), ""


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
    without arguments that makes one of these or a complete `Encoder`. Modules in the current folder are found. In
    Python the object itself may be given, `dm.score(real, fake, extractor=network)`; `encoder_of` adds options to it. A
    torch module is put into evaluation mode, a given one as a copy; a function is run as it is. Layers: `pooled`, and
    `logits` if there is a second output; of outputs with names those called `features`, `pooler_output` and the like.
    Preprocessing: the whole image to `size` x `size` with Pillow, grey levels in [0, 1] minus `mean`, divided by `std`;
    an `Encoder` has its own. A module whose file has been edited is executed again, in place.

    Args:
        attribute: `module:attribute`, where the attribute may contain dots.
        size: Side of the input in pixels.
        mean: Mean of the grey levels in [0, 1], one number or three as `0.5/0.4/0.3`; by default that of ImageNet.
        std: Their standard deviation, likewise.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.

    Raises:
        UsageError: There is no such object, or it returns something else.
        ForeignError: Its code fails.
    """
    prepare = own_preparer(size, mean, std, interpolation)
    name = f"python:{attribute}"
    if isinstance(attribute, Given):
        return _encoder(attribute.value, b"", prepare, name)
    found, module = _import(attribute)
    return _encoder(found, Path(module.__file__).read_bytes() if module.__file__ else b"", prepare, name)


def encoder_of(
    network: Any,
    *,
    name: str | None = None,
    size: int = 224,
    mean: str | float = IMAGENET["mean"],
    std: str | float = IMAGENET["std"],
    interpolation: Interpolation = "bicubic",
) -> Encoder:
    """An encoder of a torch module or of a function from a batch to features, with the preprocessing that it needs.

    A torch module is copied as it is now and put into evaluation mode; a function is run as it is. They return
    features `[b, d]`; features and logits as a pair; or outputs with names, among them `features` or `pooler_output`.

    Args:
        network: Reads images float32 `[b, 3, size, size]`.
        name: What reports call it; by default the name of its class or function.
        size: Side of the input in pixels; the whole image is resized to it with Pillow.
        mean: Mean of the grey levels in [0, 1], one number or three as `0.5/0.4/0.3`; by default that of ImageNet.
        std: Their standard deviation, likewise.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.

    Returns:
        What `dm.score`, `dm.extract` and `dm.Meter` take as `extractor`.

    Raises:
        UsageError: An option is malformed, or the network returns something else.
        ForeignError: The network fails.

    Example:
        >>> encoder = encoder_of(lambda batch: batch.mean((2, 3)), name="means", size=8, mean=0, std=1)
        >>> encoder.name, encoder.layers, encoder.known
        ('means', ('pooled',), True)
    """
    called = Given.of(network) if name is None else name
    prepare = own_preparer(size, str(mean), str(std), interpolation)
    return replace(_encoder(network, b"", prepare, str(called)), name=str(called))


def _encoder(found: Any, code: bytes, prepare: PillowTransform, name: str) -> Encoder:
    """The encoder of an object; `code` is the source of its module, if it was imported."""
    made = found
    if not isinstance(found, (nn.Module, Encoder)) and _takes_nothing(found):
        with foreign(f"{name}, which is called to make the network,"):
            made = randomly_initialised(found, 0)
    if isinstance(made, Encoder):
        return made if made.digest else replace(made, digest=hashlib.sha256(uuid4().bytes).hexdigest(), known=False)
    if not callable(made):
        raise UsageError(f"{name} is {made!r:.80}; wanted a torch module, a function or an Encoder.")
    if isinstance(made, type):
        raise UsageError(f"{name} is a class that takes arguments; give a network that it makes.")
    if isinstance(made, nn.Module):
        network = made if code else _copied(made, name)
        network.eval()
    else:
        network = _Function(made)
    digest, known = _digest(network if isinstance(made, nn.Module) else made, code, name)
    encoder = wrap(network, digest, prepare, name, traceable=False, known=known)
    if isinstance(network, _Function):
        _check_steady(encoder, prepare, name)
    return encoder


def _check_steady(encoder: Encoder, prepare: PillowTransform, name: str) -> None:
    """Raise UsageError where the features of an image depend on the image beside it, or on chance."""
    image, other = torch.rand(2, 1, 3, *prepare.crop, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():  # six times, as chance may give few features twice
        (beside, *_), (alone, *_) = encoder.network(torch.cat([image] * 6 + [other])), encoder.network(image)
    if not torch.allclose(beside[:6], alone, rtol=0.01, atol=0.01 * float(alone.abs().max()), equal_nan=True):
        raise UsageError(
            f"{name} gives an image other features when it is shown alone than beside another: does it call a network "
            "in training mode? Put it into evaluation mode, network.eval()."
        )


def _copied(network: nn.Module, name: str) -> nn.Module:
    """The network as it is now, without wrappers for training: what is done to it later changes nothing."""
    while isinstance(network, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        network = network.module
    network = getattr(network, "_orig_mod", network)  # of torch.compile
    with foreign(f"copying the network {name}", "give a function that calls it, lambda batch: network(batch)"):
        copied: nn.Module = deepcopy(network)
    if any(isinstance(tensor, nn.parameter.UninitializedParameter) for tensor in copied.parameters()):
        raise UsageError(f"{name} has parameters that are not initialised yet; show it a batch first.")
    halves = {tensor.dtype for tensor in copied.parameters()} & {torch.float16, torch.bfloat16}
    return copied.float() if halves else copied


def _digest(computed: Any, code: bytes, name: str) -> tuple[str, bool]:
    """The digest of all that `computed` computes with, and whether that is all; else it is like no other."""
    try:
        return hashlib.sha256(code + digest_of(computed).encode()).hexdigest(), True
    except Unknown as unknown:
        warnings.warn(
            f"{name} depends on {unknown}, which has no digest: its features are not cached, and compare within "
            "this run only.",
            stacklevel=2,
        )
        return hashlib.sha256(code + uuid4().bytes).hexdigest(), False


def _import(attribute: str) -> tuple[Any, Any]:
    name, _, path = attribute.partition(":")
    if not path:
        raise UsageError(
            f"python:{attribute} names no attribute; write python:module:attribute, or give the object in Python."
        )
    here = str(Path.cwd())
    sys.path.insert(0, here)  # as for `python -m`; the script `divmetrics` would not look here
    try:
        with foreign(f"python:{attribute}, when it was imported,"):
            module = _imported(name)
            found = _attribute(module, path)
    finally:
        with suppress(ValueError):  # the module may have changed sys.path
            sys.path.remove(here)
    return found, module


def _imported(name: str) -> ModuleType:
    try:
        return _current(importlib.import_module(name))
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # a module that it imports is missing
        raise UsageError(f"python:{name}: {error}.") from None
    except ValueError as error:  # an empty name
        if name and not name.startswith("."):
            raise
        raise UsageError(f"python:{name}: {error}.") from None


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise UsageError(f"python:{module.__name__}:{path}: {error}.") from None
    return found


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
