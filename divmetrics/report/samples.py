"""Per-sample values of a report as a csv file."""

from __future__ import annotations

import csv
import os

from divmetrics.records.files import atomic
from divmetrics.records.results import Report


def write_csv(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a line for each sample: its path, its side (`real` or `fake`), and the columns of both sides.

    Args:
        report: A report with per-sample values.
        path: The csv file. A cell is empty where its column belongs to the other side. Names of files that are not
            UTF-8 are written as they are.

    Raises:
        UsageError: where `path` cannot be written.
    """
    columns = dict.fromkeys(name for side in report.samples.values() for name in side if name != "path")
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        table = csv.writer(file)
        table.writerow(["path", "side", *columns])
        for side, values in report.samples.items():
            for row, sample in enumerate(values["path"]):
                table.writerow([sample, side, *(values[name][row] if name in values else "" for name in columns)])
