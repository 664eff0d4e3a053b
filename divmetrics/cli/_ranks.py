"""Commands that a launcher such as torchrun starts as several ranks: they share the work, and the first one prints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from divmetrics.errors import UsageError


def several() -> bool:
    """Whether a launcher has started this command as several ranks."""
    size, rank = os.environ.get("WORLD_SIZE", ""), os.environ.get("RANK", "")
    return size.isdecimal() and rank.isdecimal() and int(size) > 1


def is_first() -> bool:
    """Whether this process prints and writes what the ranks have found together."""
    return not several() or os.environ["RANK"] == "0"


@contextmanager
def shared_work() -> Iterator[dict[str, Any]]:
    """What to tell `score` and `extract` of the ranks; inside, they know each other.

    Raises UsageError where the environment says of ranks what no launcher says.
    """
    for name in ("WORLD_SIZE", "RANK"):
        if not os.environ.get(name, "0").isdecimal():
            raise UsageError(f"{name} is {os.environ[name]!r}; a launcher sets a whole number: unset it.")
    if not several():
        yield {}
        return
    from divmetrics.arrays import dist

    with dist.launched_job():
        yield {"distributed": True} if is_first() else {"distributed": True, "progress": False}
