import pytest
import torch

from divmetrics.arrays.devices import resolve
from divmetrics.errors import Unavailable, UnknownName


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
