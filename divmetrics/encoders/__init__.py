"""Extractors, one family of networks a file: each function loads an `Encoder` with the options that users give."""

from __future__ import annotations

from dataclasses import replace

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._loaded import load_once
from divmetrics.records.extractor import Given, Spec
from divmetrics.records.foreign import guarded

__all__ = ["Encoder", "load_encoder"]


def load_encoder(spec: str | Spec) -> Encoder:
    """The encoder that `NAME[:ARGUMENT][?option=value&option=value]` names.

    A network that was loaded before is used again, unless a file that it was loaded from has been written since.

    Raises UnknownName for a name or option that does not exist, UsageError for a malformed one, Unavailable where
    weights are missing or damaged.
    """
    parsed = Spec.parse(spec) if isinstance(spec, str) else spec
    record = parsed.extractor
    with guarded(f"the extractor {parsed.name}", record.function):
        if any(isinstance(argument, Given) for argument in parsed.arguments):  # a copy of what may be trained on
            loaded: Encoder = record.function(*parsed.arguments, **parsed.options)
        else:
            loaded = load_once(record.name, record.function, record.content, parsed.arguments, parsed.options)
        return replace(loaded, name=parsed.name)
