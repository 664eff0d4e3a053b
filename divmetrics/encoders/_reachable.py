"""A digest of everything that an object of Python computes with: its code, and the values that the code can reach.

A function reaches the values that it closes over, its defaults and the globals that it names; a torch module its
weights, buffers, hooks and attributes; any other object what it would be pickled from. Code of installed packages
counts by its version. What cannot be followed, such as a random generator or a lock, makes the digest unknown.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import re
import sys
import sysconfig
import types
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
_NAMED = (torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format, slice, range)
_CHANCE = (torch.Generator, np.random.Generator, np.random.RandomState, np.random.BitGenerator)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_UNIMPORTANT = re.compile(
    "__dict__|__weakref__|__doc__|__module__|__firstlineno__|__static_attributes__|__annotations__|__annotate_func__|"
    "__annotations_cache__|__abstractmethods__|_abc_impl|__orig_bases__|__parameters__|__dataclass_fields__|"
    "__dataclass_params__|__match_args__|__classdictcell__"
)
"""Members of a class that compute nothing."""
_BY_CONTENT = (tuple, types.CodeType, types.ModuleType)
_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


class Unknown(Exception):
    """Something that decides the features cannot be hashed; `str(error)` says what."""


def digest_of(value: Any) -> str:
    """sha256 (hex) of `value` and of all that it can reach.

    Raises:
        Unknown: Something among it cannot be hashed.

    Example:
        >>> def times(factor):
        ...     return lambda x: factor * x
        >>> digest_of(times(2)) == digest_of(times(2)), digest_of(times(2)) == digest_of(times(3))
        (True, False)
    """
    walk = _Walk()
    try:
        walk.add(value)
    except RecursionError:
        raise Unknown("objects nested too deeply") from None
    except Exception as error:  # objects of others may refuse to be read in any way
        raise error if isinstance(error, Unknown) else Unknown(f"what raises {type(error).__name__}") from None
    return walk.hash.hexdigest()


class _Walk:
    """The digest so far, and the objects that are in it."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.seen: dict[int, tuple[int, Any]] = {}  # the objects stay alive, so that no other one gets their id
        self.modules: set[tuple[str, frozenset[str]]] = set()

    def add(self, value: Any) -> None:
        if isinstance(value, _PLAIN) and type(value) in _PLAIN:
            self._text(type(value).__name__, repr(value))
            return
        if isinstance(value, _NAMED):
            self._text(type(value).__name__, str(value))
            return
        if id(value) in self.seen:
            self._text("seen", str(self.seen[id(value)][0]))
            return
        if not isinstance(value, _BY_CONTENT):  # whether two constants are one object is up to the interpreter
            self.seen[id(value)] = (len(self.seen), value)
        self._follow(value)

    def _text(self, *texts: str) -> None:
        for text in texts:
            content = text.encode("utf-8", "surrogatepass")
            self.hash.update(f"{len(content)}:".encode() + content)

    def _all(self, kind: str, values: Iterable[Any]) -> None:
        found = list(values)
        self._text(kind, str(len(found)))
        for value in found:
            self.add(value)

    def _follow(self, value: Any) -> None:
        """Add an object that is seen for the first time."""
        follow = next((method for kind, method in _FOLLOWED if isinstance(value, kind)), _Walk._object)
        if type(value) in _CONTAINERS or not isinstance(value, _CONTAINERS):
            follow(self, value)
        else:  # a subclass, which may hold more than its items
            self._object(value)

    def _array(self, value: np.ndarray) -> None:
        self._text("array", value.dtype.str, str(value.shape))
        if value.dtype.hasobject:
            self.add(value.tolist())
        else:
            self.hash.update(value.tobytes())

    def _sequence(self, value: list[Any] | tuple[Any, ...]) -> None:
        self._all(type(value).__name__, value)

    def _mapping(self, value: Mapping[Any, Any]) -> None:
        self._all("dict", (part for pair in value.items() for part in pair))

    def _set(self, value: frozenset[Any]) -> None:
        self._text("set", *sorted(digest_of(part) for part in value))

    def _method(self, value: types.MethodType) -> None:
        self._all("method", (value.__func__, value.__self__))

    def _partial(self, value: functools.partial[Any]) -> None:
        self._all("partial", (value.func, value.args, value.keywords))

    def _chance(self, value: Any) -> None:
        raise Unknown(f"a random generator ({type(value).__name__})")

    def _tensor(self, value: Tensor) -> None:
        if value.layout != torch.strided or value.device.type == "meta":
            raise Unknown(f"a tensor that is {'on no device' if value.device.type == 'meta' else 'sparse'}")
        plain = value.detach().cpu().contiguous().resolve_conj().resolve_neg()
        self._text("tensor", str(plain.dtype), str(tuple(plain.shape)))
        self.hash.update(plain.flatten().view(torch.uint8).numpy().data if plain.numel() else b"")

    def _module(self, value: nn.Module) -> None:
        """A torch module; whether it is in training mode counts where nobody puts it into evaluation mode."""
        self.add(type(value))
        if isinstance(value, torch.jit.ScriptModule):
            self._text("script", str(value.inlined_graph))
            self._all("state", [*value.state_dict().values(), *value.buffers()])
            return
        inherited = nn.Module().__dict__.keys()
        fields = {name: part for name, part in vars(value).items() if name not in inherited}
        hooks = {name: list(getattr(value, name).values()) for name in _HOOKS if getattr(value, name)}
        self._all("module", [value.training, fields, hooks])
        for parts in (value._parameters, value._buffers, value._modules):
            self.add(dict(parts))

    def _function(self, value: types.FunctionType) -> None:
        if (owner := _library(value.__module__)) is not None and "<locals>" not in value.__qualname__:
            self._text("function", owner, value.__module__, value.__qualname__)
            return
        self._code(value.__code__)
        named = _names(value.__code__)
        used = {name: self._used(value.__globals__[name], named) for name in sorted(named) if name in value.__globals__}
        cells = [_content(cell) for cell in value.__closure__ or ()]
        self._all("function", [used, cells, value.__defaults__, value.__kwdefaults__, vars(value)])

    def _used(self, value: Any, named: frozenset[str]) -> Any:
        """A global; of a module of the user only the attributes whose names the code mentions."""
        if isinstance(value, types.ModuleType) and _library(value.__name__) is None:
            if (value.__name__, named) in self.modules:  # modules of the user may import each other
                return value.__name__
            self.modules.add((value.__name__, named))
            inside = vars(value)
            return {name: self._used(inside[name], named) for name in sorted(named) if name in inside}
        return value

    def _code(self, value: types.CodeType) -> None:
        self._text("code", value.co_name, *value.co_names, *value.co_varnames, *value.co_freevars)
        self.hash.update(value.co_code)
        self._all("constants", value.co_consts)

    def _package(self, value: types.ModuleType) -> None:
        owner = _library(value.__name__)
        if owner is None:
            raise Unknown(f"the module {value.__name__} as a whole")
        self._text("package", owner, value.__name__)

    def _class(self, value: type) -> None:
        if (owner := _library(value.__module__)) is not None:
            self._text("class", owner, value.__module__, value.__qualname__)
            return
        members = {name: _member(part) for name, part in vars(value).items() if not _UNIMPORTANT.fullmatch(name)}
        self._text("class", value.__qualname__)
        self._all("class", [value.__bases__, members])

    def _object(self, value: Any) -> None:
        if isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType, types.MethodDescriptorType)):
            bound = getattr(value, "__self__", None)
            self._text("builtin", str(getattr(value, "__module__", "")), value.__qualname__)
            self.add(None if isinstance(bound, types.ModuleType) else bound)
            return
        if hasattr(value, "__wrapped__"):  # functools.lru_cache and other decorators
            self.add(value.__wrapped__)
            return
        try:
            parts = value.__reduce_ex__(4)
        except Exception:
            raise Unknown(f"a {type(value).__name__}") from None
        if isinstance(parts, str):
            self._text("global", parts)
            return
        made, arguments, state, items, pairs = (*parts, None, None, None, None)[:5]
        self._all("object", [made, arguments, state, list(items or ()), [*map(list, pairs or ())]])


_CONTAINERS = (list, tuple, dict, set, frozenset)
_FOLLOWED: tuple[tuple[Any, Any], ...] = (
    (Tensor, _Walk._tensor),
    (np.ndarray, _Walk._array),
    (nn.Module, _Walk._module),
    (types.FunctionType, _Walk._function),
    (types.MethodType, _Walk._method),
    (functools.partial, _Walk._partial),
    (types.CodeType, _Walk._code),
    (types.ModuleType, _Walk._package),
    (type, _Walk._class),
    ((list, tuple), _Walk._sequence),
    ((dict, types.MappingProxyType), _Walk._mapping),
    ((set, frozenset), _Walk._set),
    (_CHANCE, _Walk._chance),
)
"""Kind of object -> how it is added; everything else by `_object`."""


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return "empty cell"


def _member(part: Any) -> Any:
    """A member of a class as what it was made from."""
    if isinstance(part, (staticmethod, classmethod)):
        return part.__func__
    if isinstance(part, property):
        return (part.fget, part.fset, part.fdel)
    if isinstance(part, functools.cached_property):
        return part.func
    if isinstance(part, (types.MemberDescriptorType, types.GetSetDescriptorType)):
        return "slot"
    return part


def _names(code: types.CodeType) -> frozenset[str]:
    """Names that the code and the functions defined in it mention."""
    inner = [_names(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    return frozenset(code.co_names).union(*inner)


@functools.cache
def _library(module: str | None) -> str | None:
    """Name and version of the installed package that has `module`; None for code of the user."""
    top = (module or "").partition(".")[0]
    if top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return None if top == "__main__" else f"python {sys.version_info[0]}.{sys.version_info[1]}"
    if top == "divmetrics":
        return top
    file = str(getattr(sys.modules.get(top), "__file__", None) or "")
    if not file.startswith(_LIBRARIES):
        return None
    try:
        return f"{top} {importlib.metadata.version(top)}"
    except importlib.metadata.PackageNotFoundError:
        names: Mapping[str, list[str]] = _distributions()
        return f"{top} {[importlib.metadata.version(name) for name in names.get(top, ())]}"


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()
