"""Commands that a launcher such as torchrun starts as several ranks: they share the work, and the first one prints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def several() -> bool:
    """Whether a launcher has started this command as several ranks."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def is_first() -> bool:
    """Whether this process prints and writes what the ranks have found together."""
    return not several() or os.environ["RANK"] == "0"


@contextmanager
def shared_work() -> Iterator[dict[str, Any]]:
    """What to tell `score` and `extract` of the ranks; inside, they know each other."""
    if not several():
        yield {}
        return
    from divmetrics.arrays import dist

    with dist.launched_job():
        yield {"distributed": True} if is_first() else {"distributed": True, "progress": False}
