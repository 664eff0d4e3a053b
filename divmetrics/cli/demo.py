"""The main job on built-in data: digits of a healthy and of a collapsed generator of the zoo, scored side by side."""

from __future__ import annotations

from pathlib import Path

from divmetrics.errors import UsageError
from divmetrics.records.results import Report
from divmetrics.report.page import number

METRICS = "default,modes_found,vendi,inception_score"
"""What is scored: the default, and what the sentences at the end speak of."""
PER_SET = 400
SETS = {
    "real": f"digits?n={PER_SET}&seed=0",
    "healthy": f"digits?n={PER_SET}&seed=1",
    "collapsed": f"digits-gan-recurrent?n={PER_SET}&seed=1",
}
"""Folder -> entry of the zoo that fills it; `zoo:` before it makes it a source."""


def write_images(folder: Path) -> dict[str, Path]:
    """Write the class folders `real`, `healthy` and `collapsed`, 400 PNGs each, below `folder`; name -> its path.

    `healthy` are other handwritten digits than `real`, `collapsed` is what a trained network draws. Raises UsageError
    if there is something in `folder`.
    """
    from divmetrics.zoo.draw import Draw
    from divmetrics.zoo.export import write_samples

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder; name a new one.")
    return {name: write_samples(Draw.parse(entry), folder / name, as_file=False) for name, entry in SETS.items()}


def explain(healthy: Report, collapsed: Report) -> tuple[str, str, str]:
    """Three sentences on what the two reports say; each number in them is the measured one."""

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
        f"Diversity: recall, the share of reals that lie among the fakes, {change('recall')}, and vendi, the effective "
        f"number of different images, {change('vendi')}.",
        f"Fidelity: precision, the share of fakes that lie among the reals, {change('precision')}; it looks at each "
        f"fake alone and cannot see what is absent. inception_score {change('inception_score')}: it does not look at "
        "the reals at all.",
    )
