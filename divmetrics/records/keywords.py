"""Records of options, and functions that are called with the fields of one.

A field declares its option once: name, type, default, and, in `Annotated`, its help text and limits. Checks, signatures
and docstrings are made from the fields here, the options of commands in `divmetrics.cli`. Type checkers read the
parameters of a decorated function from its record (a ParamSpec), so that there is no second list of them.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import os
import textwrap
import types
import typing
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import MISSING, Field, dataclass, fields
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, Protocol, Self, TypeVar, cast, runtime_checkable

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.options import out_of_reach, shortened


@dataclass(frozen=True)
class Help:
    """What an option says of itself in docstrings and on the command line, and the numbers that it may be."""

    text: str
    """One sentence, or a few: what the option does."""
    metavar: str | None = None
    """What stands for its value on the command line; None where the type says it."""
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    or_zero: bool = False
    """Whether 0 is possible, too, below `at_least`."""
    short: str | None = None
    """A one-letter flag such as `-m`."""
    in_python: str = ""
    """What docstrings add to the text."""
    command_line: bool = True
    """Whether commands have this option under its own name."""


@dataclass(frozen=True)
class OptionRecord:
    """Base of records of options: values are checked when a record is made."""

    def __post_init__(self) -> None:
        """Raise UsageError, or UnknownName where a word is none of a few, naming the option and what it may be."""
        for option in options_of(type(self)):
            option.check(getattr(self, option.name))

    @classmethod
    def of(cls, other: OptionRecord, **changes: Any) -> Self:
        """The same values for the options that both records have; `changes` come on top."""
        shared = {field.name: getattr(other, field.name) for field in fields(cls) if hasattr(other, field.name)}
        return cls(**{**shared, **changes})


@dataclass(frozen=True)
class KeywordOption:
    """One field of a record of options, for checks, docstrings and command lines."""

    name: str
    type: Any
    default: Any
    """`dataclasses.MISSING` where it has none."""
    help: Help

    @property
    def flag(self) -> str:
        """Its name on the command line, without the leading dashes."""
        return self.name.replace("_", "-")

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The types of which a value may be any; the words of a Literal count as one type."""
        union = typing.get_origin(self.type) in (typing.Union, types.UnionType)
        return typing.get_args(self.type) if union else (self.type,)

    @property
    def words(self) -> tuple[str, ...]:
        """The words that a value may be."""
        return tuple(w for kind in self.kinds if typing.get_origin(kind) is Literal for w in typing.get_args(kind))

    @property
    def is_number(self) -> bool:
        """Whether a value may be a number."""
        return int in self.kinds or float in self.kinds

    @property
    def metavar(self) -> str:
        """What stands for its value on the command line."""
        return self.help.metavar or "|".join([*(["N"] if self.is_number else []), *self.words])

    def parse(self, text: str) -> Any:
        """The value that `text` means on the command line, where `auto` is also the word for None."""
        if text == "auto" and type(None) in self.kinds:
            return None
        if not self.is_number or text in self.words:
            self.check(text)
            return text
        try:
            value = _number(text) if float in self.kinds else int(text)
        except ValueError:
            raise UsageError(f"{self.flag} is {shortened(text)!r}; give {self.wanted}.") from None
        self.check(value)
        return value

    def check(self, value: Any) -> None:
        """Raise UsageError where `value` is none that this option may have, UnknownName where it is another word."""
        if value in self.words if isinstance(value, str) else value is None and type(None) in self.kinds:
            return
        if self.is_number and not self._is_good_number(value):
            limits = out_of_reach(self.name, value) if isinstance(value, int) and value > 0 else None
            raise UsageError(f"{self.flag} is {shortened(repr(value))}; give {limits or self.wanted}.")
        if self.words and not self.is_number:
            raise UnknownName.of(self.flag, str(value), self.words)
        if not self.is_number and not any(_is_of(kind, value) for kind in self.kinds):
            raise UsageError(f"{self.flag} is {shortened(repr(value))}; give {self.wanted}.")

    def _is_good_number(self, value: Any) -> bool:
        wanted = numbers.Real if float in self.kinds else numbers.Integral
        if isinstance(value, bool) or not isinstance(value, wanted):
            return False
        if out_of_reach(self.name, value) is not None:
            return False
        low, high, below = self.help.at_least, self.help.at_most, self.help.below
        number = float(value)
        if number == 0 and self.help.or_zero:
            return True
        return not (
            (low is not None and not number >= low)
            or (high is not None and not number <= high)
            or (below is not None and not number < below)
        )

    @property
    def wanted(self) -> str:
        """What a value may be, in words."""
        if not self.is_number:
            return " or ".join(_KINDS.get(_key(kind), "an object") for kind in self.kinds)
        kind = "a number" if float in self.kinds else "a whole number"
        limits = {"of at least": self.help.at_least, "and at most": self.help.at_most, "and below": self.help.below}
        kind = f"0 or {kind}" if self.help.or_zero else kind
        limited = " ".join([kind, *(f"{words} {limit:g}" for words, limit in limits.items() if limit is not None)])
        return " or ".join([limited, *self.words, *(["None"] if type(None) in self.kinds else [])])


@runtime_checkable
class DeviceLike(Protocol):
    """A `torch.device`; torch is not imported here."""

    @property
    def type(self) -> str:
        """`cpu`, `cuda` or `mps`."""

    @property
    def index(self) -> Any:
        """Which of several; None for the current one."""


_KINDS: Mapping[Any, str] = {
    bool: "True or False",
    str: "a text",
    os.PathLike: "a path",
    Sequence: "a list of texts",
    DeviceLike: "a torch.device",
    type(None): "None",
}
"""What a value of each type is called."""


def _key(kind: Any) -> Any:
    """The type without its parameters."""
    return typing.get_origin(kind) or kind


def _is_of(kind: Any, value: Any) -> bool:
    """Whether `value` is of the type of an option that is no number; of types that only their readers know, it is."""
    if _key(kind) is Sequence and typing.get_args(kind) == (str,):
        listed = isinstance(value, Collection) and not isinstance(value, (str, bytes))
        return listed and all(isinstance(item, str) for item in value)
    if kind is bool:
        return type(value).__name__ in ("bool", "bool_")  # NumPy's, too
    if kind in (str, type(None)) or getattr(kind, "_is_runtime_protocol", False):
        return isinstance(value, kind)
    return isinstance(value, os.PathLike) if _key(kind) is os.PathLike else _key(kind) not in _KINDS


def _number(text: str) -> float:
    """The number that a text stands for; `10%` is 0.1."""
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def options_of(record: type[Any]) -> tuple[KeywordOption, ...]:
    """The fields of a record that declare an option, in their order."""
    return _options_of(cast("Hashable", record))  # mypy takes an instance's __hash__ for that of its class


@functools.cache
def _options_of(record: Any) -> tuple[KeywordOption, ...]:
    hints = typing.get_type_hints(record, include_extras=True)
    return tuple(_option(field, hints[field.name]) for field in fields(record) if _declares_option(hints[field.name]))


def _declares_option(hint: Any) -> bool:
    return typing.get_origin(hint) is Annotated and isinstance(typing.get_args(hint)[1], Help)


def _option(field: Field[Any], hint: Any) -> KeywordOption:
    kind, text = typing.get_args(hint)
    return KeywordOption(field.name, kind, field.default, text)


P = ParamSpec("P")
Q = TypeVar("Q")
R = TypeVar("R")
S = TypeVar("S")


Around = Callable[[bool], AbstractContextManager[None]]
"""Given whether a call is `distributed`, what it happens in: there a refusal of one rank is raised on all."""


def _as_it_is(_: bool) -> AbstractContextManager[None]:
    return nullcontext()


def called_with(
    record: Callable[P, Q], *, positional: int, around: Around = _as_it_is
) -> Callable[[Callable[[Q], R]], Callable[P, R]]:
    """Decorator: a function of one `record` becomes one of that record's fields, the first `positional` in places.

    Signature and docstring name every field; an unknown keyword is an UnknownName that offers the nearest one. The
    record is made, and the function called, in `around` of the keyword `distributed`.
    """

    def decorate(function: Callable[[Q], R]) -> Callable[P, R]:
        signature = _signature(record, function, positional)

        @functools.wraps(function)
        def call(*args: P.args, **given: P.kwargs) -> R:
            with around(given.get("distributed") is True):
                return function(_made(record, signature, function.__name__, args, given))

        return _documented(call, record, signature)

    return decorate


def request_of(record: Callable[P, Q], function: str, *, positional: int) -> Callable[P, Q]:
    """A function that makes a record from what a user has given to `function`, which errors name.

    Example:
        >>> from divmetrics.records.run_options import MeterRequest
        >>> request_of(MeterRequest, "my_meter", positional=0)(metrics="fid").metrics
        'fid'
    """

    def request(given: Q) -> Q:
        """What was asked for."""
        return given

    request.__name__ = function
    return called_with(record, positional=positional)(request)


def method_called_with(
    record: Callable[P, Q], *, positional: int, around: Around = _as_it_is
) -> Callable[[Callable[[S, Q], R]], Callable[Concatenate[S, P], R]]:
    """As `called_with`, for a method of an object or of a class."""

    def decorate(method: Callable[[S, Q], R]) -> Callable[Concatenate[S, P], R]:
        signature = _signature(record, method, positional)
        name = method.__qualname__.removesuffix(".__init__")

        @functools.wraps(method)
        def call(self: S, /, *args: P.args, **given: P.kwargs) -> R:
            with around(given.get("distributed") is True):
                return method(self, _made(record, signature, name, args, given))

        own = next(iter(inspect.signature(method).parameters.values())).replace(annotation=inspect.Parameter.empty)
        return _documented(call, record, signature.replace(parameters=[own, *signature.parameters.values()]))

    return decorate


def _signature(record: Any, function: Callable[..., Any], positional: int) -> inspect.Signature:
    """The signature that a caller sees: the fields of `record`, with the type that `function` returns."""
    kinds = [inspect.Parameter.POSITIONAL_OR_KEYWORD] * positional
    options = options_of(record)
    parameters = [
        inspect.Parameter(
            option.name,
            kind,
            default=inspect.Parameter.empty if option.default is MISSING else option.default,
            annotation=option.type,
        )
        for option, kind in zip(
            options, kinds + [inspect.Parameter.KEYWORD_ONLY] * (len(options) - positional), strict=True
        )
    ]
    return inspect.Signature(parameters, return_annotation=inspect.signature(function).return_annotation)


def _made(
    record: Callable[..., Q], signature: inspect.Signature, name: str, args: Sequence[Any], given: Mapping[str, Any]
) -> Q:
    """The record that a call asks for. Raises UnknownName for a keyword that does not exist, else TypeError."""
    for keyword in given:
        if keyword not in signature.parameters:
            raise UnknownName.of(f"argument of {name}", keyword, signature.parameters)
    try:
        bound = signature.bind(*args, **given)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    return record(**bound.arguments)


F = TypeVar("F", bound=Callable[..., Any])


def _documented(function: F, record: Any, signature: inspect.Signature) -> F:
    """`function` with the signature and, before `Returns:` in its docstring, a section `Args:` of the fields."""
    function.__signature__ = signature  # type: ignore[attr-defined]
    text = inspect.getdoc(function) or ""
    head, returns, rest = text.partition("Returns:")
    arguments = "\n".join(_argument(option) for option in options_of(record))
    function.__doc__ = f"{head.rstrip()}\n\nArgs:\n{arguments}\n\n{returns}{rest}".rstrip()
    return function


def _argument(option: KeywordOption) -> str:
    text = f"{option.help.text} {option.help.in_python}".rstrip()
    words = [f"One of {', '.join(option.words)}."] if option.words and not option.is_number else []
    auto = [f"A number, or {option.words[0]!r}."] if option.words and option.is_number else []
    default = [] if option.default is MISSING else [f"Default: {option.default!r}."]
    whole = f"{option.name}: {' '.join([text, *words, *auto, *default])}"
    return textwrap.fill(whole, 100, initial_indent=" " * 4, subsequent_indent=" " * 8, break_long_words=False)
