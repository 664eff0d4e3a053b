"""What a user's network returns, as features `[b, d]` and, where there are any, logits `[b, c]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from divmetrics.errors import UsageError

FEATURES = (
    "pooler_output",  # transformers
    "pooled",
    "pooled_output",
    "features",
    "feature",
    "embeddings",
    "embedding",
    "image_embeds",  # CLIP of transformers
    "x_norm_clstoken",  # DINOv2 of its authors
    "pre_logits",
    "2048",  # torch-fidelity
)
"""Names of features in outputs that have names, in order of preference."""
LOGITS = ("logits", "logits_unbiased", "class_logits", "scores")
"""Names of class scores, likewise."""


def outputs_of(found: Any, n: int | None) -> tuple[Tensor, ...]:
    """Features and, where there are any, logits among what a network returned for `n` images.

    Args:
        found: A tensor; a pair of features and logits; a mapping or dataclass with names, such as the outputs of
            transformers. `[n, d, 1, 1]` is read as `[n, d]`.
        n: Number of images that the network was shown; None while it is traced, when no shape is a plain number.

    Returns:
        `[n, d]`, and logits `[n, c]`.

    Raises:
        UsageError: It is something else.
    """
    named = _named(found)
    if named is not None:
        outputs = _chosen(named)
    elif isinstance(found, Tensor):
        outputs = [found]
    else:
        outputs = [part for part in found if part is not None] if isinstance(found, (tuple, list)) else []
    flat = [_flat(part) for part in outputs]
    if not 1 <= len(flat) <= 2 or not all(_is_good(part, n) for part in flat):
        raise UsageError(f"gives {_shown(found, named, outputs)} for {n} images; {_wanted(flat, n)}")
    return tuple(flat)


def _named(found: Any) -> dict[str, Any] | None:
    """Name -> value, of a mapping, a dataclass or a named tuple; None for what has no names."""
    if isinstance(found, Mapping):
        return {str(name): value for name, value in found.items() if value is not None}
    if is_dataclass(found) and not isinstance(found, type):
        values = {field.name: getattr(found, field.name) for field in fields(found)}
        return {name: value for name, value in values.items() if value is not None}
    if isinstance(found, tuple) and {*FEATURES, *LOGITS} & {*(names := getattr(found, "_fields", ()))}:
        return {name: value for name, value in zip(names, found, strict=True) if value is not None}
    return None


def _chosen(named: Mapping[str, Any]) -> list[Tensor]:
    """The features, then the logits, among outputs with names; empty where none can be told to be the features."""
    rows = {name: value for name, value in named.items() if isinstance(value, Tensor) and _flat(value).ndim == 2}
    logits = next((name for name in LOGITS if name in rows), None)
    others = [name for name in rows if name != logits]
    features = next((name for name in FEATURES if name in rows), others[0] if len(others) == 1 else None)
    return [] if features is None else [rows[name] for name in (features, logits) if name is not None]


def _flat(part: Any) -> Any:
    """`[b, d, 1, 1]` as `[b, d]`."""
    deep = isinstance(part, Tensor) and part.ndim > 2
    return part.flatten(1) if deep and all(int(side) == 1 for side in part.shape[2:]) else part


def _is_good(part: Any, n: int | None) -> bool:
    if not isinstance(part, Tensor) or part.ndim != 2 or part.is_complex() or part.is_sparse:
        return False
    return n is None or (len(part) == n and part.shape[1] > 0)


def _shown(found: Any, named: Mapping[str, Any] | None, outputs: list[Any]) -> str:
    if named is not None:
        return ", ".join(f"{name} {_shape(value)}" for name, value in named.items()) or "nothing"
    return ", ".join(map(_shape, outputs)) or type(found).__name__


def _shape(part: Any) -> str:
    return f"{'complex ' * part.is_complex()}{list(part.shape)}" if isinstance(part, Tensor) else type(part).__name__


def _wanted(flat: list[Any], n: int | None) -> str:
    text = f"wanted features [{n}, d], or those and logits"
    tensors = [part for part in flat if isinstance(part, Tensor)]
    if any(part.ndim == 4 for part in tensors):
        return f"{text}: average the map with mean((2, 3))."
    if any(part.ndim == 3 for part in tensors):
        return f"{text}: take one token, x[:, 0], or their mean(1)."
    if not flat:
        return f"{text}, in names such as {', '.join(FEATURES[:4])} and {LOGITS[0]}: return one of them yourself."
    return f"{text}."
