"""What an item of a Python object is: a sample, or a sample with its label and whatever else comes with it."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from divmetrics.arrays.array_likes import is_array_like
from divmetrics.errors import SourceError
from divmetrics.records.files import open_regular
from divmetrics.records.run_options import MAX_PIXELS
from divmetrics.sources._arrays import as_numpy, is_float
from divmetrics.sources._base import Kind, UnreadableSample
from divmetrics.sources._decode import check_pixels, decode, pixels, reason
from divmetrics.sources._files import most_bytes
from divmetrics.sources._labels import check_label_shape, label_name
from divmetrics.sources._pixels import as_image, check_image

_SAMPLES = (
    "image images img imgs pixel_values picture jpg jpeg png webp features feature embedding embeddings x input inputs "
    "data sample path file filename file_name image_path"
)
_LABELS = "label labels class class_name target targets cls y fine_label category"
SAMPLES = tuple(re.findall(r"\w+", _SAMPLES))
"""Names of the sample in an item with names, in order of preference: those of Hugging Face, WebDataset and habit."""
LABELS = tuple(re.findall(r"\w+", _LABELS))
"""Names of its class, likewise."""


def split(item: Any) -> tuple[Any, Any]:
    """(samples, labels) of an item that holds both, else (item, None).

    An item with names is read by them. Of a tuple the first entry is the sample, and the first of the others that may
    be a class is the class; what follows it, such as an index or a path, is left alone. A tuple or list of one, which
    TensorDataset and its DataLoader put around a single tensor, is unwrapped.

    Raises:
        SourceError: It holds several samples.
    """
    if isinstance(item, Mapping):
        return _split_names(item)
    if not isinstance(item, (list, tuple)):
        return item, None
    if len(item) == 1 and (isinstance(item, tuple) or is_batch(item[0])):
        return item[0], None
    if len(item) == 2 and (is_label(item[1]) or are_labels(item[1])):
        return (item[0], None) if _is_several_tags(*item) else (item[0], item[1])
    if len(item) == 2 and is_column(item[1]):
        check_label_shape(item[1])
    if len(item) > 1 and _is_sample(item[0]) and (isinstance(item, tuple) or not all(map(_is_sample, item))):
        return item[0], _label_among(item)
    return item, None


def _label_among(item: Sequence[Any]) -> Any:
    """The class among the entries after the first; None, with a warning, where none of them is one."""
    others = item[1:]
    picture = _is_picture(item[0])
    if extra := [entry for entry in others if _is_sample(entry) and _is_picture(entry) == picture]:
        raise SourceError(
            f"an item holds {1 + len(extra)} samples; give one: (item[0] for item in data), or (item[0], label)."
        )
    labels = [entry for entry in others if is_label(entry) or are_labels(entry)]
    labels = [entry for entry in labels if not _is_several_tags(item[0], entry)]
    if labels:
        names = [entry for entry in labels if not isinstance(entry, str) or not (os.sep in entry or "." in entry)]
        return (names or labels)[0]
    kinds = ", ".join(type(entry).__name__ for entry in others)
    warnings.warn(f"items come with {kinds}, of which none is a class: they are read without classes.", stacklevel=2)
    return None


def _split_names(item: Mapping[Any, Any]) -> tuple[Any, Any]:
    """(samples, labels) of an item with names: Hugging Face, WebDataset, a dict of columns."""
    by_name = {str(name).lower(): name for name in item}
    label = next((by_name[name] for name in LABELS if name in by_name and _may_be_label(item[by_name[name]])), None)
    sample = next((by_name[name] for name in SAMPLES if name in by_name and _may_be_sample(item[by_name[name]])), None)
    if sample is None:
        others = [name for name in item if name != label and _may_be_sample(item[name]) and not is_label(item[name])]
        sample = others[0] if len(others) == 1 else None
    if sample is None:
        kinds = ", ".join(f"{name!r} ({type(value).__name__})" for name, value in item.items()) or "nothing"
        raise SourceError(
            f"got names {kinds}; wanted samples called 'image' or 'features' and, if there are classes, 'label'; of "
            "several splits give one, data['train']."
        )
    found = Path(item[sample]) if isinstance(item[sample], str) else item[sample]
    return found, None if label is None else item[label]


def _may_be_label(value: Any) -> bool:
    return is_label(value) or are_labels(value)


def _may_be_sample(value: Any) -> bool:
    """Whether a named value is a sample, an encoded one, or many of them."""
    if isinstance(value, str):
        return bool(value)
    return _is_sample(value) or isinstance(value, (bytes, os.PathLike)) or _is_encoded(value) or _is_list_of(value)


def _is_list_of(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and (_may_be_sample(value[0]) or is_number(value[0]))


def is_number(value: Any) -> bool:
    """Whether `value` is one number of Python or numpy."""
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _is_encoded(value: Any) -> bool:
    """Whether `value` is an image that `datasets` has not decoded."""
    return isinstance(value, Mapping) and bool(value) and set(value) <= {"bytes", "path"}


def _is_sample(value: Any) -> bool:
    """Whether `value` is an image, a row of features, or a batch of them."""
    if isinstance(value, Image.Image):
        return True
    if not is_array_like(value):
        return False
    shape = getattr(value, "shape", None)
    return (shape is None or len(shape) > 0) and not (are_labels(value) or is_column(value))


def _is_picture(value: Any) -> bool:
    """Whether a sample or a batch is of images, not of features."""
    if isinstance(value, Image.Image):
        return True
    axes = np.ndim(value)
    return axes > 2 or (axes == 2 and str(getattr(value, "dtype", "")).endswith("uint8"))


def _is_several_tags(sample: Any, labels: Any) -> bool:
    """Whether the whole numbers beside one sample are several tags of it, which are no class; warns of them."""
    single = isinstance(sample, Image.Image) or (is_array_like(sample) and np.ndim(sample) == 1)
    if not single or not are_labels(labels) or len(labels) == 1:
        return False
    warnings.warn(f"a sample comes with {len(labels)} labels, which are no class: read without.", stacklevel=3)
    return True


def is_column(value: Any) -> bool:
    """Whether `value` is a column of whole numbers `[n, 1]`: labels with an axis too many."""
    is_array = isinstance(value, (np.ndarray, torch.Tensor))
    return is_array and value.ndim == 2 and value.shape[1] == 1 and not is_float(value)


def is_column_of_one(value: Any) -> bool:
    """Whether `value` is one whole number as an array `[1]`, the label of one item with an axis too many."""
    return isinstance(value, (np.ndarray, torch.Tensor)) and tuple(value.shape) == (1,) and not is_float(value)


def class_names(labels: Any, n: int) -> list[str]:
    """`labels`, one for all samples or one for each, as `n` class names."""
    if is_label(labels):
        return [label_name(labels)] * n
    if len(labels) != n:
        raise SourceError(f"{n} samples come with {len(labels)} labels; give one label a sample.")
    return [label_name(label) for label in labels]


def is_label(value: Any) -> bool:
    """Whether `value` is a class label: an integer or a name."""
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return value.ndim == 0 and not is_float(value)
    return isinstance(value, (int, str, np.integer))


def are_labels(value: Any) -> bool:
    """Whether `value` is a sequence of class labels."""
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return value.ndim == 1 and len(value) > 0 and is_label(value[0])
    if is_array_like(value) and not isinstance(value, Image.Image):  # a column of a data frame
        return np.ndim(value) == 1 and are_labels(np.asarray(value).tolist())
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(map(is_label, value))


def is_batch(value: Any) -> bool:
    """Whether `value` is a batch: images on 4 axes, features on 2, or a list."""
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return value.ndim == 4 or (value.ndim == 2 and is_float(value))
    return isinstance(value, list) and not (value and all(map(is_number, value)))


def as_sample(value: Any, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """One sample: a row of features `[d]` unchanged, an image as uint8 `[h, w, 3]`; `name` is what reports call it.

    An image of more than `max_pixels` that is not decoded yet is unreadable.

    Raises:
        SourceError: It is no sample, or the range of its floats is ambiguous.
        UnreadableSample, OSError: It is an image that cannot be decoded.
    """
    if _is_encoded(value):
        content = value.get("bytes")
        value = Path(value["path"]) if content is None else content
    if isinstance(value, Image.Image):
        try:
            check_pixels(value, max_pixels)
        except Image.DecompressionBombError as error:
            raise UnreadableSample(name, reason(error)) from None
        return pixels(value)
    if isinstance(value, (bytes, bytearray)):
        return decode(bytes(value), name, max_pixels)
    if isinstance(value, os.PathLike):
        with open_regular(value) as file:
            content = file.read(most_bytes(max_pixels) + 1)
        if len(content) > most_bytes(max_pixels):
            raise UnreadableSample(name, "a file of more bytes than --max-pixels can need")
        return decode(content, os.fspath(value), max_pixels)
    if isinstance(value, (list, tuple)) and value and all(map(is_number, value)):
        value = np.asarray(value, np.float64)
    if not is_array_like(value):
        raise SourceError(
            f"an item is a {type(value).__name__}; wanted an image (PIL, array or tensor), a row of features, "
            "or a pair of one and its label."
        )
    values = as_numpy(value)
    if values.ndim == 1 and is_float(values):
        return np.array(values)
    check_image(values, values.shape)
    return as_image(values)


def kind_of(sample: np.ndarray) -> Kind:
    """Kind of one sample."""
    return "features" if sample.ndim == 1 else "image"
