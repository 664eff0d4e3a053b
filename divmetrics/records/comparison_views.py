"""A comparison for notebooks and training loops: as a table, a dict, a data frame, and flat numbers for a logger."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

from divmetrics.errors import Unavailable
from divmetrics.records.lazy import late
from divmetrics.records.printing import printable
from divmetrics.records.report_views import logger_name


class ComparisonViews:
    """What `Comparison` shows of itself."""

    names: tuple[str, ...]
    reports: tuple[Any, ...]
    ranking: tuple[Any, ...]
    to_json: Callable[[], str]

    def __str__(self) -> str:
        page, render = late("report.compared:comparison_page"), late("report.table:render")
        text: str = render(page(self), shutil.get_terminal_size((100, 24)).columns)
        return text.rstrip("\n")

    def __repr__(self) -> str:
        states = [
            printable(name) if report.verdict is None else f"{printable(name)} {report.verdict.state}"
            for name, report in zip(self.names, self.reports, strict=True)
        ]
        return f"<Comparison of {len(states)}: {', '.join(states)}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdicts and the rankings, without style sheet and script."""
        fragment: str = late("report.html.comparison_notebook:notebook_of_comparison")(self)
        return fragment

    def html(self, path: str | os.PathLike[str]) -> None:
        """Write the page of the comparison, for a browser: verdicts, rankings with intervals, curves of checkpoints.

        Args:
            path: The file; or a folder, where `path` ends with a slash or a folder is there, in which style and script
                stand beside `index.html`. It is written whole or not at all.

        Raises:
            UsageError: `path` cannot be written.
            OSError: The disk is full, or fails.
        """
        late("report.html.writing:write_comparison")(self, path)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain dicts, lists, text and numbers, in the schema of `to_json`."""
        whole: dict[str, Any] = json.loads(self.to_json())
        return whole

    def to_frame(self) -> Any:
        """The rankings as a pandas DataFrame, one row for each metric and generator.

        Columns: `metric` (its key), `better`, `name`, `step` (None without steps), `value`, `ci_low`, `ci_high`,
        `rank`, `rank_low`, `rank_high`, `groups`, `verdict`.

        Raises:
            Unavailable: pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise Unavailable(
                "comparison.to_frame() needs pandas, which is not installed; pip install pandas."
            ) from None
        return pandas.DataFrame(_rows(self))

    def scalars(self) -> dict[str, float]:
        """The values as a flat dict for a logger of experiments; results without a value are left out.

        Returns:
            `GENERATOR/METRIC/EXTRACTOR` -> value, with characters that loggers refuse replaced as in `Report.scalars`.

        Example:
            >>> import numpy as np
            >>> import divmetrics as dm
            >>> real, a, b = np.array([[0.0], [1.0]]), np.array([[0.0], [3.0]]), np.array([[0.0], [1.0]])
            >>> dm.compare(real, {"a": a, "b": b}, metrics="emd", ci_level=0, null=False).scalars()
            {'a/emd/features': 1.0, 'b/emd/features': 0.0}
        """
        found: dict[str, float] = {}
        for name, report in zip(self.names, self.reports, strict=True):
            prefix = logger_name(name)
            while any(key.startswith(f"{prefix}/") for key in found):
                prefix += "_"
            found.update({f"{prefix}/{key}": value for key, value in report.scalars().items()})
        return found


def _rows(comparison: Any) -> list[dict[str, Any]]:
    """The rows of a data frame."""
    reports = dict(zip(comparison.names, comparison.reports, strict=True))
    steps = dict(zip(comparison.names, comparison.steps or [None] * len(reports), strict=True))
    rows = []
    for ranking in comparison.ranking:
        for place in ranking.places:
            ends, ranks = place.ci or (None, None), place.ranks or (None, None)
            verdict = reports[place.name].verdict
            rows.append(
                {
                    "metric": ranking.key,
                    "better": ranking.better,
                    "name": place.name,
                    "step": steps[place.name],
                    "value": place.value,
                    "ci_low": ends[0],
                    "ci_high": ends[1],
                    "rank": place.rank,
                    "rank_low": ranks[0],
                    "rank_high": ranks[1],
                    "groups": "".join(place.groups),
                    "verdict": verdict and verdict.state,
                }
            )
    return rows
