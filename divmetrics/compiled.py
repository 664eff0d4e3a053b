"""A network as a function on its device: as torch runs it, or compiled by OpenVINO (the extra `cpu`) on a CPU.

OpenVINO gives torch's numbers to 1e-5 relative, and two to four times as many a second: `benchmarks/extraction.py`.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from divmetrics.declare import Layer
from divmetrics.encoder import Encoder
from divmetrics.errors import SourceError, Unavailable
from divmetrics.telemetry import openvino_silent

Run = Callable[[Tensor], tuple[Tensor, ...]]
"""Batch `[b, ...]` on the device -> one tensor `[b, ...]` for each layer of the encoder."""

PAYS_FROM = 200
"""Samples from which compiling pays: it takes about 2 s, and spares 15 ms a sample on 2 cores."""


class Network:
    """One encoder on a device, for at least `n` samples; how many of them fit into its memory, the batches show."""

    def __init__(self, encoder: Encoder, device: torch.device, n: int) -> None:
        self.encoder = encoder
        self.engine = ""
        """What runs the network: `torch 2.9.1`, `openvino 2026.4.1`; empty before the first batch."""
        self._device = device
        self._n = n
        self._run: Run | None = None
        self._size = torch.Size()
        self._fitting = sys.maxsize

    def __call__(self, batch: Tensor) -> dict[Layer, Tensor]:
        """Layer -> features `[b, ...]`, on the CPU.

        Raises SourceError where samples differ in size from earlier ones, Unavailable where one exceeds the memory.
        """
        if self._run is None:
            self._size = batch.shape[1:]
            start = accelerate if self._n >= PAYS_FROM else eager
            self._run, self.engine = start(self.encoder, self._device, self._size)
        check_size(self.encoder.name, self._size, batch.shape[1:])
        while True:
            try:
                return self._features(self._run, batch)
            except torch.cuda.OutOfMemoryError as error:
                if min(self._fitting, len(batch)) == 1:
                    raise Unavailable(
                        f"{self.encoder.name}: {self._device} lacks the memory for one sample; free some of it, or use "
                        "--device cpu."
                    ) from error
            self._fitting = min(self._fitting, len(batch)) // 2

    def _features(self, run: Run, batch: Tensor) -> dict[Layer, Tensor]:
        parts = [run(part.to(self._device, non_blocking=True)) for part in torch.split(batch, self._fitting)]
        return {layer: torch.cat(rows).cpu() for layer, *rows in zip(self.encoder.layers, *parts, strict=True)}


def check_size(encoder: str, first: torch.Size, other: torch.Size) -> None:
    """Raise SourceError where two prepared samples of one encoder differ in size."""
    if first != other:
        sizes = [" x ".join(map(str, size)) for size in (first, other)]
        raise SourceError(
            f"{encoder}: the samples differ in size, {sizes[0]} and {sizes[1]}; give images of one size, or choose an "
            "extractor that resizes them, like pixels?size=32."
        )


def accelerate(encoder: Encoder, device: torch.device, shape: tuple[int, ...]) -> tuple[Run, str]:
    """`encoder`'s network on `device` and the name of its engine: compiled where that can be, else as `eager` gives it.

    `shape` is one sample's, without the batch. A network without parameters has nothing to gain; one that
    says it is not `traceable` would be compiled to the path that the first batch took.
    """
    network = encoder.network
    compilable = getattr(network, "traceable", True) and any(True for _ in network.parameters())
    if device.type != "cpu" or not compilable or find_spec("openvino") is None:
        return eager(encoder, device, shape)
    try:
        return _compile(network, shape)
    except Exception as error:  # a stranger's network may hold what OpenVINO lacks; torch has it
        reason = str(error).strip().splitlines()[0][:100]
        warnings.warn(f"{encoder.name} runs eagerly: OpenVINO cannot compile it ({reason}).", stacklevel=2)
        return eager(encoder, device, shape)


def eager(encoder: Encoder, device: torch.device, shape: tuple[int, ...]) -> tuple[Run, str]:  # noqa: ARG001  as accelerate
    """`encoder`'s network on `device` as torch runs it, and the engine's name."""
    # channels last: 58 images/s, not 35, for efficientnet-lite0 in batches of 16 on 2 cores
    network = encoder.network.to(device).to(memory_format=torch.channels_last)

    def run(batch: Tensor) -> tuple[Tensor, ...]:
        layout = torch.channels_last if batch.ndim == 4 else torch.preserve_format
        with torch.inference_mode():
            return tuple(network(batch.to(memory_format=layout)))

    return run, f"torch {torch.__version__.partition('+')[0]}"


@lru_cache(maxsize=8)
def _compile(network: nn.Module, shape: tuple[int, ...]) -> tuple[Run, str]:
    with openvino_silent(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Converting a tensor to")  # asserts on the input's size, which is fixed here
        warnings.filterwarnings("ignore", "`torch.jit.trace", FutureWarning)  # what OpenVINO reads; torch.export: 8 s
        openvino = importlib.import_module("openvino")
        with torch.no_grad():
            traced = torch.jit.trace(network.cpu(), torch.zeros(2, *shape), check_trace=False)  # type: ignore[no-untyped-call]
        model = openvino.convert_model(traced, input=[-1, *shape])
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)

    def run(batch: Tensor) -> tuple[Tensor, ...]:
        found = compiled([batch.contiguous().numpy()], share_inputs=True)
        return tuple(torch.from_numpy(rows) for rows in found.values())

    return run, f"openvino {openvino.__version__.partition('-')[0]}"
