"""`divmetrics demo`: the images it scores, and what it says about the two reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from divmetrics.errors import UsageError
from divmetrics.records.results import Report
from divmetrics.report.page import number

METRICS = "default,modes_found,vendi,inception_score"
"""Metrics that are scored: the preset `default`, and those that the sentences at the end explain."""
PER_SET = 400
SETS = {
    "real": f"digits?n={PER_SET}&seed=0",
    "healthy": f"digits?n={PER_SET}&seed=1",
    "collapsed": f"digits-gan-recurrent?n={PER_SET}&seed=1",
}
"""Folder -> entry of the zoo whose samples it holds."""


def write_images(folder: Path) -> dict[str, Path]:
    """Write the class folders `real`, `healthy` and `collapsed`, 400 PNGs each, below `folder`; name -> its path.

    `healthy` holds other handwritten digits than `real`, `collapsed` those of a trained GAN. Raises UsageError if
    `folder` is not empty.
    """
    from divmetrics.zoo.draw import Draw
    from divmetrics.zoo.export import write_samples

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder; name a new one.")
    return {name: write_samples(Draw.parse(entry), folder / name, as_file=False) for name, entry in SETS.items()}


def without_folder(report: Report, name: str) -> Report:
    """The report without the path of a temporary folder: its sides are called `real` and `name`."""
    return replace(report, real=replace(report.real, source="real"), fake=replace(report.fake, source=name))


def explain(healthy: Report, collapsed: Report) -> tuple[str, str, str]:
    """Three sentences that compare the two reports, with the measured values in them."""

    def change(name: str) -> str:
        before, after = (report[name].value or 0.0 for report in (healthy, collapsed))
        if number(before) == number(after):
            return f"stays at {number(after)}"
        return f"{'falls' if after < before else 'rises'} from {number(before)} to {number(after)}"

    never = ", ".join(mode.name for mode in collapsed.modes if mode.fake_share == 0)
    rarely = ", ".join(mode.name for mode in collapsed.modes if mode.state == "thinned" and mode.fake_share > 0)
    lost = [f"never draws {never}"] * bool(never) + [f"draws {rarely} too rarely"] * bool(rarely)
    lost_text = f"; it {' and '.join(lost)}" if lost else ""
    return (
        f"Modes: from the healthy to the collapsed generator modes_found {change('modes_found')}{lost_text}.",
        f"Diversity: recall, the share of real samples inside the manifold of the fakes, {change('recall')}, and "
        f"vendi, the effective number of different images, {change('vendi')}.",
        f"Fidelity: precision, the share of fakes inside the manifold of the real samples, {change('precision')}; it "
        f"judges each fake alone and cannot detect missing modes. inception_score {change('inception_score')}: it does "
        "not use the real samples at all.",
    )
