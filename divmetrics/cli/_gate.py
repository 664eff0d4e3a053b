"""`divmetrics gate REAL FAKE | REPORT.json`: samples or a report against rules, with an exit code."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import click
from click.core import ParameterSource

from divmetrics.cli._gate_start import check_modes, start, tested, written_by_init
from divmetrics.cli._options import (
    debug_option,
    html_option,
    json_option,
    md_option,
    options_of_request,
    read_by,
    samples_option,
)
from divmetrics.cli._output import STDOUT, check_outputs, deliver, save_samples, say, sentence_and_code, tell
from divmetrics.cli._ranks import is_first, shared_work
from divmetrics.errors import DivmetricsError, UsageError
from divmetrics.records.files import check_apart, write_text
from divmetrics.records.lazy import late
from divmetrics.records.results import Report
from divmetrics.records.run_options import ScoreRequest
from divmetrics.report import gated as view
from divmetrics.report import markdown
from divmetrics.report.gate.judge import judge_saved
from divmetrics.report.gate.outcomes import GateResult, error_json
from divmetrics.report.gate.rules import Rules, read_rules

_FOR_BOTH = frozenset({"sources", "config", "json_path", "md_path", "junit_path", "html_path", "quiet"})
"""Parameters that also apply when a saved report is judged."""
_SCORED = "divmetrics.scored"
"""Where the context of the command keeps the report, once there is one."""


class _Gate(click.Command):
    """A command that writes the files it was asked for where it fails, too: steps of a build read them."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments."""
        given = list(args)  # click empties `args`
        with _errors_written(given):
            ctx = super().make_context(info_name, args, parent, **extra)
        ctx.meta[_Gate.__name__] = given
        return ctx

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _errors_written(ctx.meta[_Gate.__name__], ctx.meta):
            return super().invoke(ctx)


@contextmanager
def _errors_written(arguments: list[str], meta: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Write the error of the block into the outputs that `arguments` name, before it goes on.

    Args:
        arguments: Those of the command.
        meta: The notes of its context, in which a report may be.
    """
    try:
        yield
    except (click.exceptions.Exit, click.Abort):  # --help, Ctrl-C
        raise
    except Exception as error:
        if is_first():
            _write_error(*sentence_and_code(error), arguments, (meta or {}).get(_SCORED))
        raise


def _write_error(sentence: str, code: int, arguments: list[str], report: Report | None) -> None:
    """Write an error as JSON, Markdown, JUnit XML and page to the paths that `arguments` name, where that can be.

    The page shows the `report` too, where something was measured before the error.
    """
    texts: dict[str, Callable[[], str]] = {
        "--json": lambda: error_json(sentence, code),
        "--md": lambda: markdown.render(view.error_page(sentence)),
        "--junit": lambda: view.error_junit(sentence, code),
    }
    paths = {option: _path_after(option, arguments) for option in (*texts, "--samples", "--html")}
    read = _possibly_read(arguments, paths)
    kept = {os.path.realpath(path) for path in written_by_init(_path_after("--config", arguments))}
    for option, text in texts.items():
        path = paths[option]
        if path == STDOUT and option == "--json":
            say(text())
        elif path is not None and path != STDOUT and not ("--init" in arguments and os.path.realpath(path) in kept):
            with suppress(UsageError, OSError):  # the error itself may be that it cannot be written, or must not be
                check_apart({name: other for name, other in paths.items() if other != STDOUT}, read)
                write_text(path, text())
    if paths["--html"] is not None and not {"--init", "--selftest"} & set(arguments):
        with suppress(DivmetricsError, OSError):
            check_outputs({option: path for option, path in paths.items() if path != STDOUT}, read)
            late("report.html.writing:write_unjudged")(sentence, report, paths["--html"])


def _possibly_read(arguments: list[str], written: Collection[str]) -> list[Any]:
    """Whatever may be a file or folder to read, also where the arguments as a whole cannot be parsed.

    Values of the options `written` are left out.
    """
    config = _path_after("--config", arguments)
    read: list[Any] = [config, "divmetrics.toml", "pyproject.toml"]
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, _, value = argument.partition("=")
        if before not in written and option not in written:
            read += [argument, value]
    with suppress(DivmetricsError, OSError):
        rules = read_rules(config)
        read += [rules.path, rules.baseline_path]
    return read


def _path_after(option: str, arguments: list[str]) -> str | None:
    """The last value of `option`, also where the arguments as a whole cannot be parsed; None where there is none."""
    path = None
    for place, argument in enumerate(arguments):
        if argument == option and place + 1 < len(arguments):
            path = arguments[place + 1]
        elif argument.startswith(f"{option}="):
            path = argument.partition("=")[2]
    return path or None


@click.command(cls=_Gate, short_help="Check samples or a report against rules; sets the exit code.")
@click.argument("sources", nargs=-1, required=True, metavar="REAL FAKE | REPORT.json")
@click.option("--config", metavar="PATH", help="Rule file.  [default: divmetrics.toml, else pyproject.toml]")
@options_of_request(ScoreRequest, {"metrics": "those that the rules name"})
@json_option
@md_option
@click.option(
    "--init",
    is_flag=True,
    help="Score REAL and FAKE and write divmetrics.toml (or --config) and baseline.json, with thresholds outside the "
    "measured noise.",
)
@click.option("--force", is_flag=True, help="With --init: replace files that exist.")
@click.option(
    "--selftest",
    is_flag=True,
    help="Split FAKE into random halves and judge one against the other: how often the gate is red for unchanged "
    "samples. Exit code 1 where that is significantly above --alpha.",
)
@click.option("--resplits", type=int, metavar="N", help="With --selftest: how many random re-splits.  [default: 20]")
@click.option(
    "--quarantine",
    is_flag=True,
    help="Where the gate fails, measure once more on another seed at half the false-alarm rate; fail if both do.",
)
@click.option("--junit", "junit_path", metavar="PATH", help="Write JUnit XML, one testcase a rule.")
@html_option
@samples_option
@debug_option
@click.pass_context
def gate(
    ctx: click.Context,
    sources: tuple[str, ...],
    config: str | None,
    init: bool,
    force: bool,
    selftest: bool,
    resplits: int | None,
    quarantine: bool,
    keywords: dict[str, Any],
    json_path: str | None,
    md_path: str | None,
    junit_path: str | None,
    html_path: str | None,
    samples_path: str | None,
) -> int:
    """Check samples, or a saved report, against rules.

    The rules are TOML; gate --init REAL FAKE writes a file to begin with. Options that are given come before those of
    the file; without -m, the metrics that the rules name are measured, and no others.

    \b
    [gate]
    baseline = "baseline.json"      # a report; needed for max_regression
    verdict = "error"               # fails where it is collapsed; or "warn", "off"
    [gate.rules.recall]
    min = 0.40                      # or max; level = "warn" prints and never fails
    [gate.rules.fid]
    max_regression = "10%"          # or a number in units of the metric
    [gate.rules.missing_modes]
    max = 0                         # classes without samples, clusters with few; thinned_modes: too few

    Exit codes: 0 passed, 1 failed, 2 wrong rules or usage, 3 could not measure. The files that --json, --md, --junit
    and --html name are written at all four.
    """
    if keywords.get("exhibits") and not html_path:
        raise UsageError("--exhibits is for the page; give --html, or leave it out.")
    others = {"--junit": junit_path, "--html": html_path, "--samples": samples_path}
    outputs = {"--json": json_path, "--md": md_path, **others}
    check_modes(init=init, force=force, selftest=selftest, resplits=resplits, quarantine=quarantine, others=others)
    if init:
        return start(sources, config, keywords, outputs, force=force)
    if selftest:
        return tested(sources, config, keywords, outputs, resplits)
    check_outputs(outputs, [*sources, config, *read_by(keywords)])
    rules = read_rules(config)
    rules = replace(rules, quarantine=quarantine or rules.quarantine)
    check_outputs(outputs, [rules.path, rules.baseline_path, *read_by(rules.keywords)])
    shown = {"exhibits": True} if html_path else {}
    gated = _judged(ctx, sources, rules, {**shown, **keywords, "samples": samples_path is not None})
    if is_first():
        _hand_out(gated, outputs)
        if gated.exit_code > 1:
            tell(f"error: {gated.error}")
    return gated.exit_code


def _hand_out(gated: GateResult, outputs: Mapping[str, str | None]) -> None:
    """Print the judgement, and write the files that were asked for: option -> path."""
    for warning in gated.warnings:
        warnings.warn(warning, stacklevel=2)
    others = []
    if (path := outputs["--junit"]) is not None:
        others.append(partial(write_text, path, view.junit(gated)))
    if (path := outputs["--html"]) is not None:
        others.append(partial(gated.html, path))
    if (path := outputs["--samples"]) is not None:
        others.append(partial(save_samples, gated.report, path))
    deliver(view.gate_page(gated), gated.to_json(), outputs["--json"], outputs["--md"], *others)


def _judged(ctx: click.Context, sources: tuple[str, ...], rules: Rules, keywords: Mapping[str, Any]) -> GateResult:
    """The judgement of a saved report, or of a new one of the metrics and extractor that the rules name."""

    def scored(report: Report) -> None:
        ctx.meta[_SCORED] = report

    if len(sources) == 1:
        _refuse_measuring_options(ctx)
        scored(saved := Report.load(sources[0]))
        return judge_saved(saved, rules)
    if len(sources) > 2:
        raise UsageError(f"gate takes REAL FAKE or REPORT.json, got {len(sources)} arguments.")
    from divmetrics.scoring.gate import measure_and_judge

    with shared_work() as shared:
        return measure_and_judge(sources, rules, {**keywords, **shared}, scored, argv=list(ctx.obj))


def _refuse_measuring_options(ctx: click.Context) -> None:
    """Raise UsageError on an option that would have no effect, since a saved report is not measured again."""
    for parameter in ctx.command.params:
        given = ctx.get_parameter_source(parameter.name or "") == ParameterSource.COMMANDLINE
        if given and parameter.expose_value and parameter.name not in _FOR_BOTH:
            raise UsageError(
                f"{parameter.opts[-1]} has no effect on a saved report; give REAL and FAKE to measure them."
            )
