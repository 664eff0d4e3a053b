"""`timm:MODEL` against timm itself: its numbers, its eval transforms, its weights; nothing here needs the internet."""

import logging
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config

from divmetrics.encoders import load_encoder
from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import load_published, timm_preparer
from divmetrics.errors import Unavailable, UnknownName, UsageError
from divmetrics.extraction.engines import accelerate, eager

CPU = torch.device("cpu")
VIT, CONVNEXT = "timm:test_vit", "timm:test_convnext"  # timm's own for tests: 0.4 million weights, 160 x 160
IMAGE = np.random.default_rng(0).integers(0, 256, (200, 170, 3), dtype=np.uint8)


def batch_of(encoder: Encoder, n: int = 2) -> torch.Tensor:
    return torch.stack([encoder.prepare(np.roll(IMAGE, 50 * i, axis=1).copy()) for i in range(n)])


@pytest.mark.parametrize("spec", [VIT, CONVNEXT])
def test_features_and_logits_are_timms(spec: str) -> None:
    encoder = load_encoder(f"{spec}?weights=random&seed=3")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = timm.create_model(spec.partition(":")[2]).eval()
    batch = batch_of(encoder)
    with torch.inference_mode():
        pooled, logits = encoder.network(batch)
        torch.testing.assert_close(logits, network(batch))
        network.reset_classifier(0)
        torch.testing.assert_close(pooled, network(batch))
    assert encoder.layers == ("pooled", "logits")
    assert not encoder.network.training


def settings() -> list[dict]:
    """Each eval transform that a network of timm asks for, once."""
    found = {}
    for name in timm.list_pretrained():
        cfg = timm.get_pretrained_cfg(name).to_dict()
        key = (cfg["input_size"], cfg["crop_pct"], cfg["crop_mode"], cfg["interpolation"])
        if max(cfg["input_size"]) <= 256:
            found.setdefault(key, cfg)
    return list(found.values())


def test_preprocessing_of_every_network_equals_timms_transform() -> None:
    cfgs = settings()
    assert len(cfgs) > 20
    for cfg in cfgs:
        network = SimpleNamespace(pretrained_cfg=cfg)
        theirs = create_transform(**resolve_model_data_config(network))(Image.fromarray(IMAGE))
        torch.testing.assert_close(timm_preparer(network)(IMAGE), theirs, atol=1e-6, rtol=0, msg=str(cfg))


def test_a_projection_into_the_space_of_texts_is_no_logits() -> None:
    from divmetrics.encoders._foreign import timm_pooled

    dims = {384, 512, 640, 768, 1024, 1152, 1280}
    for name in timm.list_pretrained():
        cfg = timm.get_pretrained_cfg(name).to_dict()
        if cfg["num_classes"]:
            network = torch.nn.Module()
            network.pretrained_cfg, network.get_classifier = cfg, lambda: torch.nn.Linear(1, 1)
            assert ("logits" in timm_pooled(network).layers) == (cfg["num_classes"] not in dims), name


def test_random_weights_are_drawn_by_the_seed_and_leave_torchs_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first, other = load_encoder(f"{VIT}?weights=random"), load_encoder(f"{VIT}?weights=random&seed=1")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.digest == load_encoder(f"{VIT}?weights=random&seed=0").digest != other.digest
    assert "weights=random" in first.name


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_the_same_weights_have_one_digest_whatever_file_they_came_in(tmp_path: Path, suffix: str) -> None:
    encoder = load_encoder(f"{CONVNEXT}?weights=random")
    state, path = encoder.network.body.timm.state_dict(), tmp_path / f"w{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    loaded = load_encoder(f"{CONVNEXT}?weights={path}")
    assert loaded.digest == encoder.digest
    batch = batch_of(encoder)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.network(batch), encoder.network(batch))


def test_publishers_names_are_translated_and_the_digest_is_the_same(tmp_path: Path) -> None:
    encoder = load_encoder(f"{CONVNEXT}?weights=random")
    timm_names = encoder.network.body.timm.state_dict()
    theirs = {key.replace("head.norm.", "norm.").replace("head.fc.", "head."): t for key, t in timm_names.items()}
    theirs = {re.sub(r"stages\.(\d)\.blocks\.(\d)", r"stages.\1.\2", key): t for key, t in theirs.items()}
    theirs = {re.sub(r"stages\.(\d)\.downsample", r"downsample_layers.\1", key): t for key, t in theirs.items()}
    theirs = {key.replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv"): t for key, t in theirs.items()}
    theirs = {re.sub(r"^stem\.", "downsample_layers.0.", key): t for key, t in theirs.items()}
    torch.save(theirs, tmp_path / "fb.pth")
    assert load_encoder(f"{CONVNEXT}?weights={tmp_path / 'fb.pth'}").digest == encoder.digest


def test_weights_of_another_network_are_named_by_key_and_tool(tmp_path: Path) -> None:
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "w.pth")
    with pytest.raises(Unavailable, match=r"keys .* missing .*unknown .*looks like a ResNet of torchvision or timm"):
        load_encoder(f"{VIT}?weights={tmp_path / 'w.pth'}")
    state = dict(load_encoder(f"{VIT}?weights=random").network.body.timm.state_dict())
    state["head.weight"] = state["head.weight"][:10]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(Unavailable, match=r"test_vit, keys 1 of another shape \(head.weight\)"):
        load_encoder(f"{VIT}?weights={tmp_path / 'w.pth'}")


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("timm:resnt18", UnknownName, "unknown timm network 'resnt18'. Did you mean 'resnet18'"),
        ("timm:resnet18.a1_in2k", UnknownName, "Did you mean 'resnet18.a"),
        ("timm:qqqqqqqqqqqq", UnknownName, "list_models"),
        ("timm", UsageError, "write timm:MODEL"),
        (
            "timm:test_vit?seed=3",
            UsageError,
            "seed=3 draws random weights, which were not asked for",
        ),
        ("timm:test_vit?weights=/no/such", Unavailable, "No such file"),
    ],
)
def test_what_cannot_be_loaded(spec: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        load_encoder(spec)


def test_without_the_published_weights_there_are_two_ways_out(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    np.save(tmp_path / "a.npy", np.stack([IMAGE] * 3))
    command = [sys.executable, "-m", "divmetrics", "score", "a.npy", "a.npy", "-e", VIT, "-m", "fid"]
    path = os.pathsep.join([str(Path(__file__).parents[2]), environment.get("PYTHONPATH", "")])
    run = subprocess.run(  # noqa: S603
        command, cwd=tmp_path, env={**environment, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 3
    assert "HF_HOME" in run.stderr
    assert "?weights=PATH" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("spec", [VIT, CONVNEXT])
def test_compiled_numbers_are_those_of_torch(spec: str) -> None:
    if find_spec("openvino") is None:  # importorskip would import it, telemetry and all
        pytest.skip("needs the extra cpu")
    encoder = load_encoder(f"{spec}?weights=random")
    batch = batch_of(encoder, 3)
    run = accelerate(encoder, CPU, batch.shape[1:])
    assert run.name.startswith("openvino ")
    for found, expected in zip(run(batch), eager(encoder, CPU, batch.shape[1:])(batch), strict=True):
        assert float((found - expected).norm() / expected.norm()) < 1e-5


def test_retries_of_the_hub_are_not_told_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    hub = logging.getLogger("huggingface_hub.utils")

    def load() -> torch.nn.Module:
        hub.warning("retrying")
        raise OSError("no such host")

    with pytest.raises(Unavailable, match="no such host"):
        load_published(load, "net", "the hub", "HF_HOME")
    assert not caplog.records
    hub.warning("later")
    assert [record.message for record in caplog.records] == ["later"]
