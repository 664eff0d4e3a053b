"""docs/training.md, run as it stands with the libraries themselves: what the page says is what happens."""

import copy
import pickle
import re
import warnings
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import divmetrics as dm

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
EXTRA = "needs {} (extra integrations)"
pytestmark = pytest.mark.slow


def code_below(heading: str) -> str:
    """The blocks of Python below a heading, with fewer samples."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.sub(r"num=\d+", "num=24", "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL)))


class Gan(nn.Module):
    """Images `[n, 3, 16, 16]` in [-1, 1]; what else a Trainer of Hugging Face asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(16, 3 * 16 * 16), nn.Dropout(0.3), nn.Tanh())

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Any:
        images = self.net(noise).unflatten(1, (3, 16, 16))
        return images if labels is None else {"loss": (images.mean() - labels.mean()).square()}


def sample(generator: nn.Module, n: int) -> Tensor:
    return generator(torch.randn(n, 16)) / 2 + 0.5


def loss_of(generator: nn.Module, images: Tensor) -> Tensor:
    return (generator(torch.randn(len(images), 16)).mean(0) - images.mean(0)).square().mean()


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the reader of the page has, in a folder with small images."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/real").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(30):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(tmp_path / f"data/real/{number}.png")
    torch.manual_seed(0)
    generator = Gan()
    images = torch.rand(32, 3, 16, 16)
    optimizer = torch.optim.Adam(generator.parameters(), 1e-3)

    def train_step(images: Tensor) -> None:
        loss_of(generator, images).backward()
        optimizer.step()
        optimizer.zero_grad()

    return {
        "torch": torch, "dm": dm, "generator": generator, "optimizer": optimizer, "train_step": train_step,
        "loss_of": loss_of, "sample": sample, "epochs": 5, "epoch": 4, "images": images,
        "loader": torch.utils.data.DataLoader(images, batch_size=16, shuffle=True),
    }  # fmt: skip


def run(heading: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(code_below(heading), f"training.md, {heading}", "exec"), names)  # noqa: S102
    return names


@pytest.fixture
def report() -> dm.Report:
    rows = np.random.default_rng(0).normal(size=(2, 60, 2))
    return dm.score(*rows, metrics="recall")


def test_pytorch(brought: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    names = run("PyTorch", brought)
    assert names["report"].fake.n == names["report"].real.n == 24
    assert names["generator"].training
    assert f"4 {names['report'].verdict.state} " in capsys.readouterr().out


def test_loggers(brought: dict[str, Any], report: dm.Report, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("tensorboard", "wandb"):
        pytest.importorskip(package, reason=EXTRA.format(package))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("WANDB_SILENT", "true")
    run("TensorBoard, Weights & Biases", {**brought, "report": report})
    events = EventAccumulator("runs/gan").Reload()
    assert [(event.step, event.value) for event in events.Scalars("recall/features")] == [
        (4, pytest.approx(report["recall"].value))
    ]
    (text,) = events.Tensors("verdict/text_summary")[0].tensor_proto.string_val
    assert text.decode().startswith(f"### verdict: {report.verdict.state}")
    (file,) = Path("wandb").rglob("*.wandb")
    wanted, deadline = (b"recall/features", b"verdict/text"), monotonic() + 20
    while not all(name in file.read_bytes() for name in wanted):  # a process of its own writes the file
        assert monotonic() < deadline, "the numbers are not in the file of the run"
        sleep(0.1)


def lightning_module(images: Tensor) -> Any:
    pytest.importorskip("lightning", reason=EXTRA.format("lightning"))
    from lightning.pytorch import LightningModule

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.gan = Gan()

        def sample(self, n: int) -> Tensor:
            assert not self.gan.net[1].training
            return sample(self.gan, n)

        def training_step(self, batch: Tensor, _number: int) -> Tensor:
            return loss_of(self.gan, batch)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), 1e-3)

    return Module()


@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")  # Lightning, with torch of 2026
def test_lightning(brought: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    module = lightning_module(brought["images"])
    from lightning.fabric.utilities.warnings import PossibleUserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)  # its advice on speed
        names = run("Lightning", {**brought, "module": module})
    assert names["callback"].report.fake.n == 24
    assert names["trainer"].callback_metrics["recall/efficientnet-lite0"] == pytest.approx(
        names["callback"].report["recall"].value
    )
    assert names["best"].best_model_score is not None
    if type(names["trainer"].logger).__name__ == "TensorBoardLogger":
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(names["trainer"].logger.log_dir).Reload()
        assert len(events.Tensors("verdict/text_summary")) == 2
    assert "verdict" in capsys.readouterr().out
    with pytest.raises(dm.UsageError, match="Did you mean 'every_n_epochs'"):
        type(names["callback"])("data/real", every_n_epoch=2)


def test_torchmetrics(brought: dict[str, Any]) -> None:
    names = run("torchmetrics", brought)
    assert set(names["values"]) == {"val/precision/efficientnet-lite0", "val/recall/efficientnet-lite0"}


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true:UserWarning")  # as transformers sets it
def test_hugging_face(brought: dict[str, Any]) -> None:
    for package in ("transformers", "accelerate", "tensorboard"):
        pytest.importorskip(package, reason=EXTRA.format(package))
    dataset = [{"noise": torch.randn(16), "labels": torch.rand(3)} for _ in range(32)]
    names = run("Hugging Face Trainer", {**brought, "model": Gan(), "dataset": dataset})
    measured = [entry for entry in names["trainer"].state.log_history if "verdict" in entry]
    assert [entry["epoch"] for entry in measured] == [2, 4]
    assert 0 <= measured[0]["recall/efficientnet-lite0"] <= 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"trainer": "mine"}, "trainer is a str; give the Trainer"),
        ({"every_n_epochs": 0}, "every_n_epochs is 0; give a whole number"),
        ({"every_n_steps": 1.5}, "every_n_steps is 1.5; give a whole number"),
        ({"every_n_step": 1}, "Did you mean 'every_n_steps'"),
    ],
)
def test_wrong_arguments_of_the_callback(given: dict[str, Any], words: str) -> None:
    pytest.importorskip("transformers", reason=EXTRA.format("transformers"))
    from divmetrics.integrations.transformers import DivmetricsCallback

    class Logging:
        def log(self) -> None: ...

    with pytest.raises(dm.UsageError) as refused:
        DivmetricsCallback(**{"trainer": Logging(), "real": "data/real", **given})
    assert words in str(refused.value)


def test_accelerate(brought: dict[str, Any]) -> None:
    for package in ("accelerate", "tensorboard"):
        pytest.importorskip(package, reason=EXTRA.format(package))
    names = run("accelerate", brought)
    assert names["report"].fake.n == 24
    assert list(Path("runs/gan").rglob("events.*"))


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true:UserWarning")
def test_a_hugging_face_trainer_ends_with_the_weights_that_it_has_without_the_callback(brought: dict[str, Any]) -> None:
    """Bit by bit, with dropout, shuffled batches and noise that the training draws itself."""
    for package in ("transformers", "accelerate"):
        pytest.importorskip(package, reason=EXTRA.format(package))
    from transformers import Trainer, TrainingArguments

    from divmetrics.integrations.transformers import DivmetricsCallback

    dataset = [{"noise": torch.randn(16), "labels": torch.rand(3)} for _ in range(32)]
    measured: list[tuple[int, float]] = []

    class Noisy(Gan):
        def forward(self, noise: Tensor, labels: Tensor | None = None) -> Any:
            return super().forward(noise + 0.1 * torch.randn_like(noise), labels)

    def trained(**every: int) -> dict[str, Tensor]:
        torch.manual_seed(1)
        model = Noisy()
        arguments = TrainingArguments("out", num_train_epochs=3, report_to="none", save_strategy="no", use_cpu=True)
        trainer = Trainer(model=model, args=arguments, train_dataset=dataset)
        if every:
            trainer.add_callback(DivmetricsCallback(trainer, "data/real", sample, num=24, metrics="recall", **every))
        trainer.train()
        measured.extend(
            (entry["step"], entry["recall/efficientnet-lite0"])
            for entry in trainer.state.log_history
            if "verdict" in entry
        )
        return {name: value.detach().clone() for name, value in model.state_dict().items()}

    alone = trained()
    assert measured == []
    for every, times in (({"every_n_epochs": 1}, 3), ({"every_n_steps": 5}, 2)):
        measured.clear()
        beside = trained(**every)
        assert len(measured) == times
        assert all(torch.equal(alone[name], beside[name]) for name in alone)
    assert len(alone) == 2


def test_a_metric_of_torchmetrics_is_pickled_and_copied_at_any_time(brought: dict[str, Any]) -> None:
    pytest.importorskip("torchmetrics", reason=EXTRA.format("torchmetrics"))
    from divmetrics.integrations.torchmetrics import DivmetricsMetric

    images = (255 * torch.rand(2, 24, 3, 16, 16)).byte()
    metric = DivmetricsMetric("precision,recall", extractor="pixels?size=8")
    copies = [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy, lambda m: m.clone()]  # noqa: S301
    for again in (make(metric) for make in copies):  # before the first update
        again.update(images[0], real=True)
    metric.update(images[0], real=True)
    metric.update(images[1][:12], real=False)
    made = [make(metric) for make in copies]  # between two
    for one in (metric, *made):
        one.update(images[1][12:], real=False)
    wanted = metric.compute()
    for one in made:
        assert one.report is None
        assert one.compute() == wanted
        again = pickle.loads(pickle.dumps(one))  # noqa: S301  after `compute`
        assert again.compute() == wanted
        assert again.report.fake.n == 24
    assert metric.report.fake.n == 24
