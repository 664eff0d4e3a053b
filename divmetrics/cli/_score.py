"""`divmetrics score REAL FAKE`."""

from __future__ import annotations

import click

from divmetrics.cli._options import (
    Comparing,
    Measuring,
    comparing,
    debug_option,
    json_option,
    md_option,
    measuring,
    metrics_option,
    samples_option,
)
from divmetrics.cli._output import check_outputs, deliver, save_samples


@click.command(short_help="Measure samples FAKE against a reference REAL.")
@click.argument("real")
@click.argument("fake")
@metrics_option
@measuring
@comparing
@json_option
@md_option
@samples_option
@debug_option
@click.pass_obj
def score(
    argv: tuple[str, ...],
    real: str,
    fake: str,
    measuring: Measuring,
    comparing: Comparing,
    metrics: str | None,
    json_path: str | None,
    md_path: str | None,
    samples_path: str | None,
) -> None:
    """Measure the samples FAKE against the reference REAL.

    Both are folders of images (class folders become labels), .zip, .tar, .npy, .npz or .dms files. An array of features
    needs no extractor.
    """
    check_outputs(json_path, md_path, samples_path)
    from divmetrics.report import page
    from divmetrics.scoring import (
        score as engine,  # torch comes with it: not before the command line is known to be right
    )

    keywords = {**measuring.keywords(), **comparing.keywords(), "samples": samples_path is not None}
    report = engine.score(real, fake, metrics=metrics or "default", **keywords).with_meta(argv=list(argv))
    if samples_path is not None:
        save_samples(report, samples_path)
    deliver(page.of_report(report), report.to_json(), json_path, md_path)
