"""`divmetrics extract SOURCE -o OUT.dms`."""

from __future__ import annotations

from typing import Any

import click

from divmetrics.cli._options import debug_option, options_of_request, read_by
from divmetrics.cli._output import check_outputs, say_line
from divmetrics.cli._ranks import is_first, shared_work
from divmetrics.records.run_options import ExtractRequest


@click.command("extract", short_help="Save the features of SOURCE, to score it often.")
@click.argument("source")
@click.option("-o", "--output", required=True, metavar="OUT.dms", help="File to write.")
@options_of_request(ExtractRequest)
@debug_option
def extract_command(source: str, output: str, keywords: dict[str, Any]) -> None:
    """Compute the features of SOURCE once and save them.

    OUT.dms can be given in place of SOURCE, as REAL or FAKE, for any metric. Shards are joined by a plus: a.dms+b.dms.
    """
    check_outputs({"--output": output}, [source, *read_by(keywords)])
    from divmetrics.scoring.score import extract

    with shared_work() as shared:
        side = extract(source, output, **{**keywords, **shared})
    if not is_first():
        return
    skipped = f", {len(side.skipped)} skipped" if side.skipped else ""
    say_line(f"{output}: {side.n} samples of {side.source}{skipped}.")
