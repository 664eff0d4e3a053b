"""`divmetrics report REPORT.json`: a saved report as a table, as Markdown, as a page."""

from __future__ import annotations

from functools import partial

import click

from divmetrics.cli._options import debug_option, html_option, md_option
from divmetrics.cli._output import check_outputs, deliver
from divmetrics.records.results import Report


@click.command("report", short_help="Show a saved report: as a table, Markdown, a page.")
@click.argument("path", metavar="REPORT.json")
@html_option
@md_option
@click.option("--quiet", is_flag=True, expose_value=False, help="No warnings; errors still show.")
@debug_option
def report_command(path: str, html_path: str | None, md_path: str | None) -> None:
    """Show a report that `score --json` has saved, without measuring anything.

    Prints the table. With --html it writes the page: with galleries, maps and curves where the report holds them
    (score --exhibits), and with pictures where the samples still lie where they were.
    """
    check_outputs({"--html": html_path, "--md": md_path}, [path])
    from divmetrics.report import page

    report = Report.load(path)
    others = [] if html_path is None else [partial(report.html, html_path)]
    deliver(page.report_page(report, title="divmetrics report"), report.to_json(), None, md_path, *others)
