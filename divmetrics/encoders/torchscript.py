"""`torchscript:PATH`: a network of one's own as one file. Such a file is a program: load only what you trust."""

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
    """The output of the TorchScript file PATH: features `[b, d]`, or a pair of features and logits.

    It reads the whole image at `size` x `size`, grey levels in [0, 1] less `mean` over `std`, each one number or three
    as `0.5/0.4/0.3`. Raises Unavailable where PATH is no TorchScript file, UsageError where its output is another.
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
