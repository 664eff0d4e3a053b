"""Per-sample values of a report as a csv file."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping

from divmetrics.records.files import atomic
from divmetrics.records.results import Report


def write_csv(reports: Report | Mapping[str, Report], path: str | os.PathLike[str]) -> None:
    """Write a line for each sample: its path, its side (`real` or `fake`), and the columns of both sides.

    Args:
        reports: A report with per-sample values; or several by the names of their generators, which become a column
            `generator`. Real samples then have a line for each generator, as their values depend on it.
        path: The csv file. A cell is empty where its column belongs to the other side. Names of files that are not
            UTF-8 are written as they are.

    Raises:
        UsageError: where `path` cannot be written.
    """
    several = isinstance(reports, Mapping)
    named: Mapping[str, Report] = reports if isinstance(reports, Mapping) else {"": reports}
    sides = [(name, side, values) for name, report in named.items() for side, values in report.samples.items()]
    columns = dict.fromkeys(name for _, _, values in sides for name in values if name != "path")
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        table = csv.writer(file)
        table.writerow([*(["generator"] if several else []), "path", "side", *columns])
        for generator, side, values in sides:
            first = [generator] if several else []
            for row, sample in enumerate(values["path"]):
                cells = (values[name][row] if name in values else "" for name in columns)
                table.writerow([*first, sample, side, *cells])
