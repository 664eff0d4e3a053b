"""Class labels as names: whole numbers and text, in lists, arrays and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from divmetrics.errors import SourceError
from divmetrics.sources._listing import image_suffixes, suffix_of


def label_name(label: Any) -> str:
    """A label as text: the number that a tensor or array without axes holds, not its type; 3.0 is 3.

    Raises SourceError for None and NaN, which name no class.
    """
    value = label.item() if isinstance(label, (np.ndarray, np.generic, torch.Tensor)) else label
    if value is None or value != value:
        raise SourceError(f"a label is {value}; give every sample a class, or none at all.")
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def check_label_shape(labels: Any) -> None:
    """Raise SourceError where labels have a second axis, `[n, 1]`: they are neither names nor numbers."""
    shape = np.shape(labels) if isinstance(labels, (np.ndarray, torch.Tensor)) else None
    if shape is None and isinstance(labels, (list, tuple)) and labels:
        inner = labels[0]
        shape = (len(labels), *np.shape(inner)) if isinstance(inner, (list, tuple, np.ndarray, torch.Tensor)) else None
    if shape is not None and len(shape) > 1:
        raise SourceError(f"labels have shape {list(shape)}; wanted one a sample, [n]: labels[:, 0] of a column.")


def are_file_names(labels: Sequence[str]) -> bool:
    """Whether labels are the paths of the images, not their classes: all that are not empty end as image files do."""
    suffixes = image_suffixes()
    return any(labels) and all(suffix_of(label) in suffixes for label in labels if label)
