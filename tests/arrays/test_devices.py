from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread, current_thread
from typing import TypeVar

import pytest
import torch

from divmetrics.arrays.devices import convolutions, in_turn, matmul, one_thread, resolve
from divmetrics.errors import Unavailable, UnknownName

T = TypeVar("T")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A machine with so many CUDA devices, and with Metal or without."""
    cuda, metal = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: metal)


@pytest.mark.parametrize(
    ("machine", "found"),
    [((2, False), "cuda"), ((1, True), "cuda"), ((0, True), "mps"), ((0, False), "cpu")],
    indirect=["machine"],
)
def test_auto_takes_the_fastest(machine: None, found: str) -> None:
    assert resolve("auto") == torch.device(found)


@pytest.mark.parametrize("machine", [(2, True)], indirect=True)
@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:0", "cuda:1", "mps"])
def test_a_device_that_is_here(machine: None, name: str) -> None:
    assert resolve(name) == torch.device(name)


@pytest.mark.parametrize(
    ("machine", "name", "message"),
    [
        ((0, False), "cuda", "no device cuda here: torch finds 0 CUDA devices. Use --device auto or --device cpu."),
        ((2, False), "cuda:2", "no device cuda:2 here: torch finds 2 CUDA devices"),
        ((2, False), "mps", "no device mps here"),
    ],
    indirect=["machine"],
)
def test_a_device_that_is_not(machine: None, name: str, message: str) -> None:
    with pytest.raises(Unavailable, match=message):
        resolve(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "", "CPU "])
def test_no_device_at_all(name: str) -> None:
    with pytest.raises(UnknownName, match="unknown device"):
        resolve(name)


def test_near_names_are_offered() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'cuda'"):
        resolve("cudda")


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Torch on two threads, whatever the tests run on."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def in_a_thread(work: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result()


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("first", ["the one that came first leaves first", "the one that came last leaves first"])
def test_overlapping_one_thread_leaves_all_threads_as_they_were(first: str) -> None:
    inside, leave, found = Event(), Event(), []

    def other() -> None:
        with one_thread():
            found.append(torch.get_num_threads())
            inside.set()
            leave.wait(10)
        found.append(torch.get_num_threads())

    with one_thread():
        thread = Thread(target=other)
        thread.start()
        assert inside.wait(10)
        if "last" in first:
            leave.set()
            thread.join()
            assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    leave.set()
    thread.join()
    assert found == [1, 2]
    assert torch.get_num_threads() == 2
    assert in_a_thread(torch.get_num_threads) == 2


@pytest.mark.usefixtures("two_threads")
def test_one_thread_inside_one_thread() -> None:
    with one_thread():
        with one_thread():
            pass
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == 2


def settings() -> tuple[object, ...]:
    cudnn = torch.backends.cudnn
    return torch.get_float32_matmul_precision(), cudnn.deterministic, cudnn.allow_tf32, cudnn.benchmark


EXACT, FAST = ("highest", True, False, False), ("high", False, True, False)


def test_overlapping_settings_are_the_strictest_inside_and_as_before_outside() -> None:
    before = settings()
    inside, leave, found = Event(), Event(), []

    def other() -> None:
        with matmul("highest"), convolutions("exact"):
            inside.set()
            leave.wait(10)
            found.append(settings())

    thread = Thread(target=other)
    with matmul("highest"), convolutions("exact"):
        assert settings() == EXACT
        with matmul("high"), convolutions("fast"):
            assert settings() == FAST
            thread.start()
            assert inside.wait(10)
            assert settings() == EXACT, "the other thread needs it"
    leave.set()
    thread.join()
    assert found == [EXACT]
    assert settings() == before


@pytest.mark.parametrize("threads", [1, 3])
def test_tasks_are_computed_apart_and_taken_in_turn(threads: int) -> None:
    before, computing, taken = torch.get_num_threads(), set(), []
    torch.set_num_threads(threads)

    def compute(task: int) -> int:
        assert not torch.is_grad_enabled() or threads == 1
        computing.add(current_thread().name)
        return task**2

    try:
        in_turn(range(40), compute, lambda task, found: taken.append((task, found)), torch.device("cpu"))
        with pytest.raises(ZeroDivisionError):
            in_turn(range(40), lambda task: 1 // (20 - task), lambda *_: None, torch.device("cpu"))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert taken == [(task, task**2) for task in range(40)]
    assert (current_thread().name in computing) is (threads == 1)
