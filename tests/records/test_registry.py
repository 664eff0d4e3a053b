"""Registries: the first look-up may come from several threads at once, and from a leaf that is being imported."""

import importlib.metadata
import subprocess
import sys
import textwrap
from pathlib import Path
from threading import Barrier, Thread

import pytest

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records import registry as registries
from divmetrics.records.metric import METRICS
from divmetrics.records.registry import Registry


def printed(code: str) -> list[str]:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_three_threads_that_score_first_get_whole_reports() -> None:
    counts = printed(
        """
        from threading import Barrier, Thread
        import numpy as np
        import divmetrics as dm

        rows, barrier, counts = np.random.default_rng(0).normal(size=(30, 4)), Barrier(3), []

        def score():
            barrier.wait()
            counts.append(len(dm.score(rows, rows + 1, metrics="quick", ci_level=0, null=False).metrics))

        threads = [Thread(target=score) for _ in range(3)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        print(*counts)
        """
    )
    assert len(counts) == 3
    assert len(set(counts)) == 1
    assert int(counts[0]) > 3


def test_a_look_up_waits_for_the_thread_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "slow_leaves"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "leaf.py").write_text(
        "import time\n"
        "from slow_leaves_registry import parts\n"
        "assert 'other' not in parts\n"  # a look-up while loading sees what is there, and neither waits nor loads again
        "time.sleep(0.3)\n"
        "parts.add(type('Part', (), {'name': 'leaf'})())\n"
    )
    parts: Registry = Registry("part", "slow_leaves")
    holder = type(sys)("slow_leaves_registry")
    holder.parts = parts  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "slow_leaves_registry", holder)
    monkeypatch.syspath_prepend(tmp_path)
    barrier, found = Barrier(3), []

    def look() -> None:
        barrier.wait()
        found.append("leaf" in parts)

    threads = [Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [True] * 3


def test_a_folder_that_cannot_be_imported_is_asked_for_again() -> None:
    parts: Registry = Registry("part", "divmetrics.no_such_folder")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            parts.load()


def test_threads_that_load_plugins_wait_for_the_first() -> None:
    names = printed(
        """
        import time
        from threading import Barrier, Thread
        import importlib.metadata
        from divmetrics.records import registry

        loaded, seen, barrier = [], [], Barrier(3)

        class Entry:
            name, dist = "slow", None
            def load(self):
                time.sleep(0.2)
                loaded.append("once")

        importlib.metadata.entry_points = lambda group: [Entry()]

        def look():
            barrier.wait()
            registry.load_plugins()
            seen.append(len(loaded))

        threads = [Thread(target=look) for _ in range(3)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        print(*seen)
        """
    )
    assert names == ["1", "1", "1"]


def test_an_unknown_metric_is_an_attribute_error_with_the_nearest_name() -> None:
    import divmetrics.metrics

    with pytest.raises(AttributeError, match="Did you mean 'recall'"):
        divmetrics.metrics.recal  # noqa: B018
    assert not hasattr(divmetrics.metrics, "nothing_of_the_kind")


def test_every_metric_is_found_by_walking_and_is_its_record() -> None:
    import divmetrics.metrics

    assert "fid" in METRICS
    assert divmetrics.metrics.fid is METRICS["fid"]
    assert [record.name for record in METRICS] == sorted(record.name for record in METRICS)


def test_unknown_names_get_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'recall'"):
        METRICS["recal"]
    with pytest.raises(UnknownName, match="Did you mean 'recall'"):
        METRICS["RECALL"]
    with pytest.raises(UnknownName, match="Did you mean 'ties'"):
        METRICS["recall"].resolve({"tie": "open"})


def test_two_of_one_name_are_refused() -> None:
    registry: Registry = Registry("metric", "divmetrics.metrics")
    registry.add(METRICS["fid"])
    with pytest.raises(UsageError, match="two metrics are called 'fid'"):
        registry.add(METRICS["fid"])


class BrokenEntry:
    name = "broken"
    dist = type("Dist", (), {"name": "their-package"})

    def load(self) -> None:
        raise ImportError("no module named nothing")


def test_a_broken_plugin_is_a_warning_that_names_its_distribution(monkeypatch) -> None:
    monkeypatch.setattr(registries, "_plugins", lambda: iter([BrokenEntry()]))
    with pytest.warns(UserWarning, match="'broken' of their-package was not loaded"):
        registries.load_plugins()
    assert importlib.metadata.entry_points(group="divmetrics") is not None
