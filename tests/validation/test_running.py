"""A run that was stopped goes on; what is kept is whole, and of this code."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import divmetrics
from divmetrics.validation.running import ASIDE, READERS, Job, JobResult, Runner, code_digest

CELLS: list[Job] = [("a", 1, 0.5), ("a", 2, 0.5), ("b", 1, 0.5)]


class Counting:
    """Notes what it was asked for; stops at the job `stop`, as a kill would."""

    def __init__(self, stop: Job | None = None) -> None:
        self.asked: list[tuple[Job, tuple[str, ...]]] = []
        self.stop = stop

    def __call__(self, job: Job, metrics: Sequence[str]) -> JobResult:
        if job == self.stop:
            raise KeyboardInterrupt
        self.asked.append((job, tuple(metrics)))
        return JobResult({name: (float(job[1]), None) for name in metrics}, {"severity": 0.25})


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Runner(tmp_path, 1).run("sanity", Counting(stop=CELLS[2]), CELLS, ["recall"])
    second = Counting()
    found = Runner(tmp_path, 1).run("sanity", second, CELLS, ["recall"])
    assert second.asked == [(CELLS[2], ("recall",))]
    assert {job: result.values["recall"][0] for job, result in found.items()} == {c: float(c[1]) for c in CELLS}
    assert all(result.facts == {"severity": 0.25} for result in found.values())


def test_a_new_metric_is_added_to_the_cells_that_are_there(tmp_path: Path) -> None:
    Runner(tmp_path, 1).run("sanity", Counting(), CELLS, ["recall"])
    second = Counting()
    found = Runner(tmp_path, 1).run("sanity", second, CELLS, ["recall", "fid"])
    assert {metrics for _, metrics in second.asked} == {("fid",)}
    assert set(found[CELLS[0]].values) == {"recall", "fid"}


def test_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    Runner(tmp_path, 1).run("sanity", Counting(), CELLS, ["recall"])
    (file,) = tmp_path.iterdir()
    assert code_digest() in file.name
    file.write_bytes(file.read_bytes()[:-20])
    second = Counting()
    Runner(tmp_path, 1).run("sanity", second, CELLS, ["recall"])
    assert [job for job, _ in second.asked] == [CELLS[2]]
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


def test_the_digest_is_of_the_code_that_numbers_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of a metric, of the zoo or of a check starts anew; one of the command line or of the cards does not."""
    here = Path(divmetrics.__file__).parent
    assert all((here / name).exists() for name in ASIDE)
    assert all((here / "validation" / name).is_file() for name in READERS)
    files = ["metrics/moments/fid.py", "inference/replicates.py", "validation/ladders.py", "zoo/oracle.py"]
    aside = ["cli/_main.py", "report/table.py", "plugins.py", "validation/suites.py", "validation/cards.py"]
    monkeypatch.setattr(divmetrics, "__file__", str(tmp_path / "__init__.py"))
    for name in (*files, *aside):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")

    def digest() -> str:
        code_digest.cache_clear()
        return code_digest()

    first = digest()
    for name in aside:
        (tmp_path / name).write_text("2")
    assert digest() == first
    seen = {first}
    for name in files:
        (tmp_path / name).write_text("2")
        seen.add(digest())
    assert len(seen) == 1 + len(files)
    monkeypatch.undo()
    code_digest.cache_clear()


def test_fresh_starts_over_and_suites_are_apart(tmp_path: Path) -> None:
    Runner(tmp_path, 1).run("sanity", Counting(), CELLS, ["recall"])
    for runner, suite in ((Runner(tmp_path, 1, fresh=True), "sanity"), (Runner(tmp_path, 1), "ladders")):
        again = Counting()
        runner.run(suite, again, CELLS, ["recall"])
        assert len(again.asked) == len(CELLS)
