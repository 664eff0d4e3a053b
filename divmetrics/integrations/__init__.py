"""divmetrics inside the training loops of others: Lightning, torchmetrics, Hugging Face, loggers.

| to | use |
|---|---|
| score a generator while it is trained, in a loop of your own or with accelerate | `Evaluator` |
| write a report to TensorBoard or Weights & Biases | `log_to_tensorboard`, `log_to_wandb` |
| add a callback to a Lightning Trainer | `divmetrics.integrations.lightning.DivmetricsCallback` |
| add a callback to a Hugging Face Trainer | `divmetrics.integrations.transformers.DivmetricsCallback` |
| have a metric of torchmetrics | `divmetrics.integrations.torchmetrics.DivmetricsMetric` |

The last three import their library when they are imported, and nothing else does.
"""

from typing import TYPE_CHECKING

from divmetrics.records.lazy import lazy_exports as _lazy_exports

if TYPE_CHECKING:
    from divmetrics.integrations.evaluator import Evaluator
    from divmetrics.integrations.loggers import log_to_tensorboard, log_to_wandb

__all__ = ["Evaluator", "log_to_tensorboard", "log_to_wandb"]

_HOMES = {
    "Evaluator": "integrations.evaluator",
    "log_to_tensorboard": "integrations.loggers",
    "log_to_wandb": "integrations.loggers",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy_exports(__name__, _HOMES)
