"""`divmetrics score REAL FAKE`."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from divmetrics.cli._options import (
    debug_option,
    html_option,
    json_option,
    md_option,
    options_of_request,
    read_by,
    samples_option,
)
from divmetrics.cli._output import check_outputs, deliver, save_samples
from divmetrics.cli._ranks import is_first, shared_work
from divmetrics.records.run_options import ScoreRequest


@click.command("score", short_help="Measure samples FAKE against a reference REAL.")
@click.argument("real")
@click.argument("fake")
@options_of_request(ScoreRequest)
@json_option
@md_option
@html_option
@samples_option
@debug_option
@click.pass_obj
def score_command(
    argv: tuple[str, ...],
    real: str,
    fake: str,
    keywords: dict[str, Any],
    json_path: str | None,
    md_path: str | None,
    html_path: str | None,
    samples_path: str | None,
) -> None:
    """Measure the samples FAKE against the reference REAL.

    Both are folders of images (class folders become labels), .zip, .tar, .npy, .npz or .dms files. An array of features
    needs no extractor.
    """
    outputs = {"--json": json_path, "--md": md_path, "--html": html_path, "--samples": samples_path}
    check_outputs(outputs, [real, fake, *read_by(keywords)])
    from divmetrics.report import page
    from divmetrics.scoring.score import score  # torch comes with it: not before the command line is known to be right

    with shared_work() as shared:
        asked = {"samples": samples_path is not None, **({"exhibits": True} if html_path else {}), **keywords}
        report = score(real, fake, **{**asked, **shared})
    if not is_first():
        return
    report = report.with_meta(argv=list(argv))
    others = [] if samples_path is None else [partial(save_samples, report, samples_path)]
    others += [] if html_path is None else [partial(report.html, html_path)]
    deliver(page.report_page(report), report.to_json(), json_path, md_path, *others)
