"""Networks given as objects: forms of outputs, digests of all that they compute with, faults of their code."""

import importlib
import subprocess
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import divmetrics as dm
from divmetrics.encoders import Encoder, load_encoder
from divmetrics.encoders._outputs import outputs_of
from divmetrics.encoders._reachable import Unknown, digest_of
from divmetrics.encoders.python_object import encoder_of
from divmetrics.errors import FeatureError, ForeignError, UsageError
from divmetrics.records.extractor import Spec
from divmetrics.scoring.meter import Meter

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 24, 8, 8, 3), dtype=np.uint8)
QUIET: dict[str, Any] = {"ci_level": 0, "null": False}


@dataclass
class Output:
    """As transformers returns it."""

    logits: Tensor
    hidden: Tensor
    loss: None = None


class Pair(NamedTuple):
    logits: Tensor
    features: Tensor


class Means(nn.Module):
    """Mean of each channel times a weight."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(float(factor)))

    def forward(self, batch: Tensor) -> Tensor:
        return self.weight * batch.mean((2, 3))


ROWS, LOGITS = torch.arange(6.0).view(2, 3), torch.zeros(2, 10)


@pytest.mark.parametrize(
    ("found", "count"),
    [
        (ROWS, 1),
        (ROWS[:, :, None, None], 1),
        ((ROWS, LOGITS), 2),
        ([ROWS, None], 1),
        ({"features": ROWS, "logits": LOGITS}, 2),
        (OrderedDict(logits=LOGITS, pooler_output=ROWS[:, :, None, None], last_hidden_state=torch.zeros(2, 4, 3)), 2),
        ({"anything": ROWS}, 1),
        (Output(LOGITS, ROWS), 2),
        (Pair(LOGITS, ROWS), 2),
    ],
)
def test_outputs_of_all_forms_are_features_and_logits(found: Any, count: int) -> None:
    outputs = outputs_of(found, 2)
    assert len(outputs) == count
    assert torch.equal(outputs[0], ROWS)
    assert count == 1 or torch.equal(outputs[1], LOGITS)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (torch.zeros(2, 3, 7, 7), r"gives \[2, 3, 7, 7\] for 2 images; .* average the map"),
        (torch.zeros(2, 5, 3), r"take one token"),
        (ROWS[:1], r"gives \[1, 3\] for 2 images"),
        (ROWS.to(torch.complex64), "complex"),
        (ROWS[0], r"gives \[3\]"),
        ({"logits": LOGITS}, "logits .* return one of them yourself"),
        ({"a": ROWS, "b": ROWS}, r"a \[2, 3\], b \[2, 3\]"),
        ((ROWS, ROWS, ROWS), "or those and logits"),
        ({}, "gives nothing"),
        (None, "gives NoneType"),
        ("text", "gives str"),
    ],
)
def test_outputs_that_are_no_features_are_refused_with_what_they_are(found: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        outputs_of(found, 2)


def test_a_module_a_function_a_class_and_an_encoder_are_extractors_everywhere(tmp_path: Path) -> None:
    given = [Means(), Means().forward, Means, lambda batch: batch.mean((2, 3)), encoder_of(Means(), name="mine")]
    for network in given:
        report = dm.score(*IMAGES, metrics="fid", extractor=network, **QUIET)
        ((key, result),) = report.metrics.items()
        meter = Meter("fid", network, **QUIET)
        for side, images in zip(("real", "fake"), IMAGES, strict=True):
            meter.add(side, images)
            dm.extract(images, tmp_path / f"{side}.dms", extractor=network)
        assert meter.results()[key].value == pytest.approx(result.value)
        files = dm.score(tmp_path / "real.dms", tmp_path / "fake.dms", metrics="fid", extractor=network, **QUIET)
        assert (files[key].value, files[key].signature) == (pytest.approx(result.value), result.signature)
    assert key == "fid@python:mine"


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_what_wraps_a_network_changes_nothing() -> None:
    network = Means()
    plain = load_encoder(Spec.of_object(network)).digest
    assert load_encoder(Spec.of_object(nn.DataParallel(network))).digest == plain
    script = load_encoder(Spec.of_object(torch.jit.script(network)))
    torch.testing.assert_close(script.network(torch.ones(2, 3, 4, 4))[0], torch.ones(2, 3))
    assert script.known


def test_several_extractors_may_be_objects_and_names() -> None:
    report = dm.score(*IMAGES, metrics="fid", extractor=[Means(), "pixels"], **QUIET)
    assert [*report.metrics] == ["fid@python:Means", "fid@pixels"]
    with pytest.raises(UsageError, match=r"name objects with .*encoder_of"):
        dm.score(*IMAGES, metrics="fid", extractor=[Means(1), Means(2)])


def test_a_network_that_was_given_is_left_as_it_was_and_read_as_it_was() -> None:
    network = nn.Sequential(Means(), nn.Dropout(0.5))
    meter = Meter("fid", network, **QUIET)
    meter.add("real", IMAGES[0])
    assert network.training
    assert network[1].training
    assert network[0].weight.requires_grad
    network[0].weight.data *= 100
    meter.add("fake", IMAGES[0])
    assert next(iter(meter.results().metrics.values())).value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("given", [None, 3, object(), {"a": 1}, b"pixels", Path("net.pt")])
def test_what_can_be_no_extractor_is_refused_with_what_can(given: Any) -> None:
    with pytest.raises(UsageError, match=r"an extractor is a .*; give a name such as 'inception'"):
        dm.score(*IMAGES, metrics="fid", extractor=given)


class Arguments(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


def test_objects_that_are_no_network() -> None:
    with pytest.raises(UsageError, match="is a class that takes arguments"):
        load_encoder(Spec.of_object(Arguments))
    with pytest.raises(UsageError, match="not initialised yet"):
        load_encoder(Spec.of_object(nn.Sequential(nn.Flatten(), nn.LazyLinear(2))))


def test_a_function_whose_features_depend_on_the_batch_or_on_chance_is_refused() -> None:
    noisy = nn.Sequential(Means(), nn.Dropout(0.5))
    for seed in range(30):  # three features are often the same twice
        torch.manual_seed(seed)
        with pytest.raises(UsageError, match=r"training mode\? Put it into evaluation mode"):
            encoder_of(lambda batch: noisy(batch))
    with pytest.raises(UsageError, match="beside another"):
        encoder_of(lambda batch: batch.mean((2, 3)) - batch.mean())
    noisy.eval()
    assert encoder_of(lambda batch: noisy(batch)).layers == ("pooled",)


# digests


def closing_over(value: Any) -> Any:
    return lambda batch: batch.mean((2, 3)) * value


def with_default(value: Any) -> Any:
    def function(batch: Tensor, factor: Any = value) -> Tensor:
        return batch.mean((2, 3)) * factor

    return function


class Strided(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride


class Scaled:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, batch: Tensor) -> Tensor:
        return batch.mean((2, 3)) * self.value


@pytest.mark.parametrize(
    "make",
    [
        closing_over,
        with_default,
        Strided,
        Scaled,
        Means,
        lambda value: closing_over(Means(value)),
        lambda value: closing_over(torch.tensor(value)),
        lambda value: closing_over(np.array([value])),
        lambda value: closing_over({"a": [value]}),
        lambda value: closing_over({value}),
        lambda value: closing_over(closing_over(value)),
        lambda value: Scaled(value).__call__,
        lambda value: nn.Conv2d(1, 1, 1, stride=value).stride,
        lambda value: nn.AvgPool2d(value),
    ],
)
def test_the_digest_covers_all_that_a_function_computes_with(make: Any) -> None:
    assert digest_of(make(2)) == digest_of(make(2))
    assert digest_of(make(2)) != digest_of(make(3))


def test_the_digest_covers_hooks_buffers_globals_and_code() -> None:
    plain, hooked = Means(), Means()
    hooked.register_forward_hook(lambda *_: None)
    buffered = Means()
    buffered.register_buffer("hidden", torch.ones(1), persistent=False)  # in no state dict
    assert len({digest_of(network) for network in (plain, hooked, buffered)}) == 3
    codes = [
        "lambda x: x.mean((2, 3))",
        "lambda x: x.mean((2, 3)) + 1",
        "lambda x: x.amax((2, 3))",
        "lambda x: factor * x",
    ]
    assert len({digest_of(eval(code, {"factor": 2})) for code in codes}) == len(codes)  # noqa: S307
    assert digest_of(eval(codes[3], {"factor": 2})) != digest_of(eval(codes[3], {"factor": 3}))  # noqa: S307
    assert digest_of(eval(codes[0], {"factor": 2})) == digest_of(eval(codes[0], {"factor": 3}))  # noqa: S307


@pytest.mark.parametrize(
    "value", [threading.Lock(), np.random.default_rng(0), torch.Generator(), (i for i in range(3)), sys.stdout]
)
def test_what_has_no_digest_is_said_and_not_cached(value: Any, tmp_path: Path) -> None:
    def network(batch: Tensor) -> Tensor:
        return batch.mean((2, 3)) + (value is None)

    with pytest.raises(Unknown):
        digest_of(network)
    with pytest.warns(UserWarning, match="which has no digest: its features are not cached"):
        report = dm.score(*IMAGES, metrics="fid", extractor=network, cache=tmp_path, **QUIET)
    assert next(iter(report.metrics.values())).value is not None
    assert [*tmp_path.rglob("*.safetensors")] == []
    with pytest.warns(UserWarning, match="no digest"):
        assert load_encoder(Spec.of_object(network)).digest != load_encoder(Spec.of_object(network)).digest


def test_a_function_that_closes_over_a_network_is_cached_by_its_weights(tmp_path: Path) -> None:
    values = []
    for factor in (1.0, 1.0, 3.0):
        network = Means(factor)
        report = dm.score(*IMAGES, metrics="fid", extractor=lambda x, n=network: n(x), cache=tmp_path, **QUIET)
        values.append(next(iter(report.metrics.values())).value)
    assert values[0] == values[1]
    assert values[2] == pytest.approx(9 * values[0], rel=1e-4)


def test_the_digest_is_the_same_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "import torch, numpy as np\nfrom torch import nn\nfrom dataclasses import dataclass\n"
        "net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))\n"
        "for p in net.parameters(): p.data.fill_(0.5)\n"
        "@dataclass\nclass Scale:\n    by: dict\n    def __call__(self, x):\n        return x * self.by['a']\n"
        "scale = Scale({'a': 2, 'b': {1, 2, 'x', 'y'}})\n"
        "def features(x):\n    return scale(net(x)).mean((2, 3))\n"
        "from divmetrics.encoders._reachable import digest_of\ndigest = digest_of(features)\n"
    )
    command = [sys.executable, "-c", "import mine; print(mine.digest)"]
    there = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout  # noqa: S603
    monkeypatch.syspath_prepend(tmp_path)
    assert f"{importlib.import_module('mine').digest}\n" == there


# faults


def test_a_network_that_fails_later_is_named_with_the_place() -> None:
    def late(batch: Tensor) -> Tensor:
        if batch.max() > 100:
            raise KeyError("late")
        return batch.mean((2, 3))

    encoder = encoder_of(late, size=8, std=1e-3)
    with pytest.raises(
        ForeignError, match=r"the network late raised KeyError: 'late' at .*test_given_objects\.py:\d+ in late"
    ):
        dm.score(*IMAGES, metrics="fid", extractor=encoder)


def test_a_network_that_loses_a_row_later_is_refused() -> None:
    encoder = encoder_of(lambda x: x.mean((2, 3))[: 1 + (len(x) - 1) % 7], size=8)
    with pytest.raises(FeatureError, match=r"gives \[\d+, 3\] for \d+ images"):
        dm.score(*IMAGES, metrics="fid", extractor=encoder)


class Bare(nn.Module):
    """What a user's own Encoder may hold."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result

    def forward(self, batch: Tensor) -> Any:
        return self.result(batch.float().flatten(1))


def own_encoder(result: Any, prepare: Any = torch.from_numpy) -> Encoder:
    network = Bare(result).eval()
    return Encoder("own", "00" * 32, "none", ("pooled",), prepare, lambda: network)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (own_encoder(lambda rows: (rows[:-1],)), r"the network of python:own gives .* for 8 samples"),
        (own_encoder(lambda rows: (rows, rows)), "wanted one tensor for each of its layers pooled"),
        (own_encoder(lambda rows: (rows.to(torch.complex64),)), "complex numbers"),
        (own_encoder(lambda rows: rows.nothing), "the network of python:own raised AttributeError"),
        (own_encoder(lambda rows: (rows,), lambda image: image.nothing), "preparing an image for python:own raised"),
    ],
)
def test_an_encoder_of_users_that_fails_is_named(encoder: Encoder, message: str) -> None:
    with pytest.raises((ForeignError, FeatureError), match=message):
        dm.score(*IMAGES, metrics="fid", extractor=encoder, cache=False, workers=0)


def test_an_encoder_without_a_digest_is_not_cached(tmp_path: Path) -> None:
    network = Bare(lambda rows: (rows,)).eval()
    encoder = Encoder("own", "", "none", ("pooled",), torch.from_numpy, lambda: network)
    dm.score(*IMAGES, metrics="fid", extractor=encoder, cache=tmp_path, **QUIET)
    assert [*tmp_path.rglob("*.safetensors")] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nsys.exit(0)", "raised SystemExit: 0 at MOD.py:2"),
        ("raise SystemExit", "raised SystemExit at MOD.py:1"),
        ("raise EOFError", "raised EOFError"),
        ("class Stop(BaseException): pass\nraise Stop('now')", "raised Stop: now"),
        ("def net(:", "raised SyntaxError"),
        ("import no_such_dependency", "raised ModuleNotFoundError: No module named 'no_such_dependency'"),
        (
            "def net(x):\n    raise SystemExit(0)",
            r"the network python:MOD:net.* raised SystemExit: 0 at MOD.py:2 in net",
        ),
        ("def net():\n    exit()", r"called to make the network, raised (SystemExit|NameError)"),
        ("raise ValueError('a\\nb ' * 500)", "raised ValueError: a b a b"),
    ],
)
def test_a_module_that_raises_anything_is_an_error_with_code_3(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"own_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ForeignError, match=message.replace("MOD", name)) as caught:
        load_encoder(f"python:{name}:net?size=8")
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    assert "Traceback" in "".join(caught.value.__notes__)
