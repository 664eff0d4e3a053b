"""A report for notebooks and training loops: as a table, a dict, a data frame, and flat numbers for a logger."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from divmetrics.errors import Unavailable
from divmetrics.records.lazy import late
from divmetrics.records.printing import listed, printable

_SHOWN = 3
"""Most results in the short form of a report."""


class ReportViews:
    """What `Report` shows of itself."""

    real: Any
    fake: Any
    metrics: Mapping[str, Any]
    to_json: Callable[[], str]

    def __str__(self) -> str:
        page, render = late("report.page:report_page"), late("report.table:render")
        text: str = render(page(self), shutil.get_terminal_size((100, 24)).columns)
        return text.rstrip("\n")

    def __repr__(self) -> str:
        parts = [
            f"{key} {'-' if result.value is None else format(result.value, '.4g')}"
            for key, result in self.metrics.items()
        ]
        return f"<Report real n={self.real.n} fake n={self.fake.n}: {printable(listed(parts, _SHOWN))}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: verdict, findings and a compact table."""
        fragment: str = late("report.html.notebook:notebook_of")(self)
        return fragment

    def html(self, path: str | os.PathLike[str]) -> None:
        """Write the page of the report: verdict, findings, numbers, samples, maps, curves and where they come from.

        Args:
            path: A file, which then holds all of it; or a folder (one that exists, or a path that ends with a slash),
                in which style, script and pictures stand beside `index.html`. It is written whole or not at all.

        Raises:
            UsageError: `path` cannot be written.

        Example:
            >>> import tempfile
            >>> from pathlib import Path
            >>> import numpy as np
            >>> import divmetrics as dm
            >>> rows = np.array([[0.0], [1.0]])
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     page = Path(folder) / "page.html"
            ...     dm.score(rows, rows, metrics="emd", ci_level=0, null=False).html(page)
            ...     page.read_text()[:15]
            '<!doctype html>'
        """
        late("report.html.writing:write_report")(self, path)

    def figure(self, metrics: Sequence[str] | str | None = None) -> Any:
        """The values with their intervals against what real samples score, as a figure of matplotlib.

        Args:
            metrics: Keys or names of metrics of the report; by default all that have a value.

        Returns:
            A `matplotlib.figure.Figure`, `figure.savefig("numbers.png")`; notebooks show it.

        Raises:
            Unavailable: matplotlib is not installed (extra `plot`).
            UnknownName: A metric is not in the report.
            UsageError: There is nothing to draw.
        """
        return late("report.html.figure:figure_of")(self, metrics)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain dicts, lists, text and numbers, in the schema of `to_json`.

        Example:
            >>> import numpy as np
            >>> import divmetrics as dm
            >>> real, fake = np.array([[0.0], [1.0]]), np.array([[0.0], [3.0]])
            >>> report = dm.score(real, fake, metrics="emd", ci_level=0, null=False)
            >>> report.to_dict()["metrics"]["emd@features"]["value"]
            1.0
        """
        whole: dict[str, Any] = json.loads(self.to_json())
        return whole

    def to_frame(self) -> Any:
        """The results as a pandas DataFrame, one row a metric, indexed by the keys of the report.

        Columns: `metric`, `extractor`, `value`, `ci_low`, `ci_high`, `ci_level`, `null_low`, `null_high`, `p`,
        `better`, `n_real`, `n_fake`, `literature`, `signature`, `warnings`, `seconds`.

        Raises:
            Unavailable: pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise Unavailable("report.to_frame() needs pandas, which is not installed; pip install pandas.") from None
        return pandas.DataFrame([_row(result) for result in self.metrics.values()], index=list(self.metrics))

    def scalars(self) -> dict[str, float]:
        """The values as a flat dict for a logger of experiments; results without a value are left out.

        Returns:
            `METRIC/EXTRACTOR` -> value. Characters beyond letters, digits, `_`, `-` and `.` become `_`, so that
            TensorBoard, MLflow and Weights & Biases accept the keys.

        Example:
            >>> import numpy as np
            >>> import divmetrics as dm
            >>> real, fake = np.array([[0.0], [1.0]]), np.array([[0.0], [3.0]])
            >>> dm.score(real, fake, metrics="emd", ci_level=0, null=False).scalars()
            {'emd/features': 1.0}
        """
        found: dict[str, float] = {}
        for key, result in self.metrics.items():
            if result.value is None:
                continue
            name = "/".join(map(logger_name, key.split("@", 1)))
            while name in found:  # keys that differ in characters that loggers refuse
                name += "_"
            found[name] = float(result.value)
        return found


def logger_name(text: str) -> str:
    """`text` with `_` in place of what TensorBoard, MLflow or Weights & Biases refuse in the name of a number."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)


def _row(result: Any) -> dict[str, Any]:
    """A result as one row of a data frame."""
    low, high = result.ci or (None, None)
    null = result.null
    return {
        "metric": result.metric,
        "extractor": result.extractor,
        "value": result.value,
        "ci_low": low,
        "ci_high": high,
        "ci_level": result.ci_level,
        "null_low": null and null.low,
        "null_high": null and null.high,
        "p": null and null.p,
        "better": result.better,
        "n_real": result.n_real,
        "n_fake": result.n_fake,
        "literature": result.literature,
        "signature": str(result.signature),
        "warnings": "; ".join(result.warnings),
        "seconds": result.seconds,
    }
