"""A network as a function on its device: as torch runs it, or compiled by OpenVINO (the extra `cpu`) on a CPU.

OpenVINO gives torch's numbers to 1e-5 relative, and two to five times as many a second: `benchmarks/extraction.py`. It
gets one thread a core, each with a batch of its own: threads that share a batch wait for each other at every layer, and
for the one that decodes samples in between.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor, nn

from divmetrics.arrays import devices, dist
from divmetrics.arrays.memo import once
from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._openvino import core, openvino_silent
from divmetrics.errors import Unavailable
from divmetrics.extraction.loading import check_size
from divmetrics.records.extractor import Layer

Precision = Literal["float32", "fast"]
Wait = Callable[[], tuple[Tensor, ...]]
"""Waits for a batch that is under way -> one tensor `[b, ...]` float32 for each layer of the encoder."""

PAYS_FROM = 100
"""Samples from which compiling pays: it takes 1 to 2 s, and spares 20 ms a sample on 2 cores."""
PIECE = 2
"""Samples that a compiled network sees at once: a fixed number is 5 % faster, and what two need stays in the caches."""
STREAMS = 8
"""Batches that OpenVINO works on at once, at most: each needs memory of its own."""


@dataclass(frozen=True, eq=False)
class Engine:
    """A network ready to run."""

    name: str
    """`torch 2.9.1`, `openvino 2026.4.1`."""
    start: Callable[[Tensor], Wait]
    """Begins with a batch `[b, ...]` on the device; the batch must not be changed until it has been waited for."""
    ahead: int
    """Batches to be started before the first is waited for, so that no core idles."""

    def __call__(self, batch: Tensor) -> tuple[Tensor, ...]:
        """One tensor `[b, ...]` for each layer of the encoder."""
        return self.start(batch)()


class Network:
    """One encoder on a device, for at least `n` samples; how many of them fit into its memory, the batches show."""

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
        """Begin with a batch; calling what comes back gives layer -> features `[b, ...]`, on the device.

        Raises SourceError where samples differ in size from earlier ones, Unavailable where one exceeds the memory.
        """
        if self._engine is None:
            self._size = batch.shape[1:]
            worthwhile = self._n >= PAYS_FROM or _graph_in(self.encoder.network) is not None
            build = accelerate if worthwhile else eager
            with memory_named(self.encoder.name, self.device):
                self._engine = build(self.encoder, self.device, self._size, self._precision)
        check_size(self.encoder.name, self._size, batch.shape[1:])
        while True:
            try:
                parts = torch.split(batch, self._fitting)
                waits = [self._engine.start(part.to(self.device, non_blocking=True)) for part in parts]
                return lambda: self._features(waits)
            except (RuntimeError, MemoryError) as error:
                if not _lacks_memory(error):
                    raise
                if min(self._fitting, len(batch)) == 1:
                    raise _too_little(f"{self.encoder.name}: one sample", self.device) from error
            self._fitting = min(self._fitting, len(batch)) // 2
            if self.device.type == "cuda":
                torch.cuda.empty_cache()  # pieces cut for the larger batch are of no use to the smaller

    def _features(self, waits: list[Wait]) -> dict[Layer, Tensor]:
        with memory_named(self.encoder.name, self.device):
            parts = [wait() for wait in waits]
        return {layer: torch.cat(rows) for layer, *rows in zip(self.encoder.layers, *parts, strict=True)}


@contextmanager
def memory_named(what: str, device: torch.device) -> Iterator[None]:
    """Raises Unavailable where `what` exceeds the memory of `device`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _lacks_memory(error):
            raise
        raise _too_little(what, device) from error


def _too_little(what: str, device: torch.device) -> Unavailable:
    way_out = "use --device cpu" if device.type != "cpu" else "a smaller network or smaller images"
    return Unavailable(
        f"{what} needs more memory than {device} has; free some of it, give --batch-size 1, or {way_out}."
    )


def _lacks_memory(error: Exception) -> bool:
    """Whether memory ran out: only CUDA and Python have an exception of their own for it."""
    own = isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError))
    return own or any(said in str(error) for said in ("MPS backend out of memory", "DefaultCPUAllocator", "bad_alloc"))


def accelerate(
    encoder: Encoder, device: torch.device, shape: tuple[int, ...], precision: Precision = "float32"
) -> Engine:
    """`encoder`'s network on `device`: compiled where that can be, else as `eager` gives it.

    `shape` is one sample's, without the batch. A network without parameters has nothing to gain; one that
    says it is not `traceable` would be compiled to the path that the first batch took.
    """
    network = encoder.network
    if _graph_in(network) is not None:
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
    """`encoder`'s network on `device` as torch runs it."""
    # channels last: 58 images/s, not 35, for efficientnet-lite0 in batches of 16 on 2 cores
    network = encoder.network.to(device).to(memory_format=torch.channels_last)
    kind = fast_type(device) if precision == "fast" else None

    def start(batch: Tensor) -> Wait:
        layout = torch.channels_last if batch.ndim == 4 else torch.preserve_format
        with torch.inference_mode(), _arithmetic(device, kind):
            found = tuple(rows.float() for rows in network(batch.to(memory_format=layout)))
        return lambda: found

    ahead = 0 if device.type == "cpu" else 2  # torch has only queued the work of a GPU when it returns
    return Engine(f"torch {torch.__version__.partition('+')[0]}", start, ahead)


def fast_type(device: torch.device) -> torch.dtype | None:
    """What `--precision fast` computes in on `device`; None where that would not be faster than float32.

    Half floats keep 11 bits, as TF32 does; what exceeds their range becomes infinite, which is an error and no number.
    A CPU has bfloat16 if any, with 8 bits: features of efficientnet-lite0 move by 6 % of their spread.
    """
    if device.type != "cpu":
        return torch.float16
    if find_spec("openvino") is None:
        return None
    return torch.bfloat16 if "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else None


@contextmanager
def exact_float32() -> Iterator[None]:
    """TF32 off and fixed algorithms: with 10 of float32's 23 bits, a metric would depend on the age of the GPU."""
    with devices.matmul("highest"), devices.convolutions("exact"):
        yield


@contextmanager
def _arithmetic(device: torch.device, kind: torch.dtype | None) -> Iterator[None]:
    """Networks inside compute in `kind`, and in TF32 what stays in float32; None leaves all as it is."""
    if kind is None:
        yield
        return
    with devices.matmul("high"), devices.convolutions("fast"), torch.autocast(device.type, kind):
        yield


def _graph_in(network: nn.Module) -> Any:
    """The model of OpenVINO that `network` was made of, None where it is torch's."""
    return next((found for part in network.modules() if (found := getattr(part, "openvino_model", None))), None)


def _compile(network: nn.Module, shape: tuple[int, ...], kind: torch.dtype | None) -> Engine:
    """`network` compiled by OpenVINO; the compiled model is kept as long as the network lives."""
    return once((network,), ("openvino", shape, kind), lambda: _compiled(network, shape, kind))


def _compiled(network: nn.Module, shape: tuple[int, ...], kind: torch.dtype | None) -> Engine:
    with openvino_silent():
        openvino = importlib.import_module("openvino")
        graph = _graph_in(network)
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
    with warnings.catch_warnings(), devices.one_thread(), torch.no_grad():
        warnings.filterwarnings("ignore", "Converting a tensor to")  # asserts on the input's size, which is fixed here
        warnings.filterwarnings("ignore", "`torch.jit.trace", FutureWarning)  # what OpenVINO reads; torch.export: 8 s
        example = torch.zeros(PIECE, *shape)
        traced = torch.jit.trace(_callable(network.cpu()), example, check_trace=False)  # type: ignore[no-untyped-call]
        return openvino.convert_model(traced, input=[PIECE, *shape])


def _callable(network: nn.Module) -> Callable[..., Any]:
    """`network` as a function, which torch traces faster: of a module it first describes every part."""
    scripted = any(isinstance(module, torch.jit.ScriptModule) for module in network.modules())
    frozen = not any(parameter.requires_grad for parameter in network.parameters())
    return (lambda batch: network(batch)) if frozen and not scripted else network


class _Requests:
    """Batches under way in a compiled model, in pieces of one size; OpenVINO queues what no stream is free for."""

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
        except IndexError:  # not asked before: another thread may take the last one
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
