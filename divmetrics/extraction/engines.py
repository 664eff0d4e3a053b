"""Engines that run a network on its device: torch, or OpenVINO (the extra `cpu`), which compiles it for a CPU.

OpenVINO reproduces torch's numbers to 1e-5 relative at two to five times the speed: `benchmarks/extraction.py`. Each
core works on a batch of its own: threads that share a batch wait for each other at every layer, and for the thread that
decodes samples in between.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor, nn

from divmetrics.arrays import devices, dist
from divmetrics.arrays.memo import once
from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._openvino import core, openvino_silent
from divmetrics.errors import FeatureError, Unavailable
from divmetrics.extraction.sizes import check_size
from divmetrics.records.extractor import Layer
from divmetrics.records.foreign import foreign, is_foreign, is_lack_of_memory

Precision = Literal["float32", "fast"]
Wait = Callable[[], tuple[Tensor, ...]]
"""Waits for a batch and returns one float32 tensor `[b, ...]` for each layer of the encoder."""

COMPILE_FROM = 100
"""Number of samples from which a network is compiled: that takes 1 to 2 s, and saves 20 ms a sample on 2 cores."""
UNKNOWN = sys.maxsize
"""In place of a number of samples that nobody knows: those of a stream, or of a `Meter` that is given batches. It is
compiled for, since all samples of a side should be seen by one engine."""
PIECE = 2
"""Batch size of a compiled network: fixed sizes are 5 % faster, and activations of two samples stay in the cache."""
STREAMS = 8
"""Upper bound of the batches that OpenVINO works on at once: each needs memory of its own."""


@dataclass(frozen=True, eq=False)
class Engine:
    """A network ready to run."""

    name: str
    """`torch 2.9.1`, `openvino 2026.4.1`."""
    start: Callable[[Tensor], Wait]
    """Starts on a batch `[b, ...]` on the device, which must not be changed until the result has been waited for."""
    ahead: int
    """Number of batches to start before waiting for the first, so that no core idles."""

    def __call__(self, batch: Tensor) -> tuple[Tensor, ...]:
        """One tensor `[b, ...]` for each layer of the encoder."""
        return self.start(batch)()


class Network:
    """One encoder on a device, for about `n` samples; batches that exceed the memory of the device are halved."""

    def __init__(self, encoder: Encoder, device: torch.device, n: int, precision: Precision = "float32") -> None:
        self.encoder = encoder
        self.device = device
        self._n = n
        self._precision = precision
        self._engine: Engine | None = None
        self._size = torch.Size()
        self._fitting = sys.maxsize

    @property
    def engine(self) -> str:
        """What runs the network; empty before the first batch."""
        return "" if self._engine is None else self._engine.name

    @property
    def ahead(self) -> int:
        """As `Engine.ahead`."""
        return 0 if self._engine is None else self._engine.ahead

    def start(self, batch: Tensor) -> Callable[[], dict[Layer, Tensor]]:
        """Start on a batch.

        Args:
            batch: Prepared samples `[b, ...]`.

        Returns:
            A function that waits for the result: layer -> features `[b, ...]` on the device.

        Raises:
            SourceError: The samples differ in size from earlier ones.
            Unavailable: One sample exceeds the memory of the device.
        """
        if self._engine is None:
            self._size = batch.shape[1:]
            worthwhile = self._n >= COMPILE_FROM or _openvino_model_of(self.encoder.network) is not None
            build = accelerate if worthwhile else eager
            with naming_lack_of_memory(self.encoder.name, self.device):
                self._engine = build(self.encoder, self.device, self._size, self._precision)
        check_size(self.encoder.name, self._size, batch.shape[1:])
        while True:
            try:
                parts = torch.split(batch, self._fitting)
                with self._named():
                    waits = [self._engine.start(part.to(self.device, non_blocking=True)) for part in parts]
                return lambda: self._features(waits, [len(part) for part in parts])
            except (RuntimeError, MemoryError) as error:
                if not is_lack_of_memory(error):
                    raise
                if min(self._fitting, len(batch)) == 1:
                    raise _lack_of_memory(f"{self.encoder.name}: one sample", self.device) from error
            self._fitting = min(self._fitting, len(batch)) // 2
            if self.device.type == "cuda":
                torch.cuda.empty_cache()  # pieces cut for the larger batch are of no use to the smaller

    def _features(self, waits: list[Wait], sizes: list[int]) -> dict[Layer, Tensor]:
        with naming_lack_of_memory(self.encoder.name, self.device), self._named():
            parts = [wait() for wait in waits]
        for found, size in zip(parts, sizes, strict=True):
            self._check(found, size)
        return {layer: torch.cat(rows) for layer, *rows in zip(self.encoder.layers, *parts, strict=True)}

    def _named(self) -> AbstractContextManager[None]:
        """Errors raised inside name the network, where it is one of users or of a plug-in."""
        network = self.encoder.network
        return foreign(f"the network of {self.encoder.name}") if is_foreign(network) else nullcontext()

    def _check(self, found: tuple[Tensor, ...], size: int) -> None:
        """Raise FeatureError unless there is one tensor a layer, with one row for each of `size` samples."""
        if len(found) != len(self.encoder.layers) or any(len(rows) != size for rows in found):
            shapes = ", ".join(str(list(rows.shape)) for rows in found) or "nothing"
            raise FeatureError(
                f"the network of {self.encoder.name} gives {shapes} for {size} samples; wanted one tensor for each of "
                f"its layers {', '.join(self.encoder.layers)}, with a row for each sample."
            )


@contextmanager
def naming_lack_of_memory(what: str, device: torch.device) -> Iterator[None]:
    """Raise Unavailable, naming `what`, if the work inside exceeds the memory of `device`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_lack_of_memory(error):
            raise
        raise _lack_of_memory(what, device) from error


def _lack_of_memory(what: str, device: torch.device) -> Unavailable:
    way_out = "use --device cpu" if device.type != "cpu" else "a smaller network or smaller images"
    return Unavailable(
        f"{what} needs more memory than {device} has; free some of it, give --batch-size 1, or {way_out}."
    )


def accelerate(
    encoder: Encoder, device: torch.device, shape: tuple[int, ...], precision: Precision = "float32"
) -> Engine:
    """The fastest engine for `encoder` on `device`: OpenVINO on a CPU where it can compile the network, else torch.

    A network without parameters has nothing to gain. One with `traceable = False` is not compiled, for its path may
    depend on the values of its input.

    Args:
        encoder: What to run.
        device: Where to run it.
        shape: Shape of one sample, without the batch.
        precision: `float32`, or `fast` for half floats where the device has them.
    """
    network = encoder.network
    if _openvino_model_of(network) is not None:
        if device.type != "cpu":
            warnings.warn(f"{encoder.name} runs on the CPU, not on {device}: OpenVINO alone reads it.", stacklevel=2)
        return _compile(network, shape, fast_type(torch.device("cpu")) if precision == "fast" else None)
    compilable = getattr(network, "traceable", True) and any(True for _ in network.parameters())
    if device.type != "cpu" or not compilable or find_spec("openvino") is None:
        return eager(encoder, device, shape, precision)
    try:
        return _compile(network, shape, fast_type(device) if precision == "fast" else None)
    except Exception as error:  # a stranger's network may hold what OpenVINO lacks; torch has it
        reason = str(error).strip().splitlines()[0][:100]
        warnings.warn(f"{encoder.name} runs eagerly: OpenVINO cannot compile it ({reason}).", stacklevel=2)
        return eager(encoder, device, shape, precision)


def eager(
    encoder: Encoder,
    device: torch.device,
    shape: tuple[int, ...],  # noqa: ARG001  as accelerate
    precision: Precision = "float32",
) -> Engine:
    """The engine that runs the network of `encoder` in torch."""
    # channels last: 58 images/s, not 35, for efficientnet-lite0 in batches of 16 on 2 cores
    network = encoder.network.to(device).to(memory_format=torch.channels_last)
    kind = fast_type(device) if precision == "fast" else None

    def start(batch: Tensor) -> Wait:
        layout = torch.channels_last if batch.ndim == 4 else torch.preserve_format
        with torch.inference_mode(), _arithmetic(device, kind):
            found = tuple(map(_real_float32, network(batch.to(memory_format=layout))))
        return lambda: found

    ahead = 0 if device.type == "cpu" else 2  # torch has only queued the work of a GPU when it returns
    return Engine(f"torch {torch.__version__.partition('+')[0]}", start, ahead)


def _real_float32(rows: Tensor) -> Tensor:
    if rows.is_complex():
        raise FeatureError("a network gives complex numbers; wanted real ones: torch.view_as_real(rows).flatten(1).")
    return rows.float()


def fast_type(device: torch.device) -> torch.dtype | None:
    """The type that `--precision fast` computes in on `device`; None if none is faster than float32.

    Half floats have 11 significant bits, as TF32 does; values beyond their range become infinite, which raises an error
    later. Some CPUs have bfloat16, with 8 bits: features of efficientnet-lite0 move by 6 % of their spread.
    """
    if device.type != "cpu":
        return torch.float16
    if find_spec("openvino") is None:
        return None
    return torch.bfloat16 if "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else None


@contextmanager
def exact_float32() -> Iterator[None]:
    """Deterministic algorithms without TF32 inside: with its 10 bits a metric would depend on the model of the GPU."""
    with devices.matmul("highest"), devices.convolutions("exact"):
        yield


@contextmanager
def _arithmetic(device: torch.device, kind: torch.dtype | None) -> Iterator[None]:
    """Autocast to `kind` inside, with TF32 for what remains in float32; None: no autocast at all."""
    if kind is None:
        with devices.no_autocast():
            yield
        return
    with devices.matmul("high"), devices.convolutions("fast"), torch.autocast(device.type, kind):
        yield


def _openvino_model_of(network: nn.Module) -> Any:
    """The OpenVINO model that `network` wraps; None if it is a network of torch."""
    return next((found for part in network.modules() if (found := getattr(part, "openvino_model", None))), None)


def _compile(network: nn.Module, shape: tuple[int, ...], kind: torch.dtype | None) -> Engine:
    """`network` compiled by OpenVINO; the compiled model is kept as long as the network lives."""
    return once((network,), ("openvino", shape, kind), lambda: _compiled(network, shape, kind))


def _compiled(network: nn.Module, shape: tuple[int, ...], kind: torch.dtype | None) -> Engine:
    with openvino_silent():
        openvino = importlib.import_module("openvino")
        graph = _openvino_model_of(network)
        model = graph or _converted(openvino, network, shape)
    cores = max(1, devices.cores() // dist.group_size())
    settings = {
        "INFERENCE_PRECISION_HINT": "f32" if kind is None else "bf16",
        "NUM_STREAMS": min(STREAMS, cores),
        "INFERENCE_NUM_THREADS": cores,
    }
    requests = _Requests(core().compile_model(model, "CPU", settings), None if graph else PIECE)
    return Engine(f"openvino {openvino.__version__.partition('-')[0]}", requests.start, min(STREAMS, cores) + 1)


def _converted(openvino: Any, network: nn.Module, shape: tuple[int, ...]) -> Any:
    with warnings.catch_warnings(), devices.one_thread(), devices.no_autocast(), torch.no_grad():
        warnings.filterwarnings("ignore", "Converting a tensor to")  # asserts on the input's size, which is fixed here
        warnings.filterwarnings("ignore", "`torch.jit.trace", FutureWarning)  # what OpenVINO reads; torch.export: 8 s
        example = torch.zeros(PIECE, *shape)
        traced = torch.jit.trace(_callable(network.cpu()), example, check_trace=False)  # type: ignore[no-untyped-call]
        return openvino.convert_model(traced, input=[PIECE, *shape])


def _callable(network: nn.Module) -> Callable[..., Any]:
    """`network` as a function where possible, which torch traces faster than a module."""
    scripted = any(isinstance(module, torch.jit.ScriptModule) for module in network.modules())
    frozen = not any(parameter.requires_grad for parameter in network.parameters())
    return (lambda batch: network(batch)) if frozen and not scripted else network


class _Requests:
    """Asynchronous inference requests of a compiled model, which is fed pieces of a fixed batch size."""

    def __init__(self, model: Any, piece: int | None) -> None:
        self._model = model
        self._piece = piece
        self._idle: list[Any] = []

    def start(self, batch: Tensor) -> Wait:
        if self._piece is None:
            return self._begin(batch)
        waits = [self._begin(piece) for piece in torch.split(batch, self._piece)]
        return lambda: tuple(map(torch.cat, zip(*(wait() for wait in waits), strict=True)))

    def _begin(self, piece: Tensor) -> Wait:
        try:
            request = self._idle.pop()
        except IndexError:  # not `if self._idle`: another thread may take the last one meanwhile
            request = self._model.create_infer_request()
        count, whole = len(piece), self._piece or len(piece)
        if count < whole:
            piece = torch.cat([piece, piece.new_zeros(whole - count, *piece.shape[1:])])
        shared = piece.contiguous().numpy()
        request.start_async([shared], share_inputs=True)

        def wait(_shared: Any = shared) -> tuple[Tensor, ...]:  # keeps the input, which OpenVINO reads where it is
            request.wait()
            rows = tuple(torch.from_numpy(port.data[:count].copy()) for port in request.output_tensors)
            self._idle.append(request)
            return rows

        return wait
