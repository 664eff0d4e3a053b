"""Whatever users hold numbers in, as plain arrays: numpy, torch, pandas, lists, `__array__`, `__dlpack__`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from divmetrics.errors import FeatureError
from divmetrics.records.foreign import foreign


def is_array_like(value: Any) -> bool:
    """Whether `as_array` reads it as one array: an array, a tensor, a data frame, an object with `__array__`."""
    if isinstance(value, (str, bytes, list, tuple, type)):
        return False
    return isinstance(value, (np.ndarray, Tensor)) or _is_sparse(value) or _has(value, "__array__", "__dlpack__")


def as_array(value: Any) -> np.ndarray | Tensor:
    """The numbers in `value` as an array of numpy in its own byte order, or as a dense tensor without gradient.

    Args:
        value: An array, a tensor, nested lists of numbers, a list of tensors, a data frame, or an object with
            `__array__` or `__dlpack__`, as those of jax and cupy.

    Returns:
        Whole numbers, bools and floats of up to 64 bits; bfloat16 and 8-bit floats of torch as float32.

    Raises:
        FeatureError: It holds something else; the message says what to give.
        ForeignError: The object fails to give its array.

    Example:
        >>> as_array([[1, 2], [3, 4]]).shape, as_array(torch.ones(2, requires_grad=True))
        ((2, 2), tensor([1., 1.]))
    """
    if isinstance(value, Tensor):
        return _tensor(value)
    if isinstance(value, np.ndarray):
        return _numbers(value)
    if _is_sparse(value):
        raise FeatureError(f"got a sparse {type(value).__name__}; give x.toarray().")
    if hasattr(value, "columns") and hasattr(value, "to_numpy"):
        return _frame(value)
    if isinstance(value, (list, tuple)):
        return _nested(value)
    if isinstance(value, Real):
        return np.asarray(value)
    if not is_array_like(value):
        text = f"the text {value[:60]!r}" if isinstance(value, str) else _kind(value)
        way_out = "; dm.score opens files and folders" if isinstance(value, str) else ""
        raise FeatureError(f"got {text}; wanted an array of numbers [n, d]{way_out}.")
    with foreign(f"the {type(value).__name__}"):
        found = _given_array(value)
    return as_array(found) if isinstance(found, (np.ndarray, Tensor)) else as_array(np.asarray(found))


def _has(value: Any, *names: str) -> bool:
    return any(hasattr(value, name) for name in names)


def _kind(value: Any) -> str:
    name = type(value).__name__
    if value is None:
        return "None"
    if isinstance(value, Iterator):
        return f"an iterator ({name}), of which a function of arrays knows no end"
    return f"a {name}{f' with {list(value)[:5]}' if isinstance(value, Mapping) else ''}"


def _is_sparse(value: Any) -> bool:
    return hasattr(value, "nnz") and hasattr(value, "toarray")


def _given_array(value: Any) -> Any:
    """What `__array__` gives, or, where it refuses since the numbers lie on a GPU, `__dlpack__`."""
    if not hasattr(value, "__array__"):
        return torch.utils.dlpack.from_dlpack(value)
    try:
        return np.asarray(value)
    except (TypeError, RuntimeError, ValueError):
        if not hasattr(value, "__dlpack__"):
            raise
        return torch.utils.dlpack.from_dlpack(value)


def _tensor(value: Tensor) -> Tensor:
    if value.layout != torch.strided or value.is_nested:
        raise FeatureError("got a tensor that is sparse or nested; give x.to_dense(), or rows of one width.")
    if value.device.type == "meta":
        raise FeatureError("got a tensor on the device meta, which holds no numbers.")
    if value.is_complex():
        raise FeatureError(_COMPLEX.format(value.dtype))
    rows = value.detach()
    if rows.is_quantized:
        rows = rows.dequantize()
    if rows.is_floating_point() and rows.dtype not in (torch.float16, torch.float32, torch.float64):
        rows = rows.float()
    return rows.resolve_neg() if type(rows) is Tensor else rows.as_subclass(Tensor).resolve_neg()


_COMPLEX = "got complex numbers ({}); wanted real ones: give abs(x), or real and imaginary parts as columns."


def _numbers(value: np.ndarray) -> np.ndarray:
    """An array of numpy as plain numbers."""
    if np.ma.isMaskedArray(value):
        if hidden := int(np.ma.getmaskarray(value).sum()):
            raise FeatureError(f"{hidden} values are masked; fill them, x.filled(0), or drop their rows.")
        value = np.ma.getdata(value)
    plain = np.asarray(value)  # of subclasses such as np.matrix
    if plain.dtype.names is not None:
        raise FeatureError(
            f"got a structured array with the fields {', '.join(plain.dtype.names)}; "
            "give numpy.lib.recfunctions.structured_to_unstructured(x[[...]])."
        )
    if plain.dtype.hasobject:
        found = _nested(plain.tolist(), plain.shape)
        return found if isinstance(found, np.ndarray) else found.cpu().numpy()
    if plain.dtype.kind == "c":
        raise FeatureError(_COMPLEX.format(plain.dtype))
    if plain.dtype.kind == "V":  # bfloat16 and 8-bit floats of ml_dtypes, which jax uses
        try:
            return plain.astype(np.float32)
        except (TypeError, ValueError):
            raise FeatureError(_NO_NUMBERS.format(plain.dtype)) from None
    if plain.dtype.kind not in "fiub":
        raise FeatureError(_NO_NUMBERS.format(plain.dtype))
    if plain.dtype.kind == "f" and plain.dtype.itemsize > 8:
        return _from_long(plain)
    return plain if plain.dtype.isnative else plain.astype(plain.dtype.newbyteorder("="))


_NO_NUMBERS = "features must be numbers, got an array of {}."


def _from_long(values: np.ndarray) -> np.ndarray:
    """longdouble, which torch lacks, as float64."""
    with np.errstate(over="ignore"):
        found = values.astype(np.float64)
    if np.isinf(found).sum() != np.isinf(values).sum():
        raise FeatureError(f"got {values.dtype} with numbers beyond 1.8e308; wanted float64.")
    return found


def _nested(value: list[Any] | tuple[Any, ...], shape: tuple[int, ...] | None = None) -> np.ndarray | Tensor:
    """Lists, or objects in an array of `shape`, as one array."""
    if value and all(isinstance(item, Tensor) for item in value):
        if len({item.shape for item in value}) > 1:
            raise FeatureError(_RAGGED)
        return torch.stack([_tensor(item) for item in value])
    items: list[Any] = [as_array(item) if is_array_like(item) else item for item in value]
    try:
        found = np.asarray([item.cpu().numpy() if isinstance(item, Tensor) else item for item in items])
    except OverflowError:
        raise FeatureError(_TOO_LARGE) from None
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise FeatureError(f"features must be numbers: {str(error)[:100]}.") from None
        raise FeatureError(_RAGGED) from None
    if found.dtype.hasobject:
        raise FeatureError(_of_objects(found))
    if found.dtype.kind in "US" or (shape is not None and found.shape[: len(shape)] != shape):
        raise FeatureError(_NO_NUMBERS.format("text" if found.dtype.kind in "US" else "objects"))
    return _numbers(found)


_RAGGED = "the rows differ in length; wanted an array of numbers [n, d]."
_TOO_LARGE = "a number is beyond 1.8e308, the largest of float64; wanted smaller ones."


def _of_objects(values: np.ndarray) -> str:
    """Why an array of objects holds no features."""
    flat = [item for item in values.ravel().tolist() if not (isinstance(item, float) or type(item) is int)]
    if flat:
        return _NO_NUMBERS.format(f"objects, such as {type(flat[0]).__name__}")
    return _TOO_LARGE


def _frame(frame: Any) -> np.ndarray:
    """A data frame of numbers as `[n, columns]`."""
    with foreign(f"the {type(frame).__name__}"):
        columns = {str(name): np.asarray(frame[name]) for name in frame.columns}
    found = {}
    for name, column in columns.items():
        try:
            if column.ndim != 1:
                raise FeatureError("has more than one value a row.")
            found[name] = _numbers(column)
        except FeatureError as error:
            raise FeatureError(
                f"column {name!r} of the {type(frame).__name__}: {error} Choose the columns of features, x[[...]]."
            ) from None
    if not found or len(found) != len(frame.columns):
        raise FeatureError(f"the {type(frame).__name__} has no columns, or two of one name; wanted features [n, d].")
    return np.stack([column.astype(np.result_type(*found.values())) for column in found.values()], axis=1)
