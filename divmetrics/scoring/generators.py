"""The generators of a comparison: their names, and the steps of checkpoints."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path, PurePath
from typing import Any

from divmetrics.errors import SourceError, UsageError
from divmetrics.records.options import MOST_SEED, shortened
from divmetrics.scoring.plan import HELD_OUT

RESERVED = ("real", HELD_OUT)
"""What messages call the other sides, so that no generator may."""
MOST_DIGITS = 300
"""Digits of a step that are read; so many are too large anyway."""
_SUFFIX = re.compile(r"\.(npy|npz|dms|zip|tar|tgz|tar\.gz|pt|pth)$", re.IGNORECASE)


@dataclass(frozen=True)
class Generators:
    """Named samples, in the order of their steps where they are checkpoints."""

    samples: Mapping[str, Any]
    steps: tuple[int, ...] | None

    @classmethod
    def of(cls, given: Any, *, steps: bool) -> Generators:
        """The generators that a user gives.

        Args:
            given: A mapping of names to samples, a path or pattern, or a sequence of these.
            steps: Whether they are checkpoints of one run.

        Raises:
            UsageError: There are fewer than two, two have one name, or a step is missing or occurs twice.
            SourceError: A pattern matches nothing.

        Example:
            >>> found = Generators.of({"step_20": [], "step_3": []}, steps=True)
            >>> list(found.samples), found.steps
            (['step_3', 'step_20'], (3, 20))
        """
        numbers: dict[str, int] | None = None
        if isinstance(given, Mapping):
            numbered = bool(given) and all(isinstance(key, Integral) and not isinstance(key, bool) for key in given)
            named = _from_mapping(given)
            numbers = {str(key): int(key) for key in given} if numbered else None
        else:
            named = _from_paths(given, steps=steps)
        if len(named) < 2:
            hint = "" if steps else " Several checkpoints may be given as a pattern, 'run/step_*', with --steps."
            raise UsageError(f"a comparison needs at least two generators, got {len(named)}.{hint}")
        if numbers is None and not steps:
            return cls(named, None)
        numbers = numbers or _steps(list(named))
        for name, step in numbers.items():
            if abs(step) > MOST_SEED:  # which JSON of ours, as most readers of JSON, holds no more
                raise UsageError(f"the step of {shortened(name)!r} is too large; give one of at most {MOST_SEED}.")
        ordered = sorted(named, key=lambda name: numbers[name])
        return cls({name: named[name] for name in ordered}, tuple(numbers[name] for name in ordered))


def _from_mapping(given: Mapping[Any, Any]) -> dict[str, Any]:
    """Generators under the texts of their keys."""
    named: dict[str, Any] = {}
    for key, samples in given.items():
        name = str(key).strip()
        if not name or name in RESERVED:
            raise UsageError(f"a generator cannot be called {name!r}; give it another name.")
        if name in named:
            raise UsageError(f"two generators are called {name!r}; give them different names.")
        named[name] = samples
    return named


def _from_paths(given: Any, *, steps: bool) -> dict[str, str]:
    """Generators under the shortest ends of their paths that differ."""
    listed = [given] if isinstance(given, (str, os.PathLike)) else given
    if not isinstance(listed, Sequence) or not all(isinstance(path, (str, os.PathLike)) for path in listed):
        raise UsageError(
            f"generators are a mapping of names to samples, or a list of paths, not a {type(given).__name__}; "
            "write compare(real, {'a': samples, 'b': others})."
        )
    paths = [found for path in listed for found in (_matches(os.fspath(path)) if steps else [os.fspath(path)])]
    for place, path in enumerate(paths):
        if any(_same(path, other) for other in paths[:place]):
            raise UsageError(f"{path} is given twice; give each generator once.")
    return dict(zip(_short_names(paths), paths, strict=True))


def _matches(path: str) -> list[str]:
    """The paths that a pattern stands for; the path itself where it is none."""
    if not glob.has_magic(path) or Path(path).exists():
        return [path]
    found = sorted(match for match in glob.glob(path, recursive=True) if not PurePath(match).name.startswith("."))  # noqa: PTH207
    if not found:
        raise SourceError(f"no file or folder matches {path!r}; check the pattern.")
    return found


def _same(path: str, other: str) -> bool:
    """Whether two paths lead to the same place."""
    return path == other or (not path.startswith("zoo:") and os.path.realpath(path) == os.path.realpath(other))


def _short_names(paths: Sequence[str]) -> list[str]:
    """A name for each path: its last part, or as many as make it differ from the others.

    Example:
        >>> _short_names(["runs/a/samples", "runs/b/samples/", "c.npz"])
        ['a/samples', 'b/samples', 'c']
    """
    parts = [_parts(path) for path in paths]
    names = [part[-1] for part in parts]
    for length in range(2, max(map(len, parts), default=0) + 1):
        clashing = {name for name in names if names.count(name) > 1 or name in RESERVED}
        names = [
            "/".join(part[-length:]) if name in clashing else name for name, part in zip(names, parts, strict=True)
        ]
    twice = {name for name in names if names.count(name) > 1 or name in RESERVED}
    return [path if name in twice else name for name, path in zip(names, paths, strict=True)]


def _parts(path: str) -> list[str]:
    """The parts of a path, without the suffix of an archive or array."""
    if path.startswith("zoo:"):
        return [path.removeprefix("zoo:")]
    parts = list(PurePath(os.path.normpath(path)).parts)
    if parts and (short := _SUFFIX.sub("", parts[-1])):
        parts[-1] = short
    return parts or [path]


def _steps(names: Sequence[str]) -> dict[str, int]:
    """The step in each name: its last number, or, where that does not tell the names apart, the last one that does."""
    numbers = {name: [int(digits[:MOST_DIGITS]) for digits in re.findall(r"\d+", name)] for name in names}
    if missing := [name for name in names if not numbers[name]]:
        raise UsageError(
            f"no step in the name {missing[0]!r}; name checkpoints like step_001000, or give a mapping of steps."
        )
    fewest = min(map(len, numbers.values()))
    for place in range(-1, -fewest - 1, -1):
        steps = {name: found[place] for name, found in numbers.items()}
        if len(set(steps.values())) == len(names):
            return steps
    first = {name: found[-1] for name, found in numbers.items()}
    step = next(step for step in first.values() if list(first.values()).count(step) > 1)
    both = [name for name in names if first[name] == step][:2]
    raise UsageError(f"{both[0]!r} and {both[1]!r} both hold step {step}; give each step once.")
