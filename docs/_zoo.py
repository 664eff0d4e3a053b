"""The page of the zoo's entries and their cures, from the records, the checkpoints and `results/cures.jsonl`."""

import json
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu

from divmetrics.records.generator import ZOO, ZooModel
from divmetrics.zoo import record

CURES = Path(__file__).parent.parent / "benchmarks" / "results" / "cures.jsonl"
FAMILIES = ("target", "oracle", "exact score", "gan", "vae", "flow", "score")
SIGNIFICANT = 0.05
MEASURED_BY = {"grid-25-soft-score-noise-injected": "copies"}
"""Cures of something other than severity: the oracle's number that they should lower."""


def page() -> str:
    """All entries in tables, and the verdict on each cure."""
    families = {family: [model for model in ZOO if model.family == family] for family in FAMILIES}
    parts = [f"## {name}\n\n{_table(models)}" for name, models in families.items() if models]
    head = "Made from the records. Severity is that of the default options; [how it is defined](zoo.md)."
    return "\n\n".join(["# The zoo, entry by entry", head, "## Do the cures help?", _cures(), *parts]) + "\n"


def _table(models: list[ZooModel]) -> str:
    lines = [
        "| entry | what was done | severity | modes | high quality | spread | copies |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in models:
        found = record.recorded(model)
        if found is None:
            lines.append(f"| `{model.name}` | {model.knob} | - | - | - | - | - |")
            continue
        levels = f", levels {', '.join(f'{level:g}' for level in model.levels)}" if model.levels else ""
        spread, copies = (_number(found[key]) for key in ("spread", "copies"))
        modes = f"{found['modes_found']} of {found['modes_total']}"
        cells = [
            f"{model.knob}{levels}",
            _number(found["severity"]),
            modes,
            _number(found["high_quality"]),
            spread,
            copies,
        ]
        lines.append(f"| `{model.name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cures() -> str:
    rows = [json.loads(line) for line in CURES.read_text().splitlines()] if CURES.exists() else []
    lines = [
        "`python benchmarks/cures.py` trains each cure and the same model without it, with five seeds each. "
        "Measured is severity, or the share of copies where that is what the cure is for; *better* or *worse* means "
        "that a rank test over the seeds is significant at 5 %, uncorrected: of 20 tests one is significant by chance. "
        "Some settings were chosen after seeing seed 0, which is one of the five: the strength of R1, and the models "
        "that growing, dropout and augmentation are applied to: none of them helped the GAN without batch norm.\n",
        "| cure | untreated | measured | seeds | untreated, mean (range) | cure, mean (range) | |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in ZOO:
        if model.untreated is None:
            continue
        key = MEASURED_BY.get(model.name, "severity")
        ours, theirs = ([r[key] for r in rows if r["entry"] == name] for name in (model.name, model.untreated))
        shown = f"| `{model.name}` | `{model.untreated}` | {key} | {len(ours)}"
        lines.append(f"{shown} | {_spread(theirs)} | {_spread(ours)} | {_verdict(ours, theirs)} |")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})" if values else "-"


def _verdict(ours: list[float], theirs: list[float]) -> str:
    if min(len(ours), len(theirs)) < 4:
        return "not measured"
    for word, way in (("**better**", "less"), ("worse", "greater")):
        if mannwhitneyu(ours, theirs, alternative=way).pvalue < SIGNIFICANT:
            return word
    return "not measurably better"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
