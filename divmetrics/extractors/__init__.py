"""Extractors, one network family a file. Their record loads an `Encoder` when called with its options."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from divmetrics.declare import EXTRACTORS
from divmetrics.encoder import Encoder
from divmetrics.errors import UsageError


def load_encoder(spec: str) -> Encoder:
    """The encoder that `NAME` or `NAME?option=value&option=value` names; its network is loaded once per process.

    Raises UnknownName for a name or option that does not exist, UsageError for a malformed one, Unavailable where
    weights are missing or damaged.
    """
    name, _, query = spec.partition("?")
    given = {}
    for pair in filter(None, query.split("&")):
        option, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{spec!r}: {pair!r} is not an option; write {name}?option=value.")
        given[option] = value
    return replace(_load(name, **EXTRACTORS[name].resolve(given)), name=spec)


@cache
def _load(name: str, **options: Any) -> Encoder:
    encoder: Encoder = EXTRACTORS[name].function(**options)
    return encoder


EXTRACTORS.load()
