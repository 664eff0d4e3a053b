"""Where this system keeps caches, for a user who has a home."""

from __future__ import annotations

from pathlib import Path


def user_cache() -> Path | None:
    """Our folder among the caches of the user; None for one without a home, such as a bare number in a container."""
    from platformdirs import user_cache_path

    try:
        found = user_cache_path("divmetrics")
    except RuntimeError:  # no HOME, and no entry for the user id
        return None
    return found if found.is_absolute() else None  # a path that begins with ~ would be a folder of that name here
