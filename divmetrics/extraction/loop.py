"""The only loop that shows samples to a network: each is decoded once, all encoders see it, features go on in order.

Workers decode and prepare the next batches while the network runs. The size of the batches, the number of workers and
the device change the speed; the features stay the same to 1e-5 relative.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Annotated, Any, Literal, Self

import torch
from torch import Tensor

from divmetrics.arrays import devices, dist
from divmetrics.encoders._encoder import Encoder
from divmetrics.errors import SourceError, Unavailable, UsageError
from divmetrics.extraction import loading
from divmetrics.extraction.device_images import check_decoder, on_device
from divmetrics.extraction.engines import Network, exact_float32, fast_type, memory_named
from divmetrics.extraction.loading import named_if_a_worker_dies
from divmetrics.extraction.store import Cache
from divmetrics.records.extractor import Layer
from divmetrics.records.keywords import Help, OptionRecord
from divmetrics.records.results import Skipped
from divmetrics.records.run_options import RunOptions
from divmetrics.sources import Source, Stream

Add = Callable[[str, Layer, Tensor, Tensor], None]
"""Takes (encoder, layer, rows `[b, ...]` float32 on the device, places `[b]` int64), batches in the source's order."""

After = Callable[[Sequence[int], Sequence[int], Sequence[Skipped], str], None]
"""Takes (places asked for, those of them that were read, why the others were not, engine), batch by batch."""

Features = Callable[[], dict[Layer, Tensor]]
"""Waits for a batch -> its features."""

FEW = 200
"""Samples up to which the main process reads, where threads may not: processes would start no sooner than it ends."""


@dataclass(frozen=True)
class ExtractionSettings(RunOptions):
    """The options of a run, and where features are found and images resized.

    Raises UsageError on a value that cannot be, Unavailable on a device that is not here.
    """

    store: Cache | None = None
    """Where features of samples seen before are found; None computes all."""
    resizing: Annotated[
        Literal["auto", "workers", "device"],
        Help("Where images are resized, by encoders that can do both to 1e-3 grey levels; auto takes a GPU."),
    ] = "auto"

    @classmethod
    def of(cls, other: OptionRecord, **changes: Any) -> Self:
        """The run options of a request, with the cache that they name."""
        made = super().of(other, **changes)
        return replace(made, store=Cache.chosen(made.cache))

    def __post_init__(self) -> None:
        super().__post_init__()
        device = devices.resolve(self.device)
        if self.jpeg == "device":
            check_decoder(device)
        if self.precision == "fast" and fast_type(device) is None:
            raise Unavailable(
                "this CPU computes in nothing faster than float32, or the extra cpu, which would tell, is missing; "
                "leave --precision out."
            )

    @property
    def torch_device(self) -> torch.device:
        """The device, `auto` resolved."""
        return devices.resolve(self.device)

    @property
    def home(self) -> torch.device:
        """Where features stay for sums and pairs: those are in float64, which mps lacks."""
        return torch.device("cpu") if self.torch_device.type == "mps" else self.torch_device

    def samples_at_once(self) -> int:
        """The batch size. On a CPU the network takes a few of them at once; a GPU that lacks the memory gets less."""
        if self.batch_size != "auto":
            return self.batch_size
        return {"cpu": 8, "cuda": 256}.get(self.torch_device.type, 64)

    def processes(self, n: int) -> int:
        """Processes that read `n` samples; a network on the CPU needs most of the cores itself."""
        if self.workers != "auto":
            return self.workers
        cores = devices.cores() // dist.group_size()
        wanted = cores // 4 if self.torch_device.type == "cpu" else cores - 1
        return 0 if n <= FEW else max(1, min(16, wanted))

    def threads(self) -> int:
        """Workers for a source that threads may read: they cost nothing to start, and sleep when they are ahead."""
        if self.workers != "auto":
            return self.workers
        cores = devices.cores() // dist.group_size()
        return max(1, min(16, cores if self.torch_device.type == "cpu" else cores - 1))

    def work(self, encoders: Sequence[Encoder]) -> loading.Work:
        """What workers do for `encoders`. Raises UsageError where one cannot read what the device has decoded."""
        device = self.torch_device.type != "cpu" if self.resizing == "auto" else self.resizing == "device"
        able = frozenset(encoder.name for encoder in encoders if hasattr(encoder.prepare, "prepare_batch"))
        jpeg = self.jpeg == "device"
        if jpeg and (others := [encoder.name for encoder in encoders if encoder.name not in able]):
            raise UsageError(
                f"{others[0]} resizes with Pillow, on the CPU, so --jpeg device has nothing to give it; leave it out."
            )
        preparers = {encoder.name: encoder.prepare for encoder in encoders}
        return loading.Work(preparers, able if device or jpeg else frozenset(), jpeg)

    def marked(self, encoder: Encoder) -> Encoder:
        """`encoder` as signatures and the cache are to know it: with all that moves its numbers."""
        marks = [f"jpeg-{self.torch_device.type}"] if self.jpeg == "device" else []
        if self.precision == "fast":
            marks.append(str(fast_type(self.torch_device)).removeprefix("torch."))
        if not marks:
            return encoder
        return replace(encoder, preprocessing="+".join([encoder.preprocessing, *marks]), protocol=None)


@dataclass(frozen=True)
class Extracted:
    """What one pass leaves besides the features: the samples that this rank read, in order, and those it could not."""

    paths: tuple[str, ...]
    labels: tuple[str, ...] | None
    """Class names, where every sample has one."""
    skipped: tuple[Skipped, ...]
    engine: str
    """What ran the networks: `torch 2.9.1`, `openvino 2026.4.1`, several joined by `+`; `none` if nothing was read."""
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Samples read a second, decoding and the compilation of the network included."""
        return len(self.paths) / self.seconds


def run(
    source: Source | Stream,
    encoders: Sequence[Encoder],
    *,
    layers: Collection[Layer],
    add: Add,
    settings: ExtractionSettings | None = None,
    own: Sequence[int] | None = None,
    after: After | None = None,
) -> Extracted:
    """Show the samples of `source` to all `encoders`, and give `add` those of `layers` that each has, batch by batch.

    Rows go with their samples' places in the source, where one that was skipped leaves a gap. Of a source that several
    ranks share, each calls `run` with the places `own` that are its own. A Stream is decoded in this process. `after`
    is told of each batch when all its rows have been given.

    Raises SourceError where a share above `settings.max_skipped` is unreadable or the samples of an encoder differ in
    size, Unavailable where the device lacks the memory for one sample or a worker dies.
    """
    begin, settings = perf_counter(), settings or ExtractionSettings()
    places = (range(len(source)) if own is None else own) if isinstance(source, Source) else None
    work = settings.work(encoders)
    workers = (
        settings.threads()
        if isinstance(source, Source) and source.threadsafe
        else settings.processes(len(places or ()))
    )
    pinned = settings.torch_device.type == "cuda"
    batches = loading.batches(source, places, work, settings.samples_at_once(), workers, pinned=pinned)
    whole = len(source) if isinstance(source, Source) else 0  # so that ranks and resumed runs choose the same engine
    networks = [Network(encoder, settings.torch_device, whole, settings.precision) for encoder in encoders]
    pipeline = _Pipeline(networks, work, layers, add, after)
    try:
        with named_if_a_worker_dies(), exact_float32(), _bar(source.name, places, shown=settings.progress) as advance:
            for batch in batches:
                pipeline.begin(batch)
                advance(pipeline.finish(max((network.ahead for network in networks), default=0)))
            advance(pipeline.finish(0))
    finally:
        del batches  # the workers end here, not when the traceback of an error is forgotten
        pipeline.stop()
    check_skipped(source.name, pipeline.skipped, len(pipeline.paths), settings.max_skipped, shared=own is not None)
    named = tuple(label for label in pipeline.labels if label is not None)
    known = named if len(named) == len(pipeline.paths) else None
    return Extracted(tuple(pipeline.paths), known, tuple(pipeline.skipped), pipeline.engine, perf_counter() - begin)


@dataclass
class _Pipeline:
    """Batches under way through the networks, in order, and what has become of those that are through."""

    networks: Sequence[Network]
    work: loading.Work
    layers: Collection[Layer]
    add: Add
    after: After | None
    paths: list[str] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    engine: str = "none"
    _begun: deque[tuple[loading.Batch, dict[str, Features]]] = field(default_factory=deque)

    @property
    def crowded(self) -> bool:
        """Whether the networks keep all cores busy by themselves: a thread that waits by spinning would rob them."""
        return any(network.device.type == "cpu" and network.ahead for network in self.networks)

    def begin(self, batch: loading.Batch) -> None:
        """Start the networks on a batch."""
        if len(batch.pictures):
            batch = self._prepared(batch)
        there = [network for network in self.networks if network.encoder.name in batch.prepared]  # none if all skipped
        self._begun.append((batch, {n.encoder.name: n.start(batch.prepared[n.encoder.name]) for n in there}))
        self.engine = "+".join(sorted({network.engine for network in self.networks if network.engine})) or "none"

    def finish(self, left: int) -> int:
        """Hand on the features of all batches but the last `left`; how many samples those had."""
        samples = 0
        while len(self._begun) > left:
            batch, features = self._begun.popleft()
            if batch.refusal is not None:
                raise batch.refusal
            for name, wait in features.items():
                found = wait()
                with devices.one_thread() if self.crowded else nullcontext():
                    for layer in (layer for layer in found if layer in self.layers):
                        self.add(name, layer, found[layer], batch.places)
            self.paths += batch.paths
            self.labels += batch.labels
            self.skipped += batch.skipped
            if self.after is not None:
                with devices.one_thread() if self.crowded else nullcontext():
                    self.after(batch.asked, batch.places.tolist(), batch.skipped, self.engine)
            samples += len(batch.asked)
        return samples

    def stop(self) -> None:
        """Wait for what is under way, which may still be reading its batch."""
        for _, features in self._begun:
            for wait in features.values():
                with suppress(Exception):
                    wait()

    def _prepared(self, batch: loading.Batch) -> loading.Batch:
        """`batch` with its pictures decoded and prepared on the device."""
        encoders = [network.encoder for network in self.networks if network.encoder.name in self.work.on_device]
        prepare_batch = {encoder.name: encoder.prepare.prepare_batch for encoder in encoders}  # type: ignore[attr-defined]
        device = self.networks[0].device
        with memory_named("images on their way", device):
            prepared, lost = on_device(batch.pictures, batch.paths, prepare_batch, device)
        batch = batch.without(lost)
        return batch._replace(prepared={**batch.prepared, **prepared}, pictures=())


@contextmanager
def _bar(name: str, places: Sequence[int] | None, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar with rate and time left, gone when done; gives the function to call with samples done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = [
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as progress:
        task = progress.add_task(name, total=None if places is None else len(places), rate="")

        def advance(samples: int) -> None:
            progress.update(task, advance=samples, rate=f"{progress.tasks[task].speed or 0:.0f}/s")

        yield advance


def check_skipped(name: str, skipped: Sequence[Skipped], read: int, allowed: float, *, shared: bool) -> None:
    """Raise SourceError, on all ranks alike, where more than the share `allowed` of the samples is unreadable."""
    if allowed >= 1:
        return
    everyone = dist.gather((skipped, read)) if shared else [(skipped, read)]
    lost = [sample for part, _ in everyone for sample in part]
    n = len(lost) + sum(read for _, read in everyone)
    if len(lost) > allowed * n:
        first = ", ".join(f"{sample.path} ({sample.reason})" for sample in lost[:3])
        more = ", ..." if len(lost) > 3 else ""
        raise SourceError(
            f"{name}: {len(lost)} of {n} samples cannot be read: {first}{more}; mend or remove them, or allow a larger "
            f"share than {allowed:g} with --max-skipped."
        )
