"""Loading: workers read, decode and prepare samples, some batches ahead of the networks, in order.

The workers are threads where a CPU runs the network and the source is thread-safe, for a process costs 1.2 ms more for
each image that it sends. For a GPU they are processes, and images that are resized there are sent as bytes, a quarter
of the floats.
"""

from __future__ import annotations

import hashlib
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from divmetrics.arrays import devices
from divmetrics.encoders._preparing import Native
from divmetrics.errors import DivmetricsError, Unavailable
from divmetrics.extraction.device_images import Picture, pixels_of, sendable
from divmetrics.extraction.sizes import check_size
from divmetrics.records.foreign import foreign, is_foreign
from divmetrics.records.results import Skipped
from divmetrics.sources import (
    Look,
    Source,
    Stream,
    Traits,
    UnreadableSample,
    content_of,
    look_of_content,
    look_of_pixels,
    one_large,
    strict,
)

Prepare = Callable[[np.ndarray], Tensor]

AHEAD = 128
"""Samples that threads prepare in advance, mostly while the network is being compiled."""
MAX_SENT_BYTES = 2**20
"""Mean bytes of an image up to which it is sent to the device as it is; larger ones are resized by the worker."""
MAX_BATCH_BYTES = {"cpu": 2**26}
"""Bytes of the samples of a batch, by type of device; batches of larger samples are cut. Other devices have more."""
MAX_BATCH_BYTES_ELSEWHERE = 2**29
MAX_WAITING_BYTES = 2**27
"""Bytes of the batches that threads prepare in advance, as far as these are more than one a thread."""


@dataclass(frozen=True)
class Preparation:
    """What a worker does to a sample before it sends it."""

    preparers: Mapping[str, Prepare]
    """Name of the encoder -> its preparer."""
    on_device: frozenset[str] = frozenset()
    """Names of the encoders whose images are prepared on the device."""
    jpeg: bool = False
    """Whether JPEG files are sent undecoded, to be decoded on the device; all encoders are `on_device` then."""
    hashes: bool = False
    """Whether the content that is decoded is hashed."""
    most_bytes: int = MAX_BATCH_BYTES["cpu"]
    """Bytes of the samples of a batch, at most, where they are more than one."""


def bytes_of(picture: Picture) -> int:
    """Bytes of an image, of a JPEG file, or of what was prepared of one image for each encoder."""
    return picture.nbytes if isinstance(picture, Tensor) else sum(tensor.nbytes for tensor in picture.values())


class Batch(NamedTuple):
    """Samples at the requested positions, and why the missing ones could not be read."""

    requested: Sequence[int]
    places: Tensor  # [b] int64, those of `requested` that could be read
    prepared: Mapping[str, Tensor]  # encoder -> [b, ...]; without those that are prepared on the device
    pictures: Tensor | Sequence[Picture]  # of each sample, for the device to prepare; empty: nothing to do
    paths: Sequence[str]
    labels: Sequence[str | None]
    skipped: Sequence[Skipped] = ()
    error: DivmetricsError | None = None
    """Raised by the source or by a preparer; it is to be raised again in the main process."""
    traits: Traits = Traits()
    """Of the samples at `places`."""
    hashes: Sequence[bytes | None] = ()
    """Fingerprints of what was decoded at `places`, where they were asked for; None where it cannot have changed."""
    fitting: int = 0
    """Where the samples are too large for a batch of so many: how many would fit; nothing was read then."""

    @property
    def nbytes(self) -> int:
        """Bytes of the samples."""
        return sum(rows.nbytes for rows in self.prepared.values()) + sum(map(bytes_of, self.pictures))

    def without(self, lost: Mapping[int, str]) -> Batch:
        """The batch without the samples that the device could not decode: position in the batch -> why."""
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
            traits=self.traits.at(kept),
            hashes=[self.hashes[i] for i in kept] if self.hashes else (),
            skipped=[
                Skipped(self.paths[place[at]], lost[place[at]]) if at in place else next(before)
                for at in self.requested
                if at not in place or place[at] in lost
            ],
        )


def batches(
    source: Source | Stream,
    places: Sequence[int] | None,
    preparation: Preparation,
    size: int,
    workers: int,
    *,
    pinned: bool,
) -> Iterator[Batch]:
    """Batches of `size` samples at `places`, in order.

    Args:
        source: Where samples come from; a Stream is read in this process.
        places: Positions in a Source; None for a Stream.
        preparation: What is done to each sample.
        size: Samples in a batch.
        workers: Number of threads or processes; 0 reads in this process.
        pinned: Whether batches lie in page-locked memory, from which a GPU copies by itself.
    """
    if not isinstance(source, Source):
        return _from_stream(source, preparation, size)
    assert places is not None  # noqa: S101  a Source has places
    reader = _Reader(source, preparation)

    def read(left: Sequence[int], size: int) -> Iterator[Batch]:
        cuts = [left[start : start + size] for start in range(0, len(left), size)]
        if workers and source.threadsafe and not pinned:
            return _by_threads(reader, cuts, workers, AHEAD // size + workers)
        if workers or pinned:
            return _by_processes(reader, cuts, workers, pinned=pinned)
        return _in_this_process(reader, cuts)

    return _cut_to_fit(read, places, size, read(places, size))


def _cut_to_fit(
    read: Callable[[Sequence[int], int], Iterator[Batch]], places: Sequence[int], size: int, coming: Iterator[Batch]
) -> Iterator[Batch]:
    """The batches that are `coming`; from one that is too large for the memory on, smaller ones are read in place."""
    while True:
        for batch in coming:
            if batch.fitting:
                size = batch.fitting
                break
            places = places[len(batch.requested) :]
            yield batch
        else:
            return
        del coming, batch  # its workers end before others start
        coming = read(places, size)


def _in_this_process(reader: _Reader, cuts: Sequence[Sequence[int]]) -> Iterator[Batch]:
    for cut in cuts:
        with devices.one_thread():
            batch = reader[cut]
        yield batch


def _by_processes(reader: _Reader, cuts: Sequence[Sequence[int]], workers: int, *, pinned: bool) -> Iterator[Batch]:
    """Read by worker processes, which have started when this returns."""
    loader = DataLoader(
        reader,
        sampler=cuts,
        batch_size=None,  # one item of _Reader is a whole batch already
        collate_fn=_unchanged,
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


def _by_threads(reader: _Reader, cuts: Sequence[Sequence[int]], workers: int, ahead: int) -> Iterator[Batch]:
    """Read by threads, `ahead` batches in advance, or as many as the memory allows, once the size of one is known."""
    waiting, coming = deque[Future[Batch]](), iter(cuts)
    with strict, ThreadPoolExecutor(workers, initializer=_use_one_openmp_thread) as threads:
        try:
            most = min(ahead, workers)
            while True:
                waiting += (threads.submit(reader.__getitem__, cut) for cut in islice(coming, most - len(waiting)))
                if not waiting:
                    return
                batch = waiting.popleft().result()
                most = min(ahead, max(workers, MAX_WAITING_BYTES // max(1, batch.nbytes)))
                waiting += (threads.submit(reader.__getitem__, cut) for cut in islice(coming, most - len(waiting)))
                yield batch
        finally:
            threads.shutdown(cancel_futures=True)


def _use_one_openmp_thread() -> None:
    """Limit OpenMP in this thread: a second OpenMP thread would wait by spinning, on a core that the network needs."""
    from threadpoolctl import ThreadpoolController

    torch.get_num_threads()  # sets the number for a new thread, so it has to come first
    ThreadpoolController().select(user_api="openmp").limit(limits=1)


def _from_stream(stream: Stream, preparation: Preparation, size: int) -> Iterator[Batch]:
    pairs, start = iter(stream), 0
    while True:
        made, labels = _Making(preparation, size), list[str | None]()
        with devices.one_thread():
            for sample, label in pairs:
                made.add(start + len(labels), sample, look_of_pixels(sample))
                labels.append(label)
                if len(labels) == size or made.full:
                    break
            if not made.places:
                return
            start += len(labels)
            batch = made.batch(made.places, [f"#{place}" for place in made.places], labels)
        yield batch


class _Reader(Dataset[Batch]):
    """Data set of batches, indexed by positions. A worker gets a copy: the source and the preparers, but no network."""

    def __init__(self, source: Source, preparation: Preparation) -> None:
        self.source = source
        self.preparation = preparation

    def __getitem__(self, places: Sequence[int]) -> Batch:
        try:
            return self._read(places)
        except DivmetricsError as error:  # sent as a value: DataLoader would put a traceback into the message
            return Batch(places, torch.empty(0, dtype=torch.int64), {}, (), (), (), (), error)

    def _read(self, places: Sequence[int]) -> Batch:
        made, skipped = _Making(self.preparation, len(places)), []
        for place in places:
            try:
                with one_large:
                    made.add(place, *self._one(place))
            except UnreadableSample as error:
                skipped.append(Skipped(error.path, error.reason))
            if made.full and len(made.places) > 1:
                fitting = len(made.places) - 1
                return Batch(places, torch.empty(0, dtype=torch.int64), {}, (), (), (), fitting=fitting)
        labels = self.source.labels
        named = [None if labels is None else labels[place] for place in made.places]
        return made.batch(places, [self.source.path(place) for place in made.places], named, skipped)

    def _one(self, place: int) -> tuple[np.ndarray, Look, bytes | None]:
        """An image uint8 `[h, w, 3]`, or the bytes of a JPEG file `[bytes]`, its look, and the hash of its content."""
        if self.preparation.jpeg and (content := self.source.jpeg(place)) is not None and sendable(content):
            fingerprint = hashlib.sha256(content).digest() if self.preparation.hashes else None
            return np.frombuffer(bytearray(content), np.uint8), look_of_content(content), fingerprint
        return self.source.inspect_hashed(place) if self.preparation.hashes else (*self.source.inspect(place), None)


class _Making:
    """A batch in the making. Each sample is prepared as soon as it is decoded, so that one is in memory at a time.

    Those that the device will prepare are kept as they are, as long as they are small on average.
    """

    def __init__(self, preparation: Preparation, size: int) -> None:
        self.places: list[int] = []
        self._preparation, self._size = preparation, size
        self._prepared: dict[str, list[Tensor]] = {}
        self._pictures: list[np.ndarray | dict[str, Tensor]] | None = [] if preparation.on_device else None
        self._native = any(isinstance(preparation.preparers[name], Native) for name in preparation.on_device)
        self._sent, self._bytes = 0, 0
        self._contents: list[bytes] = []
        self._looks: list[Look] = []
        self._hashes: list[bytes | None] = []

    def add(self, place: int, sample: np.ndarray, look: Look, fingerprint: bytes | None = None) -> None:
        """Take in a sample, an image uint8 `[h, w, 3]` or the content of a JPEG file, its look and its file's hash.

        Raises SourceError where it has another size than the others, once prepared.
        """
        self._hashes.append(fingerprint)
        self._contents.append(content_of(sample))
        self._looks.append(look)
        names = [name for name in self._preparation.preparers if name not in self._preparation.on_device]
        if self._pictures is None:
            names = list(self._preparation.preparers)
        elif self._preparation.jpeg and sample.ndim == 3 and sample.nbytes > MAX_SENT_BYTES:
            made = {name: self._one(sample, name) for name in self._preparation.on_device}
            self._pictures.append(made)
        else:
            self._pictures.append(sample)
            self._sent += sample.nbytes
            if sample.ndim == 1 and self._native:  # as large as the device will make it
                self._bytes += 12 * pixels_of(torch.from_numpy(sample))
        self._prepare(sample, names)
        self.places.append(place)
        self._unload(self._size)

    @property
    def full(self) -> bool:
        """Whether the samples take as much memory as a batch may."""
        return self._bytes + self._sent >= self._preparation.most_bytes

    def _one(self, sample: np.ndarray, name: str) -> Tensor:
        prepare = self._preparation.preparers[name]
        with foreign(f"preparing an image for {name}") if is_foreign(prepare) else nullcontext():
            tensor = prepare(sample)
        self._bytes += tensor.nbytes
        return tensor

    def _prepare(self, sample: np.ndarray, names: Iterable[str]) -> None:
        for name in names:
            tensor, tensors = self._one(sample, name), self._prepared.setdefault(name, [])
            tensors.append(tensor)
            check_size(name, tensors[0].shape, tensor.shape)

    def _unload(self, size: int) -> None:
        """Prepare the pictures here if they are too large to be sent, as a batch of `size`."""
        if self._pictures is not None and not self._preparation.jpeg and self._sent > MAX_SENT_BYTES * size:
            kept, self._pictures, self._sent = self._pictures, None, 0
            for sample in kept:
                assert isinstance(sample, np.ndarray)  # noqa: S101  others are made for JPEG files only
                self._prepare(sample, self._preparation.on_device)

    def batch(
        self,
        requested: Sequence[int],
        paths: Sequence[str],
        labels: Sequence[str | None],
        skipped: Sequence[Skipped] = (),
    ) -> Batch:
        """The batch, once all its samples are there."""
        self._unload(len(self.places))
        pictures: Tensor | Sequence[Picture] = [
            picture if isinstance(picture, dict) else torch.from_numpy(picture) for picture in self._pictures or ()
        ]
        images = [picture for picture in pictures if isinstance(picture, Tensor)]
        if images and len(images) == len(pictures) and len({image.shape for image in images}) == 1:
            pictures = torch.stack(images)  # one piece of shared memory, and one copy to the device
        prepared = {name: torch.stack(tensors) for name, tensors in self._prepared.items()}
        places = torch.tensor(self.places, dtype=torch.int64)
        traits = Traits(tuple(self._contents), tuple(self._looks))
        return Batch(requested, places, prepared, pictures, paths, labels, skipped, traits=traits, hashes=self._hashes)


def _unchanged(batch: Any) -> Any:
    return batch


def _ignore_interrupt(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process hears it too, and ends its workers


@contextmanager
def naming_dead_workers() -> Iterator[None]:
    """Raise Unavailable, with the ways out, if a worker process has died."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        raise Unavailable(
            f"a worker that decodes samples died ({error}); use fewer --workers, or 0, or give it more memory "
            "(containers often lack shared memory: docker run --shm-size=2g)."
        ) from error
