"""Python objects as sources: lists, torch Datasets, DataLoaders, any iterable of samples or of batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset

from divmetrics.errors import SourceError
from divmetrics.sources._arrays import as_numpy, open_array
from divmetrics.sources._base import Kind, Source, Stream, UnreadableSample
from divmetrics.sources._decode import pixels, reason
from divmetrics.sources._pixels import as_image, check_image

_WANTED = "wanted an image (PIL, array or tensor), a row of features, or a pair of one and its label"


@dataclass(frozen=True, eq=False)
class Items(Source):
    """A list or a map-style Dataset: an item is a sample, or a pair (sample, label)."""

    name: str
    kind: Kind
    items: Any
    labels: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """As `Source.read`. Raises SourceError where an item is no image or the range of its floats is ambiguous."""
        return [self._read(i) for i in indices]

    def _read(self, index: int) -> np.ndarray:
        try:
            sample = _sample(_pair(self.items[index])[0])
        except OSError as error:  # what Pillow raises, be it in the Dataset or here
            raise UnreadableSample(self.path(index), reason(error)) from None
        _check_kind(self.name, sample, self.kind)
        return sample

    def path(self, index: int) -> str:
        """`#17`, the place in the list."""
        return f"#{index}"

    def digest(self) -> None:
        """None: what a Dataset returns may differ from one reading to the next."""


@dataclass(frozen=True, eq=False)
class Elements(Stream):
    """What an iterable gives, taken apart into samples."""

    name: str
    kind: Kind
    samples: Iterator[tuple[np.ndarray, str | None]]

    def __iter__(self) -> Iterator[tuple[np.ndarray, str | None]]:
        for sample, label in self.samples:
            _check_kind(self.name, sample, self.kind)
            yield sample, label


def open_object(value: Any) -> Source | Stream:
    """A Python object as a source. Raises SourceError where it holds no samples.

    A list, a tuple or a map-style Dataset of samples is read by place; a DataLoader, an IterableDataset, a list of
    batches and any other iterable are read once, in order. What an element of an iterable is, its axes tell: 4 are a
    batch of images, 3 an image, 2 a batch of features if float and a gray image if uint8, 1 a row of features. All that
    a batching DataLoader gives is a batch, so there 3 axes are gray images `[b, h, w]`.
    """
    name = type(value).__name__
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return open_array(value, f"{name}{list(value.shape)}")
    if isinstance(value, Image.Image):
        raise SourceError(f"got one {name}; wanted a set of samples: give a list of images.")
    by_place = isinstance(value, (list, tuple, Dataset)) and not isinstance(value, IterableDataset)
    if by_place and len(value) == 0:
        raise SourceError(f"the {name} is empty; wanted at least one sample.")
    if by_place and not _is_batch(first := _pair(value[0])[0]):
        return Items(name, _kind(_sample(first)), value, _item_labels(value))
    if isinstance(value, (Mapping, bytes)) or not isinstance(value, Iterable):
        raise SourceError(f"got a {name}; wanted a path, an array, a tensor, a Dataset, a DataLoader or an iterable.")
    batched = isinstance(value, DataLoader) and value.batch_sampler is not None
    samples = chain.from_iterable(_taken_apart(element, batched) for element in value)
    head = next(samples, None)
    if head is None:
        raise SourceError(f"the {name} gives no samples; wanted at least one.")
    return Elements(name, _kind(head[0]), chain([head], samples))


def _taken_apart(element: Any, batched: bool) -> Iterator[tuple[np.ndarray, str | None]]:
    """(sample, label) for all samples of one element of an iterable."""
    values, labels = _pair(element)
    if isinstance(values, (list, tuple)):
        pairs = zip(values, labels, strict=True) if _is_many(labels) else ((value, None) for value in values)
        for value, label in pairs:
            for sample, own in _taken_apart(value, batched=False):
                yield sample, own if label is None else _label(label)
    elif _is_batch(values) or batched:
        rows = as_numpy(values)
        names = [None] * len(rows) if labels is None else [_label(label) for label in labels]
        yield from zip(map(_sample, rows), names, strict=True)
    else:
        yield _sample(values), None if labels is None else _label(labels)
