"""Addresses of the documentation, where the project has a home."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata


@cache
def docs_home() -> str | None:
    """The address of the documentation; None while the project has no home."""
    try:
        entries = metadata("divmetrics").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    named = dict(entry.partition(", ")[::2] for entry in entries)
    home = named.get("Documentation") or named.get("Homepage") or ""
    return home.rstrip("/") + "/" if home.startswith("https://") and ".invalid" not in home else None


def docs_link(page: str, anchor: str = "") -> str | None:
    """The address of a page of the documentation, `verdict`, and a place in it; None while there is none."""
    home = docs_home()
    return f"{home}{page}/{f'#{anchor}' if anchor else ''}" if home else None
