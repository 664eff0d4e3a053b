"""A metric for torchmetrics. Importing this module imports `torchmetrics`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from divmetrics.arrays import dist
from divmetrics.errors import UsageError
from divmetrics.records.keywords import request_of
from divmetrics.records.results import Report
from divmetrics.records.run_options import MeterRequest
from divmetrics.scoring.meter import Meter

OF_TORCHMETRICS = (
    "compute_on_cpu",
    "compute_with_cache",
    "dist_sync_on_step",
    "dist_sync_fn",
    "distributed_available_fn",
    "process_group",
    "sync_on_compute",
)
"""Arguments of `torchmetrics.Metric`."""
ABOUT_EXCHANGE = ("dist_sync_on_step", "dist_sync_fn", "distributed_available_fn", "process_group")
"""Those about the exchange of states between ranks, which this metric leaves to its `Meter`."""


class DivmetricsMetric(Metric):
    """All metrics of a `Meter` as one metric of torchmetrics, alone or in a `MetricCollection`.

    ```python
    metric = DivmetricsMetric(metrics="precision,recall")
    metric.update(images, real=True)
    metric.update(generated, real=False)
    metric.compute()  # {"precision/efficientnet-lite0": tensor(0.93), "recall/efficientnet-lite0": tensor(0.41)}
    ```

    In a torch.distributed job each rank updates with its own samples, and `compute` gives all ranks the numbers of all
    samples. The samples lie in a `Meter`, which exchanges them; torchmetrics knows no state of this metric and
    exchanges nothing. They are no part of its `state_dict`.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = True
    report: Report | None
    """What `compute` measured last: intervals, verdict, table."""

    def __init__(self, metrics: Any = "quick", *, reset_real_features: bool = True, **options: Any) -> None:
        """A metric without samples.

        Args:
            metrics: Metrics or a preset, as in `dm.score`.
            reset_real_features: Whether `reset` forgets the real samples, too.
            **options: Options of `Meter`: `extractor`, `seed`, `ci_level`, ...; `sync_on_compute`, `compute_on_cpu`
                and `compute_with_cache` of `torchmetrics.Metric`.

        Raises:
            UsageError: An option is wrong.
        """
        own = {name: value for name, value in options.items() if name in OF_TORCHMETRICS}
        for name in (*ABOUT_EXCHANGE, "distributed"):
            if name in options:
                raise UsageError(f"{name} has no meaning here: the ranks of the default group work together, or none.")
        super().__init__(**own)
        self._request = _request(metrics=metrics, **{name: options[name] for name in options if name not in own})
        self._keep_real = not reset_real_features
        self._meter: Meter | None = None
        self.report = None

    def update(self, images: Any, real: bool) -> None:
        """Add one batch.

        Args:
            images: Images `[b, c, h, w]` or `[b, h, w, c]`, uint8 or floats in [0, 1], or features `[b, d]`.
            real: Whether they are real samples; else they are generated ones.

        Raises:
            SourceError: The batch cannot be read; it is left out as a whole.
        """
        self._samples().add("real" if real else "fake", images)

    def compute(self) -> dict[str, Tensor]:
        """Measure the samples so far.

        Returns:
            `METRIC/EXTRACTOR` -> value, a float64 tensor; what could not be computed is left out. All else is in
            `report`.

        Raises:
            MeasureError: A side has no samples, or too few.
        """
        self.report = self._samples().results()
        values = self.report.scalars().items()
        return {name: torch.tensor(value, dtype=torch.float64, device=self.device) for name, value in values}

    def forward(self, *batch: Any, **named: Any) -> dict[str, Tensor]:
        """Add one batch, as `update` does. A batch has no values of its own, so none are returned.

        Args:
            *batch: As for `update`.
            **named: As for `update`.
        """
        self.update(*batch, **named)
        return {}

    def reset(self) -> None:
        """Forget the samples; the real ones too, unless `reset_real_features` is False."""
        super().reset()
        before, self._meter, self.report = self._meter, None, None
        if before is not None and self._keep_real:
            self._samples().take("real", before.collected("real"))

    def _samples(self) -> Meter:
        """The meter that holds the samples. It is made when it is needed: by then the process group is there."""
        together = self.sync_on_compute and dist.group_size() > 1
        if self._meter is None:
            self._meter = Meter.of(MeterRequest.of(self._request, distributed=together))
            self._together = together
        if self._together != together:
            raise UsageError("the process group was made or left after the first update; reset the metric after it.")
        return self._meter


_request = request_of(MeterRequest, "DivmetricsMetric", positional=0)
