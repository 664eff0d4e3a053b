"""The table of modes: shares in words, and the bars beside them."""

from collections.abc import Callable

import pytest

from divmetrics.records.results import Mode, Report
from divmetrics.report.html.modes import mode_table, per_cent


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100.0 %"), (0.1234, "12.3 %"), (0.001, "0.1 %"), (0.00042, "0.042 %"), (1e-9, "1e-07 %")],
)
def test_shares_in_per_cent(share: float, text: str) -> None:
    assert per_cent(share) == text


def test_bars_are_relative_to_the_largest_share(make_report: Callable[..., Report]) -> None:
    modes = (Mode(0, "cat", 0.5, 0.25, 0.5, "present"), Mode(1, "dog", 0.1, 0.0, 1e-9, "missing"))
    table = mode_table(make_report(modes=modes))
    assert table is not None
    assert [(row.name, row.real_bar, row.fake_bar) for row in table.rows] == [("dog", 20.0, 0.0), ("cat", 100.0, 50.0)]
    assert mode_table(make_report()) is None
