"""`divmetrics demo`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from divmetrics.cli._options import debug_option, quiet_option
from divmetrics.cli._output import say, say_line, show, tell
from divmetrics.errors import UsageError
from divmetrics.records.files import check_path, check_writable

PAGE = "divmetrics-demo.html"
"""Where the page of the collapsed generator goes."""


@click.command(short_help="Example: score a healthy and a collapsed generator.")
@click.option(
    "-o", "--output", metavar="DIR", help="Keep images and pages in DIR and print the commands that repeat the demo."
)
@quiet_option
@debug_option
def demo(output: str | None, quiet: bool) -> None:
    """Score a healthy and a collapsed generator, on handwritten digits that come with the package.

    The healthy one draws from the distribution of the reference; the collapsed one is a recurrent GAN from the zoo that
    draws only some of the digits. Its page for a browser is written to divmetrics-demo.html, or to DIR.
    """
    from divmetrics.cli import demo as digits
    from divmetrics.report import page
    from divmetrics.scoring.score import score

    pages = _pages(output)
    with nullcontext(output) if output else TemporaryDirectory(prefix="divmetrics-") as folder:
        sets = digits.write_images(Path(folder))
        names = ("healthy", "collapsed")
        given: dict[str, Any] = {"metrics": digits.METRICS, "progress": not quiet}
        reports = {n: score(str(sets["real"]), str(sets[n]), exhibits=n in pages, **given) for n in names}
    commands = {n: ["divmetrics", "score", str(sets["real"]), str(sets[n]), "-m", digits.METRICS] for n in names}
    for name, report in reports.items():
        show(page.report_page(report, title=f"the {name} generator"))
        say("\n")
    for sentence in digits.explain(*reports.values()):
        say_line(sentence)
    if output:
        say("\n" + "".join(f"{' '.join(command)}\n" for command in commands.values()))
    for name, path in pages.items():
        report = reports[name] if output else digits.without_folder(reports[name], name)
        report.with_meta(argv=commands[name] if output else ["divmetrics", "demo"]).html(path)
        say_line(f"page of the {name} generator, for a browser: {path}")


def _pages(folder: str | None) -> dict[str, Path]:
    """Generator -> where its page goes: both into the folder that is kept, else that of the collapsed one here."""
    if folder is not None:
        check_path(folder)
        return {name: Path(folder) / f"{name}.html" for name in ("healthy", "collapsed")}
    try:
        check_writable(PAGE)
    except UsageError as error:
        tell(f"warning: no page is written; {error}")
        return {}
    return {"collapsed": Path(PAGE)}
