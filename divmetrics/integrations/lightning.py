"""A callback for the Trainer of Lightning. Importing this module imports `lightning`, or `pytorch_lightning`."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from divmetrics.integrations.evaluator import Evaluator, Sample, check_keywords
from divmetrics.integrations.loggers import verdict_markdown, verdict_texts
from divmetrics.records.options import check_count
from divmetrics.records.results import Report

if TYPE_CHECKING:
    from lightning.pytorch import Callback
else:  # both packages may be installed, and a program uses one of them
    old = "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules
    try:
        Callback = import_module("pytorch_lightning" if old else "lightning.pytorch").Callback
    except ModuleNotFoundError:
        Callback = import_module("pytorch_lightning").Callback


class DivmetricsCallback(Callback):
    """Measures the generator at the end of every n-th epoch of training, and logs the values.

    ```python
    callback = DivmetricsCallback("data/real", sample="sample", every_n_epochs=5)
    Trainer(callbacks=[callback])
    ```

    The values go through `log_dict` of the module, so that checkpoints and early stopping may watch them; the verdict
    goes as text to the loggers of TensorBoard and Weights & Biases. On several devices each draws its share, and all
    have the same numbers. The training itself goes on as without the callback.
    """

    report: Report | None
    """What was measured last."""

    def __init__(
        self, real: Any, sample: Sample = "sample", *, every_n_epochs: int = 1, prefix: str = "", **options: Any
    ) -> None:
        """A callback that has measured nothing.

        Args:
            real: The real samples, whatever `dm.score` reads.
            sample: A function `sample(module, n)`, or the name of a method of the module that is called with `n`.
            every_n_epochs: Epochs from one measurement to the next; the first comes after so many.
            prefix: What the names of the logged values begin with.
            **options: `num`, `samples_per_call`, `held_out` and `on_error` of `Evaluator`; options of `Meter`, such as
                `metrics` (default `"quick"`).

        Raises:
            UsageError: An option is wrong.
        """
        check_count("every_n_epochs", every_n_epochs)
        check_keywords("DivmetricsCallback", options, "every_n_epochs", "prefix")
        self._evaluator = Evaluator(real, sample, **options)
        self._every, self._prefix = every_n_epochs, prefix
        self.report = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Read the real samples and draw two of the module, so that mistakes show before the first epoch."""
        self._evaluator = self._evaluator.on_ranks(trainer.world_size > 1)
        self._evaluator.prepare(pl_module)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Measure where it is time for it."""
        if (trainer.current_epoch + 1) % self._every:
            return
        report = self._evaluator(pl_module)
        if report is None:
            return
        self.report = report
        values = {f"{self._prefix}{name}": value for name, value in report.scalars().items()}
        # the values are those of all devices already; their mean over the devices is the same
        pl_module.log_dict(values, on_step=False, on_epoch=True, batch_size=1, sync_dist=trainer.world_size > 1)
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                self._log_text(logger, report, trainer.global_step)

    def _log_text(self, logger: Any, report: Report, step: int) -> None:
        """The verdict, for the loggers that take text."""
        kinds = {kind.__name__ for kind in type(logger).__mro__}
        if "TensorBoardLogger" in kinds:
            logger.experiment.add_text(f"{self._prefix}verdict", verdict_markdown(report), step)
        elif "WandbLogger" in kinds:
            logger.log_metrics({f"{self._prefix}{name}": text for name, text in verdict_texts(report).items()}, step)
