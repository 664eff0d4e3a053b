"""`divmetrics report REPORT.json`: a saved report as a table, as Markdown, as a page."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import click

from divmetrics.cli._options import debug_option, html_option, md_option
from divmetrics.cli._output import check_outputs, deliver
from divmetrics.records.comparison import Comparison
from divmetrics.records.files import read_text
from divmetrics.records.json_reading import DamagedRecord, parse_json
from divmetrics.records.results import Report


@click.command("report", short_help="Show a saved report: as a table, Markdown, a page.")
@click.argument("path", metavar="REPORT.json")
@html_option
@md_option
@click.option("--quiet", is_flag=True, expose_value=False, help="No warnings; errors still show.")
@debug_option
def report_command(path: str, html_path: str | None, md_path: str | None) -> None:
    """Show a report or comparison that --json has saved, without measuring anything.

    Prints the table. With --html it writes the page: with galleries, maps and curves where the report holds them
    (score --exhibits), and with pictures where the samples still lie where they were.
    """
    check_outputs({"--html": html_path, "--md": md_path}, [path])
    from divmetrics.report import compared, page

    saved = _load(path)
    others = [] if html_path is None else [partial(saved.html, html_path)]
    if isinstance(saved, Comparison):
        shown = compared.comparison_page(saved, title="divmetrics report")
    else:
        shown = page.report_page(saved, title="divmetrics report")
    deliver(shown, saved.to_json(), None, md_path, *others)


def _load(path: str) -> Report | Comparison:
    """The report or comparison in a file. Raises UsageError where it is neither."""
    text = read_text(path, "report")
    with suppress(DamagedRecord):  # the reader of reports says what is wrong
        whole = parse_json(text)
        schema = whole.get("schema") if isinstance(whole, dict) else None
        if schema == Comparison.SCHEMA or Comparison.is_newer(schema):
            return Comparison.from_json(text, path)
    return Report.from_json(text, path)
