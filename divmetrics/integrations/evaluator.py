"""`Evaluator`: scores a generator in the middle of its training, and leaves the training as it was."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import replace
from inspect import signature
from typing import Any, Literal

from divmetrics.arrays import dist
from divmetrics.errors import MeasureError, UnknownName, UsageError
from divmetrics.integrations._undisturbed import undisturbed
from divmetrics.records.keywords import options_of
from divmetrics.records.options import check_count
from divmetrics.records.results import Report
from divmetrics.records.run_options import MeterRequest, ScoreRequest
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.meter import Meter
from divmetrics.scoring.plan import FEATURES, HELD_OUT, SideName
from divmetrics.scoring.ranks import together
from divmetrics.scoring.score import open_sides
from divmetrics.sources import open_source

Sample = Callable[[Any, int], Any] | str
"""`sample(model, n)`, or the name of a method of the model that is called with n."""
TRIAL = 2
"""Samples of each rank that `prepare` draws to see whether they can be read."""


class Evaluator:
    """Scores the samples of a model against real ones, as often as it is called.

    A call draws samples in evaluation mode, without gradients and from random numbers of its own, the same each time;
    afterwards the modes of all parts and the generators of Python, NumPy and torch are as before. So the training goes
    on, bit by bit, as if nothing had been measured. The real samples are read once.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
        >>> real = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
        >>> evaluator = Evaluator(
        ...     real, lambda model, n: model(torch.randn(n, 2)), num=100, metrics="recall", ci_level=0, null=False
        ... )
        >>> before = torch.get_rng_state()
        >>> report = evaluator(model)
        >>> report.fake.n, model.training, torch.equal(before, torch.get_rng_state())
        (100, True, True)
    """

    def __init__(
        self,
        real: Any,
        sample: Sample,
        *,
        num: int = 2000,
        samples_per_call: int = 64,
        held_out: Any = None,
        on_error: Literal["raise", "warn"] = "raise",
        **options: Any,
    ) -> None:
        """Nothing is read or drawn yet.

        Args:
            real: The real samples, whatever `dm.score` reads.
            sample: A function `sample(model, n)`, or the name of a method of the model that is called with `n`. It
                returns n samples: images `[n, c, h, w]` or `[n, h, w, c]`, uint8 or floats in [0, 1], or features
                `[n, d]`. It is asked again where it returns fewer; what it returns beyond n is left out.
            num: Samples that are drawn from the model at each call, and at most as many from the real ones.
            samples_per_call: Samples that are asked for at once.
            held_out: Real samples that the model is not trained on, as in `dm.score`.
            on_error: `"raise"`, or `"warn"` where samples that cannot be measured, such as NaN, shall not end the
                training: the call then returns None. A wrong request is always raised.
            **options: Options of `Meter`: `metrics` (default `"quick"`), `extractor`, `seed`, `device`, `ci_level`,
                `null`, ... With `distributed=True` each rank draws its share, and all call at the same time.

        Raises:
            UsageError: An option is wrong.
        """
        check_keywords("Evaluator", options)
        self._request = MeterRequest(**{"metrics": "quick", **options})
        for name, value in {"num": num, "samples_per_call": samples_per_call}.items():
            check_count(name, value)
        if on_error not in ("raise", "warn"):
            raise UnknownName.of("on_error", str(on_error), ["raise", "warn"])
        if not callable(sample) and not isinstance(sample, str):
            raise UsageError(f"sample is a {type(sample).__name__}; give a function of (model, n), or a method's name.")
        self._given: dict[SideName, Any] = {"real": real, **({} if held_out is None else {HELD_OUT: held_out})}
        self._sample = sample
        self._num, self._at_once = num, samples_per_call
        self._on_error = on_error
        self._collected: dict[SideName, Collected] | None = None
        self._meter: Meter | None = None if self._request.distributed else Meter.of(self._request)

    def __call__(self, model: Any) -> Report | None:
        """Draw samples from the model and measure them.

        Args:
            model: What `sample` draws from.

        Returns:
            The report; in a distributed run the same on every rank. None where `on_error` is `"warn"` and the samples
            could not be measured.

        Raises:
            UsageError: `sample` returned what is no set of samples, or there is no such method.
            MeasureError: Samples cannot be measured, and `on_error` is `"raise"`.
        """
        try:
            with self._apart(model):
                meter = self._with_real()
                self._draw(model, meter, self._num)
                return meter.results()
        except MeasureError as error:
            if self._on_error == "raise":
                raise
            warnings.warn(f"divmetrics measured nothing: {error}", stacklevel=2)
            return None

    def prepare(self, model: Any) -> None:
        """Read the real samples and draw two of the model, so that mistakes are found before the training begins.

        Args:
            model: What `sample` draws from.

        Raises:
            UsageError, MeasureError: as a call, whatever `on_error` is.
        """
        with self._apart(model):
            self._draw(model, self._with_real(), TRIAL * (dist.group_size() if self._request.distributed else 1))

    def on_ranks(self, distributed: bool) -> Evaluator:
        """This evaluator, or where it was made for another kind of run one that is `distributed` or is not.

        Args:
            distributed: Whether the ranks of a process group draw and measure together.
        """
        if distributed == self._request.distributed:
            return self
        other = copy(self)
        other._request = replace(self._request, distributed=distributed)
        other._meter = other._collected = None
        return other

    def _apart(self, model: Any) -> AbstractContextManager[None]:
        """The context of a call: nothing in it touches the training."""
        return undisturbed(model, self._request.seed + (dist.group_rank() if self._request.distributed else 0))

    def _with_real(self) -> Meter:
        """A meter that holds the real samples."""
        if self._meter is None:  # the process group is there now
            self._meter = Meter.of(self._request)
        if self._collected is None:
            self._collected = self._read_real(self._meter.emptied())
        meter = self._meter.emptied()
        for side, collected in self._collected.items():
            meter.take(side, collected)
        return meter

    def _read_real(self, meter: Meter) -> dict[SideName, Collected]:
        """The real samples, at most as many of each side as are drawn from the model."""

        def wanted(_side: SideName, there: int | None) -> int | None:
            return self._num if there is not None and there > self._num else None

        request = ScoreRequest.of(self._request, real=None, fake=None)
        for side, source in open_sides(self._given, list(meter.plan.extractors), request, wanted).items():
            meter.take(side, source)
            if (num := wanted(side, meter.collected(side).side.n)) is not None:  # of a stream, which is read first
                meter.keep(side, num)
        return {side: meter.collected(side) for side in self._given}

    def _draw(self, model: Any, meter: Meter, num: int) -> None:
        """Add `num` samples of the model to the meter; each rank draws its share."""
        distributed = self._request.distributed
        with together(distributed):
            left = len(dist.shard(num))
            while left:
                batch = self._batch(model, min(left, self._at_once))
                self._check_kind(batch)
                meter.add("fake", batch if len(batch) <= left else batch[:left])
                left -= min(left, len(batch))

    def _batch(self, model: Any, n: int) -> Any:
        """What `sample` returns, which must be a batch."""
        sample, name = self._sample, "sample"
        if isinstance(sample, str):
            name = f"{type(model).__name__}.{sample}"
            method = getattr(model, sample, None)
            if not callable(method):
                raise UsageError(f"there is no method {name}; write one that returns n samples, or give sample=.")
            sample = _of_model(method)
        try:
            batch = sample(model, n)
        except Exception as error:
            error.add_note(f"raised by {name}, which divmetrics asked for {n} samples")
            raise
        if (
            isinstance(batch, (tuple, dict, str))
            or getattr(batch, "shape", None) == ()
            or not hasattr(batch, "__len__")
        ):
            wanted = "images [n, c, h, w] or features [n, d] as one tensor, array or list"
            raise UsageError(f"{name} returned a {type(batch).__name__}; return {wanted}.")
        if len(batch) == 0:
            raise UsageError(f"{name} was asked for {n} samples and returned none.")
        return batch

    def _check_kind(self, batch: Any) -> None:
        """Raise UsageError where the model makes features and the real samples are images, or the other way round."""
        assert self._collected is not None  # noqa: S101  the real samples are read before any is drawn
        real = "features" if FEATURES in self._collected["real"].encoders else "image"
        made = open_source(batch, side="fake").kind
        if made != real:
            kinds = {"features": "features [n, d]", "image": "images"}
            raise UsageError(
                f"the model makes {kinds.get(made, made)}, and the real samples are {kinds[real]}; give the same kind."
            )


def _of_model(method: Callable[[int], Any]) -> Callable[[Any, int], Any]:
    """A method of the model as a function of the model."""
    return lambda _model, n: method(n)


def check_keywords(function: str, options: Mapping[str, Any], *own: str) -> None:
    """Raise UnknownName for a keyword that is none of `Evaluator` or `Meter`, and none of the function's `own`.

    Args:
        function: What the user has called.
        options: The keywords that it hands on.
        *own: Those that it takes itself.
    """
    known = [option.name for option in options_of(MeterRequest)] + [*own, *signature(Evaluator).parameters]
    for name in options:
        if name not in known:
            raise UnknownName.of(f"argument of {function}", name, [n for n in known if n != "options"])
