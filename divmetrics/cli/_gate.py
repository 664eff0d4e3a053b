"""`divmetrics gate REAL FAKE | REPORT.json`: samples or a report against rules, with an exit code."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from divmetrics.cli._options import debug_option, json_option, md_option, options_of_request, samples_option
from divmetrics.cli._output import check_outputs, deliver, save_samples
from divmetrics.cli._ranks import is_first, shared_work
from divmetrics.errors import UsageError
from divmetrics.records.files import write_text
from divmetrics.records.results import Report
from divmetrics.records.run_options import ScoreRequest
from divmetrics.report import gated as view
from divmetrics.report.gate.judge import GateResult, judge
from divmetrics.report.gate.rules import Rules, read_rules

_FOR_BOTH = frozenset({"sources", "config", "json_path", "md_path", "junit_path", "quiet"})
"""Parameters that also apply when a saved report is judged."""


@click.command(short_help="Check samples or a report against rules; sets the exit code.")
@click.argument("sources", nargs=-1, required=True, metavar="REAL FAKE | REPORT.json")
@click.option("--config", metavar="PATH", help="Rule file.  [default: divmetrics.toml, else pyproject.toml]")
@options_of_request(ScoreRequest)
@json_option
@md_option
@click.option("--junit", "junit_path", metavar="PATH", help="Write JUnit XML, one testcase a rule.")
@samples_option
@debug_option
@click.pass_context
def gate(
    ctx: click.Context,
    sources: tuple[str, ...],
    config: str | None,
    keywords: dict[str, Any],
    json_path: str | None,
    md_path: str | None,
    junit_path: str | None,
    samples_path: str | None,
) -> int:
    """Check samples, or a saved report, against rules.

    The rules are TOML; without -m, the metrics that they name are measured, and no others.

    \b
    [gate]
    baseline = "baseline.json"      # a report; needed for max_regression
    [gate.rules.recall]
    min = 0.40                      # or max; level = "warn" prints and never fails
    [gate.rules.fid]
    max_regression = "10%"          # or a number in units of the metric

    Exit codes: 0 passed, 1 failed, 2 wrong rules or usage, 3 could not measure.
    """
    check_outputs(json_path, md_path, junit_path, samples_path)
    rules = read_rules(config)
    report = _report(ctx, sources, rules, {**keywords, "samples": samples_path is not None})
    gated = judge(report, rules)
    if is_first():
        _hand_out(report, gated, json_path, md_path, junit_path, samples_path)
    return 0 if gated.passed else 1


def _hand_out(
    report: Report,
    gated: GateResult,
    json_path: str | None,
    md_path: str | None,
    junit_path: str | None,
    samples_path: str | None,
) -> None:
    """Write the files that were asked for, and print the judgement."""
    for warning in gated.warnings:
        warnings.warn(warning, stacklevel=2)
    if junit_path is not None:
        write_text(junit_path, view.junit(gated))
    if samples_path is not None:
        save_samples(report, samples_path)
    deliver(view.gate_page(gated), gated.to_json(), json_path, md_path)


def _report(ctx: click.Context, sources: tuple[str, ...], rules: Rules, keywords: Mapping[str, Any]) -> Report:
    """The saved report, or a new one of the metrics and extractor that the rules name."""
    if len(sources) == 1:
        _refuse_measuring_options(ctx)
        return Report.load(sources[0])
    if len(sources) > 2:
        raise UsageError(f"gate takes REAL FAKE or REPORT.json, got {len(sources)} arguments.")
    from divmetrics.scoring.score import score

    real, fake = sources
    with shared_work() as shared:
        return score(real, fake, **{**rules.keywords, **keywords, **shared}).with_meta(argv=list(ctx.obj))


def _refuse_measuring_options(ctx: click.Context) -> None:
    """Raise UsageError on an option that would have no effect, since a saved report is not measured again."""
    for parameter in ctx.command.params:
        given = ctx.get_parameter_source(parameter.name or "") == ParameterSource.COMMANDLINE
        if given and parameter.expose_value and parameter.name not in _FOR_BOTH:
            raise UsageError(
                f"{parameter.opts[-1]} has no effect on a saved report; give REAL and FAKE to measure them."
            )
