"""The whole road on a device that is elsewhere, for want of a GPU: see `far_device.py`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.utils.backend_registration as registration
from PIL import Image

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(registration, "_setup_privateuseone_for_python_backend"), reason="this torch is too old for it"
    ),
]


def found(tmp_path: Path, *options: str) -> dict[str, Any]:
    rng, sides = np.random.default_rng(0), [tmp_path / "real", tmp_path / "fake"]
    for side in sides:
        for i in range(40):
            place = side / "ab"[i % 2]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(place / f"{i}.png")
    command = [sys.executable, Path(__file__).parent / "far_device.py", *sides, *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_every_metric_on_a_device_is_the_metric_on_the_cpu(tmp_path: Path) -> None:
    report = found(tmp_path)
    assert report["faults"] == {}
    assert len(report["done"]) > 40


def test_a_network_on_a_device_without_float64(tmp_path: Path) -> None:
    assert found(tmp_path, "--no-float64") == {"done": ["fid"], "faults": {}}
