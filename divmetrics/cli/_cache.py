"""`divmetrics cache ls|clear`."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import click

from divmetrics.cli._options import debug_option
from divmetrics.cli._output import say_line


@click.group(short_help="Show or clear the features kept on disk.")
def cache() -> None:
    """Features are cached on disk, so that no network processes the same images twice.

    The folder is DIVMETRICS_CACHE, or where this system keeps caches. It holds at most DIVMETRICS_CACHE_GB gigabytes
    (10); the least recently used files are removed first. It is marked by a CACHEDIR.TAG, and no other
    files are touched.
    """


folder_option = click.option("--cache", "folder", metavar="DIR", help="Folder of the cache, if not the usual one.")


@cache.command("ls", short_help="Show the cache by extractor.")
@folder_option
@debug_option
def list_entries(folder: str | None) -> None:
    """Show the cache by extractor: samples, files of up to 512 of them, size, last use."""
    from divmetrics.extraction.store import Cache

    found = Cache.at(folder)
    groups = defaultdict(list)
    for entry in found.entries():
        groups[entry.encoder].append(entry)
    say_line(f"{found.root}, at most {found.limit / 2**30:g} GiB")
    for encoder, entries in sorted(groups.items()):
        used = datetime.fromtimestamp(max(entry.used for entry in entries)).strftime("%Y-%m-%d %H:%M")
        size = sum(entry.bytes for entry in entries) / 2**20
        samples = sum(entry.samples for entry in entries)
        say_line(f"{encoder}: {samples} samples in {len(entries)} files, {size:.1f} MiB, last used {used}")


@cache.command("clear", short_help="Empty the cache.")
@folder_option
@debug_option
def clear(folder: str | None) -> None:
    """Empty the cache; the next run computes the features again."""
    from divmetrics.extraction.store import Cache

    say_line(f"{Cache.at(folder).clear()} files removed.")
