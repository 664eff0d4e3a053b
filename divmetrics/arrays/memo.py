"""`once`: the one store of results that several metrics share, kept beside the sample sets they were computed from."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, TypeVar
from weakref import ref

T = TypeVar("T")
_Key = tuple[tuple[int, ...], Hashable]


@dataclass
class _Slot:
    """One result, or the place where it is going to be; its lock lets other threads wait for it."""

    lock: Any = field(default_factory=RLock)
    filled: bool = False
    value: Any = None


_lock = RLock()  # reentrant: the garbage collector may call `_forget` while this thread holds it
_slots: dict[_Key, _Slot] = {}
_owners: dict[int, tuple[ref[Any], set[_Key]]] = {}


def once(owners: tuple[object, ...], key: Hashable, make: Callable[[], T]) -> T:
    """The result of `make()`, computed at the first call for these owners and this key.

    It is forgotten as soon as one of the owners is garbage collected, so `make` must not return an object that refers
    to an owner: that owner would live as long as the process. A thread that asks while another one computes the same
    result waits for it; an exception is raised again at every call, for nothing was kept.

    Args:
        owners: Objects compared by identity, usually the sample sets that the result was computed from.
        key: Name of the result with all options that change it, such as `("radii", k)`.
        make: Computes the result.

    Returns:
        The same object at every call.

    Example:
        >>> from divmetrics.arrays.summaries import Rows
        >>> rows = Rows.from_array([[0.0], [1.0]])
        >>> once((rows,), "width", lambda: rows.d)
        1
    """
    with growing(owners, key, make) as result:
        return result


@contextmanager
def growing(owners: tuple[object, ...], key: Hashable, start: Callable[[], T]) -> Iterator[T]:
    """A result that later calls extend: for what is cheaper to compute for several options together than one by one.

    Args:
        owners: Objects compared by identity, usually the sample sets that the result was computed from.
        key: Name of the result.
        start: Makes the empty result, a mutable object such as a `dict`, at the first call.

    Yields:
        The same object at every call; no other thread has it inside the `with` statement.

    Example:
        >>> from divmetrics.arrays.summaries import Rows
        >>> rows = Rows.from_array([[0.0], [1.0]])
        >>> for power in (1, 2, 1):
        ...     with growing((rows,), "sums of powers", dict) as sums:
        ...         if power not in sums:
        ...             sums[power] = float((rows.features**power).sum())
        >>> sums
        {1: 1.0, 2: 1.0}
    """
    slot = _slot(owners, key)
    with slot.lock:
        if not slot.filled:
            slot.value = start()
            slot.filled = True
        yield slot.value


def latest(owners: tuple[object, ...], key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
    """As `once`, for large results: of those with the same name, `key[0]`, only the last one is kept.

    Args:
        owners: Objects compared by identity, as in `once`.
        key: Name of the result, then all options that change it.
        make: Computes the result.

    Returns:
        The same object as long as no other result of that name was asked for.
    """
    asked = (tuple(map(id, owners)), key)
    with _lock:
        for whole in list(_slots):
            if isinstance(whole[1], tuple) and whole[1][:1] == key[:1] and whole != asked:
                _drop(whole)
    return once(owners, key, make)


def _slot(owners: tuple[object, ...], key: Hashable) -> _Slot:
    whole = (tuple(map(id, owners)), key)
    with _lock:
        if whole not in _slots:
            for owner in owners:
                _keys_beside(owner).add(whole)
            _slots[whole] = _Slot()
        return _slots[whole]


def _keys_beside(owner: object) -> set[_Key]:
    place = id(owner)
    if place not in _owners:
        _owners[place] = (ref(owner, lambda _: _forget(place)), set())
    return _owners[place][1]


def _forget(place: int) -> None:
    """Drop all that stood beside the owner with this id, which is no more."""
    with _lock:
        _, keys = _owners.pop(place)
        for whole in keys:
            _drop(whole)


def _drop(whole: _Key) -> None:
    """Forget one result."""
    _slots.pop(whole, None)
    for place in whole[0]:
        if place in _owners:
            _owners[place][1].discard(whole)
