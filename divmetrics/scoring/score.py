"""`score` and `extract`: from named sources to a report. All is checked before the first image is decoded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, TypeVar

from divmetrics.arrays import dist
from divmetrics.errors import UsageError
from divmetrics.records.files import check_writable
from divmetrics.records.keywords import called_with
from divmetrics.records.metric import METRICS
from divmetrics.records.results import Report, Side
from divmetrics.records.run_options import ExtractRequest, MeterRequest, SampleOptions, ScoreRequest
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.foreign_statistics import read_statistics
from divmetrics.scoring.meter import Meter
from divmetrics.scoring.plan import HELD_OUT, SideName, specs_of
from divmetrics.scoring.ranks import together
from divmetrics.sources import Source, Stream, labels_from_csv, open_source, subset

S = TypeVar("S", bound=str)


@called_with(ScoreRequest, positional=2)
def score(request: ScoreRequest) -> Report:
    """Score one set of samples, `fake`, against a reference, `real`.

    Returns:
        The report: `report["recall"].value` with its interval `.ci` and null band `.null`, the table of modes
        `report.modes`, and `to_json()`.

    Raises:
        UsageError: The request is wrong; nothing was measured.
        MeasureError: Samples cannot be read or are too few, or weights, a package or a device are missing.

    Example:
        >>> import numpy as np
        >>> real = np.random.default_rng(0).normal(size=(100, 2))  # features; images need an extractor
        >>> report = score(real, 0.1 * real, metrics="precision,recall:k=3", ci_level=0, null=False)
        >>> report["precision"].value, report["recall"].value < 0.3
        (1.0, True)
    """
    with together(request.distributed):
        meter = Meter.of(MeterRequest.of(request))
        given: dict[SideName, Any] = {"real": request.real, "fake": request.fake}
        if request.held_out is not None:
            given[HELD_OUT] = request.held_out
        sources = _open(given, list(meter.plan.extractors), request, request.seed)
        countable = {side: source for side, source in sources.items() if not isinstance(source, Stream)}
        if len(countable) == len(sources):
            meter.check(countable)
        for side, source in sources.items():
            meter.take(side, source)
        return meter.results()


@called_with(ExtractRequest, positional=2)
def extract(request: ExtractRequest) -> Side:
    """Run the extractors over a source once and keep the features in a `.dms` file, for use as either side.

    What is kept serves every metric.

    Returns:
        The entry of the samples in a report: `source`, number `n`, `digest`, `labels`, and the `skipped` ones.

    Raises:
        UsageError: The request is wrong, or the file cannot be written; nothing was computed.
        MeasureError: Samples cannot be read, or weights, a package or a device are missing.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "real.dms"
        ...     side = extract(np.eye(8), file)
        ...     report = score(file, np.eye(8), metrics="precision:k=3", ci_level=0, null=False)
        >>> side.n, report["precision"].value
        (8, 1.0)
    """
    with together(request.distributed):
        check_writable(request.out)
        provided = {layer for spec in specs_of(request) for layer in spec.extractor.provides}
        everything = [m.name for m in METRICS if m.companion is None or provided.intersection(m.fake.layers)]
        meter = Meter.of(MeterRequest.of(request, metrics=everything))
        sources = _open({"samples": request.source}, list(meter.plan.extractors), request, request.seed)
        meter.take("fake", sources["samples"])
        collected = meter.collected("fake").only_rows()
        if dist.world()[0] == 0:  # all ranks hold the same, and one of them writes it
            collected.save(request.out)
        return collected.side


def _open(
    given: Mapping[S, Any], extractors: Sequence[str], chosen: SampleOptions, seed: int
) -> dict[S, Source | Stream | Collected]:
    """Each side as a source, labelled by the csv file and cut down to the number of samples in `chosen`."""
    num, labels = chosen.num, chosen.labels
    opened = {side: _open_collected(what, extractors) or open_source(what, side=side) for side, what in given.items()}
    if num is None and labels is None:
        return opened
    sources = {}
    for side, source in opened.items():
        if not isinstance(source, Source):
            what = "features extracted before" if isinstance(source, Collected) else "an iterable"
            raise UsageError(f"{side}: --num and --labels need samples that can be chosen, not {what}.")
        sources[side] = source
    if labels is not None:
        sources = dict(zip(sources, labels_from_csv(list(sources.values()), labels), strict=True))
    return {side: source if num is None else subset(source, num, seed) for side, source in sources.items()}


def _open_collected(given: Any, extractors: Sequence[str]) -> Collected | None:
    """`.dms` files (joined by `+`), a `Collected` or another tool's statistics; None where `given` is a source."""
    if isinstance(given, Collected):
        return given
    if not isinstance(given, (str, os.PathLike)):
        return None
    parts = os.fspath(given).split("+")
    if not all(part.lower().endswith(".dms") for part in parts):
        return read_statistics(os.fspath(given), extractors)
    return reduce(Collected.merge, [Collected.load(part) for part in parts])
