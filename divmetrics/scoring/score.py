"""The main road: from what a user names to a report. Everything is checked before the first image is decoded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from divmetrics.errors import UsageError
from divmetrics.records.extractor import ExtractorChoice, Spec
from divmetrics.records.files import check_writable
from divmetrics.records.metric import METRICS
from divmetrics.records.results import Report, Side
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.foreign_statistics import read_statistics
from divmetrics.scoring.meter import Meter
from divmetrics.scoring.plan import HELD_OUT, SideName
from divmetrics.sources import Source, Stream, labels_from_csv, open_source, subset

S = TypeVar("S", bound=str)

DEFAULT_EXTRACTOR = "efficientnet-lite0"


def score(
    real: Any,
    fake: Any,
    *,
    metrics: str | Sequence[str] = "default",
    extractor: ExtractorChoice = DEFAULT_EXTRACTOR,
    num: int | None = None,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | Literal["auto"] = "auto",
    workers: int | Literal["auto"] = "auto",
    labels: str | os.PathLike[str] | None = None,
    max_skipped: float = 0.01,
    weights: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | bool = True,
    progress: bool = False,
    ci_level: float = 0.95,
    null: bool = True,
    modes: int | None = None,
    held_out: Any = None,
    samples: bool = False,
    confusion: Any = None,
    precision: Literal["float32", "fast"] = "float32",
    jpeg: Literal["pillow", "device"] = "pillow",
) -> Report:
    """Score one set of samples, `fake`, against a reference, `real`.

    Either side: a folder, `.zip`, `.tar`, `.npy`, `.npz`, `.dms` (or several joined by `+`), an array or tensor of
    images or of features, a torch Dataset or DataLoader, or any iterable of batches. `num` draws that many samples from
    each side, without replacement, by `seed`. `labels` is a csv with the columns path,label.
    `cache` is where features are kept between runs: True the usual place, a path that folder, False none.
    `precision="fast"` computes features in fewer digits, `jpeg="device"` decodes JPEG files where the network runs;
    both move the numbers a little, and signatures say so.

    `ci_level` is the level of the intervals and null bands, 0 for no intervals; `null` whether there are null bands.
    `modes` is the number of clusters of the reals that serve as modes: None takes the classes, and where there are none
    as many clusters as the reals show. `held_out` are real samples that the generator was not trained on, and `real` is
    then its training set. `samples` fills `report.samples`, columns with one value a sample. `confusion` is that of the
    classifier which gave the classes, row = true class, in their order: an array, or a .npy or .csv file.

    Raises UsageError where the request is wrong and MeasureError where it cannot be measured.
    """
    meter = Meter(
        metrics,
        _specs(extractor, weights),
        seed=seed,
        device=device,
        batch_size=batch_size,
        workers=workers,
        max_skipped=max_skipped,
        cache=cache,
        progress=progress,
        ci_level=ci_level,
        null=null,
        modes=modes,
        samples=samples,
        confusion=_matrix(confusion),
        precision=precision,
        jpeg=jpeg,
    )
    given: dict[SideName, Any] = {"real": real, "fake": fake}
    if held_out is not None:
        given[HELD_OUT] = held_out
    sources = _open(given, list(meter.plan.extractors), num, seed, labels)
    countable = {side: source for side, source in sources.items() if not isinstance(source, Stream)}
    if len(countable) == len(sources):
        meter.check(countable)
    for side, source in sources.items():
        meter.take(side, source)
    return meter.results()


def extract(
    source: Any,
    out: str | os.PathLike[str],
    *,
    extractor: ExtractorChoice = DEFAULT_EXTRACTOR,
    num: int | None = None,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | Literal["auto"] = "auto",
    workers: int | Literal["auto"] = "auto",
    labels: str | os.PathLike[str] | None = None,
    max_skipped: float = 0.01,
    weights: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | bool = True,
    progress: bool = False,
    precision: Literal["float32", "fast"] = "float32",
    jpeg: Literal["pillow", "device"] = "pillow",
) -> Side:
    """Run the extractors over `source` once and keep the features in the `.dms` file `out`, for use as either side.

    What is kept serves every metric. Options as in `score`.
    """
    check_writable(out)
    specs = _specs(extractor, weights)
    provided = {layer for spec in specs for layer in spec.extractor.provides}
    everything = [m.name for m in METRICS if m.companion is None or provided.intersection(m.fake.layers)]
    meter = Meter(
        everything,
        specs,
        seed=seed,
        device=device,
        batch_size=batch_size,
        workers=workers,
        max_skipped=max_skipped,
        cache=cache,
        progress=progress,
        precision=precision,
        jpeg=jpeg,
    )
    meter.take("fake", _open({"samples": source}, list(meter.plan.extractors), num, seed, labels)["samples"])
    collected = meter.collected("fake").only_rows()
    collected.save(out)
    return collected.side


def _open(
    given: Mapping[S, Any],
    extractors: Sequence[str],
    num: int | None,
    seed: int,
    labels: str | os.PathLike[str] | None,
) -> dict[S, Source | Stream | Collected]:
    """What was given on each side, labelled by the csv `labels` and cut down to `num` samples."""
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
    """`given` as what `extract` wrote, one `.dms` file or several joined by `+`, or as another tool's statistics."""
    if isinstance(given, Collected):
        return given
    if not isinstance(given, (str, os.PathLike)):
        return None
    parts = os.fspath(given).split("+")
    if not all(part.lower().endswith(".dms") for part in parts):
        return read_statistics(os.fspath(given), extractors)
    return reduce(Collected.merge, [Collected.load(part) for part in parts])


def _matrix(given: Any) -> Any:
    """A confusion matrix as it is, or read from a .npy or .csv file. Raises UsageError where that is none."""
    if not isinstance(given, (str, os.PathLike)):
        return given
    path = Path(given)
    try:
        return np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no confusion matrix ({error}); give numbers, a row for each true class.") from None


def _specs(extractor: ExtractorChoice, weights: str | os.PathLike[str] | None) -> tuple[Spec, ...]:
    """The extractors; `weights` is the option of the one it can be meant for."""
    specs = Spec.parse_all(extractor)
    if weights is None:
        return specs
    if len(specs) != 1:
        raise UsageError("--weights needs exactly one extractor; write -e 'NAME?weights=PATH' for each of several.")
    if "weights" not in specs[0].options:
        raise UsageError(f"extractor {specs[0].extractor.name} has no weights to replace; leave --weights out.")
    if "weights" in specs[0].given:
        raise UsageError(f"{specs[0]} names its weights already; leave --weights out.")
    return (specs[0].with_options(weights=os.fspath(weights)),)
