"""Networks of timm, torchvision and users as encoders: building, weights, preprocessing and checks."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._outputs import outputs_of
from divmetrics.encoders._preparing import IMAGENET_MEAN, IMAGENET_STD, Fit, PillowTransform
from divmetrics.encoders._state_dicts import load_into, read_state, state_digest
from divmetrics.errors import FeatureError, Unavailable, UnknownName, UsageError
from divmetrics.records.extractor import Layer
from divmetrics.records.foreign import foreign

RANDOM = "random"
"""Value of the option `weights` that asks for randomly initialised weights."""

Network = TypeVar("Network", bound=nn.Module)


class Pooled(nn.Module):
    """A network without its last layer: batch `[b, 3, h, w]` -> pooled `[b, d]`, and logits `[b, c]` by its `head`."""

    def __init__(self, body: nn.Module, head: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Pooled features, and logits if there is a head."""
        pooled = self.body(batch)
        return (pooled,) if self.head is None else (pooled, self.head(pooled))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Names of what `forward` returns."""
        return ("pooled",) if self.head is None else ("pooled", "logits")


class Timm(nn.Module):
    """A network of timm without its head: batch `[b, 3, h, w]` -> pooled features `[b, d]`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.timm = network

    def forward(self, batch: Tensor) -> Tensor:
        """Pooled features."""
        found: Tensor = self.timm.forward_head(self.timm.forward_features(batch), pre_logits=True)  # type: ignore[operator]
        return found


def make_encoder(network: Pooled, digest: str, prepare: PillowTransform, protocol: str | None = None) -> Encoder:
    """An encoder of `network`, in eval mode; `load_encoder` fills in the name."""
    ready = network.eval().requires_grad_(False)
    return Encoder("", digest, prepare.name, network.layers, prepare, lambda: ready, protocol)


def randomly_initialised(build: Callable[[], Network], seed: int) -> Network:
    """The network that `build` makes, with random weights by `seed`; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which seeds the GPUs too
        return build()


def check_seed(weights: str | None, seed: int) -> None:
    """Raise UsageError for a seed without random weights."""
    if seed and weights != RANDOM:
        raise UsageError(f"seed={seed} draws random weights, which were not asked for; add weights={RANDOM}.")


def timm_network(name: str, weights: str | None, seed: int) -> tuple[nn.Module, str]:
    """timm's network `name` at its native input size, and the digest of its weights.

    Args:
        name: Name in timm, such as `vgg16.tv_in1k`.
        weights: None for the published weights; a file with the tensor names of timm or of the publisher; or `random`.
        seed: Seed of random weights.

    Returns:
        The network, and the sha256 of its weights, which does not depend on the file that they came in.

    Raises:
        UnknownName: timm has no such network.
        Unavailable: Weights are missing, damaged or do not fit.
    """
    check_seed(weights, seed)
    _check_known(name)
    if weights == RANDOM:
        network = randomly_initialised(lambda: _create(name), seed)
    elif weights is not None:
        network = _timm_from_file(name, weights)
    else:
        network = load_published(lambda: _create(name, pretrained=True), name, "the Hugging Face hub", "HF_HOME")
    return network, state_digest(network.state_dict())


def load_published(load: Callable[[], Network], name: str, host: str, cache: str) -> Network:
    """The network that `load` makes with its published weights, from the library's cache or from `host`.

    Raises:
        Unavailable: The weights are in no cache and cannot be downloaded.
    """
    try:
        with _errors_only("huggingface_hub"):  # it logs every retry; the message below is enough
            return randomly_initialised(load, 0)  # the libraries draw weights before they replace them
    except Exception as error:  # no network, no such file, no space: the libraries raise a dozen types
        reason = re.split(r"\.\s|\n", str(error).strip())[0]
        raise Unavailable(
            f"the published weights of {name} are not here and {host} did not give them ({type(error).__name__}: "
            f"{reason[:150]}); copy them into the cache that {cache} names, or give a file with ?weights=PATH."
        ) from None


@contextmanager
def _errors_only(library: str) -> Iterator[None]:
    logger = logging.getLogger(library)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _create(name: str, **settings: Any) -> nn.Module:
    import timm  # seconds to import

    network: nn.Module = timm.create_model(name, **settings)
    return network


def _timm_from_file(name: str, path: str) -> nn.Module:
    state, _ = read_state(Path(path))
    network = randomly_initialised(lambda: _create(name), 0)
    try:
        load_into(network, state, path, name)
        return network
    except Unavailable as misfit:
        try:  # timm translates the names that the authors of many networks gave
            overlay = {"state_dict": dict(state)}
            return randomly_initialised(lambda: _create(name, pretrained=True, pretrained_cfg_overlay=overlay), 0)
        except Exception:
            raise misfit from None


def _check_known(name: str) -> None:
    import timm

    if timm.is_model(name.partition(".")[0]) and ("." not in name or name in timm.list_pretrained()):
        return
    if name.partition(":")[0] in ("hf-hub", "hf_hub", "local-dir"):
        return
    known = [*timm.list_models(), *timm.list_pretrained()]
    if not get_close_matches(name, known, n=1, cutoff=0.5):
        raise UnknownName(f"unknown timm network {name!r}; python -c 'import timm; print(timm.list_models())' has all.")
    raise UnknownName.of("timm network", name, known)


def timm_pooled(network: nn.Module) -> Pooled:
    """`network` with its logits as a second layer, unless its last layer projects into a space shared with text."""
    cfg: Any = network.pretrained_cfg
    name = f"{cfg.get('architecture', '')}.{cfg.get('tag', '')}"
    projects = re.search("clip|mci|pe_core", name) and not re.search(r"in\d+k", name)
    head = network.get_classifier()  # type: ignore[operator]
    return Pooled(Timm(network), None if projects or isinstance(head, nn.Identity) else head)


def timm_preparer(network: nn.Module) -> PillowTransform:
    """The preparer that equals timm's evaluation transform for `network`."""
    data: Any = import_module("timm.data")
    cfg = data.resolve_model_data_config(network)
    crop = tuple(cfg["input_size"][1:])
    fits: dict[str, Fit] = {"center": "short", "squash": "whole", "border": "long"}
    return PillowTransform(
        resize=tuple(int(side / cfg["crop_pct"]) for side in crop),  # type: ignore[arg-type]
        crop=crop,
        fit=fits[cfg["crop_mode"]],
        interpolation=cfg["interpolation"],
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
        border=tuple(round(255 * value) if cfg["crop_mode"] == "border" else 0 for value in cfg["mean"]),
    )


def own_preparer(size: int, mean: str, std: str, interpolation: Any) -> PillowTransform:
    """The preparer that a user describes: the whole image to `size` x `size`; `mean` and `std` as `0.5` or `a/b/c`."""
    if size < 1:
        raise UsageError(f"size={size} is not a width in pixels; give 1 or more.")
    return PillowTransform((size, size), (size, size), "whole", interpolation, _three("mean", mean), _three("std", std))


def _three(name: str, text: str) -> tuple[float, ...]:
    try:
        values = [float(part) for part in text.split("/")]
    except ValueError:
        values = []
    if len(values) not in (1, 3) or (name == "std" and min(values) <= 0):
        raise UsageError(f"{name}={text!r} is not one number or three, one a channel; write {name}=0.5 or a/b/c.")
    return tuple(values * 3)[:3]


class _Outputs(nn.Module):
    """A user's network, whose outputs are checked at each batch and returned as a tuple."""

    def __init__(self, network: nn.Module, name: str, count: int, *, traceable: bool) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.count = count
        self.traceable = traceable

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        with foreign(f"the network {self.name}"):
            found = self.network(batch)
        try:
            outputs = outputs_of(found, None if torch.jit.is_tracing() else len(batch))  # type: ignore[attr-defined, no-untyped-call]
        except UsageError as error:
            raise FeatureError(f"the network {self.name} {error}") from None
        if len(outputs) != self.count:
            raise FeatureError(
                f"the network {self.name} gives {self.count} outputs for some images, {len(outputs)} for others."
            )
        return outputs


def wrap(
    network: nn.Module,
    digest: str,
    prepare: PillowTransform,
    name: str,
    *,
    traceable: bool = True,
    known: bool = True,
) -> Encoder:
    """An encoder of a user's network, which is run once on two black images.

    Args:
        network: It returns features, or features and logits, in one of the forms that `outputs_of` reads.
        digest: sha256 of what the network was loaded from.
        prepare: Its preprocessing.
        name: Name in error messages.
        traceable: False for a network that must not be compiled, since its path may depend on the values of its input.
        known: As `Encoder.known`.

    Raises:
        ForeignError: The network fails.
        UsageError: It returns something else.
    """
    network.eval()
    for parameter in network.parameters():  # a TorchScript module has no requires_grad_ of its own
        if parameter.is_leaf:  # those of a copied one are not
            parameter.requires_grad_(False)
    shape, way_out = f"[2, 3, {prepare.crop[0]}, {prepare.crop[1]}]", "mend it there, or give another size: ?size=N"
    with torch.inference_mode(), foreign(f"the network {name}, on images {shape},", way_out):
        found = network(torch.zeros(2, 3, *prepare.crop))
    try:
        outputs = outputs_of(found, 2)
    except UsageError as error:
        raise UsageError(f"{name} {error}") from None
    layers: tuple[Layer, ...] = ("pooled", "logits")[: len(outputs)]  # type: ignore[assignment]
    ready = _Outputs(network, name, len(outputs), traceable=traceable).eval()
    return Encoder("", digest, prepare.name, layers, prepare, lambda: ready, known=known)


IMAGENET = {name: "/".join(map(str, values)) for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD))}
"""`mean` and `std` of ImageNet as options."""
