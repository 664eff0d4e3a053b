"""`divmetrics demo`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from divmetrics.cli._options import debug_option, quiet_option
from divmetrics.cli._output import say, say_line, show


@click.command(short_help="Example: score a healthy and a collapsed generator.")
@click.option(
    "-o", "--output", metavar="DIR", help="Keep the images in DIR and print the commands that repeat the demo."
)
@quiet_option
@debug_option
def demo(output: str | None, quiet: bool) -> None:
    """Score a healthy and a collapsed generator, on handwritten digits that come with the package.

    The healthy one draws from the distribution of the reference; the collapsed one is a recurrent GAN from the zoo that
    draws only some of the digits.
    """
    from divmetrics.cli import demo as digits
    from divmetrics.report import page
    from divmetrics.scoring.score import score

    with nullcontext(output) if output else TemporaryDirectory(prefix="divmetrics-") as folder:
        sets = digits.write_images(Path(folder))
        names = ("healthy", "collapsed")
        reports = [
            score(str(sets["real"]), str(sets[name]), metrics=digits.METRICS, progress=not quiet) for name in names
        ]
    for name, report in zip(names, reports, strict=True):
        show(page.report_page(report, title=f"the {name} generator"))
        say("\n")
    for sentence in digits.explain(*reports):
        say_line(f"{sentence}")
    if output:
        say("\n" + "".join(f"divmetrics score {sets['real']} {sets[name]} -m {digits.METRICS}\n" for name in names))
