"""A callback for the Trainer of Hugging Face. Importing this module imports `transformers`."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from divmetrics.errors import UsageError
from divmetrics.integrations.evaluator import Evaluator, Sample, check_keywords
from divmetrics.integrations.loggers import verdict_texts
from divmetrics.records.options import check_count
from divmetrics.records.results import Report


class DivmetricsCallback(TrainerCallback):
    """Measures the model every n-th epoch, or every n-th step, and logs the values and the verdict by `trainer.log`.

    ```python
    trainer.add_callback(DivmetricsCallback(trainer, "data/real", sample, every_n_epochs=5))
    ```

    So they reach the history and whatever the trainer reports to, TensorBoard and Weights & Biases among them. On
    several devices each draws its share, and all have the same numbers. The training itself goes on as without the
    callback.
    """

    report: Report | None
    """What was measured last."""

    def __init__(
        self,
        trainer: Any,
        real: Any,
        sample: Sample = "sample",
        *,
        every_n_epochs: int | None = None,
        every_n_steps: int | None = None,
        prefix: str = "",
        **options: Any,
    ) -> None:
        """A callback that has measured nothing.

        Args:
            trainer: The trainer to which the callback is added: the values go through its `log`.
            real: The real samples, whatever `dm.score` reads.
            sample: A function `sample(model, n)`, or the name of a method of the model that is called with `n`.
            every_n_epochs: Epochs from one measurement to the next; the first comes after so many. Default: 1, unless
                `every_n_steps` is given.
            every_n_steps: Steps from one measurement to the next.
            prefix: What the names of the logged values begin with.
            **options: `num`, `samples_per_call`, `held_out` and `on_error` of `Evaluator`; options of `Meter`, such as
                `metrics` (default `"quick"`).

        Raises:
            UsageError: An option is wrong.
        """
        for name, every in {"every_n_epochs": every_n_epochs, "every_n_steps": every_n_steps}.items():
            if every is not None:
                check_count(name, every)
        if not callable(getattr(trainer, "log", None)):
            raise UsageError(f"trainer is a {type(trainer).__name__}; give the Trainer to which the callback is added.")
        check_keywords("DivmetricsCallback", options, "trainer", "every_n_epochs", "every_n_steps", "prefix")
        self._evaluator = Evaluator(real, sample, **options)
        self._epochs = 1 if every_n_epochs is None and every_n_steps is None else every_n_epochs
        self._steps, self._prefix, self._trainer = every_n_steps, prefix, trainer
        self.report = None

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:  # noqa: ARG002
        """Read the real samples and draw two of the model, so that mistakes show before the first epoch."""
        self._evaluator = self._evaluator.on_ranks(args.world_size > 1)
        self._evaluator.prepare(model)

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:  # noqa: ARG002
        """Measure where it is time for it."""
        if self._epochs is not None and round(state.epoch) % self._epochs == 0:
            self._measure(model)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:  # noqa: ARG002
        """Measure where it is time for it."""
        if self._steps is not None and state.global_step % self._steps == 0:
            self._measure(model)

    def _measure(self, model: Any) -> None:
        report = self._evaluator(model)
        if report is not None:
            self.report = report
            values = {**report.scalars(), **verdict_texts(report)}
            self._trainer.log({f"{self._prefix}{name}": value for name, value in values.items()})
