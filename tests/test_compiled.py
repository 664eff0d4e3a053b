"""OpenVINO against torch on the same network, and when which of them runs."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from divmetrics import compiled
from divmetrics.compiled import Network, accelerate, eager
from divmetrics.encoder import Encoder
from divmetrics.extractors import load_encoder

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
    run, engine = accelerate(encoder, CPU, SHAPE)
    reference, torch_engine = eager(encoder, CPU, SHAPE)
    assert engine.startswith("openvino 20")
    assert torch_engine.startswith("torch 2.")
    batch = photographs(5)
    kept = batch.clone()
    first = run(batch[:3])
    parts = [torch.cat(rows) for rows in zip(first, run(batch[3:4]), run(batch[4:]), strict=True)]
    for found, expected in zip(parts, reference(batch), strict=True):
        assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5
    assert torch.equal(batch, kept)  # OpenVINO shares the memory of its input, and must only read it


@needs_openvino
def test_compiling_happens_once(encoder: Encoder) -> None:
    assert accelerate(encoder, CPU, SHAPE)[0] is accelerate(encoder, CPU, SHAPE)[0]


def test_torch_runs_where_openvino_is_missing_or_has_nothing_to_gain(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert accelerate(load_encoder("pixels"), CPU, (3, 8, 8))[1].startswith("torch ")
    monkeypatch.setattr(compiled, "find_spec", lambda name: None)
    assert accelerate(encoder, CPU, SHAPE)[1].startswith("torch ")


@pytest.mark.parametrize(("n", "started"), [(compiled.PAYS_FROM - 1, "eager"), (compiled.PAYS_FROM, "accelerate")])
def test_only_many_samples_are_worth_compiling(monkeypatch: pytest.MonkeyPatch, n: int, started: str) -> None:
    for name in ("eager", "accelerate"):
        monkeypatch.setattr(compiled, name, lambda *_, name=name: (lambda batch: (batch, batch), name))
    network = Network(load_encoder("pixels"), CPU, n)
    assert network.engine == ""
    network(torch.zeros(1, 3, 4, 4))
    assert network.engine == started


@needs_openvino
def test_openvino_sends_nothing_home(tmp_path: Path) -> None:
    code = (
        "import sys, torch\n"
        "from divmetrics.compiled import accelerate\n"
        "from divmetrics.extractors import load_encoder\n"
        f"engine = accelerate(load_encoder('efficientnet-lite0'), torch.device('cpu'), {SHAPE})[1]\n"
        "from openvino.tools.ovc.telemetry_stub import Telemetry\n"
        "assert engine.startswith('openvino') and type(sys.modules['openvino.tools.ovc'].telemetry) is Telemetry\n"
        "assert not any(name.startswith('openvino_telemetry') for name in sys.modules)"
    )
    home = {**os.environ, "HOME": str(tmp_path), "CI": ""}
    command = [sys.executable, "-W", "error", "-c", code]
    found = subprocess.run(command, env=home, capture_output=True, text=True, check=False)  # noqa: S603
    assert (found.returncode, found.stderr) == (0, "")
    assert not list(tmp_path.rglob("openvino*"))  # the telemetry keeps an id of this machine in ~/intel
