"""`torchscript:PATH`: a user's network as a TorchScript file, which is a program: load only what you trust."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import torch

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import IMAGENET, own_preparer, wrap
from divmetrics.encoders._preparing import Interpolation
from divmetrics.errors import Unavailable
from divmetrics.records.extractor import extractor


@extractor("torchscript", modality="image", provides=("pooled", "logits"), cite="docs.pytorch.org, torch.jit.save")
def torchscript(
    path: str,
    *,
    size: int = 224,
    mean: str = IMAGENET["mean"],
    std: str = IMAGENET["std"],
    interpolation: Interpolation = "bicubic",
) -> Encoder:
    """Output of the TorchScript file PATH: features `[b, d]`, or a pair of features and logits.

    Layers: `pooled`, and `logits` if there is a second output. Preprocessing: the whole image to `size` x `size` with
    Pillow, grey levels in [0, 1] minus `mean`, divided by `std`.

    Args:
        path: File written by `torch.jit.save`.
        size: Side of the input in pixels.
        mean: Mean of the grey levels in [0, 1], one number or three as `0.5/0.4/0.3`; by default that of ImageNet.
        std: Their standard deviation, likewise.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.

    Raises:
        Unavailable: The file cannot be read or is not a TorchScript file.
        UsageError: An option is malformed, or the network fails or returns something else.
    """
    prepare = own_preparer(size, mean, std, interpolation)
    try:
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit.load`", FutureWarning)  # still what such files are read with
            network = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
    except OSError as error:
        raise Unavailable(f"cannot read the network {path}: {error.strerror}.") from None
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().partition(". ")[0]
        raise Unavailable(f"{path} is no TorchScript file ({reason[:100]}); write it with torch.jit.save.") from None
    return wrap(network, digest, prepare, path)
