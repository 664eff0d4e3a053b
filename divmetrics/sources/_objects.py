"""Python objects as sources: lists, torch Datasets, DataLoaders, data frames, iterables of samples or batches."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset

from divmetrics.arrays.array_likes import is_array_like
from divmetrics.errors import SourceError
from divmetrics.records.foreign import foreign
from divmetrics.records.run_options import MAX_PIXELS
from divmetrics.sources._arrays import as_numpy, open_array
from divmetrics.sources._base import Kind, Source, Stream, UnreadableSample
from divmetrics.sources._decode import reason
from divmetrics.sources._items import (
    LABELS,
    are_labels,
    as_sample,
    class_names,
    is_batch,
    is_column,
    is_column_of_one,
    is_label,
    is_number,
    kind_of,
    split,
)
from divmetrics.sources._labels import are_file_names, check_label_shape, label_name
from divmetrics.sources._paths import as_paths, open_paths


@dataclass(frozen=True, eq=False)
class Items(Source):
    """A list or a map-style Dataset whose items are samples or pairs (sample, label)."""

    name: str
    kind: Kind
    items: Any
    first: np.ndarray
    """The first sample, which the others must match in kind and width."""
    labels: tuple[str, ...] | None = None
    max_pixels: int = MAX_PIXELS

    def __len__(self) -> int:
        return len(self.items)

    def limited(self, max_pixels: int) -> Self:
        """As `Source.limited`."""
        return replace(self, max_pixels=max_pixels)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """As `Source.read`. Raises SourceError where an item is no image or the range of its floats is ambiguous."""
        return [self._read(i) for i in indices]

    def _read(self, index: int) -> np.ndarray:
        """The sample `index`, decoded."""
        try:
            sample = as_sample(split(_item(self.items, index, self.name))[0], self.path(index), self.max_pixels)
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


def open_object(value: Any, name: str | None = None) -> Source | Stream:
    """A Python object as a source, called `name` or by its type. Raises SourceError where it holds no samples.

    A list, a tuple or a map-style Dataset of samples is read by index; a DataLoader, an IterableDataset, a list of
    batches and any other iterable are read once, in order. Items may be samples, tuples that begin with one, or have
    names, as those of Hugging Face; a dict or a data frame holds columns. The number of axes tells what an element of
    an iterable is: 4 axes are a batch of images, 3 an image, 2 a batch of features if float and a grey image if uint8,
    1 a row of features. The elements of a batching DataLoader are batches, so that 3 axes are grey images `[b, h, w]`.
    """
    name = name or type(value).__name__
    if isinstance(value, Image.Image):
        raise SourceError(f"got one {name}; wanted a set of samples: give a list of images.")
    if hasattr(value, "columns") and hasattr(value, "to_numpy"):
        return _open_frame(value, name)
    if _is_nested(value):
        return open_array(as_numpy(value), name)
    rows, labels = split(value) if isinstance(value, Mapping) or _is_pair(value) else (value, None)
    if is_array_like(rows) and (labels is None or are_labels(labels)):
        return _open_array(rows, labels)
    if isinstance(value, Mapping) or (isinstance(rows, (list, tuple)) and are_labels(labels)):
        return _open_column(rows, labels, name)
    if isinstance(value, (list, tuple, Dataset)) and not isinstance(value, IterableDataset):
        return _open_items(value, name)
    if isinstance(value, (str, bytes, bytearray)) or not isinstance(value, Iterable):
        raise SourceError(f"got a {name}; wanted a path, an array, a tensor, a Dataset, a DataLoader or an iterable.")
    if hasattr(value, "column_names") and hasattr(value, "__len__"):  # of the library datasets
        return _open_items(value, name)
    return _open_stream(value, name, batched=isinstance(value, DataLoader) and value.batch_sampler is not None)


def _open_array(rows: Any, labels: Any) -> Source | Stream:
    """An array with labels, or None; one of objects or text is a list of images, of rows or of paths."""
    if getattr(rows, "ndim", 0) == 1 and getattr(getattr(rows, "dtype", None), "kind", "") in ("O", "U"):
        return _open_column(np.asarray(rows).tolist(), labels, type(rows).__name__)
    values = as_numpy(rows)
    names = None if labels is None else tuple(class_names(labels, len(values)))
    return open_array(values, f"{type(rows).__name__}{list(values.shape)}", names)


def _open_column(items: Any, labels: Any, name: str) -> Source | Stream:
    """A list of samples or of paths with their labels, or None."""
    pairs = items if labels is None else list(zip(items, class_names(labels, len(items)), strict=True))
    if isinstance(listed := as_paths(pairs), tuple):
        return open_paths(*listed)
    return open_object(items) if labels is None else _open_items(pairs, name)


def _is_pair(value: Any) -> bool:
    """Whether `value` is (samples, one class for each of them)."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and (are_labels(value[1]) or is_column(value[1]))


def _is_nested(value: Any) -> bool:
    """Whether `value` is a list of lists of numbers, that is features."""
    first = value[0] if isinstance(value, (list, tuple)) and value else None
    return isinstance(first, (list, tuple)) and len(first) > 0 and all(map(is_number, first))


def _open_frame(frame: Any, name: str) -> Source | Stream:
    """A data frame: columns of features, or one column of images, rows or paths; its classes are called `label`."""
    with foreign(f"the {name}"):
        columns = {str(column): np.asarray(frame[column]) for column in frame.columns}
    labels = next((columns.pop(column) for column in [*columns] if column.lower() in LABELS and len(columns) > 1), None)
    named = None if labels is None else class_names(labels.tolist(), len(labels))
    if len(columns) == 1:
        ((_, only),) = columns.items()
        if only.dtype.kind in "OU":
            return _open_column([Path(item) if isinstance(item, str) else item for item in only.tolist()], named, name)
    if texts := [column for column, values in columns.items() if values.dtype.kind in "OUSM"]:
        raise SourceError(
            f"the {name} has columns that hold no features, {', '.join(map(repr, texts[:3]))}; give those that do, "
            "x[[...]], or one column of paths; classes are read from a column called label."
        )
    rows = np.stack([as_numpy(values).astype(np.float64) for values in columns.values()], axis=1)
    return open_array(rows, f"{name}{list(rows.shape)}", None if named is None else tuple(named))


def _item(items: Any, index: int, name: str) -> Any:
    """One item. Raises ForeignError, naming the place, for what the code of a Dataset raises, OSError for Pillow's."""
    try:
        with foreign(f"item {index} of the {name}", passing=_by_pillow):
            return items[index]
    except OSError:
        raise
    except Exception as error:
        if _by_pillow(error):
            raise UnreadableSample(f"#{index}", reason(error)) from None
        raise


def _by_pillow(error: BaseException) -> bool:
    """Whether an error says that an image cannot be read: Pillow raises SyntaxError, ValueError and more for it."""
    if isinstance(error, OSError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, Exception) and bool(frames) and "/PIL/" in frames[-1].filename.replace("\\", "/")


def _open_items(items: Any, name: str) -> Source | Stream:
    """A list, a tuple or a map-style Dataset as a source, or as a stream where its items are batches."""
    with foreign(f"len() of the {name}"):
        length = len(items)
    if length == 0:
        raise SourceError(f"the {name} is empty; wanted at least one sample.")
    value, place = _first_readable(items, length, name)
    if is_batch(value):
        return _open_stream((_item(items, i, name) for i in range(length)), name, batched=False)
    first = as_sample(value, f"#{place}")
    return Items(name, kind_of(first), items, first, _item_labels(items))


def _first_readable(items: Any, length: int, name: str) -> tuple[Any, int]:
    """The first item that is no damaged image, without its label, and its place."""
    why = ""
    for place in range(length):
        try:
            value = split(_item(items, place, name))[0]
            if not is_batch(value):
                as_sample(value, f"#{place}")
            return value, place
        except OSError as error:
            why = why or f"#{place}: {error.strerror or reason(error)}"
        except UnreadableSample as error:
            why = why or str(error)
    raise SourceError(f"no item of the {name} can be read: {why}.")


def _open_stream(elements: Iterable[Any], name: str, *, batched: bool) -> IterableStream:
    """An iterable as a stream; `batched` says that every element is a batch."""
    samples = chain.from_iterable(_samples_of(element, batched) for element in _each(elements, name))
    head = next(samples, None)
    if head is None:
        raise SourceError(f"the {name} gives no samples; wanted at least one.")
    return IterableStream(name, kind_of(head[0]), chain([head], samples), head[0])


def _each(elements: Iterable[Any], name: str) -> Iterator[Any]:
    """The elements of an iterable. What its code raises is a ForeignError that names the place."""
    with foreign(f"the {name}"):
        iterator = iter(elements)
    while True:
        with foreign(f"the {name}"):
            try:
                element = next(iterator)
            except StopIteration:
                return
        yield element


def _samples_of(element: Any, batched: bool) -> Iterator[tuple[np.ndarray, str | None]]:
    """(sample, label or None) for all samples of one element of an iterable."""
    values, labels = split(element)
    if isinstance(values, list) or (isinstance(values, tuple) and labels is not None):
        pairs = [split(value) for value in values]
    elif is_array_like(values) and (is_batch(rows := as_numpy(values)) or batched):
        pairs = [(row, None) for row in rows]
    else:
        pairs = [(values, None)]
    if labels is not None:
        pairs = list(zip([value for value, _ in pairs], class_names(labels, len(pairs)), strict=True))
    for value, label in pairs:
        yield as_sample(value, "an image"), None if label is None else label_name(label)


def _checked(name: str, sample: np.ndarray, first: np.ndarray) -> np.ndarray:
    """`sample`, if it matches `first`: both images, of any size, or rows of one width. Raises SourceError."""
    if kind_of(sample) != kind_of(first) or (sample.ndim == 1 and sample.shape != first.shape):
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
    found, classes = _column_of_classes(items)
    whole = found is not None
    if found is None and places and _label_at(items, places[0]) is not None:
        found = [_label_at(items, i) for i in places]
    if is_column(found) or (isinstance(found, (list, tuple)) and found and is_column_of_one(found[0])):
        check_label_shape(found)
    if found is None or len(found) != (len(items) if whole else len(places)) or not all(map(is_label, found)):
        return None
    names = _named([label_name(label) for label in found], classes)
    return tuple(names[i] for i in places) if whole else tuple(names)


def _column_of_classes(items: Any) -> tuple[Any, Any]:
    """The class of each item and the names of the classes, each None where the object does not have it.

    In torchvision these are the attributes `targets` and `classes`; a table of Hugging Face has a column.
    """
    with foreign(f"the {type(items).__name__}"):
        if (columns := getattr(items, "column_names", None)) is None:
            return getattr(items, "targets", None), getattr(items, "classes", None)
        label = next((column for column in columns if str(column).lower() in LABELS), None)
        if label is None:
            return None, None
        kinds = getattr(items, "features", None) or {}
        return list(items[label]), getattr(kinds.get(label), "names", None)


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
        return split(_item(items, index, type(items).__name__))[1]
    except (OSError, UnreadableSample):
        return ""
