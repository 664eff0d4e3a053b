"""A run that was stopped goes on; what is kept is whole, and of this code."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from divmetrics.validation.running import Key, Outcome, Runner, code_digest

CELLS: list[Key] = [("a", 1, 0.5), ("a", 2, 0.5), ("b", 1, 0.5)]


class Counting:
    """Notes what it was asked for; stops at the cell `stop`, as a kill would."""

    def __init__(self, stop: Key | None = None) -> None:
        self.asked: list[tuple[Key, tuple[str, ...]]] = []
        self.stop = stop

    def __call__(self, cell: Key, metrics: Sequence[str]) -> Outcome:
        if cell == self.stop:
            raise KeyboardInterrupt
        self.asked.append((cell, tuple(metrics)))
        return Outcome({name: (float(cell[1]), None) for name in metrics}, {"severity": 0.25})


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Runner(tmp_path, 1).run("sanity", Counting(stop=CELLS[2]), CELLS, ["recall"])
    second = Counting()
    found = Runner(tmp_path, 1).run("sanity", second, CELLS, ["recall"])
    assert second.asked == [(CELLS[2], ("recall",))]
    assert {cell: outcome.found["recall"][0] for cell, outcome in found.items()} == {c: float(c[1]) for c in CELLS}
    assert all(outcome.facts == {"severity": 0.25} for outcome in found.values())


def test_a_new_metric_is_added_to_the_cells_that_are_there(tmp_path: Path) -> None:
    Runner(tmp_path, 1).run("sanity", Counting(), CELLS, ["recall"])
    second = Counting()
    found = Runner(tmp_path, 1).run("sanity", second, CELLS, ["recall", "fid"])
    assert {metrics for _, metrics in second.asked} == {("fid",)}
    assert set(found[CELLS[0]].found) == {"recall", "fid"}


def test_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    Runner(tmp_path, 1).run("sanity", Counting(), CELLS, ["recall"])
    (file,) = tmp_path.iterdir()
    assert code_digest() in file.name
    file.write_bytes(file.read_bytes()[:-20])
    second = Counting()
    Runner(tmp_path, 1).run("sanity", second, CELLS, ["recall"])
    assert [cell for cell, _ in second.asked] == [CELLS[2]]
    third = Counting()
    Runner(tmp_path, 1).run("sanity", third, CELLS, ["recall"])
    assert third.asked == []


def test_another_version_of_a_plug_in_starts_anew(tmp_path: Path) -> None:
    plugin = tmp_path / "metric.py"
    found = []
    for version in ("1", "2"):
        plugin.write_text(version)
        code_digest.cache_clear()
        found.append(code_digest((plugin,)))
    assert len({code_digest(), *found}) == 3


def test_fresh_starts_over_and_suites_are_apart(tmp_path: Path) -> None:
    Runner(tmp_path, 1).run("sanity", Counting(), CELLS, ["recall"])
    for runner, suite in ((Runner(tmp_path, 1, fresh=True), "sanity"), (Runner(tmp_path, 1), "ladders")):
        again = Counting()
        runner.run(suite, again, CELLS, ["recall"])
        assert len(again.asked) == len(CELLS)
