"""`divmetrics zoo list|sample|train|check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from divmetrics.cli._list import show_entries, zoo_entries
from divmetrics.cli._options import debug_option, quiet_option
from divmetrics.cli._output import say_line, tell
from divmetrics.errors import UsageError
from divmetrics.records.files import check_writable

if TYPE_CHECKING:
    from divmetrics.records.generator import ZooModel
    from divmetrics.zoo.record import CheckedEntry

CHANGED = 1
"""Exit code of a check that finds an entry with other numbers."""


@click.group("zoo", short_help="Generators with known collapse.")
def zoo() -> None:
    """Generators with known collapse: list them, draw samples, train them again, check them.

    `zoo:NAME?n=5000&seed=1` is a source wherever REAL or FAKE is asked for.
    """


@zoo.command("list", short_help="Show all entries.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array and nothing else.")
@debug_option
def list_zoo(as_json: bool) -> None:
    """Show all entries: family, target, what was done to it, and what is recorded of its samples."""
    show_entries("zoo", zoo_entries(), as_json=as_json)


@zoo.command(short_help="Draw from an entry.")
@click.argument("name")
@click.option("-n", "count", type=int, metavar="N", help="Samples to draw (5000).")
@click.option("--seed", type=int, help="Seed of the draw (0).")
@click.option("-o", "--output", required=True, metavar="DIR", help="New folder, or a .npz or .npy file.")
@debug_option
def sample(name: str, count: int | None, seed: int | None, output: str) -> None:
    """Draw from NAME (options: 'NAME?level=0.4').

    Images go to DIR as PNG, one folder for each mode as the oracle labels them; vectors go to DIR/samples.npz. A .npz
    holds features or images and labels, a .npy no labels.
    """
    from divmetrics.zoo.draw import Draw
    from divmetrics.zoo.export import write_samples

    path = Path(output)
    as_file = path.suffix in (".npz", ".npy")
    if as_file:
        check_writable(path)
    elif path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is not an empty folder; name a new one.")
    draw = Draw.parse(name, n=count, seed=seed)
    place = write_samples(draw, path, as_file=as_file)
    say_line(f"{place}: {draw.n} samples of {draw.model.name}, seed {draw.seed}.")


@zoo.command(short_help="Train an entry again.")
@click.argument("name")
@click.option("-o", "--output", required=True, metavar="DIR", help="Folder for the checkpoint; a killed run goes on.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@quiet_option
@debug_option
def train(name: str, output: str, seed: int, quiet: bool) -> None:
    """Train NAME from scratch, as its checkpoint was; a run that was killed resumes from DIR."""
    from divmetrics.records.generator import ZOO

    model = ZOO[name]
    if model.train is None:
        trained = ", ".join(entry.name for entry in ZOO if entry.train is not None)
        raise UsageError(f"{name} is not a trained model; trained models: {trained}.")
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    model.train(folder, seed=seed, progress=not quiet)
    say_line(f"{folder / f'{name}.safetensors'}: {name}, seed {seed}.")


@zoo.command(short_help="Check that entries still give their recorded numbers.")
@click.argument("names", nargs=-1)
@click.option("--target", "only", metavar="TARGET", help="Only entries of this target.")
@click.option("--record", "rewrite", is_flag=True, help="Update the record with the new measures (for developers).")
@quiet_option
@debug_option
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], only: str | None, rewrite: bool, quiet: bool) -> None:
    """Sample NAMES (default: all) and compare the oracle's measures with the recorded ones; exit 1 if one changed."""
    from rich.console import Console
    from rich.progress import track

    from divmetrics.zoo import record

    models = _chosen(names, only)
    steps = track(models, "checking", console=Console(stderr=True), disable=quiet, transient=True)
    found = list(record.check(steps))
    for checked in found:
        say_line(f"{checked.state:12} {checked.name:32} {checked.text}")
    if rewrite:
        record.write_record(checked for checked in found if _untrained(checked, models))
    changed = sum(checked.state == "changed" for checked in found)
    tell(f"{len(found)} entries, {changed} changed.")
    ctx.exit(CHANGED if changed and not rewrite else 0)


def _untrained(checked: CheckedEntry, models: list[ZooModel]) -> bool:
    return any(model.name == checked.name and model.checkpoint is None for model in models)


def _chosen(names: tuple[str, ...], only: str | None) -> list[Any]:
    from divmetrics.records.generator import ZOO
    from divmetrics.zoo.targets import target

    if only is not None:
        target(only)  # an unknown one is met here
    return [model for model in ([ZOO[name] for name in names] or ZOO) if only in (None, model.target)]
