"""`score` and `extract`: from named sources to a report. All is checked before the first image is decoded."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

from divmetrics.arrays import dist
from divmetrics.errors import UsageError
from divmetrics.records.files import check_apart, check_writable
from divmetrics.records.keywords import called_with
from divmetrics.records.metric import METRICS
from divmetrics.records.results import Report, Side
from divmetrics.records.run_options import CompareRequest, ExtractRequest, MeterRequest, ScoreRequest
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.foreign_statistics import read_statistics
from divmetrics.scoring.meter import Meter
from divmetrics.scoring.pictures import pictures_of
from divmetrics.scoring.plan import HELD_OUT, SideName, specs_of
from divmetrics.scoring.ranks import together
from divmetrics.sources import Source, Stream, labels_from_csv, open_source, subset

S = TypeVar("S", bound=str)
_JOINT = re.compile(r"(?<=\.dms)\+", re.IGNORECASE)
"""Between two `.dms` files that are merged: `a.dms+b.dms`."""
Wanted = Callable[[SideName, int | None], int | None]
"""Side, number of its samples -> how many of them to draw, or None for all."""


@called_with(ScoreRequest, positional=2, around=together)
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
    return score_as_many(request, lambda _side, _there: None)


def score_as_many(request: ScoreRequest, wanted: Wanted) -> Report:
    """The report of `request`, in which `wanted` decides how many samples of each side are read.

    Args:
        request: What `score` is asked for.
        wanted: Called with a side and the number of its samples, once that is known: before any is decoded, and after
            all are for a stream. Returns how many of them are drawn by the seed; None takes all. What it raises ends
            the run.
    """
    with together(request.distributed):
        meter, sources = _filled(request, wanted)
        if not meter.plan.questions.exhibits:
            sources.clear()  # no pictures are drawn, and features of a .npz would be in memory beside those collected
        report = meter.results()
        if report.exhibits is None:
            return report
        return replace(report, pictures=pictures_of(report, sources, request.max_pixels))


def filled_meter(request: ScoreRequest) -> Meter:
    """The meter that has taken the samples of `request`, and not yet measured them."""
    return _filled(request, lambda _side, _there: None)[0]


def _filled(request: ScoreRequest, wanted: Wanted) -> tuple[Meter, dict[SideName, Source | Stream | Collected]]:
    """The meter with the samples of `request`, and the sources of these; `wanted` as in `score_as_many`."""
    with together(request.distributed):
        meter = Meter.of(MeterRequest.of(request))
        given: dict[SideName, Any] = {"real": request.real, "fake": request.fake}
        if request.held_out is not None:
            given[HELD_OUT] = request.held_out
        sources = open_sides(given, list(meter.plan.extractors), request, wanted)
        countable = {side: source for side, source in sources.items() if not isinstance(source, Stream)}
        if len(countable) == len(sources):
            meter.check(countable)
        for side, source in sources.items():
            meter.take(side, source)
            if isinstance(source, Stream) and (num := wanted(side, meter.collected(side).side.n)) is not None:
                meter.keep(side, num)
        return meter, sources


@called_with(ExtractRequest, positional=2, around=together)
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
        check_apart({"out": request.out}, [request.source, request.labels, request.weights])
        provided = {layer for spec in specs_of(request) for layer in spec.extractor.provides}
        everything = [m.name for m in METRICS if m.companion is None or provided.intersection(m.fake.layers)]
        meter = Meter.of(MeterRequest.of(request, metrics=everything))
        sources = open_sides({"samples": request.source}, list(meter.plan.extractors), request)
        meter.take("fake", sources["samples"])
        collected = meter.collected("fake").only_rows()
        if dist.world()[0] == 0:  # all ranks hold the same, and one of them writes it
            collected.save(request.out)
        return collected.side


def open_sides(
    given: Mapping[S, Any],
    extractors: Sequence[str],
    chosen: ExtractRequest | ScoreRequest | CompareRequest,
    wanted: Callable[[S, int | None], int | None] = lambda _side, _there: None,
) -> dict[S, Source | Stream | Collected]:
    """Each side as a source, labelled by the csv file and cut down to the number of samples that is wanted.

    Args:
        given: Side -> what the user gave.
        extractors: Names of the extractors, whose features statistics of other tools may hold.
        chosen: Has the labels, the number of samples and the seed.
        wanted: Side and number of its samples -> how many to draw; None is all.

    Raises:
        UsageError: Samples cannot be chosen or labelled one by one, as an option needs it.
        SourceError: A side cannot be read.
    """
    opened = {side: _open_collected(what, extractors) or open_source(what, side=side) for side, what in given.items()}
    if chosen.labels is not None:
        sources = [_with_places(side, source, "--labels") for side, source in opened.items()]
        opened = dict(zip(opened, labels_from_csv(sources, chosen.labels, list(opened)), strict=True))
    return {side: _cut(side, source, chosen, wanted) for side, source in opened.items()}


def _with_places(side: str, source: Source | Stream | Collected, option: str) -> Source:
    """`source`; raises UsageError where the samples of a side cannot be looked at one by one, as `option` needs it."""
    if not isinstance(source, Source):
        what = "features extracted before" if isinstance(source, Collected) else "an iterable, which is read once"
        raise UsageError(f"{side}: {option} needs samples that can be chosen, not {what}.")
    return source


def _cut(
    side: S,
    source: Source | Stream | Collected,
    chosen: ExtractRequest | ScoreRequest | CompareRequest,
    wanted: Callable[[S, int | None], int | None],
) -> Source | Stream | Collected:
    """As many samples of one side as the option `num` and `wanted` leave, drawn by the seed."""
    num = chosen.num
    if isinstance(source, Stream):
        return source if num is None else _with_places(side, source, "--num")
    there = source.side.n if isinstance(source, Collected) else len(source)
    if num is not None and there is None:
        warnings.warn(f"{side}: {_name(source)} is a mean and covariance, of which --num draws nothing.", stacklevel=2)
        return source
    if there is not None and (most := wanted(side, there)) is not None:
        num = most if num is None else min(num, most)
    if num is None:
        return source
    return source.drawn(num, chosen.seed) if isinstance(source, Collected) else subset(source, num, chosen.seed)


def _name(source: Source | Collected) -> str:
    return source.side.source if isinstance(source, Collected) else source.name


def _open_collected(given: Any, extractors: Sequence[str]) -> Collected | None:
    """`.dms` files (joined by `+`), a `Collected` or another tool's statistics; None where `given` is a source."""
    if isinstance(given, Collected):
        return given
    if not isinstance(given, (str, os.PathLike)):
        return None
    path = os.fspath(given)
    if not path.lower().endswith(".dms"):
        return read_statistics(path, extractors)
    parts = [path] if Path(path).exists() else _JOINT.split(path)  # an existing file may be called a+b.dms
    return reduce(Collected.merge, [Collected.load(part) for part in parts])
