"""Feature extraction: every sample is decoded once, all encoders run on it, features arrive in the source's order.

Workers decode and prepare the next batches while the network runs. Batch size, number of workers and device change the
speed; the features stay the same to 1e-5 relative.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Self

import torch
from torch import Tensor

from divmetrics.arrays import devices, dist
from divmetrics.encoders._encoder import Encoder
from divmetrics.errors import SourceError, Unavailable, UsageError
from divmetrics.extraction import loading
from divmetrics.extraction.device_images import check_decoder, on_device
from divmetrics.extraction.engines import UNKNOWN, Network, exact_float32, fast_type, naming_lack_of_memory
from divmetrics.extraction.loading import naming_dead_workers
from divmetrics.extraction.store import Cache
from divmetrics.records.extractor import Layer
from divmetrics.records.keywords import Help, OptionRecord
from divmetrics.records.printing import printable
from divmetrics.records.results import Skipped
from divmetrics.records.run_options import RunOptions
from divmetrics.sources import Source, Stream, Traits

Add = Callable[[str, Layer, Tensor, Tensor], None]
"""Called with (encoder, layer, rows `[b, ...]` float32 on the device, positions `[b]` int64), in the source's order."""

After = Callable[[loading.Batch, str], None]
"""Called for each batch with it (positions requested and read, the samples skipped and why, traits) and the engine."""

Features = Callable[[], dict[Layer, Tensor]]
"""Waits for a batch and returns its features `[b, ...]` by layer."""

READ_HERE_UP_TO = 200
"""Number of samples up to which the main process reads a source that is not thread-safe: worker processes would take
longer to start."""


@dataclass(frozen=True)
class ExtractionSettings(RunOptions):
    """The options of a run, with the cache that they name and the place where images are resized.

    Raises:
        UsageError: A value is out of its range.
        Unavailable: The device, or what it would have to do, does not exist on this machine.
    """

    store: Cache | None = None
    """Cache of features; None computes all of them."""
    resizing: Annotated[
        Literal["auto", "workers", "device"],
        Help("Where images are resized, by encoders that can do both to 1e-3 grey levels; auto takes a GPU."),
    ] = "auto"

    @classmethod
    def of(cls, other: OptionRecord, **changes: Any) -> Self:
        """The settings that `other` describes, its option `cache` resolved."""
        made = super().of(other, **changes)
        return replace(made, store=Cache.of_option(made.cache))

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
        """The device, with `auto` resolved."""
        return devices.resolve(self.device)

    @property
    def summary_device(self) -> torch.device:
        """Where features are summarised: sums are in float64, which mps lacks."""
        return torch.device("cpu") if self.torch_device.type == "mps" else self.torch_device

    def samples_at_once(self) -> int:
        """The batch size, with `auto` resolved; `Network` splits a batch that exceeds the memory of the device."""
        if self.batch_size != "auto":
            return self.batch_size
        return {"cpu": 8, "cuda": 256}.get(self.torch_device.type, 64)

    def processes(self, n: int) -> int:
        """Number of worker processes for `n` samples; a network on the CPU needs most of the cores itself."""
        if self.workers != "auto":
            return self.workers
        cores = devices.cores() // dist.group_size()
        wanted = cores // 4 if self.torch_device.type == "cpu" else cores - 1
        return 0 if n <= READ_HERE_UP_TO else max(1, min(16, wanted))

    def threads(self) -> int:
        """Number of worker threads for a thread-safe source; they cost nothing to start, and sleep when ahead."""
        if self.workers != "auto":
            return self.workers
        cores = devices.cores() // dist.group_size()
        return max(1, min(16, cores if self.torch_device.type == "cpu" else cores - 1))

    def preparation(self, encoders: Sequence[Encoder]) -> loading.Preparation:
        """What workers do to samples for `encoders`.

        Raises:
            UsageError: An encoder resizes with Pillow, and images are to be decoded on the device.
        """
        device = self.torch_device.type != "cpu" if self.resizing == "auto" else self.resizing == "device"
        on_device = frozenset(encoder.name for encoder in encoders if hasattr(encoder.prepare, "prepare_batch"))
        jpeg = self.jpeg == "device"
        if jpeg and (others := [encoder.name for encoder in encoders if encoder.name not in on_device]):
            raise UsageError(
                f"{others[0]} resizes with Pillow, on the CPU, so --jpeg device has nothing to give it; leave it out."
            )
        preparers = {encoder.name: encoder.prepare for encoder in encoders}
        most = loading.MAX_BATCH_BYTES.get(self.torch_device.type, loading.MAX_BATCH_BYTES_ELSEWHERE)
        return loading.Preparation(preparers, on_device if device or jpeg else frozenset(), jpeg, most_bytes=most)

    def marked(self, encoder: Encoder) -> Encoder:
        """`encoder` with the settings that change its numbers added to the name of its preprocessing."""
        marks = [f"jpeg-{self.torch_device.type}"] if self.jpeg == "device" else []
        if self.precision == "fast":
            marks.append(str(fast_type(self.torch_device)).removeprefix("torch."))
        if not marks:
            return encoder
        return replace(encoder, preprocessing="+".join([encoder.preprocessing, *marks]), protocol=None)


@dataclass(frozen=True)
class Extracted:
    """Result of one pass besides the features: the samples that this rank read, in order, and those that it skipped."""

    paths: tuple[str, ...]
    labels: tuple[str, ...] | None
    """Class names; None unless every sample has one."""
    skipped: tuple[Skipped, ...]
    engine: str
    """What ran the networks: `torch 2.9.1`, `openvino 2026.4.1`, several joined by `+`; `none` if nothing was read."""
    traits: Traits = field(default_factory=Traits)
    """Of the samples that were read."""


def run(
    source: Source | Stream,
    encoders: Sequence[Encoder],
    *,
    layers: Collection[Layer],
    add: Add,
    settings: ExtractionSettings | None = None,
    own: Sequence[int] | None = None,
    after: After | None = None,
    more: bool = False,
) -> Extracted:
    """Run all `encoders` on the samples of `source` and pass their features to `add`, batch by batch.

    Args:
        source: Samples at positions, or a stream of them, which is decoded in this process.
        encoders: Networks to run; each sample is decoded once for all of them.
        layers: Layers to pass on, of those that each encoder has.
        add: Receives the features with the positions of their samples; a skipped sample leaves a gap.
        settings: Device, batch size, workers and so on; the defaults if None.
        own: Positions in the source that this rank is responsible for; None means all.
        after: Called for each batch after all its features have been passed on; the result then names no samples.
        more: Whether other sources follow, in unknown number, as the batches of a `Meter` do.

    Returns:
        Paths, labels and skipped samples, in order, and what ran the networks.

    Raises:
        SourceError: More than `settings.max_skipped` of the samples cannot be read, or the samples differ in size
            and an encoder does not resize them.
        Unavailable: The device lacks the memory for one sample, or a worker process died.
    """
    settings = settings or ExtractionSettings()
    places = (range(len(source)) if own is None else own) if isinstance(source, Source) else None
    preparation = replace(settings.preparation(encoders), hashes=after is not None)
    workers = (
        settings.threads()
        if isinstance(source, Source) and source.threadsafe
        else settings.processes(len(places or ()))
    )
    pinned = settings.torch_device.type == "cuda"
    batches = loading.batches(source, places, preparation, settings.samples_at_once(), workers, pinned=pinned)
    # by all samples, so that ranks and resumed runs choose the same engine
    n = len(source) if isinstance(source, Source) and not more else UNKNOWN
    networks = [Network(encoder, settings.torch_device, n, settings.precision) for encoder in encoders]
    pipeline = _Pipeline(networks, preparation, layers, add, after)
    try:
        with (
            naming_dead_workers(),
            exact_float32(),
            progress_bar(source.name, places, shown=settings.progress) as advance,
        ):
            for batch in batches:
                pipeline.begin(batch)
                advance(pipeline.finish(max((network.ahead for network in networks), default=0)))
            advance(pipeline.finish(0))
    finally:
        del batches  # the workers end here, not when the traceback of an error is forgotten
        pipeline.stop()
    check_skipped(source, pipeline.skipped, len(pipeline.paths), settings.max_skipped, shared=own is not None)
    return pipeline.extracted(source)


@dataclass
class _Pipeline:
    """In-flight batches, in order, and the samples already processed."""

    networks: Sequence[Network]
    preparation: loading.Preparation
    layers: Collection[Layer]
    add: Add
    after: After | None
    paths: list[str] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    traits: list[Traits] = field(default_factory=list)
    engine: str = "none"
    _begun: deque[tuple[loading.Batch, dict[str, Features]]] = field(default_factory=deque)

    def extracted(self, source: Source | Stream) -> Extracted:
        """What was found besides the features."""
        labels = tuple(label for label in self.labels if label is not None)
        complete = labels if len(labels) == len(self.paths) else None
        traits = Traits.joined(self.traits)
        if isinstance(source, Source):
            traits = traits.with_files(source.file_hashes(self.places))
        return Extracted(tuple(self.paths), complete, tuple(self.skipped), self.engine, traits)

    @property
    def all_cores_busy(self) -> bool:
        """Whether the networks use all cores, so that an OpenMP thread that waits by spinning would slow them down."""
        return any(network.device.type == "cpu" and network.ahead for network in self.networks)

    @devices.no_autocast()
    def begin(self, batch: loading.Batch) -> None:
        """Start all networks on a batch."""
        if len(batch.pictures):
            batch = self._prepared(batch)
        networks = [
            network for network in self.networks if network.encoder.name in batch.prepared
        ]  # none if all skipped
        self._begun.append((batch, {n.encoder.name: n.start(batch.prepared[n.encoder.name]) for n in networks}))
        self.engine = "+".join(sorted({network.engine for network in self.networks if network.engine})) or "none"

    @devices.no_autocast()
    def finish(self, remaining: int) -> int:
        """Pass on the features of all batches but the last `remaining`; returns how many samples they had."""
        samples = 0
        while len(self._begun) > remaining:
            batch, features = self._begun.popleft()
            if batch.error is not None:
                raise batch.error
            for name, wait in features.items():
                rows = wait()
                with devices.one_thread() if self.all_cores_busy else nullcontext():
                    for layer in (layer for layer in rows if layer in self.layers):
                        self.add(name, layer, rows[layer], batch.places)
            if self.after is None:
                self._note(batch)
            else:
                with devices.one_thread() if self.all_cores_busy else nullcontext():
                    self.after(batch, self.engine)
            samples += len(batch.requested)
        return samples

    def _note(self, batch: loading.Batch) -> None:
        """Remember the samples of a batch."""
        self.paths += batch.paths
        self.labels += batch.labels
        self.skipped += batch.skipped
        self.places += batch.places.tolist()
        self.traits.append(batch.traits)

    def stop(self) -> None:
        """Wait for the batches in flight, whose memory may still be read."""
        for _, features in self._begun:
            for wait in features.values():
                with suppress(Exception):
                    wait()

    def _prepared(self, batch: loading.Batch) -> loading.Batch:
        """`batch` with its images decoded and prepared on the device."""
        encoders = [network.encoder for network in self.networks if network.encoder.name in self.preparation.on_device]
        prepare_batch = {encoder.name: encoder.prepare.prepare_batch for encoder in encoders}  # type: ignore[attr-defined]
        device = self.networks[0].device
        with naming_lack_of_memory("images on their way", device):
            prepared, lost = on_device(batch.pictures, batch.paths, prepare_batch, device)
        batch = batch.without(lost)
        return batch._replace(prepared={**batch.prepared, **prepared}, pictures=())


@contextmanager
def progress_bar(name: str, places: Sequence[int] | None, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar that disappears at the end; yields the function to call with the number of samples done."""
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
        task = progress.add_task(printable(name), total=None if places is None else len(places), rate="")

        def advance(samples: int) -> None:
            progress.update(task, advance=samples, rate=f"{progress.tasks[task].speed or 0:.0f}/s")

        yield advance


def check_skipped(source: Source | Stream, lost: Sequence[Skipped], read: int, allowed: float, *, shared: bool) -> None:
    """Raise SourceError, on all ranks alike, if more than the share `allowed` of the samples is unreadable.

    The share counts the files that `source` has skipped, of all that it has found, and of the `read` and `lost` samples
    (of this rank, if `shared`) those that were lost.
    """
    if allowed >= 1:
        return
    everyone = dist.gather((lost, read)) if shared else [(lost, read)]
    skipped = list(source.skipped) if isinstance(source, Source) else []
    lost = [sample for part, _ in everyone for sample in part]
    n = len(lost) + sum(read for _, read in everyone)
    apart = len(skipped) * n / source.found if isinstance(source, Source) and skipped else 0
    if len(lost) + apart > allowed * n:
        listed = [*lost, *skipped]
        first = ", ".join(f"{sample.path} ({sample.reason})" for sample in listed[:3])
        more = ", ..." if len(listed) > 3 else ""
        raise SourceError(
            f"{source.name}: {len(listed)} of {n + len(skipped)} samples cannot be read: {first}{more}; repair or "
            f"remove them, or allow a larger share than {allowed:g} with --max-skipped."
        )
