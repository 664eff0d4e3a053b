"""`Extractor`: the record of a feature extractor; `Spec`: an extractor with its options, as users name it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, Protocol, Self, cast

from divmetrics.errors import UsageError
from divmetrics.records.options import parse_query
from divmetrics.records.part import Part, undeclared
from divmetrics.records.registry import Registry, declares

Layer = Literal["pooled", "spatial", "logits", "labels", "classes", "pixels"]
"""What a metric can read of a sample: features, a map of features, class scores, its class, the class that the nearest
real samples give it, the image itself."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Extractor(Part):
    """The record of a feature extractor: its function loads an `Encoder`, and what is known without loading it.

    The function is called with the options, `function(**options)`; for a family of networks such as `timm:NAME` with
    the argument before them.
    """

    name: str = field(kw_only=False)
    """What users call it: `inception`."""
    function: Callable[..., Any] = undeclared
    """Loads the encoder."""
    modality: Literal["image", "text", "audio", "array"]
    """Kind of samples that it reads."""
    provides: tuple[Layer, ...]
    """Layers that it gives; in a family, those that its networks can give."""
    cite: str
    """Where the network is described."""
    content: Callable[..., Hashable] | None = None
    """Called as `function` is: what the encoder depends on besides its options and the files that they name."""
    lacks: Callable[..., Mapping[Layer, str]] | None = None
    """Called as `function` is: layer of `provides` that the weights on this machine do not give -> why."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A registered extractor is pickled and copied as its name: its function cannot be found by that any more."""
        return (_registered, (self.name,)) if EXTRACTORS.has(self) else super().__reduce_ex__(protocol)

    @property
    def argument(self) -> str | None:
        """Placeholder of a family's argument: `MODEL` for `timm:MODEL`; None where there is no argument."""
        kinds = inspect.signature(self.function).parameters.values()
        return next((p.name.upper() for p in kinds if p.kind is not p.KEYWORD_ONLY), None)

    def lacking(self, arguments: Sequence[str], options: Mapping[str, Any]) -> Mapping[Layer, str]:
        """Layers that are missing with these options on this machine -> why."""
        return {} if self.lacks is None else self.lacks(*arguments, **options)

    @property
    def facts(self) -> Mapping[str, str]:
        """Modality, layers, options on the command line, source."""
        options = "&".join(f"{o.name}={o.default}" for o in self.options.values() if o.default is not None)
        name = f"{self.name}:{self.argument}" if self.argument else self.name
        return {
            "reads": self.modality,
            "provides": ", ".join(self.provides),
            "command line": f"-e '{name}?{options}'" if options else f"-e {name}",
            "source": self.cite,
        }


class Given(str):
    """What reports call a network that was given as an object, `value`; equal to that of the same object only.

    Example:
        >>> Given("Net", print).value, Given("Net", print) == "Net"
        (<built-in function print>, False)
    """

    value: Any

    def __new__(cls, name: str, value: Any) -> Self:
        """The name, which carries the object."""
        made = super().__new__(cls, name)
        made.value = value
        return made

    @classmethod
    def of(cls, value: Any) -> Self:
        """Named after the function or the class of the object; an Encoder by its own name."""
        named = getattr(value, "func", value)  # of functools.partial
        own = getattr(named, "name", None) if hasattr(value, "prepare") else getattr(named, "__name__", None)
        text = own if isinstance(own, str) and own else type(named).__name__
        return cls(re.sub(r"[^\w.=-]+", "-", text).strip("-") or "object", value)

    def __getnewargs__(self) -> tuple[str, Any]:  # type: ignore[override]
        return str(self), self.value

    def __deepcopy__(self, memo: Any) -> Self:
        """The same name of the same object, which is what it is equal to."""
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Given) and self.value is other.value

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return super().__hash__()


@dataclass(frozen=True)
class Spec:
    """An extractor with its argument and options, checked: what `NAME[:ARGUMENT][?option=value&...]` means.

    Two specs are equal where they mean the same: `pixels` and `pixels?size=0`.

    Example:
        >>> spec = Spec.parse("pixels").with_options(size=32)
        >>> spec.name, spec.options
        ('pixels?size=32', {'size': 32})
    """

    extractor: Extractor
    arguments: tuple[str, ...] = ()
    """What follows the colon, for a family; else empty."""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """All options with their values."""
    given: tuple[str, ...] = field(default=(), compare=False)
    """Names of the options that were given, in their order."""

    @property
    def name(self) -> str:
        """What reports call it: without options at their defaults, and without the path of a weights file.

        A path differs from machine to machine; the digest of the weights, which stands in every signature, does not.
        """
        defaults = self.extractor.options
        return self._text(n for n in self.given if self.options[n] != defaults[n].default and not self._is_path(n))

    def __str__(self) -> str:
        """The spec with all the options that were given; for messages, since a path in it may not parse again."""
        return self._text(self.given)

    def _text(self, options: Iterable[str]) -> str:
        query = "&".join(f"{option}={self.options[option]}" for option in options)
        return ":".join((self.extractor.name, *self.arguments)) + (f"?{query}" if query else "")

    def _is_path(self, option: str) -> bool:
        return option == "weights" and self.options[option] != "random"

    def with_options(self, **options: Any) -> Self:
        """The same extractor with more options. Raises UnknownName or UsageError where one is wrong."""
        given = {name: self.options[name] for name in self.given} | options
        return replace(self, options=self.extractor.resolve(given), given=tuple(given))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `parse_all` reads it back."""
        given = {name: self.options[name] for name in self.given}
        return {"name": self.extractor.name, "arguments": list(self.arguments), "options": given}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one extractor as users write it.

        Args:
            text: `NAME[:ARGUMENT][?option=value&option=value]`.

        Raises:
            UnknownName: A name or an option does not exist.
            UsageError: The text is malformed, or holds a path that a query cannot hold.
        """
        _check_weights_path(text)
        path, given = parse_query(text)
        name, _, argument = path.partition(":")
        return cls._of(EXTRACTORS[name], argument, given, text)

    @classmethod
    def parse_all(cls, given: ExtractorChoice) -> tuple[Self, ...]:
        """Read one or several extractors.

        Args:
            given: A comma-separated text, a `Spec`, JSON from `to_json`, a torch module, a function from a batch to
                features, an `Encoder`, or a list of those.

        Raises:
            UnknownName: A name or an option does not exist.
            UsageError: A text is malformed, or an object can be no extractor.
        """
        items: Sequence[Any] = given if isinstance(given, Sequence) and not isinstance(given, (str, bytes)) else [given]
        specs: list[Self] = []
        for item in items:
            if isinstance(item, Spec):
                specs.append(cast("Self", item))
            elif isinstance(item, str):
                specs += map(cls.parse, _split(item))
            elif isinstance(item, Mapping) and {"name", "arguments", "options"} <= set(item):
                spec = cls._of(EXTRACTORS[item["name"]], ":".join(item["arguments"]), item["options"], str(item))
                specs.append(spec)
            else:
                specs.append(cls.of_object(item))
        return tuple(dict.fromkeys(specs))

    @classmethod
    def of_object(cls, value: Any) -> Self:
        """The extractor `python` of an object: a torch module, a function, a class without arguments, an `Encoder`.

        Raises:
            UsageError: It is none of these.
        """
        if not (callable(value) or all(hasattr(value, name) for name in ("digest", "prepare", "build"))):
            raise UsageError(
                f"an extractor is a {type(value).__name__}; give a name such as 'inception' (divmetrics list "
                "extractors), a torch module, a function from images [b, 3, h, w] to features [b, d], or an Encoder."
            )
        record = EXTRACTORS["python"]
        return cls(record, (Given.of(value),), record.resolve({}))

    @classmethod
    def _of(cls, record: Extractor, argument: str, given: Mapping[str, Any], text: str) -> Self:
        if bool(argument) != (record.argument is not None):
            wanted = f"{record.name}:{record.argument}" if record.argument else record.name
            query = text.partition("?")[2]
            raise UsageError(f"{text!r} is no extractor; write {wanted}{'?' + query if query else ''}.")
        return cls(record, (argument,) if argument else (), record.resolve(given), tuple(given))


class EncoderLike(Protocol):
    """An `Encoder`, whose class is on a floor above."""

    @property
    def digest(self) -> str:
        """As `Encoder.digest`."""

    @property
    def prepare(self) -> Callable[..., Any]:
        """As `Encoder.prepare`."""

    @property
    def build(self) -> Callable[[], Any]:
        """As `Encoder.build`."""


OneExtractor = str | Spec | Callable[..., Any] | EncoderLike
ExtractorChoice = OneExtractor | Sequence[OneExtractor | Mapping[str, Any]]
"""One or several extractors, as users and files name them; `Spec.parse_all` reads it."""


def _split(texts: str) -> list[str]:
    """The items of a comma-separated text. Raises UsageError where a comma cuts the path of a weights file."""
    items = [item.strip() for item in texts.split(",") if item.strip()]
    for item, following in pairwise(items):
        if "weights=" in item and re.split("[:?]", following)[0] not in EXTRACTORS:
            _check_weights_path(f"{item},{following}")
    return items


def _check_weights_path(text: str) -> None:
    """Raise UsageError where `weights=` in a query is followed by what only a path with separators can be."""
    path, *others = text.partition("weights=")[2].split("&")
    if "," in text.partition("weights=")[2] or (path != "random" and not all("=" in other for other in others)):
        raise UsageError(
            f"{text!r}: a path with a comma or & in it cannot stand in a query; give it as --weights PATH "
            "(in Python weights=PATH)."
        )


def _registered(name: str) -> Extractor:
    """The extractor called `name`."""
    return EXTRACTORS[name]


EXTRACTORS: Registry[Extractor] = Registry("extractor", "divmetrics.encoders")
extractor = declares(Extractor, EXTRACTORS)
"""Decorator that declares an extractor: the function takes keyword-only options and returns a loaded `Encoder`.

Args:
    name: What users call it.
    modality: Kind of samples that it reads: `image`, `text`, `audio` or `array`.
    provides: Layers that it gives: `pooled`, `spatial`, `logits`, `pixels`.
    cite: Where the network is described.
    content: Called as the function is; what the encoder depends on besides its options and the files that they name.
    lacks: Called as the function is; which of the layers the weights on this machine do not give, and why.

Raises:
    UsageError: The name is taken.
"""
