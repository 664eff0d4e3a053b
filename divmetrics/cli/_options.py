"""The options that several commands share. Those of a run are made from the fields of its request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING
from functools import wraps
from typing import Any

import click

from divmetrics.errors import UsageError
from divmetrics.records.keywords import KeywordOption, options_of

quiet_option = click.option("--quiet", is_flag=True, help="No progress bar and no warnings; errors still show.")
json_option = click.option(
    "--json", "json_path", metavar="PATH|-", help="Write JSON; with - to stdout and nothing else."
)
md_option = click.option("--md", "md_path", metavar="PATH", help="Write Markdown, for the comment of a pull request.")
html_option = click.option(
    "--html",
    "html_path",
    metavar="PATH|DIR/",
    help="Write a page for a browser: one file that needs nothing else, or a folder with its parts side by side.",
)
samples_option = click.option(
    "--samples",
    "samples_path",
    metavar="PATH",
    help="Write a csv file with one line a sample: the nearest sample of the other side, whether it is inside or "
    "covered, realism, rarity, duplicates.",
)
debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
"""Read by `main` from the arguments themselves, since parsing them may be what fails."""


def options_of_request(
    record: type[Any], defaults: Mapping[str, str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that adds an option for each field of `record`, and `--quiet`, to a command.

    The command gets those that were given in one argument, `keywords`: defaults are the record's own.

    Args:
        record: The request.
        defaults: Field -> what `--help` says of its default, where the command has another one.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_keywords(*, quiet: bool, no_cache: bool, **given: Any) -> Any:
            keywords = {name: value for name in names if (value := given.pop(name)) is not None}
            if no_cache and "cache" in keywords:
                raise UsageError("--cache and --no-cache contradict each other; leave one out.")
            if no_cache:
                keywords["cache"] = False
            return command(keywords={**keywords, "progress": not quiet}, **given)

        names = [option.name for option in _on_command_line(record)]
        decorated: Callable[..., Any] = quiet_option(with_keywords)
        for option in reversed(list(_on_command_line(record))):
            for parameter in reversed(_click_options(option, (defaults or {}).get(option.name))):
                decorated = parameter(decorated)
        return decorated

    return decorate


def read_by(keywords: Mapping[str, Any]) -> list[Any]:
    """The files and folders that options of a run name, to be read."""
    return [keywords[name] for name in ("held_out", "labels", "weights", "confusion") if keywords.get(name)]


def _on_command_line(record: type[Any]) -> Iterator[KeywordOption]:
    return (option for option in options_of(record) if option.help.command_line and option.default is not MISSING)


class _Value(click.ParamType):  # type: ignore[type-arg]  # generic in later versions of click only
    """Reads the text of an option as its field wants it."""

    def __init__(self, option: KeywordOption) -> None:
        self.option = option
        self.name = option.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        """The value of the option. Raises UsageError on a text that it cannot have."""
        return self.option.parse(value) if isinstance(value, str) else value


def _click_options(option: KeywordOption, default: str | None = None) -> list[Callable[..., Any]]:
    """The options of a command that stand for one field: usually one, two where a path may also be turned off."""
    if option.kinds == (bool,):
        word = option.flag if option.default else f"no-{option.flag}"
        text = f"{option.help.text}  [default: {word}]"
        return [click.option(f"--{option.flag}/--no-{option.flag}", option.name, default=None, help=text)]
    default = default or ("" if option.default is None or isinstance(option.default, bool) else str(option.default))
    shown = f"  [default: {default}]" if default else ""
    flags = [option.help.short] if option.help.short else []
    value = click.option(
        *flags,
        f"--{option.flag}",
        option.name,
        type=_Value(option),
        default=None,
        metavar=option.metavar,
        help=f"{option.help.text}{shown}",
    )
    if bool not in option.kinds:
        return [value]
    return [
        value,
        click.option(
            f"--no-{option.flag}", is_flag=True, help=f"Neither use nor keep what --{option.flag} would hold."
        ),
    ]
