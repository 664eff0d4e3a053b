"""`divmetrics compare REAL A B ...`."""

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
from divmetrics.records.run_options import CompareRequest


@click.command("compare", short_help="Rank several generators against a reference REAL.")
@click.argument("real")
@click.argument("generators", nargs=-1, required=True, metavar="A B ...")
@options_of_request(CompareRequest)
@json_option
@md_option
@html_option
@samples_option
@debug_option
@click.pass_obj
def compare_command(
    argv: tuple[str, ...],
    real: str,
    generators: tuple[str, ...],
    keywords: dict[str, Any],
    json_path: str | None,
    md_path: str | None,
    html_path: str | None,
    samples_path: str | None,
) -> None:
    """Rank the generators A, B, ... against the reference REAL, metric by metric, each with its verdict.

    All are folders of images, .zip, .tar, .npy, .npz or .dms files, as for score. Generators that cannot be told apart
    share a rank. With --steps they are checkpoints of one run, given one by one or as a pattern in quotes:

    \b
    divmetrics compare real/ a/ b/ c/
    divmetrics compare real/ 'run/step_*' --steps
    """
    outputs = {"--json": json_path, "--md": md_path, "--html": html_path, "--samples": samples_path}
    check_outputs(outputs, [real, *generators, *read_by(keywords)])
    from divmetrics.report import compared
    from divmetrics.scoring.compare import compare  # torch comes with it

    with shared_work() as shared:
        asked = {"samples": samples_path is not None, **({"exhibits": True} if html_path else {}), **keywords}
        found = compare(real, list(generators), **{**asked, **shared})
    if is_first():
        found = found.with_meta(argv=list(argv))
        others = [] if samples_path is None else [partial(save_samples, found.by_name, samples_path)]
        others += [] if html_path is None else [partial(found.html, html_path)]
        deliver(compared.comparison_page(found), found.to_json(), json_path, md_path, *others)
