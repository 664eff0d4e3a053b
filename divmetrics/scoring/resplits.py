"""Random re-splits of the samples of a gate: two halves of the fakes stand for two draws of one generator."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from divmetrics.errors import MeasureError, TooFewSamples
from divmetrics.records.results import Report
from divmetrics.records.run_options import MeterRequest, ScoreRequest
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.meter import Meter
from divmetrics.scoring.plan import HELD_OUT, SIDES, SideName

FEWEST = 20
"""Samples of a side below which halves are too small to be measured."""
FACTOR = 2**0.5
"""How many times as large the standard error of a number is from half the samples: it falls as 1 / sqrt(n)."""


@dataclass(frozen=True)
class Resplit:
    """Half of the real samples, and the fakes in two halves: one draw of the generator, and another."""

    real: Collected
    first: Collected
    second: Collected
    held_out: Collected | None = None

    def measured(self, which: str, request: ScoreRequest, **changes: Any) -> Report:
        """The report of one half, `first` or `second`; `changes` are options in place of those of `request`."""
        sides: dict[SideName, Collected] = {"real": self.real, "fake": getattr(self, which)}
        if self.held_out is not None:
            sides[HELD_OUT] = self.held_out
        return measured(sides, request, **changes)


def resplits(sides: Mapping[SideName, Collected], count: int, seed: int) -> Iterator[Resplit]:
    """Split the real and the fake samples into random halves, `count` times.

    Args:
        sides: The samples.
        count: How many re-splits.
        seed: Seed of the draws.

    Raises:
        TooFewSamples: There are too few to be halved.
        MeasureError: A side is a mean and covariance, as of another tool, of which no samples are known.
        MissingLayer: Only means or counts of some features were kept.
    """
    generator = torch.Generator().manual_seed(seed)
    for side in ("real", "fake"):
        n = sides[side].side.n
        if n is not None and n < FEWEST:
            raise TooFewSamples(f"{side} has {n} samples, too few to split them into halves; give at least {FEWEST}.")
        if n is None:
            raise MeasureError(f"{side} is a mean and covariance, which cannot be split into halves; give the samples.")
    for _ in range(count):
        reals, fakes = (_permuted(sides[side], generator) for side in ("real", "fake"))
        half = len(fakes) // 2
        yield Resplit(
            sides["real"].at(reals[: len(reals) // 2]),
            sides["fake"].at(fakes[:half]),
            sides["fake"].at(fakes[half : 2 * half]),
            sides.get(HELD_OUT),
        )


def sides_of(meter: Meter, request: ScoreRequest) -> dict[SideName, Collected]:
    """What a meter has collected: the real and the fake samples, and held-out ones where they were given."""
    given: tuple[SideName, ...] = SIDES if request.held_out is None else (*SIDES, HELD_OUT)
    return {side: meter.collected(side) for side in given}


def measured(sides: Mapping[SideName, Collected], request: ScoreRequest, **changes: Any) -> Report:
    """The report of samples that were collected before; warnings were shown when they were measured as a whole."""
    meter = Meter.of(MeterRequest.of(request, progress=False, **changes))
    for side, collected in sides.items():
        meter.take(side, collected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return meter.results()


def _permuted(side: Collected, generator: torch.Generator) -> torch.Tensor:
    return torch.randperm(side.side.n or 0, generator=generator)
