import gc
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep

import pytest

from divmetrics.arrays import memo
from divmetrics.arrays.memo import growing, latest, once


class Owner:
    """Anything that can be referred to weakly."""


@pytest.fixture
def calls() -> list[str]:
    return []


def counted(calls: list[str], name: str = "result") -> object:
    calls.append(name)
    return object()


def test_a_result_is_made_once_for_its_owners_and_key(calls: list[str]) -> None:
    a, b = Owner(), Owner()
    first = once((a, b), ("sum", 1), lambda: counted(calls))
    assert once((a, b), ("sum", 1), lambda: counted(calls)) is first
    assert once((a, b), ("sum", 2), lambda: counted(calls)) is not first
    assert once((b, a), ("sum", 1), lambda: counted(calls)) is not first
    assert once((a,), ("sum", 1), lambda: counted(calls)) is not first
    assert len(calls) == 4


@pytest.mark.parametrize("gone", [0, 1])
def test_it_is_forgotten_with_any_of_its_owners(gone: int, calls: list[str]) -> None:
    before = (len(memo._slots), len(memo._owners))
    owners = [Owner(), Owner()]
    once(tuple(owners), "result", lambda: counted(calls))
    del owners[gone]
    gc.collect()
    assert len(memo._slots) == before[0]
    owners.clear()
    gc.collect()
    assert (len(memo._slots), len(memo._owners)) == before


def test_an_error_is_not_kept(calls: list[str]) -> None:
    owner = Owner()

    def fail() -> None:
        calls.append("failed")
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):  # noqa: PT011
            once((owner,), "result", fail)
    assert once((owner,), "result", lambda: 3) == 3
    assert len(calls) == 2


def test_threads_that_ask_together_share_one_computation(calls: list[str]) -> None:
    owner, together = Owner(), Barrier(4)

    def ask(_: int) -> object:
        together.wait()
        return once((owner,), "result", lambda: counted(calls))

    with ThreadPoolExecutor(4) as pool:
        assert len(set(map(id, pool.map(ask, range(4))))) == 1
    assert calls == ["result"]


def test_a_result_may_be_made_of_another(calls: list[str]) -> None:
    owner = Owner()
    assert once((owner,), "outer", lambda: once((owner,), "inner", lambda: 2) + 1) == 3


def test_a_growing_result_is_extended_by_one_thread_at_a_time() -> None:
    owner, together = Owner(), Barrier(4)
    inside: list[int] = []

    def extend(number: int) -> None:
        together.wait()
        with growing((owner,), "numbers", list[int]) as numbers:
            inside.append(number)
            numbers.append(number)
            assert numbers == inside  # nobody came in between
            sleep(0.01)
            assert numbers == inside

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(extend, range(4)))
    with growing((owner,), "numbers", list[int]) as numbers:
        assert sorted(numbers) == [0, 1, 2, 3]


def test_a_growing_result_ends_with_its_owner() -> None:
    owner = Owner()
    before = len(memo._slots)
    with growing((owner,), "numbers", list[int]) as numbers:
        numbers.append(1)
    assert len(memo._slots) == before + 1
    del owner
    gc.collect()
    assert len(memo._slots) == before


def test_of_large_results_only_the_last_is_kept(calls: list[str]) -> None:
    a, b = Owner(), Owner()
    before = len(memo._slots)
    first = latest((a,), ("large", 1), lambda: counted(calls))
    other = once((a,), ("small", 1), lambda: counted(calls))
    assert latest((a,), ("large", 1), lambda: counted(calls)) is first
    latest((a, b), ("large", 2), lambda: counted(calls))
    assert len(memo._slots) == before + 2
    assert once((a,), ("small", 1), lambda: counted(calls)) is other
    assert latest((a,), ("large", 1), lambda: counted(calls)) is not first
    assert len(calls) == 4
    del a
    gc.collect()
    assert len(memo._slots) == before
