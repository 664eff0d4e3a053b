"""The group of commands, and the place where an exception becomes a sentence and an exit code."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click

from divmetrics._version import __version__
from divmetrics.cli._cache import cache
from divmetrics.cli._compare import compare_command
from divmetrics.cli._demo import demo
from divmetrics.cli._extract import extract_command
from divmetrics.cli._gate import gate
from divmetrics.cli._list import list_parts
from divmetrics.cli._output import WRONG, plain_warnings, sentence_and_code, tell, tell_all
from divmetrics.cli._ranks import is_first
from divmetrics.cli._report import report_command
from divmetrics.cli._score import score_command
from divmetrics.cli._streams import harden, lost_output
from divmetrics.cli._validate import validate
from divmetrics.cli._weights import weights
from divmetrics.cli._zoo import zoo
from divmetrics.errors import UnknownName

INTERRUPTED = 130


class _Passing(Exception):
    """Carries an error past click, which takes EOFError for Ctrl-D, and a broken pipe for a wish to end."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Commands(click.Group):
    """The group of commands; an unknown command is an error that suggests the nearest name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begins with. Raises UnknownName where there is none."""
        if not args[0].startswith("-") and args[0] not in self.commands:
            raise UnknownName.of("command", args[0], self.commands)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Errors of files and streams pass click by, which would exit with codes of its own for some."""
        try:
            return super().invoke(ctx)
        except (EOFError, OSError) as error:
            raise _Passing(error) from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Names in the order in which they were added."""
        return [*self.commands]


@click.group(
    "divmetrics",
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="divmetrics %(version)s", help="Show the version and exit.")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Is your generator diverse, or has it collapsed?

    REAL and FAKE are folders of images (class folders become labels), .zip, .tar, .npy, .npz or .dms files.
    `divmetrics COMMAND --help` explains a command.

    Exit codes: 0 done, or gate passed; 1 gate failed; 2 wrong usage or rules; 3 could not measure; 130 interrupted.
    """
    if ctx.invoked_subcommand is None:
        tell_all(ctx.get_help())
        ctx.exit(WRONG)


COMMANDS = (
    score_command,
    compare_command,
    report_command,
    gate,
    extract_command,
    list_parts,
    zoo,
    validate,
    weights,
    cache,
    demo,
)
for command in COMMANDS:
    commands.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line on `arguments` (default: those of the process) and exit with its code."""
    if arguments is not None:
        sys.exit(run(list(arguments)))
    harden()
    code = run(sys.argv[1:])
    if reason := lost_output():
        tell(f"warning: standard output could not be written: {reason}.")
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process at once: an orderly shutdown of torch and OpenVINO takes another half second.

    Ranks of a distributed run, and processes with live workers, exit in the usual way.
    """
    from multiprocessing import active_children

    with suppress(OSError):  # where somebody has put a stream of their own there
        sys.stdout.flush()
        sys.stderr.flush()
    if "WORLD_SIZE" in os.environ or active_children():
        sys.exit(code)
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line; returns its exit code. An error is printed to stderr as one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name that the terminal cannot show must not end the run
            stream.reconfigure(errors="backslashreplace")
    try:
        with plain_warnings(quiet="--quiet" in arguments or not is_first()):
            code = commands.main(arguments, "divmetrics", standalone_mode=False, obj=("divmetrics", *arguments))
    except click.Abort:  # click's word for Ctrl-C
        tell("error: interrupted.")
        return INTERRUPTED
    except Exception as raised:
        error = raised.error if isinstance(raised, _Passing) else raised
        if "--debug" in arguments:
            tell_all("".join(traceback.format_exception(error)))
        sentence, code = sentence_and_code(error)
        if is_first():  # all ranks end with the same error
            tell(f"error: {sentence}")
    return code or 0
