"""`divmetrics extract SOURCE -o OUT.dms`."""

from __future__ import annotations

import click

from divmetrics.cli._options import Measuring, debug_option, measuring
from divmetrics.cli._output import check_outputs, say


@click.command(short_help="Keep the features of SOURCE, to score it often.")
@click.argument("source")
@click.option("-o", "--output", required=True, metavar="OUT.dms", help="File that keeps the features.")
@measuring
@debug_option
def extract(source: str, output: str, measuring: Measuring) -> None:
    """Run the network over SOURCE once and keep its features.

    OUT.dms then stands for SOURCE, as REAL or FAKE, for any metric. Shards are joined by a plus: a.dms+b.dms.
    """
    check_outputs(None, output)
    from divmetrics.scoring import score as engine

    side = engine.extract(source, output, **measuring.keywords())
    skipped = f", {len(side.skipped)} skipped" if side.skipped else ""
    say(f"{output}: {side.n} samples of {side.source}{skipped}.\n")
