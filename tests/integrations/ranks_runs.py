"""What `test_ranks.py` starts on two ranks by torchrun: a loop with accelerate, torchmetrics, Lightning with DDP.

`torchrun ranks_runs.py FOLDER`; each rank writes FOLDER/RANK.json.
"""

import importlib.util
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as td
from torchmetrics import MeanMetric, MetricCollection

from divmetrics.integrations import Evaluator
from divmetrics.integrations.torchmetrics import DivmetricsMetric

QUICK = {"metrics": "recall:k=3,fid", "ci_level": 0, "null": False}


def normal(n: int, seed: int) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def sample(model: nn.Module, n: int) -> Tensor:
    return model(torch.randn(n, 2))


def torchmetrics_on_all(rank: int) -> dict[str, Any]:
    """30 real samples and 20 fakes, of which the second rank has most; beside a metric that torchmetrics exchanges."""
    metrics = MetricCollection({"diversity": DivmetricsMetric(**QUICK), "mean": MeanMetric()})
    own = slice(0, 5) if rank == 0 else slice(5, None)
    diversity = metrics["diversity"]
    diversity.update(normal(30, 0)[own], real=True)
    diversity.update(normal(20, 1)[own], real=False)
    metrics["mean"].update(float(rank))
    values = {name: float(value) for name, value in metrics.compute().items()}
    report = diversity.report
    metrics.reset()
    local = DivmetricsMetric(**QUICK, sync_on_compute=False)
    local.update(normal(30, 0), real=True)
    local.update(normal(6 + rank, 1), real=False)
    local.compute()
    return {**values, "n": [report.real.n, report.fake.n], "local": local.report.fake.n}


def evaluator_on_all() -> dict[str, Any]:
    report = Evaluator(normal(60, 0), sample, num=41, samples_per_call=7, distributed=True, **QUICK)(nn.Identity())
    error = ""
    try:  # one rank meets an error, and all raise it
        Evaluator(normal(60, 0), fails_on_rank_1, num=41, distributed=True, **QUICK)(nn.Identity())
    except ZeroDivisionError as caught:
        error = str(caught)
    return {**report.scalars(), "n": report.fake.n, "copies": len(report.facts), "error": error}


def fails_on_rank_1(model: nn.Module, n: int) -> Tensor:
    if td.get_rank() == 1:
        raise ZeroDivisionError("on one rank")
    return sample(model, n)


def lightning_on_all() -> dict[str, Any]:
    from lightning.fabric.utilities.warnings import PossibleUserWarning
    from lightning.pytorch import LightningModule, Trainer

    from divmetrics.integrations.lightning import DivmetricsCallback

    warnings.simplefilter("ignore", PossibleUserWarning)

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(2, 2)

        def training_step(self, batch: Tensor, _number: int) -> Tensor:
            return self.net(batch).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

    weights = []
    for callbacks in ([DivmetricsCallback(normal(60, 0), lambda m, n: m.net(torch.randn(n, 2)), num=41, **QUICK)], []):
        torch.manual_seed(0)
        module = Module()
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = Trainer(accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, callbacks=callbacks, **quiet)
        trainer.fit(module, torch.utils.data.DataLoader(normal(32, 2), batch_size=8, shuffle=True))
        weights.append(module.net.weight.tolist())
        if callbacks:
            report, logged = callbacks[0].report, {n: float(v) for n, v in trainer.callback_metrics.items()}
    return {"values": report.scalars(), "logged": logged, "n": report.fake.n, "undisturbed": weights[0] == weights[1]}


def main(folder: Path) -> None:
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)
    found: dict[str, Any] = {}
    if importlib.util.find_spec("accelerate") is not None:
        from accelerate import Accelerator

        accelerator = Accelerator(cpu=True)
        model = accelerator.prepare(nn.Linear(2, 2))
        report = Evaluator(normal(60, 0), sample, num=41, distributed=accelerator.num_processes > 1, **QUICK)(
            accelerator.unwrap_model(model)
        )
        found["accelerate"] = {"n": report.fake.n, "processes": accelerator.num_processes}
    if not td.is_initialized():
        td.init_process_group("gloo")
    rank = td.get_rank()
    found["torchmetrics"] = torchmetrics_on_all(rank)
    found["evaluator"] = evaluator_on_all()
    if importlib.util.find_spec("lightning") is not None:
        found["lightning"] = lightning_on_all()
    (folder / f"{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
