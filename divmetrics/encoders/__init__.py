"""Extractors, one network family a file. Their record loads an `Encoder` when called with its options."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from divmetrics.encoders._encoder import Encoder
from divmetrics.records.extractor import EXTRACTORS, Spec


def load_encoder(spec: str) -> Encoder:
    """The encoder that `NAME[:ARGUMENT][?option=value&option=value]` names; a network is loaded once per process.

    Raises UnknownName for a name or option that does not exist, UsageError for a malformed one, Unavailable where
    weights are missing or damaged.
    """
    parsed = Spec.parse(spec)
    return replace(_load(parsed.extractor.name, *parsed.arguments, **parsed.options), name=parsed.name)


@cache
def _load(name: str, *arguments: str, **options: Any) -> Encoder:
    encoder: Encoder = EXTRACTORS[name].function(*arguments, **options)
    return encoder
