"""`gate --init`: rules and a baseline from samples whose quality is accepted, with thresholds outside the noise.

The noise of a number is how much two draws of one generator differ. It is measured twice: by its interval, which
allows for other real samples, too, and on random halves of the fakes; the larger of the two counts.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import NormalDist
from typing import Any

from divmetrics.errors import UsageError
from divmetrics.records.files import atomic_together, check_apart, check_writable
from divmetrics.records.keywords import options_of
from divmetrics.records.metric import METRICS
from divmetrics.records.results import Mode, Report, Result
from divmetrics.records.run_options import ScoreRequest
from divmetrics.report.gate.rules import FILES, NUMBERS, PLACES, Rules, with_paths
from divmetrics.report.gate.start import BASELINE, RULES_RATE, Start, Threshold, rounded_up
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.gate import request_of
from divmetrics.scoring.plan import SideName
from divmetrics.scoring.resplits import FACTOR, measured, resplits, sides_of
from divmetrics.scoring.score import filled_meter

RESPLITS = 8
"""Re-splits that the noise is measured on."""
ALPHA = 0.005
"""False-alarm rate of the verdict, unless one is asked for; the other rules share as much again."""
CLOSE = 0.05
"""False-alarm rate at which a verdict is close to `collapsed`, so that the next draw may be."""
SMALLEST = 0.01
"""Threshold as a share of the number where no noise was seen at all."""
NEXT_TO_NOTHING = 1e-6
"""Threshold where the number is 0, too."""
SETTINGS = ("weights", "confusion", "precision", "jpeg", "max_skipped", "max_pixels")
"""Options that change numbers and are no keys of a rule file: the next command repeats them."""


@dataclass(frozen=True)
class Started:
    """What is asked of `gate --init`."""

    real: str
    fake: str
    options: Mapping[str, Any]
    config: Path
    force: bool

    @property
    def baseline(self) -> Path:
        """The baseline lies beside the rules."""
        return self.config.parent / BASELINE


def start_gate(real: str, fake: str, config: str | None, options: Mapping[str, Any], *, force: bool) -> Start:
    """Score samples, and write a rule file and a baseline that unchanged samples pass.

    Args:
        real: The reference samples.
        fake: Samples whose quality is accepted.
        config: The rule file; None is divmetrics.toml in the current folder. The baseline is written beside it.
        options: Options of `score`.
        force: Whether files that exist are replaced.

    Returns:
        What was chosen and why.

    Raises:
        UsageError: A file exists or cannot be written, or intervals were turned off. Nothing was measured.
        MeasureError: The samples cannot be read, or are too few to be split into halves.
    """
    asked = Started(real, fake, options, Path(FILES[0] if config is None else config), force)
    _check_files(asked)
    bare = Rules(asked.config, ())
    request = request_of((real, fake), bare, {"alpha": ALPHA, **options, "mode_table": True})
    if request.ci_level == 0:
        raise UsageError("gate --init measures the noise by intervals; leave --ci-level 0 out.")
    meter = filled_meter(request)
    sides = sides_of(meter, request)
    differences = _differences(sides, request)
    report = meter.results()
    thresholds, left_out = _chosen(report, differences)
    level, why = _on_verdict(report, sides, request)
    start = Start(
        asked.config,
        asked.baseline,
        report,
        level,
        why,
        (*_on_modes(report), *thresholds),
        _keys(asked, report, request),
        tuple(left_out),
        _commands(asked),
    )
    _write(start)
    return start


def _check_files(asked: Started) -> None:
    """Raise UsageError where a file exists, cannot be written, or holds what is read."""
    if asked.config.name == "pyproject.toml" or asked.config.name == BASELINE:
        raise UsageError(f"gate --init writes a file of its own, not {asked.config}; name another with --config.")
    for path in (asked.config, asked.baseline):
        if os.path.lexists(path) and not asked.force:
            raise UsageError(f"{path} exists; --force replaces {asked.config} and {asked.baseline}.")
        check_writable(path)
    read = [asked.real, asked.fake, *(asked.options.get(name) for name in ("held_out", "labels", "weights"))]
    check_apart({"--config": asked.config, "baseline": asked.baseline}, read)


def _write(start: Start) -> None:
    """Write both files, or none."""
    with atomic_together(start.config, start.baseline) as (config, baseline):
        config.write_text(start.to_toml(), encoding="utf-8", errors="surrogateescape")
        baseline.write_text(start.report.to_json(), encoding="utf-8", errors="surrogateescape")


def _differences(sides: Mapping[SideName, Collected], request: ScoreRequest) -> dict[str, list[float]]:
    """Key -> differences of the number between two halves of the fakes, one for each re-split."""
    found: dict[str, list[float]] = {}
    for resplit in resplits(sides, RESPLITS, request.seed):
        pair = [
            resplit.measured(which, request, ci_level=0, null=False, mode_table=False) for which in ("first", "second")
        ]
        for key, result in pair[0].metrics.items():
            other = pair[1].metrics.get(key)
            if result.value is not None and other is not None and other.value is not None:
                found.setdefault(key, []).append(result.value - other.value)
    return found


def _chosen(report: Report, differences: Mapping[str, Sequence[float]]) -> tuple[list[Threshold], list[str]]:
    """A rule on a change for each number whose noise is known, and what has none."""
    noises = {key: _noise(result, differences.get(key, ())) for key, result in report.metrics.items()}
    known = {key: noise for key, noise in noises.items() if noise is not None}
    quantile = NormalDist().inv_cdf(1 - RULES_RATE / max(1, len(known)))
    names = {key: _spec(key, result) for key, result in report.metrics.items()}
    thresholds = []
    for key, noise in known.items():
        name = names[key]
        now = report.metrics[key].value or 0.0
        bound = rounded_up(quantile * noise or SMALLEST * abs(now) or NEXT_TO_NOTHING)
        why = (
            f"{now:.4g} now; two draws of this generator differ by {noise:.2g} (standard deviation), and by more than "
            f"{bound:g} in one gate of {1 / RULES_RATE:.0f}, all {len(known)} such rules together."
        )
        alone = [*names.values()].count(name) == 1
        rule = name if alone else f"{name}@{report.metrics[key].extractor}"
        thresholds.append(Threshold(rule, "max_regression", bound, "error", now, noise, why))
    return thresholds, [f"No rule on {key}: {_why_unknown(report.metrics[key])}." for key in noises if key not in known]


def _spec(key: str, result: Result) -> str:
    """The metric as `-m` takes it, with the options that are not its defaults: keys leave them out where they can."""
    spec = key.partition("@")[0]
    if ":" in spec:
        return spec
    defaults = {name: option.default for name, option in METRICS[result.metric].options.items()}
    given = [f"{o}={v}" for o, v in result.params.items() if o in defaults and v != defaults[o]]
    return ":".join([spec, *given])


def _noise(result: Result, differences: Sequence[float]) -> float | None:
    """Standard deviation of the difference of two draws at full size; None where it is not known."""
    if result.value is None or result.ci is None or result.ci_level is None or len(differences) < RESPLITS:
        return None
    low, high = (abs(end - result.value) for end in result.ci)
    by_interval = math.hypot(low, high) / NormalDist().inv_cdf((1 + result.ci_level) / 2)
    by_halves = math.sqrt(sum(d * d for d in differences) / len(differences)) / FACTOR
    noise = max(by_interval, by_halves)
    return noise if math.isfinite(noise) else None


def _why_unknown(result: Result) -> str:
    if result.value is None:
        return "; ".join(result.warnings).removesuffix(".") or "it could not be computed"
    return "it has no interval" if result.ci is None else "half of the samples are too few for it"


def _rest(mode: Mode) -> float:
    """Part of its share below which another draw of the mode may be called missing: a cluster is up to a fifth."""
    return 0.3 if mode.exemplars else 0.1


def _on_modes(report: Report) -> Iterator[Threshold]:
    """Rules on the table of modes: those that are missing now may be, and those that are close to it."""
    if not report.modes:
        return
    few = [mode for mode in report.modes if mode.state != "present"]
    gone = [mode for mode in few if mode.state == "missing" or mode.fake_share < _rest(mode) * mode.real_share]
    close = [mode for mode in report.modes if mode in few or (mode.p is not None and mode.p < CLOSE)]
    missing, thinned = (sum(mode.state == state for mode in few) for state in ("missing", "thinned"))
    yield Threshold(
        "missing_modes",
        "max",
        float(len(gone)),
        "error",
        float(missing),
        None,
        f"{missing} of {len(report.modes)} modes are missing now, and {len(gone)} have next to no samples.",
    )
    yield Threshold(
        "thinned_modes",
        "max",
        float(len(close)),
        "warn",
        float(thinned),
        None,
        f"{thinned} of {len(report.modes)} modes are thinned now, and {len(close)} are close to it or are.",
    )


def _on_verdict(report: Report, sides: Mapping[SideName, Collected], request: ScoreRequest) -> tuple[str, str]:
    """Level of the rule on the verdict, and why."""
    verdict = report.verdict
    if verdict is None:
        return "off", "There is no verdict here."
    if verdict.state == "collapsed":
        return "warn", f"These samples are collapsed already, so the verdict only warns. {verdict.text}"
    metric = next((_spec(key, result) for key, result in report.metrics.items()), "precision")
    lenient = measured(sides, request, metrics=[metric], ci_level=0, alpha=max(CLOSE, request.alpha), mode_table=False)
    if lenient.verdict is not None and lenient.verdict.state == "collapsed":
        return "warn", (
            f"The verdict is {verdict.state} now and close to collapsed, so another draw of the same generator may be "
            "collapsed: it only warns."
        )
    return "error", (
        f"The verdict is {verdict.state} now; that of a faithful generator is collapsed in one case of "
        f"{1 / request.alpha:.0f}."
    )


def _keys(asked: Started, report: Report, request: ScoreRequest) -> dict[str, Any]:
    """The options that change numbers, as keys of the rule file."""
    networks = {result.extractor for result in report.metrics.values()} - {"features", "labels"}
    keys: dict[str, Any] = {"extractor": request.extractor} if networks else {}
    keys |= {name: asked.options[name] for name in NUMBERS if asked.options.get(name) is not None}
    from_rules = partial(os.path.relpath, start=asked.config.parent)
    keys |= {name: with_paths(asked.options[name], from_rules) for name in PLACES if asked.options.get(name)}
    return keys | {"alpha": request.alpha}


def _commands(asked: Started) -> tuple[str, str]:
    """The commands that come next."""
    flags = {option.name: option.flag for option in options_of(ScoreRequest)}
    more = [] if asked.config == Path(FILES[0]) else ["--config", str(asked.config)]
    for name in SETTINGS:
        if asked.options.get(name) is not None:
            more += [f"--{flags[name]}", str(asked.options[name])]
    sources = [asked.real, asked.fake, *more]
    return shlex.join(["divmetrics", "gate", *sources]), shlex.join(["divmetrics", "gate", "--selftest", *sources])
