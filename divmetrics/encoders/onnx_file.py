"""`onnx:PATH`: a user's network as an ONNX file, which OpenVINO runs on the CPU."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import IMAGENET, own_preparer, wrap
from divmetrics.encoders._loaded import FileVersion, file_versions
from divmetrics.encoders._openvino import core, openvino_silent
from divmetrics.encoders._preparing import Interpolation
from divmetrics.errors import Unavailable, UsageError
from divmetrics.records.extractor import extractor


class _Graph(nn.Module):
    """Batch `[b, 3, size, size]` -> the only output of `openvino_model`, `[b, ...]`; `engines.py` compiles it anew."""

    def __init__(self, openvino_model: Any) -> None:
        super().__init__()
        self.openvino_model = openvino_model

    @cached_property
    def _compiled(self) -> Any:
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        return core().compile_model(self.openvino_model, "CPU", settings)

    def forward(self, batch: Tensor) -> Tensor:
        found = self._compiled([batch.cpu().contiguous().numpy()], share_inputs=True)
        return torch.from_numpy(found[0].copy()).to(batch.device)


@lru_cache(maxsize=16)
def _external_data(version: tuple[FileVersion, ...]) -> tuple[Path, ...]:
    """Files beside an ONNX file in which it keeps weights: https://onnx.ai/onnx/repo-docs/ExternalData.html.

    They are read off the entries `location` of the protocol buffer (field 1, the key; field 2, the name of the file),
    for the package `onnx` need not be installed.
    """
    path, found = Path(version[0][0]), set()
    content = path.read_bytes()
    for entry in re.finditer(rb"\n\x08location\x12([\x80-\xff]?)([\x00-\x7f])", content):
        low, high = entry.groups()  # the length of the name, base 128
        length = low[0] - 128 + 128 * high[0] if low else high[0]
        found.add(path.parent / content[entry.end() : entry.end() + length].decode())
    return tuple(sorted(file for file in found if file.is_file()))


def _files(path: str) -> tuple[Path, ...]:
    """The file itself and those with its external data; none where there is no such file."""
    version = file_versions([Path(path)])
    return (Path(path), *_external_data(version)) if version else ()


def _content(path: str, **_: Any) -> Hashable:
    return file_versions(_files(path))


@extractor("onnx", modality="image", provides=("pooled",), cite="onnx.ai", content=_content)
def onnx(
    path: str,
    *,
    output: str | None = None,
    size: int = 0,
    mean: str = IMAGENET["mean"],
    std: str = IMAGENET["std"],
    interpolation: Interpolation = "bicubic",
) -> Encoder:
    """Output of the ONNX file PATH, features `[b, d]`.

    Layer: `pooled`. Preprocessing: the whole image to the input size with Pillow, grey levels in [0, 1] minus `mean`,
    divided by `std`. The digest covers files with external data.

    Args:
        path: File with one input `[b, 3, h, w]`.
        output: Name of the output, if there are several.
        size: Side of the input, if the file leaves it open; 0 means the side in the file, or 224.
        mean: Mean of the grey levels in [0, 1], one number or three as `0.5/0.4/0.3`; by default that of ImageNet.
        std: Their standard deviation, likewise.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.

    Raises:
        Unavailable: OpenVINO (extra `cpu`) is not installed, or the file cannot be read or is not an ONNX file.
        UsageError: An option is malformed, or the file has other inputs or outputs.
    """
    if find_spec("openvino") is None:
        raise Unavailable("onnx: needs OpenVINO, which is not installed; pip install 'divmetrics[cpu]'.")
    with openvino_silent():
        import openvino
        from openvino.frontend import FrontEndManager

    try:
        digest = hashlib.sha256(Path(path).read_bytes())
        for file in _files(path)[1:]:
            digest.update(file.read_bytes())
        frontend = FrontEndManager().load_by_framework("onnx")  # Core().read_model would try every format there is
        model = frontend.convert(frontend.load(path))
    except OSError as error:
        raise Unavailable(f"cannot read the network {path}: {error.strerror}.") from None
    except Exception as error:  # OpenVINO's have no common base
        reason = str(error).strip().splitlines()[-1].strip()
        raise Unavailable(f"{path} is no ONNX file that OpenVINO reads ({reason[:100]}).") from None
    side = _fix_input(model, path, size)
    port = _port(model, path, output)
    only = openvino.Model([model.get_results()[port]], model.get_parameters(), "encoder")
    return wrap(_Graph(only), digest.hexdigest(), own_preparer(side, mean, std, interpolation), path)


def _fix_input(model: Any, path: str, size: int) -> int:
    """Fix the side of the square images that `model` reads, and leave the batch size open; returns the side."""
    if len(model.inputs) != 1:
        names = ", ".join(port.any_name for port in model.inputs)
        raise UsageError(f"{path} has {f'several inputs ({names})' if names else 'no input'}; wanted one, the images.")
    shape = model.inputs[0].partial_shape
    if shape.rank.is_dynamic or len(shape) != 4 or (shape[1].is_static and shape[1].get_length() != 3):
        raise UsageError(f"{path}: its input is {shape}; wanted images [batch, 3, height, width].")
    sides = {side.get_length() if side.is_static else size or 224 for side in (shape[2], shape[3])}
    if len(sides | ({size} if size else set())) != 1:
        wanted = f"{size} x {size}, as asked for" if size else "a square"
        raise UsageError(f"{path}: its input is {shape}; wanted {wanted}.")
    (side,) = sides
    model.reshape([-1, 3, side, side])
    return int(side)


def _port(model: Any, path: str, output: str | None) -> int:
    names = [port.any_name for port in model.outputs]
    if output is None and len(names) == 1:
        return 0
    if output not in names:
        found = f"has no output {output!r}" if output else f"has {len(names)} outputs"
        raise UsageError(f"{path} {found}; choose with ?output=NAME one of {', '.join(names)}.")
    return names.index(output)
