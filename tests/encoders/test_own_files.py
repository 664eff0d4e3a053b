"""Networks of one's own: a TorchScript file, an ONNX file, a Python object."""

import gc
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from divmetrics import Meter, Report, score
from divmetrics.encoders import load_encoder
from divmetrics.encoders import onnx_file as onnx_extractor
from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._openvino import openvino_silent
from divmetrics.errors import DivmetricsError, ForeignError, Unavailable, UsageError
from divmetrics.extraction.engines import Network, accelerate

IMAGE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


class Means(nn.Module):
    """Mean of each channel, times a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, batch: Tensor) -> Tensor:
        return batch.mean((2, 3)) * self.weight


class Pair(Means):
    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        rows = batch.mean((2, 3))
        return rows, rows * self.weight


class Spatial(Means):
    def forward(self, batch: Tensor) -> Tensor:
        return batch * self.weight[:, None, None]


class Spectrum(Means):
    """Singular values, which OpenVINO has no operation for."""

    def forward(self, batch: Tensor) -> Tensor:
        return torch.linalg.svdvals(batch.mean(1)) * self.weight[0]


def script(network: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(network), path)
    return path


def features(encoder: Encoder) -> Tensor:
    with torch.inference_mode():
        return encoder.network(encoder.prepare(IMAGE)[None])[0][0]


def grey_means(size: int = 8, interpolation: int = 3) -> Tensor:
    from PIL import Image

    resized = np.array(Image.fromarray(IMAGE).resize((size, size), interpolation))
    return torch.from_numpy(resized).float().mean((0, 1)) / 255


def test_torchscript_gives_what_the_module_gives(tmp_path: Path) -> None:
    encoder = load_encoder(f"torchscript:{script(Means(), tmp_path / 'net.pt')}?size=8&mean=0&std=1")
    torch.testing.assert_close(features(encoder), grey_means() * torch.tensor([1.0, 2.0, 3.0]))
    assert (encoder.layers, encoder.preprocessing) == (("pooled",), "pil-bicubic-whole-8")
    assert load_encoder(f"torchscript:{script(Pair(), tmp_path / 'pair.pt')}?size=8").layers == ("pooled", "logits")


def test_what_openvino_cannot_convert_runs_in_torch(tmp_path: Path) -> None:
    if find_spec("openvino") is None:  # importorskip would import it, telemetry and all
        pytest.skip("needs the extra cpu")
    for network, engine in ((Means(), "openvino"), (Spectrum(), "torch")):
        path = script(network, tmp_path / f"{engine}.pt")
        encoder = load_encoder(f"torchscript:{path}?size=8")
        told = pytest.warns(UserWarning, match="runs eagerly") if engine == "torch" else nullcontext()
        with told:
            run = accelerate(encoder, torch.device("cpu"), (3, 8, 8))
        assert run.name.startswith(f"{engine} ")
        batch = encoder.prepare(IMAGE)[None]
        torch.testing.assert_close(run(batch)[0], network(batch).detach())


def test_each_option_of_the_preparation_moves_the_numbers(tmp_path: Path) -> None:
    path = script(Means(), tmp_path / "net.pt")
    queries = ["", "&mean=0.5", "&mean=0.5/0.4/0.3", "&std=0.5", "&interpolation=bilinear"]
    queries = ["size=9", *(f"size=8{query}" for query in queries)]
    found = {tuple(features(load_encoder(f"torchscript:{path}?{query}")).tolist()) for query in queries}
    assert len(found) == len(queries)
    scaled = load_encoder(f"torchscript:{path}?size=8&mean=0.5/0.4/0.3&std=0.5/0.25/1")
    expected = (grey_means() - torch.tensor([0.5, 0.4, 0.3])) / torch.tensor([0.5, 0.25, 1.0])
    torch.testing.assert_close(features(scaled), expected * torch.tensor([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("query", ["mean=a", "mean=1/2", "std=0", "mean=nan/", "size=0", "size=-1"])
def test_options_that_cannot_be(tmp_path: Path, query: str) -> None:
    with pytest.raises(UsageError, match=query.partition("=")[0]):
        load_encoder(f"torchscript:{script(Means(), tmp_path / 'net.pt')}?{query}")


def test_torchscript_that_cannot_be_used(tmp_path: Path) -> None:
    torch.save(Means().state_dict(), tmp_path / "state.pt")
    with pytest.raises(Unavailable, match=r"is no TorchScript file .* write it with torch.jit.save"):
        load_encoder(f"torchscript:{tmp_path / 'state.pt'}")
    with pytest.raises(Unavailable, match="No such file"):
        load_encoder("torchscript:/no/such.pt")
    with pytest.raises(UsageError, match=r"gives \[2, 3, 224, 224\] for 2 images; wanted features \[2, d\]"):
        load_encoder(f"torchscript:{script(Spatial(), tmp_path / 'map.pt')}")
    with pytest.raises(ForeignError, match=r"on images \[2, 3, 224, 224\], raised .* another size: \?size=N"):
        load_encoder(f"torchscript:{script(nn.Linear(4, 4), tmp_path / 'linear.pt')}")


def write_onnx(path: Path, shape: list, *, inputs: int = 1, outputs: int = 1) -> Path:
    """A file whose output `rowsK` is K + 1 times the mean of each channel of the first input."""
    onnx = pytest.importorskip("onnx")
    if find_spec("openvino") is None:  # importorskip would import it, telemetry and all
        pytest.skip("needs the extra cpu")
    value = onnx.helper.make_tensor_value_info
    nodes, constants = [], []
    for k in range(outputs):
        constants.append(onnx.helper.make_tensor(f"factor{k}", 1, [1], [k + 1.0]))
        nodes.append(onnx.helper.make_node("GlobalAveragePool", ["image0"], [f"pool{k}"]))
        nodes.append(onnx.helper.make_node("Flatten", [f"pool{k}"], [f"flat{k}"]))
        nodes.append(onnx.helper.make_node("Mul", [f"flat{k}", f"factor{k}"], [f"rows{k}"]))
    if inputs > 1:
        nodes.append(onnx.helper.make_node("Identity", ["image1"], ["other"]))
    if not inputs:
        constants.append(onnx.helper.make_tensor("image0", 1, [1, 3, 2, 2], [0.0] * 12))
    graph = onnx.helper.make_graph(
        nodes,
        "means",
        [value(f"image{i}", 1, shape) for i in range(inputs)],
        [value(f"rows{k}", 1, [None, 3]) for k in range(outputs)] + [value("other", 1, shape)] * (inputs > 1),
        constants,
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def test_onnx_gives_what_the_graph_gives(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "net.onnx", ["b", 3, 8, 8])
    encoder = load_encoder(f"onnx:{path}?mean=0&std=1")
    torch.testing.assert_close(features(encoder), grey_means(), atol=1e-6, rtol=1e-5)
    assert (encoder.layers, encoder.preprocessing) == (("pooled",), "pil-bicubic-whole-8")
    batch = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder.network(batch)[0], batch.mean((2, 3)), atol=1e-6, rtol=1e-5)


def test_onnx_is_run_by_openvino_however_few_the_images(tmp_path: Path) -> None:
    encoder = load_encoder(f"onnx:{write_onnx(tmp_path / 'net.onnx', ['b', 3, 8, 8])}?mean=0&std=1")
    network, batch = Network(encoder, torch.device("cpu"), 1), torch.rand(5, 3, 8, 8)
    torch.testing.assert_close(network.start(batch)()["pooled"], batch.mean((2, 3)), atol=1e-6, rtol=1e-5)
    assert network.engine.startswith("openvino ")
    with pytest.warns(UserWarning, match="runs on the CPU, not on cuda"):
        accelerate(encoder, torch.device("cuda"), (3, 8, 8))


def test_onnx_of_open_size_and_of_fixed_batch(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "open.onnx", ["b", 3, "h", "w"])
    assert load_encoder(f"onnx:{path}").preprocessing == "pil-bicubic-whole-224"
    assert load_encoder(f"onnx:{path}?size=20").preprocessing == "pil-bicubic-whole-20"
    one = load_encoder(f"onnx:{write_onnx(tmp_path / 'one.onnx', [1, 3, 8, 8])}")
    assert one.network(torch.zeros(4, 3, 8, 8))[0].shape == (4, 3)


def test_onnx_output_is_chosen_by_name(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "two.onnx", ["b", 3, 8, 8], outputs=2)
    first, second = (features(load_encoder(f"onnx:{path}?output=rows{k}&mean=0&std=1")) for k in (0, 1))
    torch.testing.assert_close(second, 2 * first)
    for query, message in (("", "has 2 outputs; choose"), ("?output=rows7", "has no output 'rows7'; choose")):
        with pytest.raises(UsageError, match=rf"{message} with \?output=NAME one of rows0, rows1"):
            load_encoder(f"onnx:{path}{query}")


@pytest.mark.parametrize(
    ("shape", "inputs", "query", "message"),
    [
        (["b", 3, 8, 8], 2, "?output=rows0", r"has several inputs \(image0, image1\); wanted one, the images"),
        (["b", 3, 8, 8], 0, "", "has no input; wanted one, the images"),
        (["b", 4, 8, 8], 1, "", r"its input is .*4,8,8.*; wanted images \[batch, 3, height, width\]"),
        (["b", 3, 8], 1, "", "wanted images"),
        (["b", 3, 8, 9], 1, "", "wanted a square"),
        (["b", 3, 8, 8], 1, "?size=9", "wanted 9 x 9, as asked for"),
    ],
)
def test_onnx_files_that_read_no_images(tmp_path: Path, shape: list, inputs: int, query: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_encoder(f"onnx:{write_onnx(tmp_path / 'net.onnx', shape, inputs=inputs)}{query}")


def test_files_that_are_no_onnx_and_the_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("openvino") is None:  # importorskip would import it, telemetry and all
        pytest.skip("needs the extra cpu")
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(Unavailable, match="is no ONNX file that OpenVINO reads"):
        load_encoder(f"onnx:{tmp_path / 'a.onnx'}")
    with pytest.raises(Unavailable, match="No such file"):
        load_encoder("onnx:/no/such.onnx")
    monkeypatch.setattr(onnx_extractor, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"pip install 'divmetrics\[cpu\]'"):
        load_encoder("onnx:/no/other.onnx")


OWN = """
import torch
from torch import nn
from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._openvino import openvino_silent
from divmetrics.encoders._preparing import Native

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    def forward(self, batch):
        return batch.mean((2, 3)) * self.weight

class Drawn(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)
    def forward(self, batch):
        return self.linear(batch.mean((2, 3)))

def means(batch):
    return batch.mean((2, 3)) * torch.tensor([1.0, 2.0, 3.0])

def make():
    return Net()

class Pair(nn.Module):
    def forward(self, batch):
        return (batch.mean((2, 3)) * torch.tensor([1.0, 2.0, 3.0]),)

def whole():
    return Encoder("x", "00" * 32, "native", ("pooled",), Native(), Pair().eval)

class Holder:
    net = Net()

number = 3
"""

SLOW = """
import time
from torch import nn
from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._openvino import openvino_silent
from divmetrics.encoders._preparing import Native

calls = 0

def whole():
    global calls
    calls += 1
    time.sleep(0.2)
    return Encoder("x", "00" * 32, "native", ("pooled",), Native(), lambda: nn.Identity())
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    return name


@pytest.mark.parametrize("attribute", ["Net", "means", "make", "Holder.net"])
def test_python_objects(own: str, attribute: str) -> None:
    encoder = load_encoder(f"python:{own}:{attribute}?size=8&mean=0&std=1")
    torch.testing.assert_close(features(encoder), grey_means() * torch.tensor([1.0, 2.0, 3.0]))
    assert len(bytes.fromhex(encoder.digest)) == 32
    assert str(Path.cwd()) not in sys.path


def test_a_python_class_that_draws_its_weights_draws_the_same_and_leaves_torchs_generator_alone(own: str) -> None:
    before = torch.random.get_rng_state()
    first, second = (load_encoder(f"python:{own}:Drawn?size={size}").digest for size in (8, 9))
    assert first == second
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_python_object_is_run_as_it_is_written(own: str) -> None:
    encoder = load_encoder(f"python:{own}:Drawn?size=8")
    assert accelerate(encoder, torch.device("cpu"), (3, 8, 8)).name.startswith("torch ")


def test_a_python_object_may_be_a_whole_encoder(own: str) -> None:
    encoder = load_encoder(f"python:{own}:whole")
    assert (encoder.name, encoder.preprocessing) == (f"python:{own}:whole", "native")


def test_the_digest_of_a_python_object_follows_its_code_and_its_weights(own: str) -> None:
    assert load_encoder(f"python:{own}:Net").digest != load_encoder(f"python:{own}:means").digest
    (Path.cwd() / f"{own}_b.py").write_text(OWN + "\n")
    assert load_encoder(f"python:{own}_b:Net").digest != load_encoder(f"python:{own}:Net").digest


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module:net", "No module named 'no_such_module'"),
        ("OWN:nothing", "has no attribute 'nothing'"),
        ("OWN:number", "is 3; wanted a torch module"),
        ("OWN", "names no attribute; write python:module:attribute"),
    ],
)
def test_python_objects_that_cannot_be_used(own: str, path: str, message: str) -> None:
    with pytest.raises(DivmetricsError, match=message):
        load_encoder(f"python:{path.replace('OWN', own)}")


def test_importing_the_records_loads_no_foreign_library() -> None:
    code = "import sys; from divmetrics.records.extractor import EXTRACTORS; EXTRACTORS.load(); "
    code += "sys.exit(bool({'timm', 'torchvision', 'openvino'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


def rewritten(path: Path, write: Callable[[], object]) -> None:
    """`write()` the file anew, and see to it that the clock of the file system tells the difference."""
    write()
    later = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(later, later))


def test_an_unchanged_file_is_loaded_once_and_an_overwritten_one_again(tmp_path: Path) -> None:
    path = script(Means(), tmp_path / "net.pt")
    first = load_encoder(f"torchscript:{path}?size=8")
    assert load_encoder(f"torchscript:{path}?size=8").network is first.network
    louder = Means()
    louder.weight.data *= 10
    rewritten(path, lambda: script(louder, path))
    second = load_encoder(f"torchscript:{path}?size=8")
    assert second.digest != first.digest
    torch.testing.assert_close(features(second), 10 * features(first))


def test_a_relative_path_names_another_file_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for factor in (1, 2):
        network = Means()
        network.weight.data *= factor
        (tmp_path / str(factor)).mkdir()
        script(network, tmp_path / str(factor) / "net.pt")
        monkeypatch.chdir(tmp_path / str(factor))
        digests.append(load_encoder("torchscript:net.pt?size=8").digest)
    assert digests[0] != digests[1]


def test_overwritten_weights_are_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    spec = f"efficientnet-lite0?weights={path}"
    state = load_encoder("efficientnet-lite0").network.state_dict()
    torch.save(state, path)
    first = load_encoder(spec)
    assert load_encoder(spec).network is first.network
    moved = {name: tensor + 1 if name == "classifier.bias" else tensor for name, tensor in state.items()}
    rewritten(path, lambda: torch.save(moved, path))
    second = load_encoder(spec)
    assert second.digest != first.digest
    torch.testing.assert_close(second.network.classifier.bias, first.network.classifier.bias + 1)


def test_overwritten_external_data_of_an_onnx_file_are_read_again(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "net.onnx", ["b", 3, 8, 8])
    onnx = pytest.importorskip("onnx")
    model = onnx.load(path)
    for tensor in model.graph.initializer:  # as raw bytes, which alone can lie outside
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
    data = tmp_path / "net.data"
    onnx.save_model(model, path, save_as_external_data=True, location=data.name, size_threshold=0)
    spec = f"onnx:{path}?mean=0&std=1"
    first = load_encoder(spec)
    assert load_encoder(spec).network is first.network
    assert data.stat().st_size == 4  # the one factor, 1
    rewritten(data, lambda: data.write_bytes(np.float32(5).tobytes()))
    second = load_encoder(spec)
    assert second.digest != first.digest
    torch.testing.assert_close(features(second), 5 * features(first))


def test_an_edited_python_module_is_imported_again(own: str) -> None:
    spec = f"python:{own}:Net?size=8&mean=0&std=1"
    first = load_encoder(spec)
    assert load_encoder(spec).network is first.network
    path = Path.cwd() / f"{own}.py"
    rewritten(path, lambda: path.write_text(OWN.replace("[1.0, 2.0, 3.0]", "[5.0, 5.0, 5.0]")))
    second = load_encoder(spec)
    assert second.digest != first.digest
    torch.testing.assert_close(features(second), 5 * grey_means())


def test_a_python_object_with_other_weights_than_before_is_another_encoder(own: str) -> None:
    spec = f"python:{own}:Holder.net?size=8&mean=0&std=1"
    first = load_encoder(spec)
    sys.modules[own].Holder.net.weight.data *= 5
    assert load_encoder(spec).digest != first.digest
    torch.testing.assert_close(features(load_encoder(spec)), 5 * grey_means() * torch.tensor([1.0, 2.0, 3.0]))


def test_two_threads_that_ask_at_once_load_one_network(own: str) -> None:
    (Path.cwd() / f"{own}_slow.py").write_text(SLOW)
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(load_encoder, [f"python:{own}_slow:whole"] * 2))
    assert found[0].build is found[1].build
    assert sys.modules[f"{own}_slow"].calls == 1


def test_only_a_handful_of_networks_stays_alive(tmp_path: Path) -> None:
    path = script(Means(), tmp_path / "net.pt")
    first = ref(load_encoder(f"torchscript:{path}?size=8").network)
    accelerate(load_encoder(f"torchscript:{path}?size=8"), torch.device("cpu"), (3, 8, 8))
    for size in range(9, 12):
        load_encoder(f"torchscript:{path}?size={size}")
    gc.collect()
    assert first() is not None
    load_encoder(f"torchscript:{path}?size=12")
    gc.collect()
    assert first() is None


def test_a_score_reads_the_overwritten_network_and_a_running_meter_the_one_that_it_began_with(tmp_path: Path) -> None:
    path = script(Means(), tmp_path / "net.pt")
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 8, 8, 3), dtype=np.uint8)
    settings = {"metrics": "fid", "extractor": f"torchscript:{path}?size=8", "ci_level": 0.0, "null": False}

    def fid(report: Report) -> float | None:
        (result,) = report.metrics.values()
        return result.value

    meter = Meter(**settings)
    meter.add("real", images[0])
    before = fid(score(*images, **settings))
    louder = Means()
    louder.weight.data *= 10
    rewritten(path, lambda: script(louder, path))
    assert fid(score(*images, **settings)) == pytest.approx(100 * before)
    meter.add("fake", images[1])
    assert fid(meter.results()) == pytest.approx(before)


def test_openvino_stays_silent_until_the_last_of_several_threads_leaves() -> None:
    with openvino_silent():
        with openvino_silent():
            pass
        assert sys.modules["openvino_telemetry"] is None
    assert sys.modules.get("openvino_telemetry", "absent") is not None
