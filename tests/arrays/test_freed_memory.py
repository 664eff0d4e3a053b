"""Freed memory goes back to the system."""

import threading

import pytest

from divmetrics.arrays import freed_memory
from divmetrics.arrays.freed_memory import LARGE, USUAL, large_blocks_returned


def test_the_bound_is_put_back_by_the_last_thread_that_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(freed_memory, "_set_threshold", asked.append)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with large_blocks_returned():
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=other)
    with large_blocks_returned():
        thread.start()
        assert inside.wait(5)
    assert asked == [LARGE]
    leave.set()
    thread.join()
    assert asked == [LARGE, USUAL]


def test_a_bound_of_the_user_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")
    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda _: pytest.fail("it was set"))
    freed_memory._set_threshold(LARGE)
