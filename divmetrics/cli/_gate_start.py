"""`gate --init` and `gate --selftest`: rules outside the measured noise, and how often a gate is red for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from divmetrics.cli._options import read_by
from divmetrics.cli._output import check_outputs, deliver
from divmetrics.cli._ranks import several
from divmetrics.errors import UsageError
from divmetrics.report import gated as view
from divmetrics.report.gate.rules import FILES, read_rules
from divmetrics.report.gate.start import BASELINE

RESPLITS = 20
"""Re-splits of `--selftest`, where their number is not given."""
MOST_RESPLITS = 10_000


def check_modes(
    *, init: bool, force: bool, selftest: bool, resplits: int | None, quarantine: bool, others: Mapping[str, Any]
) -> None:
    """Raise UsageError where options of `gate` contradict each other, or one would do nothing."""
    if init and selftest:
        raise UsageError("--init and --selftest are two steps; run gate --init first, then gate --selftest.")
    if force and not init:
        raise UsageError("--force belongs to gate --init, whose files it replaces; leave it out.")
    if resplits is not None and not selftest:
        raise UsageError("--resplits belongs to gate --selftest; leave it out.")
    if resplits is not None and not 1 <= resplits <= MOST_RESPLITS:
        raise UsageError(f"--resplits is {resplits}; give a whole number from 1 to {MOST_RESPLITS}.")
    if not (init or selftest):
        return
    mode = "--init" if init else "--selftest"
    if quarantine:
        raise UsageError(f"--quarantine has no effect with {mode}; leave it out.")
    for option, path in others.items():
        if path is not None:
            raise UsageError(f"{option} has no effect with {mode}; --json and --md have what it finds.")
    if several():
        raise UsageError(f"gate {mode} works in one process; start it without torchrun.")


def written_by_init(config: str | None) -> tuple[str, str]:
    """The rule file and the baseline that `gate --init` writes."""
    place = Path(FILES[0] if config is None else config)
    return str(place), str(place.parent / BASELINE)


def start(
    sources: Sequence[str],
    config: str | None,
    keywords: Mapping[str, Any],
    outputs: Mapping[str, str | None],
    *,
    force: bool,
) -> int:
    """Write rules and a baseline; print what was chosen and why."""
    real, fake = _two(sources, "--init")
    written = dict(zip(("--config", "baseline"), written_by_init(config), strict=True))
    check_outputs({**outputs, **written}, [real, fake, *read_by(keywords)] if force else [])
    from divmetrics.scoring.gate_start import start_gate

    started = start_gate(real, fake, config, keywords, force=force)
    deliver(view.start_page(started), started.to_json(), outputs["--json"], outputs["--md"])
    return 0


def tested(
    sources: Sequence[str],
    config: str | None,
    keywords: Mapping[str, Any],
    outputs: Mapping[str, str | None],
    resplits: int | None,
) -> int:
    """Print how often the gate is red for unchanged samples."""
    real, fake = _two(sources, "--selftest")
    check_outputs(outputs, [real, fake, config, *read_by(keywords)])
    rules = read_rules(config)
    check_outputs(outputs, [rules.path, rules.baseline_path, *read_by(rules.keywords)])
    from divmetrics.scoring.gate_selftest import selftest

    found = selftest(real, fake, rules, keywords, resplits or RESPLITS)
    deliver(view.selftest_page(found), found.to_json(), outputs["--json"], outputs["--md"])
    return found.exit_code


def _two(sources: Sequence[str], mode: str) -> tuple[str, str]:
    if len(sources) != 2:
        raise UsageError(f"gate {mode} takes REAL and FAKE, got {len(sources)} argument{'s' * (len(sources) != 1)}.")
    return sources[0], sources[1]
