"""`divmetrics validate`: validate the metrics on samples with known ground truth."""

from __future__ import annotations

from dataclasses import replace

import click

from divmetrics.cli._options import debug_option, json_option, md_option, quiet_option
from divmetrics.cli._output import check_outputs, deliver
from divmetrics.errors import UsageError


@click.command(short_help="Validate the metrics: a report card of each.")
@click.option(
    "--suite", default="all", show_default=True, metavar="sanity|ladders|calibration|all", help="What to run."
)
@click.option("--quick", is_flag=True, help="Few metrics, levels and repeats: three minutes on two cores.")
@click.option("-m", "--metrics", metavar="NAME,...", help="Metrics or a preset.  [default: full; quick: default]")
@click.option(
    "--levels", type=int, metavar="N", help="Levels of each sanity case, odd; 51: all there are.  [default: 5]"
)
@json_option
@md_option
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: one a core]")
@click.option("--cache", "folder", metavar="DIR", help="Keep what is done here, not beside the usual cache.")
@click.option("--fresh", is_flag=True, help="Start over; else a run goes on from what an earlier one left.")
@quiet_option
@debug_option
def validate(
    suite: str,
    quick: bool,
    metrics: str | None,
    levels: int | None,
    json_path: str | None,
    md_path: str | None,
    workers: int | None,
    folder: str | None,
    fresh: bool,
    quiet: bool,
) -> None:
    """Validate the metrics on samples with known ground truth.

    Sanity: samples on which the correct response of a metric is known. Ladders: generators of the zoo that collapse
    step by step, and (not with --quick) its trained models, compared with the oracle; controls where only fidelity
    fails. Calibration: false-alarm rates of the p-values.
    """
    check_outputs({"--json": json_path, "--md": md_path})
    from divmetrics.report import validated
    from divmetrics.validation import suites
    from divmetrics.validation.running import Runner

    runner = Runner.of(folder, workers, fresh=fresh, progress=not quiet)
    size = suites.QUICK if quick else suites.FULL
    if levels is not None:
        if suite in ("ladders", "calibration"):
            raise UsageError(f"levels are those of the suite sanity, and only {suite} runs; leave --levels out.")
        size = replace(size, levels=levels)
    found = suites.validate(suite, size, metrics, runner).to_json()
    deliver(validated.validation_page(found), found, json_path, md_path)
