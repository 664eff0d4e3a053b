"""The only loop that shows samples to a network: each is decoded once, all encoders see it, features go on in order.

Workers decode and prepare the next batches while the network runs. The size of the batches, the number of workers and
the device change the speed; the features stay the same to 1e-5 relative.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from divmetrics import devices, dist
from divmetrics.cache import Cache
from divmetrics.compiled import Network, check_size
from divmetrics.declare import Layer
from divmetrics.encoder import Encoder
from divmetrics.errors import DivmetricsError, SourceError, Unavailable, UsageError
from divmetrics.results import Skipped
from divmetrics.sources import Source, Stream, UnreadableSample

Add = Callable[[str, Layer, Tensor, Tensor], None]
"""Takes (encoder, layer, rows `[b, ...]` float32 on the CPU, places `[b]` int64), batches in the source's order."""

After = Callable[[Sequence[int], Sequence[int], Sequence[Skipped], str], None]
"""Takes (places asked for, those of them that were read, why the others were not, engine), batch by batch."""

Preparers = Mapping[str, Callable[[np.ndarray], Tensor]]
"""Encoder's name -> what it does to a sample first."""

FEW = 200
"""Samples up to which the main process decodes: workers would start no sooner than it ends."""


@dataclass(frozen=True)
class How:
    """What changes the speed and not the numbers, and how many samples may be unreadable.

    Raises UsageError on a value that cannot be, Unavailable on a device that is not here.
    """

    device: str = "auto"
    batch_size: int | Literal["auto"] = "auto"
    workers: int | Literal["auto"] = "auto"
    """Processes that decode; 0 decodes in the main process."""
    max_skipped: float = 0.01
    """Share of unreadable samples above which the run fails."""
    progress: bool = False
    """Show a bar on stderr where that is a terminal."""
    cache: Cache | None = None
    """Where features of samples seen before are found; None computes all."""

    def __post_init__(self) -> None:
        if self.batch_size != "auto" and self.batch_size < 1:
            raise UsageError(f"a batch of {self.batch_size} samples cannot be; give --batch-size 1 or more, or auto.")
        if self.workers != "auto" and self.workers < 0:
            raise UsageError(f"{self.workers} workers cannot be; give --workers 0 or more, or auto.")
        if not 0 <= self.max_skipped <= 1:
            raise UsageError(f"max-skipped {self.max_skipped} is no share; give a number from 0 to 1.")
        devices.resolve(self.device)

    @property
    def torch_device(self) -> torch.device:
        """The device, `auto` resolved."""
        return devices.resolve(self.device)

    def samples_at_once(self) -> int:
        """The batch size; on a CPU, activations of more than 8 images fall out of the caches."""
        if self.batch_size != "auto":
            return self.batch_size
        return 8 if self.torch_device.type == "cpu" else 64

    def processes(self, n: int) -> int:
        """The number of workers for `n` samples; a network on the CPU needs most of the cores itself."""
        if self.workers != "auto":
            return self.workers
        cores = (os.cpu_count() or 1) // dist.world()[1]
        wanted = cores // 4 if self.torch_device.type == "cpu" else cores - 1
        return 0 if n <= FEW else max(1, min(16, wanted))


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
    how: How | None = None,
    own: Sequence[int] | None = None,
    after: After | None = None,
) -> Extracted:
    """Show the samples of `source` to all `encoders`, and give `add` those of `layers` that each has, batch by batch.

    Rows go with their samples' places in the source, where one that was skipped leaves a gap. Of a source that several
    ranks share, each calls `run` with the places `own` that are its own. A Stream is decoded in this process. `after`
    is told of each batch when all its rows have been given.

    Raises SourceError where a share above `how.max_skipped` is unreadable or the samples of an encoder differ in size,
    Unavailable where the device lacks the memory for one sample or a worker dies.
    """
    begin, how = perf_counter(), how or How()
    places = (range(len(source)) if own is None else own) if isinstance(source, Source) else None
    preparers = {encoder.name: encoder.prepare for encoder in encoders}
    batches = _batches(source, places, preparers, how)
    whole = len(source) if isinstance(source, Source) else 0  # so that ranks and resumed runs choose the same engine
    networks = [Network(encoder, how.torch_device, whole) for encoder in encoders]
    paths, labels, skipped, engine = list[str](), list[str | None](), list[Skipped](), "none"
    try:
        with _named_if_a_worker_dies(), _exact_float32(), _bar(source.name, places, shown=how.progress) as advance:
            for batch in batches:
                for network, prepared in zip(networks, batch.read(), strict=False):  # no tensor where all were skipped
                    for layer, rows in network(prepared).items():
                        if layer in layers:
                            add(network.encoder.name, layer, rows, batch.places)
                paths += batch.paths
                labels += batch.labels
                skipped += batch.skipped
                engine = "+".join(sorted({network.engine for network in networks if network.engine})) or "none"
                if after is not None:
                    after(batch.asked, batch.places.tolist(), batch.skipped, engine)
                advance(len(batch.asked))
    finally:
        del batches  # the workers end here, not when the traceback of an error is forgotten
    check_skipped(source.name, skipped, len(paths), how.max_skipped, shared=own is not None)
    named = tuple(label for label in labels if label is not None)
    known = named if len(named) == len(paths) else None
    return Extracted(tuple(paths), known, tuple(skipped), engine, perf_counter() - begin)


class _Batch(NamedTuple):
    """Samples on their way to the networks, and those of the same places that could not be read."""

    asked: Sequence[int]
    places: Tensor  # [b] int64, those of `asked` that could be read
    prepared: Sequence[Tensor]  # for each encoder [b, ...]; empty where b is 0
    paths: Sequence[str]
    labels: Sequence[str | None]
    skipped: Sequence[Skipped] = ()
    refusal: DivmetricsError | None = None

    def read(self) -> Sequence[Tensor]:
        """What was prepared. Raises what the source or a preparer refused to go on with."""
        if self.refusal is not None:
            raise self.refusal
        return self.prepared


def _batch(
    asked: Sequence[int],
    samples: Mapping[int, np.ndarray],
    preparers: Preparers,
    paths: Sequence[str],
    labels: Sequence[str | None],
    skipped: Sequence[Skipped] = (),
) -> _Batch:
    """`samples`, by place, prepared for each encoder. Raises SourceError where an encoder's differ in size."""
    tensors = []
    for name, prepare in preparers.items() if samples else ():
        prepared = [prepare(sample) for sample in samples.values()]
        for one in prepared:
            check_size(name, prepared[0].shape, one.shape)
        tensors.append(torch.stack(prepared))
    return _Batch(asked, torch.tensor(list(samples), dtype=torch.int64), tensors, paths, labels, skipped)


def _batches(source: Source | Stream, places: Sequence[int] | None, preparers: Preparers, how: How) -> Iterator[_Batch]:
    """The prepared batches, in order; the workers, if any, have started when this returns."""
    size = how.samples_at_once()
    if not isinstance(source, Source):
        return _from_stream(source, preparers, size)
    assert places is not None  # noqa: S101  a Source has places
    workers = how.processes(len(places))
    loader = DataLoader(
        _Reader(source, preparers),
        sampler=[places[start : start + size] for start in range(0, len(places), size)],
        batch_size=None,  # one item of _Reader is a whole batch already
        collate_fn=_as_it_is,
        num_workers=workers,
        worker_init_fn=_ignore_interrupt,
        # A forked worker starts at once and needs neither a copy of the source nor a main guard in the user's script.
        # It is safe here: workers decode and resize on one thread, and enter no thread pool, no CUDA and no OpenVINO.
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        pin_memory=how.torch_device.type == "cuda",
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded, use of fork", DeprecationWarning)
        return iter(loader)


def _from_stream(stream: Stream, preparers: Preparers, size: int) -> Iterator[_Batch]:
    pairs, start = iter(stream), 0
    while chunk := list(islice(pairs, size)):
        samples = {start + i: sample for i, (sample, _) in enumerate(chunk)}
        yield _batch(
            range(start, start + len(chunk)),
            samples,
            preparers,
            [f"#{place}" for place in samples],
            [label for _, label in chunk],
        )
        start += len(chunk)


class _Reader(Dataset[_Batch]):
    """Places -> a prepared batch. This is what a worker gets: the source and the preparers, but no network."""

    def __init__(self, source: Source, preparers: Preparers) -> None:
        self.source = source
        self.preparers = preparers

    def __getitem__(self, places: Sequence[int]) -> _Batch:
        try:
            return self._read(places)
        except DivmetricsError as refusal:  # sent as a value: DataLoader would put a traceback into the message
            return _Batch(places, torch.empty(0, dtype=torch.int64), (), (), (), (), refusal)

    def _read(self, places: Sequence[int]) -> _Batch:
        samples: dict[int, np.ndarray] = {}
        skipped = []
        for place in places:
            try:
                (samples[place],) = self.source.read([place])
            except UnreadableSample as error:
                skipped.append(Skipped(error.path, error.reason))
        labels = self.source.labels
        named = [None if labels is None else labels[place] for place in samples]
        return _batch(places, samples, self.preparers, [self.source.path(place) for place in samples], named, skipped)


def _as_it_is(batch: Any) -> Any:
    return batch


def _ignore_interrupt(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process hears it too, and ends its workers


@contextmanager
def _named_if_a_worker_dies() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        raise Unavailable(
            f"a worker that decodes samples died ({error}); use fewer --workers, or 0, or give it more memory "
            "(containers often lack shared memory: docker run --shm-size=2g)."
        ) from error


@contextmanager
def _exact_float32() -> Iterator[None]:
    """TF32 off and fixed algorithms: with 10 of float32's 23 bits, a metric would depend on the age of the GPU."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(torch.backends.cudnn.enabled, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


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
