"""Samples on their way to the networks: read, decoded and prepared by workers, some batches ahead, in order.

Threads do it where a CPU runs the network and the source allows it: a process costs 1.2 ms more for each image that it
hands over. Before a GPU, processes do it, and what is resized there travels as bytes, a quarter of the floats.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from divmetrics.arrays import devices
from divmetrics.errors import DivmetricsError, SourceError, Unavailable
from divmetrics.extraction.device_images import sendable
from divmetrics.records.results import Skipped
from divmetrics.sources import Source, Stream, UnreadableSample, strict

Prepare = Callable[[np.ndarray], Tensor]

AHEAD = 128
"""Samples that threads prepare in advance: what they do while a network is compiled."""
TRAVELS = 2**20
"""Bytes of a picture, on average, up to which it is sent to the device as it is; larger ones are resized before."""


@dataclass(frozen=True)
class Work:
    """What becomes of a sample before it is handed over."""

    preparers: Mapping[str, Prepare]
    """Encoder's name -> what it does to a sample first."""
    on_device: frozenset[str] = frozenset()
    """Encoders whose preparer can run on the device, and is to."""
    jpeg: bool = False
    """Whether JPEG files are handed over as they are, to be decoded there; all encoders are `on_device` then."""


class Batch(NamedTuple):
    """Samples, and why those of the same places that are missing could not be read."""

    asked: Sequence[int]
    places: Tensor  # [b] int64, those of `asked` that could be read
    prepared: Mapping[str, Tensor]  # encoder -> [b, ...]; without those that are prepared on the device
    pictures: Tensor | Sequence[Tensor]  # b times uint8 [h, w, 3], or a JPEG file uint8 [bytes]; empty: nothing to do
    paths: Sequence[str]
    labels: Sequence[str | None]
    skipped: Sequence[Skipped] = ()
    refusal: DivmetricsError | None = None
    """What the source or a preparer refused to go on with."""

    def without(self, lost: Mapping[int, str]) -> Batch:
        """The batch less the samples that turned out to be unreadable: place in the batch -> why."""
        if not lost:
            return self
        kept = [i for i in range(len(self.places)) if i not in lost]
        place = {at: i for i, at in enumerate(self.places.tolist())}
        before = iter(self.skipped)
        return self._replace(
            places=self.places[kept],
            prepared={name: rows[kept] for name, rows in self.prepared.items()},
            paths=[self.paths[i] for i in kept],
            labels=[self.labels[i] for i in kept],
            skipped=[
                Skipped(self.paths[place[at]], lost[place[at]]) if at in place else next(before)
                for at in self.asked
                if at not in place or place[at] in lost
            ],
        )


def batches(
    source: Source | Stream, places: Sequence[int] | None, work: Work, size: int, workers: int, *, pinned: bool
) -> Iterator[Batch]:
    """The batches of `places`, in order, of `size` samples; `pinned`: in memory that a GPU reads by itself.

    A Stream is read in this process, and where `workers` is 0 a Source too.
    """
    if not isinstance(source, Source):
        return _from_stream(source, work, size)
    assert places is not None  # noqa: S101  a Source has places
    reader = _Reader(source, work)
    cuts = [places[start : start + size] for start in range(0, len(places), size)]
    if workers and source.threadsafe and not pinned:
        return _threaded(reader, cuts, workers, AHEAD // size + workers)
    return _loaded(reader, cuts, workers, pinned=pinned) if workers or pinned else _here(reader, cuts)


def _here(reader: _Reader, cuts: Sequence[Sequence[int]]) -> Iterator[Batch]:
    for cut in cuts:
        with devices.one_thread():
            batch = reader[cut]
        yield batch


def _loaded(reader: _Reader, cuts: Sequence[Sequence[int]], workers: int, *, pinned: bool) -> Iterator[Batch]:
    """Read by processes, which have started when this returns."""
    loader = DataLoader(
        reader,
        sampler=cuts,
        batch_size=None,  # one item of _Reader is a whole batch already
        collate_fn=_as_it_is,
        num_workers=workers,
        worker_init_fn=_ignore_interrupt,
        # A forked worker starts at once and needs neither a copy of the source nor a main guard in the user's script.
        # It is safe here: workers decode and resize on one thread, and enter no thread pool, no CUDA and no OpenVINO.
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        pin_memory=pinned,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded, use of fork", DeprecationWarning)
        return iter(loader)


def _threaded(reader: _Reader, cuts: Sequence[Sequence[int]], workers: int, ahead: int) -> Iterator[Batch]:
    waiting, coming = deque[Future[Batch]](), iter(cuts)
    with strict, ThreadPoolExecutor(workers, initializer=_alone) as threads:
        try:
            waiting += (threads.submit(reader.__getitem__, cut) for cut in islice(coming, ahead))
            while waiting:
                batch = waiting.popleft().result()
                waiting += (threads.submit(reader.__getitem__, cut) for cut in islice(coming, 1))
                yield batch
        finally:
            threads.shutdown(cancel_futures=True)


def _alone() -> None:
    """One thread of OpenMP for this thread: a second one would wait for it by spinning, on a core of the network."""
    from threadpoolctl import ThreadpoolController

    torch.get_num_threads()  # sets the number for a new thread, so it has to come first
    ThreadpoolController().select(user_api="openmp").limit(limits=1)


def _from_stream(stream: Stream, work: Work, size: int) -> Iterator[Batch]:
    pairs, start = iter(stream), 0
    while chunk := list(islice(pairs, size)):
        samples = {start + i: sample for i, (sample, _) in enumerate(chunk)}
        paths, labels = [f"#{place}" for place in samples], [label for _, label in chunk]
        with devices.one_thread():
            batch = _batch(range(start, start + len(chunk)), samples, work, paths, labels)
        yield batch
        start += len(chunk)


class _Reader(Dataset[Batch]):
    """Places -> a batch. This is what a worker gets: the source and the preparers, but no network."""

    def __init__(self, source: Source, work: Work) -> None:
        self.source = source
        self.work = work

    def __getitem__(self, places: Sequence[int]) -> Batch:
        try:
            return self._read(places)
        except DivmetricsError as refusal:  # sent as a value: DataLoader would put a traceback into the message
            return Batch(places, torch.empty(0, dtype=torch.int64), {}, (), (), (), (), refusal)

    def _read(self, places: Sequence[int]) -> Batch:
        samples: dict[int, np.ndarray] = {}
        skipped = []
        for place in places:
            try:
                samples[place] = self._one(place)
            except UnreadableSample as error:
                skipped.append(Skipped(error.path, error.reason))
        labels = self.source.labels
        named = [None if labels is None else labels[place] for place in samples]
        return _batch(places, samples, self.work, [self.source.path(place) for place in samples], named, skipped)

    def _one(self, place: int) -> np.ndarray:
        """A picture `[h, w, 3]`, or a JPEG file as it is `[bytes]`."""
        if self.work.jpeg and (content := self.source.jpeg(place)) is not None and sendable(content):
            return np.frombuffer(bytearray(content), np.uint8)
        (sample,) = self.source.read([place])
        return sample


def _batch(
    asked: Sequence[int],
    samples: Mapping[int, np.ndarray],
    work: Work,
    paths: Sequence[str],
    labels: Sequence[str | None],
    skipped: Sequence[Skipped] = (),
) -> Batch:
    """`samples`, by place, prepared for each encoder. Raises SourceError where an encoder's differ in size."""
    sent = samples and work.on_device and _travels(work, list(samples.values()))
    prepared = {}
    for name, prepare in work.preparers.items() if samples else ():
        if sent and name in work.on_device:
            continue
        tensors = [prepare(sample) for sample in samples.values()]
        for tensor in tensors:
            check_size(name, tensors[0].shape, tensor.shape)
        prepared[name] = torch.stack(tensors)
    pictures: Tensor | list[Tensor] = [torch.from_numpy(sample) for sample in samples.values()] if sent else []
    if pictures and len({picture.shape for picture in pictures}) == 1:
        pictures = torch.stack(list(pictures))  # one piece of shared memory, and one copy to the device
    return Batch(asked, torch.tensor(list(samples), dtype=torch.int64), prepared, pictures, paths, labels, skipped)


def check_size(encoder: str, first: torch.Size, other: torch.Size) -> None:
    """Raise SourceError where two prepared samples of one encoder differ in size."""
    if first != other:
        sizes = [" x ".join(map(str, size)) for size in (first, other)]
        raise SourceError(
            f"{encoder}: the samples differ in size, {sizes[0]} and {sizes[1]}; give images of one size, or choose an "
            "extractor that resizes them, like pixels?size=32."
        )


def _travels(work: Work, samples: Sequence[np.ndarray]) -> bool:
    return work.jpeg or sum(sample.nbytes for sample in samples) <= TRAVELS * len(samples)


def _as_it_is(batch: Any) -> Any:
    return batch


def _ignore_interrupt(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process hears it too, and ends its workers


@contextmanager
def named_if_a_worker_dies() -> Iterator[None]:
    """A worker process that ends before its time is a sentence."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        raise Unavailable(
            f"a worker that decodes samples died ({error}); use fewer --workers, or 0, or give it more memory "
            "(containers often lack shared memory: docker run --shm-size=2g)."
        ) from error
