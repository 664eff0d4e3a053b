"""`Extractor`: a way to load a network; `Spec`: one as users name it; `@extractor` and `EXTRACTORS`."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from divmetrics.errors import UsageError
from divmetrics.records.options import Optioned, undeclared
from divmetrics.records.registry import Registry, declares

Layer = Literal["pooled", "spatial", "logits", "labels", "pixels"]
LAYERS: tuple[Layer, ...] = typing.get_args(Layer)


@dataclass(frozen=True, kw_only=True)
class Extractor(Optioned):
    """A way to load encoders: `function(**options)`, or `function(argument, **options)` for families (`timm:NAME`)."""

    name: str = field(kw_only=False)
    function: Callable[..., Any] = undeclared
    modality: Literal["image", "text", "audio", "array"]
    provides: tuple[Layer, ...]
    cite: str
    content: Callable[..., Hashable] | None = None
    """Called as `function` is: what the encoder depends on besides its options and the files that they name."""

    @property
    def argument(self) -> str | None:
        """What a family wants behind its name: `MODEL` for `timm:MODEL`; None where the name says all."""
        kinds = inspect.signature(self.function).parameters.values()
        return next((p.name.upper() for p in kinds if p.kind is not p.KEYWORD_ONLY), None)


@dataclass(frozen=True)
class Spec:
    """An extractor as a user names it, `NAME[:ARGUMENT][?option=value&option=value]`, checked."""

    extractor: Extractor
    arguments: tuple[str, ...]
    """What follows the colon, for a family; else empty."""
    options: Mapping[str, Any]
    """All options, resolved."""
    given: tuple[str, ...]
    """Names of the options that stand in the text."""

    @property
    def name(self) -> str:
        """What reports call it: without options at their defaults, and without the path of a weights file.

        A path differs from machine to machine; the digest of the weights, which stands in every signature, does not.
        """
        defaults = self.extractor.options
        telling = [n for n in self.given if self.options[n] != defaults[n].default and not self._is_path(n)]
        query = "&".join(f"{n}={self.options[n]}" for n in telling)
        return ":".join((self.extractor.name, *self.arguments)) + (f"?{query}" if query else "")

    def _is_path(self, option: str) -> bool:
        return option == "weights" and self.options[option] != "random"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises UnknownName for a name or an option that does not exist, UsageError for a malformed text."""
        path, _, query = text.partition("?")
        name, _, argument = path.partition(":")
        record = EXTRACTORS[name]
        if bool(argument) != (record.argument is not None):
            wanted = f"{name}:{record.argument}" if record.argument else name
            raise UsageError(f"{text!r} is no extractor; write {wanted}{'?' + query if query else ''}.")
        given = {}
        for pair in filter(None, query.split("&")):
            option, equals, value = pair.partition("=")
            if not equals:
                raise UsageError(f"{text!r}: {pair!r} is not an option; write {path}?option=value.")
            given[option] = value
        return cls(record, (argument,) if argument else (), record.resolve(given), tuple(given))


EXTRACTORS: Registry[Extractor] = Registry("extractor", "divmetrics.encoders")
extractor = declares(Extractor, EXTRACTORS)
"""Declare an extractor: the decorated function takes keyword-only options and returns a loaded `Encoder`."""
