"""The options that several commands share, each defined once, and the one record that carries them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import wraps
from typing import Any, Literal

import click

from divmetrics.errors import UsageError

Auto = int | Literal["auto"]


@dataclass(frozen=True)
class Measuring:
    """How samples are read and shown to a network; `None` is "the engine's default"."""

    extractor: str | None
    num: int | None
    seed: int
    device: str
    batch_size: Auto
    workers: Auto
    labels: str | None
    weights: str | None
    max_skipped: float
    cache: str | None
    no_cache: bool
    quiet: bool
    precision: str
    jpeg: str

    def keywords(self, extractor: str | None = None) -> dict[str, Any]:
        """Keyword arguments of `engine.score` and `engine.extract`; `extractor` stands in where none was named."""
        if self.cache is not None and self.no_cache:
            raise UsageError("--cache and --no-cache contradict each other; leave one out.")
        own = {"quiet", "no_cache"}
        given = {name: value for name, value in asdict(self).items() if name not in own and value is not None}
        if self.no_cache:
            given["cache"] = False
        if extractor is not None:
            given.setdefault("extractor", extractor)
        return {**given, "progress": not self.quiet}


@dataclass(frozen=True)
class Comparing:
    """What is said of two sides beyond the bare numbers."""

    ci_level: float
    null: bool
    modes: Auto
    held_out: str | None
    confusion: str | None

    def keywords(self) -> dict[str, Any]:
        """Keyword arguments of `engine.score`."""
        return {**asdict(self), "modes": None if self.modes == "auto" else self.modes}


def _count_or_auto(least: int) -> Callable[[click.Context, click.Parameter, str], Auto]:
    """A click callback that takes a whole number from `least` on, or the word `auto`."""

    def convert(ctx: click.Context, parameter: click.Parameter, text: str) -> Auto:
        if text == "auto":
            return "auto"
        if not text.isdecimal() or int(text) < least:
            raise click.BadParameter(f"{text!r} is neither auto nor a whole number from {least} on.", ctx, parameter)
        return int(text)

    return convert


quiet_option = click.option("--quiet", is_flag=True, help="No progress bar and no warnings; errors still show.")

_MEASURING = (
    click.option(
        "-e",
        "--extractor",
        metavar="NAME[,NAME]",
        help="Network that turns images into features, see `divmetrics list extractors`; options follow as a query: "
        "'pixels?size=32'.  [default: efficientnet-lite0]",
    ),
    click.option("--num", type=click.IntRange(min=1), metavar="N", help="Draw N samples from each side, by the seed."),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, metavar="N", show_default=True, help="Seed of every draw."
    ),
    click.option(
        "--device", default="auto", metavar="auto|cpu|cuda[:i]|mps", show_default=True, help="Where the network runs."
    ),
    click.option(
        "--batch-size",
        callback=_count_or_auto(1),
        default="auto",
        metavar="N|auto",
        show_default=True,
        help="Images shown to the network at once.",
    ),
    click.option(
        "--workers",
        callback=_count_or_auto(0),
        default="auto",
        metavar="N|auto",
        show_default=True,
        help="Threads or processes that decode images.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["float32", "fast"]),
        default="float32",
        show_default=True,
        help="fast: half floats on a GPU, bfloat16 on a CPU that has it; signatures say so.",
    ),
    click.option(
        "--jpeg",
        type=click.Choice(["pillow", "device"]),
        default="pillow",
        show_default=True,
        help="device: JPEG files are decoded where the network runs, within a grey level or two; signatures say so.",
    ),
    click.option("--labels", metavar="PATH", help="Class names of the samples: a csv with the columns path,label."),
    click.option("--weights", metavar="PATH", help="Weights file for the extractor, in place of its own."),
    click.option(
        "--max-skipped",
        type=click.FloatRange(0, 1),
        default=0.01,
        metavar="SHARE",
        show_default=True,
        help="Share of unreadable samples that is skipped and listed; more of them is an error.",
    ),
    click.option("--cache", metavar="DIR", help="Keep features here between runs, not in the usual place."),
    click.option("--no-cache", is_flag=True, help="Neither use nor keep features of other runs."),
    quiet_option,
)


_COMPARING = (
    click.option(
        "--ci-level",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.95,
        metavar="SHARE",
        show_default=True,
        help="Level of the intervals and null bands; 0: no intervals.",
    ),
    click.option(
        "--null/--no-null",
        default=True,
        show_default=True,
        help="What each metric would give if fakes and reals were alike.",
    ),
    click.option(
        "--modes",
        callback=_count_or_auto(1),
        default="auto",
        metavar="N|auto",
        show_default=True,
        help="Number of clusters of the reals that serve as modes; auto: the classes, else as many as the reals show.",
    ),
    click.option(
        "--held-out",
        metavar="SOURCE",
        help="Real samples that the generator was not trained on; then REAL is its training set (c_t, fld).",
    ),
    click.option(
        "--confusion",
        metavar="PATH",
        help="Confusion matrix of the classifier that gave the classes, .npy or .csv, row = true class: modes are "
        "corrected for its errors.",
    ),
)


def _grouped(record: type[Any], name: str, options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """A decorator that adds `options` to a command, which gets them as one `record`, in the argument `name`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_record(**given: Any) -> Any:
            shared = {field.name: given.pop(field.name) for field in fields(record)}
            return command(**{name: record(**shared)}, **given)

        collected: Callable[..., Any] = with_record
        for option in reversed(options):
            collected = option(collected)
        return collected

    return decorate


measuring = _grouped(Measuring, "measuring", _MEASURING)
"""Add the options of `Measuring`; the command gets them as one argument, `measuring`."""
comparing = _grouped(Comparing, "comparing", _COMPARING)
"""Add the options of `Comparing`; the command gets them as one argument, `comparing`."""


metrics_option = click.option(
    "-m",
    "--metrics",
    metavar="NAME[:opt=value],...",
    help="Metrics or a preset, see `divmetrics list metrics` and `list presets`: quick, or fid,recall:k=3.",
)
json_option = click.option(
    "--json", "json_path", metavar="PATH|-", help="Write JSON; with - to stdout and nothing else."
)
md_option = click.option("--md", "md_path", metavar="PATH", help="Write Markdown, for the comment of a pull request.")
samples_option = click.option(
    "--samples",
    "samples_path",
    metavar="PATH",
    help="Write csv, a line a sample: nearest one of the other side, inside or covered, realism, rarity, duplicates.",
)
debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
"""Read by `main` from the arguments themselves, since parsing them may be what fails."""
