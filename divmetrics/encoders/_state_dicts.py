"""State dicts: read without executing code, named by a digest, loaded into a network with a check of all keys."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from divmetrics.errors import Unavailable

TOOLS = (
    ("vision_model.encoder.layers.", "Hugging Face transformers (CLIP, SigLIP)"),
    ("encoder.layer.", "Hugging Face transformers (DINOv2, ViT)"),
    ("visual.transformer.resblocks.", "OpenAI's CLIP or open_clip"),
    ("AuxLogits.", "torchvision's Inception v3"),
    ("Conv2d_1a_3x3.", "pytorch-fid or torch-fidelity (Inception of 2015)"),
    ("_conv_stem.", "efficientnet-lite-pytorch"),
    ("classifier.6.", "torchvision's VGG or AlexNet"),
    ("layer1.0.conv1.", "a ResNet of torchvision or timm"),
    ("stages.0.blocks.", "timm's ConvNeXt"),
    ("blocks.0.ls1.", "DINOv2 of its authors or timm's"),
    ("blocks.0.attn.qkv.", "a vision transformer of timm"),
)
"""(part of a key, the tool whose networks have such keys); the first match counts."""


def read_state(path: Path, sha256: str | None = None) -> tuple[Mapping[str, Tensor], str]:
    """Read a state dict without executing code.

    Args:
        path: A `.safetensors` file, or a file of `torch.save` that holds tensors only.
        sha256: Expected digest of the file; None accepts any.

    Returns:
        Names -> tensors on the CPU, and the sha256 (hex) of the file.

    Raises:
        Unavailable: There is no such file, it holds something else, or its digest is not `sha256`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"weight": torch.ones(2)}, Path(folder) / "w.pth")
        ...     state, digest = read_state(Path(folder) / "w.pth")
        >>> state, len(digest)
        ({'weight': tensor([1., 1.])}, 64)
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"cannot read the weights {path}: {error.strerror}.") from None
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise Unavailable(
            f"the weights {path} are damaged: their sha256 begins with {digest[:8]}, not with {sha256[:8]}; get the "
            "file again."
        )
    state = _tensors(path, content)
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise Unavailable(f"{path} is no state dict: wanted a mapping of names to tensors; save network.state_dict().")
    return state, digest


def _tensors(path: Path, content: bytes) -> object:
    try:
        with torch.inference_mode(False):  # a network that is first built in that mode serves outside of it too
            if path.suffix == ".safetensors":
                from safetensors.torch import load

                return load(content)
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file may fail in any way
        kind = "safetensors file" if path.suffix == ".safetensors" else "file of torch.save with tensors only"
        raise Unavailable(f"{path} is no {kind} ({type(error).__name__}).") from None


def load_into(network: nn.Module, state: Mapping[str, Tensor], name: str, kind: str) -> None:
    """Load a state dict into a network, which may be without memory (device "meta"), in place.

    Args:
        network: Where the weights go; they are cast to its types.
        state: Names -> tensors; all names have to agree.
        name: File that the weights come from, for error messages.
        kind: What `network` is, for error messages.

    Raises:
        Unavailable: Names or shapes differ; the message has the first of them and the tool that the state looks like.

    Example:
        >>> network = nn.Linear(2, 1, bias=False)
        >>> load_into(network, {"weight": torch.ones(1, 2)}, "w.pth", "a linear layer")
        >>> network.weight.tolist()
        [[1.0, 1.0]]
    """
    own = network.state_dict()
    faults = {
        "missing": own.keys() - state.keys(),
        "unknown": state.keys() - own.keys(),
        "of another shape": {key for key in own.keys() & state.keys() if own[key].shape != state[key].shape},
    }
    if found := [f"{len(keys)} {fault} ({', '.join(sorted(keys)[:3])})" for fault, keys in faults.items() if keys]:
        looks = looks_like(state)
        raise Unavailable(
            f"{name} does not fit {kind}, keys {'; '.join(found)}{f'; it looks like {looks}' if looks else ''}; give "
            "weights of that network."
        )
    with torch.inference_mode(False):
        network.load_state_dict({key: tensor.to(own[key].dtype) for key, tensor in state.items()}, assign=True)


def looks_like(state: Mapping[str, Tensor]) -> str | None:
    """The tool whose networks have keys like those of `state`; None if it is unknown."""
    return next((tool for part, tool in TOOLS if any(part in key for key in state)), None)


def state_digest(state: Mapping[str, Tensor]) -> str:
    """sha256 (hex) of names, types, shapes and values: equal for equal weights, whatever file they came in.

    Example:
        >>> state_digest({"weight": torch.zeros(2)}) == state_digest({"weight": torch.zeros(3)})
        False
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
