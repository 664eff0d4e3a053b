"""Python objects as sources: lists, torch Datasets, DataLoaders, iterables of samples or batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset

from divmetrics.errors import SourceError
from divmetrics.sources._arrays import as_numpy, is_float, open_array
from divmetrics.sources._base import Kind, Source, Stream, UnreadableSample
from divmetrics.sources._decode import pixels, reason
from divmetrics.sources._labels import are_file_names, check_label_shape, label_name
from divmetrics.sources._pixels import as_image, check_image


@dataclass(frozen=True, eq=False)
class Items(Source):
    """A list or a map-style Dataset whose items are samples or pairs (sample, label)."""

    name: str
    kind: Kind
    items: Any
    first: np.ndarray
    """The first sample, which the others must match in kind and width."""
    labels: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """As `Source.read`. Raises SourceError where an item is no image or the range of its floats is ambiguous."""
        return [self._read(i) for i in indices]

    def _read(self, index: int) -> np.ndarray:
        """The sample `index`, decoded."""
        try:
            sample = _sample(_split_label(self.items[index])[0])
        except OSError as error:  # raised by Pillow, in the Dataset or here
            raise UnreadableSample(self.path(index), reason(error)) from None
        return _checked(self.name, sample, self.first)

    def path(self, index: int) -> str:
        """`#17`, the index in the list."""
        return f"#{index}"

    def digest(self) -> None:
        """None: the items of a Dataset may differ from one reading to the next."""


@dataclass(frozen=True, eq=False)
class IterableStream(Stream):
    """The samples of an iterable of samples or batches."""

    name: str
    kind: Kind
    samples: Iterator[tuple[np.ndarray, str | None]]
    first: np.ndarray

    def __iter__(self) -> Iterator[tuple[np.ndarray, str | None]]:
        for sample, label in self.samples:
            yield _checked(self.name, sample, self.first), label


def open_object(value: Any) -> Source | Stream:
    """A Python object as a source. Raises SourceError where it holds no samples.

    A list, a tuple or a map-style Dataset of samples is read by index; a DataLoader, an IterableDataset, a list of
    batches and any other iterable are read once, in order. The number of axes tells what an element of an iterable is:
    4 axes are a batch of images, 3 an image, 2 a batch of features if float and a grey image if uint8, 1 a row of
    features. The elements of a batching DataLoader are batches, so that 3 axes are grey images `[b, h, w]`.
    """
    name = type(value).__name__
    rows, labels = _split_label(value)
    if isinstance(rows, (np.ndarray, torch.Tensor)) and (rows is value or _are_labels(labels)):
        names = None if labels is None else tuple(_class_names(labels, len(rows)))
        return open_array(rows, f"{type(rows).__name__}{list(rows.shape)}", names)
    if isinstance(value, Image.Image):
        raise SourceError(f"got one {name}; wanted a set of samples: give a list of images.")
    if isinstance(value, (list, tuple, Dataset)) and not isinstance(value, IterableDataset):
        return _open_items(value, name)
    if isinstance(value, (Mapping, bytes)) or not isinstance(value, Iterable):
        raise SourceError(f"got a {name}; wanted a path, an array, a tensor, a Dataset, a DataLoader or an iterable.")
    return _open_stream(value, name, batched=isinstance(value, DataLoader) and value.batch_sampler is not None)


def _open_items(items: Any, name: str) -> Source | Stream:
    """A list, a tuple or a map-style Dataset as a source, or as a stream where its items are batches."""
    if len(items) == 0:
        raise SourceError(f"the {name} is empty; wanted at least one sample.")
    value = _split_label(items[0])[0]
    if _is_batch(value):
        return _open_stream((items[i] for i in range(len(items))), name, batched=False)
    first = _sample(value)
    return Items(name, _kind(first), items, first, _item_labels(items))


def _open_stream(elements: Iterable[Any], name: str, *, batched: bool) -> IterableStream:
    """An iterable as a stream; `batched` says that every element is a batch."""
    samples = chain.from_iterable(_samples_of(element, batched) for element in elements)
    head = next(samples, None)
    if head is None:
        raise SourceError(f"the {name} gives no samples; wanted at least one.")
    return IterableStream(name, _kind(head[0]), chain([head], samples), head[0])


def _samples_of(element: Any, batched: bool) -> Iterator[tuple[np.ndarray, str | None]]:
    """(sample, label or None) for all samples of one element of an iterable."""
    values, labels = _split_label(element)
    if isinstance(values, list) or (isinstance(values, tuple) and labels is not None):
        pairs = [_split_label(value) for value in values]
    elif _is_batch(values) or (batched and isinstance(values, (np.ndarray, torch.Tensor))):
        pairs = [(row, None) for row in as_numpy(values)]
    else:
        pairs = [(values, None)]
    if labels is not None:
        pairs = list(zip([value for value, _ in pairs], _class_names(labels, len(pairs)), strict=True))
    for value, label in pairs:
        yield _sample(value), None if label is None else label_name(label)


def _split_label(item: Any) -> tuple[Any, Any]:
    """(samples, labels) of an item that is such a pair, else (item, None).

    A tuple or list of one, which TensorDataset and its DataLoader put around a single tensor, is unwrapped.
    """
    if isinstance(item, (list, tuple)) and len(item) == 1 and (isinstance(item, tuple) or _is_batch(item[0])):
        return item[0], None
    if isinstance(item, (list, tuple)) and len(item) == 2 and (_is_label(item[1]) or _are_labels(item[1])):
        return item[0], item[1]
    if isinstance(item, (list, tuple)) and len(item) == 2 and _is_column(item[1]):
        check_label_shape(item[1])
    return item, None


def _is_column(value: Any) -> bool:
    """Whether `value` is a column of whole numbers `[n, 1]`: labels with an axis too many."""
    is_array = isinstance(value, (np.ndarray, torch.Tensor))
    return is_array and value.ndim == 2 and value.shape[1] == 1 and not is_float(value)


def _is_column_of_one(value: Any) -> bool:
    """Whether `value` is one whole number as an array `[1]`, the label of one item with an axis too many."""
    return isinstance(value, (np.ndarray, torch.Tensor)) and tuple(value.shape) == (1,) and not is_float(value)


def _class_names(labels: Any, n: int) -> list[str]:
    """`labels`, one for all samples or one for each, as `n` class names."""
    if _is_label(labels):
        return [label_name(labels)] * n
    if len(labels) != n:
        raise SourceError(f"{n} samples come with {len(labels)} labels; give one label a sample.")
    return [label_name(label) for label in labels]


def _is_label(value: Any) -> bool:
    """Whether `value` is a class label: an integer or a name."""
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return value.ndim == 0 and not is_float(value)
    return isinstance(value, (int, str, np.integer))


def _are_labels(value: Any) -> bool:
    """Whether `value` is a sequence of class labels."""
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return value.ndim == 1 and len(value) > 0 and _is_label(value[0])
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(map(_is_label, value))


def _is_batch(value: Any) -> bool:
    """Whether `value` is a batch: images on 4 axes, features on 2, or a list."""
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return value.ndim == 4 or (value.ndim == 2 and is_float(value))
    return isinstance(value, list)


def _sample(value: Any) -> np.ndarray:
    """One sample: a row of features `[d]` unchanged, an image as uint8 `[h, w, 3]`."""
    if isinstance(value, Image.Image):
        return pixels(value)
    if not isinstance(value, (np.ndarray, torch.Tensor)):
        raise SourceError(
            f"an item is a {type(value).__name__}; wanted an image (PIL, array or tensor), a row of features, "
            "or a pair of one and its label."
        )
    values = as_numpy(value)
    if values.ndim == 1 and is_float(values):
        return np.array(values)
    check_image(values, values.shape)
    return as_image(values)


def _kind(sample: np.ndarray) -> Kind:
    """Kind of one sample."""
    return "features" if sample.ndim == 1 else "image"


def _checked(name: str, sample: np.ndarray, first: np.ndarray) -> np.ndarray:
    """`sample`, if it matches `first`: both images, of any size, or rows of one width. Raises SourceError."""
    if _kind(sample) != _kind(first) or (sample.ndim == 1 and sample.shape != first.shape):
        raise SourceError(
            f"the {name} mixes samples of shape {list(first.shape)} and {list(sample.shape)}; "
            "wanted images only, or rows of one width only."
        )
    return sample


def _item_labels(items: Any) -> tuple[str, ...] | None:
    """Class name of each item; None where items have no classes, or are paired with the names of their files."""
    found = _labels_at(items, range(len(items)))
    return None if found is None or are_file_names(found) else found


def _labels_at(items: Any, places: Sequence[int]) -> tuple[str, ...] | None:
    """Class names of the items at `places`: a Subset and a ConcatDataset have those of what they are made of.

    They come from the attribute `targets` with the names in `classes`, as in torchvision, else from items that are
    pairs.
    """
    if isinstance(items, Subset):
        return _labels_at(items.dataset, [int(items.indices[i]) for i in places])
    if isinstance(items, ConcatDataset):
        return _labels_of_parts(items, places)
    found = getattr(items, "targets", None)
    whole = found is not None
    if found is None and places and _split_label(items[places[0]])[1] is not None:
        found = [_label_at(items, i) for i in places]
    if _is_column(found) or (isinstance(found, (list, tuple)) and found and _is_column_of_one(found[0])):
        check_label_shape(found)
    if found is None or len(found) != (len(items) if whole else len(places)) or not all(map(_is_label, found)):
        return None
    names = _named([label_name(label) for label in found], getattr(items, "classes", None))
    return tuple(names[i] for i in places) if whole else tuple(names)


def _labels_of_parts(items: ConcatDataset[Any], places: Sequence[int]) -> tuple[str, ...] | None:
    """Class names of items of several Datasets in a row; None where one of them has no classes."""
    starts = [0, *items.cumulative_sizes]
    names: dict[int, str] = {}
    for part, start, end in zip(items.datasets, starts, starts[1:], strict=False):
        own = [i for i in places if start <= i < end]
        found = _labels_at(part, [i - start for i in own]) if own else ()
        if found is None:
            return None
        names.update(zip(own, found, strict=True))
    return tuple(names[i] for i in places)


def _named(labels: Sequence[str], classes: Any) -> Sequence[str]:
    """`labels`, class numbers by their names in `classes`, a list, where all have one."""
    if not isinstance(classes, (list, tuple)):
        return labels
    by_number = {str(number): str(name) for number, name in enumerate(classes)}
    return [by_number.get(label, label) for label in labels]


def _label_at(items: Any, index: int) -> Any:
    """Label of one item; empty where it cannot be read, since it will be skipped."""
    try:
        return _split_label(items[index])[1]
    except OSError:
        return ""
