"""OpenVINO against torch on the same network, and when which of them runs."""

import os
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from divmetrics.encoders import load_encoder
from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._preparing import Native
from divmetrics.extraction import engines
from divmetrics.extraction.engines import Engine, Network, accelerate, eager
from divmetrics.records.foreign import is_lack_of_memory

CPU = torch.device("cpu")
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="the extra cpu is not installed")
"""Not pytest.importorskip, which would import OpenVINO here, telemetry and all."""
SHAPE = (3, 224, 224)


def photographs(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.nn.functional.interpolate(
        torch.rand(n, 3, 7, 7, generator=generator) * 2 - 1, size=224, mode="bicubic"
    )


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("efficientnet-lite0")


@needs_openvino
def test_compiled_numbers_are_those_of_torch(encoder: Encoder) -> None:
    run, reference = accelerate(encoder, CPU, SHAPE), eager(encoder, CPU, SHAPE)
    assert run.name.startswith("openvino 20")
    assert reference.name.startswith("torch 2.")
    batch = photographs(5)
    kept = batch.clone()
    first = run(batch[:3])
    parts = [torch.cat(rows) for rows in zip(first, run(batch[3:4]), run(batch[4:]), strict=True)]
    for found, expected in zip(parts, reference(batch), strict=True):
        assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5
    assert torch.equal(batch, kept)  # OpenVINO shares the memory of its input, and must only read it


@needs_openvino
def test_compiling_happens_once(encoder: Encoder) -> None:
    assert accelerate(encoder, CPU, SHAPE) is accelerate(encoder, CPU, SHAPE)


@needs_openvino
def test_several_batches_under_way_keep_their_own_numbers(encoder: Encoder) -> None:
    run = accelerate(encoder, CPU, SHAPE)
    batches = [photographs(3) + i / 10 for i in range(run.ahead + 3)]
    waits = [run.start(batch) for batch in batches]
    for batch, wait in zip(batches, waits, strict=True):
        (found, _), (expected, _) = wait(), run(batch)
        assert torch.equal(found, expected)


@needs_openvino
def test_tracing_gives_back_the_threads(encoder: Encoder) -> None:
    before, network = torch.get_num_threads(), deepcopy(encoder.network)
    assert accelerate(replace(encoder, build=lambda: network), CPU, SHAPE).name.startswith("openvino")
    assert torch.get_num_threads() == before


@needs_openvino
@pytest.mark.filterwarnings("ignore:`torch.jit.script`:FutureWarning")
def test_a_scripted_module_inside_is_compiled_too() -> None:
    inner = torch.jit.script(torch.nn.Linear(4, 2))
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 2), torch.nn.Flatten(), inner, _AsTuple()).requires_grad_(False)
    one = Encoder("e", "", "", ("pooled",), Native(), network.eval)
    run, batch = accelerate(one, CPU, (3, 3, 3)), torch.randn(5, 3, 3, 3)
    assert run.name.startswith("openvino")
    torch.testing.assert_close(run(batch)[0], network(batch)[0])


class _AsTuple(torch.nn.Module):
    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor]:
        return (batch,)


@pytest.mark.parametrize("start", [eager, accelerate])
def test_fast_is_close_and_not_equal(encoder: Encoder, start: Callable[..., Any]) -> None:
    kind = engines.fast_type(CPU)
    if kind is None:
        pytest.skip("this CPU has no bfloat16")
    batch = photographs(2)
    exact, fast = start(encoder, CPU, SHAPE)(batch)[0], start(encoder, CPU, SHAPE, "fast")(batch)[0]
    assert fast.dtype == torch.float32
    assert 1e-4 < float((fast - exact).norm() / exact.norm()) < 0.2


def test_a_gpu_computes_in_half_floats_and_a_cpu_in_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engines.fast_type(torch.device("cuda")) == torch.float16
    assert engines.fast_type(torch.device("mps")) == torch.float16
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert engines.fast_type(CPU) is None


def test_fast_arithmetic_ends_with_the_network() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with engines.exact_float32(), engines._arithmetic(CPU, torch.bfloat16):
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32
        assert torch.is_autocast_enabled("cpu")
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("start", [pytest.param(accelerate, marks=needs_openvino), eager])
def test_autocast_of_the_caller_changes_no_bit(encoder: Encoder, start: Callable[..., Any]) -> None:
    batch = photographs(2)
    expected = start(encoder, CPU, SHAPE)(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network = deepcopy(encoder.network)  # else the network that was compiled before answers
        found = start(replace(encoder, build=lambda: network), CPU, SHAPE)(batch)
        assert torch.is_autocast_enabled("cpu")
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(found, expected, strict=True))


def test_memory_errors_of_every_kind_of_device() -> None:
    assert is_lack_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    assert is_lack_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert not is_lack_of_memory(RuntimeError("shapes differ"))


def test_torch_runs_where_openvino_is_missing_or_has_nothing_to_gain(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert accelerate(load_encoder("pixels"), CPU, (3, 8, 8)).name.startswith("torch ")
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert accelerate(encoder, CPU, SHAPE).name.startswith("torch ")


@pytest.mark.parametrize(("n", "started"), [(engines.COMPILE_FROM - 1, "eager"), (engines.COMPILE_FROM, "accelerate")])
def test_only_many_samples_are_worth_compiling(monkeypatch: pytest.MonkeyPatch, n: int, started: str) -> None:
    for name in ("eager", "accelerate"):
        monkeypatch.setattr(engines, name, lambda *_, name=name: Engine(name, lambda batch: lambda: (batch, batch), 0))
    network = Network(load_encoder("pixels"), CPU, n)
    assert network.engine == ""
    network.start(torch.zeros(1, 3, 4, 4))
    assert network.engine == started


@needs_openvino
def test_openvino_sends_nothing_home(tmp_path: Path) -> None:
    code = (
        "import sys, torch\n"
        "from divmetrics.extraction.engines import accelerate\n"
        "from divmetrics.encoders import load_encoder\n"
        f"engine = accelerate(load_encoder('efficientnet-lite0'), torch.device('cpu'), {SHAPE}).name\n"
        "from openvino.tools.ovc.telemetry_stub import Telemetry\n"
        "assert engine.startswith('openvino') and type(sys.modules['openvino.tools.ovc'].telemetry) is Telemetry\n"
        "assert not any(name.startswith('openvino_telemetry') for name in sys.modules)"
    )
    home = {**os.environ, "HOME": str(tmp_path), "CI": ""}
    command = [sys.executable, "-W", "error", "-c", code]
    found = subprocess.run(command, env=home, capture_output=True, text=True, check=False)  # noqa: S603
    assert (found.returncode, found.stderr) == (0, "")
    assert not list(tmp_path.rglob("openvino*"))  # the telemetry keeps an id of this machine in ~/intel


@needs_openvino
@pytest.mark.skipif(sys.platform != "linux", reason="signals of Linux")
def test_compiled_networks_that_are_freed_leave_a_stack_for_signals() -> None:
    code = """
import signal, torch
from torch import nn
from dataclasses import replace
from divmetrics.encoders import load_encoder
from divmetrics.extraction.engines import accelerate
signal.signal(signal.SIGUSR1, lambda *_: None)
class Tuple(nn.Module):
    def forward(self, batch):
        return (batch,)
def engine():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), Tuple()).requires_grad_(False)
    encoder = replace(load_encoder("pixels"), build=lambda: network)
    return encoder, accelerate(encoder, torch.device("cpu"), (3, 8, 8))
first, second = engine(), engine()
assert first[1].name.startswith("openvino")
del first
del second
[torch.zeros(2000) for _ in range(2000)]
signal.raise_signal(signal.SIGUSR1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
