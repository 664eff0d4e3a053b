"""`divmetrics cache ls|clear`."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import click

from divmetrics.cli._options import debug_option
from divmetrics.cli._output import say


@click.group(short_help="Show or clear the features kept on disk.")
def cache() -> None:
    """Features are kept on disk, so that the same images are never shown to the same network twice.

    They lie in the folder DIVMETRICS_CACHE, or where this system keeps caches, and take at most DIVMETRICS_CACHE_GB
    gigabytes (10); the least recently used go first.
    """


folder_option = click.option("--cache", "folder", metavar="DIR", help="The cache, if it is not in its usual place.")


@cache.command("ls", short_help="What is kept, by extractor.")
@folder_option
@debug_option
def list_entries(folder: str | None) -> None:
    """What is kept, by extractor: parts of up to 512 samples, size, last use."""
    from divmetrics.extraction.store import Cache

    found = Cache.at(folder)
    groups = defaultdict(list)
    for entry in found.entries():
        groups[entry.encoder].append(entry)
    say(f"{found.root}, at most {found.limit / 2**30:g} GiB\n")
    for encoder, entries in sorted(groups.items()):
        used = datetime.fromtimestamp(max(entry.used for entry in entries)).strftime("%Y-%m-%d %H:%M")
        size = sum(entry.bytes for entry in entries) / 2**20
        say(f"{encoder}: {len(entries)} parts, {size:.1f} MiB, last used {used}\n")


@cache.command("clear", short_help="Remove everything that is kept.")
@folder_option
@debug_option
def clear(folder: str | None) -> None:
    """Remove everything that is kept; the next run computes it again."""
    from divmetrics.extraction.store import Cache

    say(f"{Cache.at(folder).clear()} parts removed.\n")
