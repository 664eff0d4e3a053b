"""Per-sample values as csv: which fake lies outside the reals, which real no fake comes near."""

from __future__ import annotations

import csv
import os

from divmetrics.records.files import atomic
from divmetrics.records.results import Report


def write(report: Report, path: str | os.PathLike[str]) -> None:
    """Write one line a sample to `path`: its path, its side (`real` or `fake`), and the columns of both sides.

    A cell is empty where the column belongs to the other side. Raises UsageError where `path` cannot be written.
    """
    columns = dict.fromkeys(name for side in report.samples.values() for name in side if name != "path")
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "side", *columns])
        for side, values in report.samples.items():
            for row, place in enumerate(values["path"]):
                table.writerow([place, side, *(values[name][row] if name in values else "" for name in columns)])
