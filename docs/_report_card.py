"""The report card as a page, and the card and curves of one metric, from `benchmarks/results/validation.json`."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from divmetrics.records.metric import METRICS
from divmetrics.validation.checks import CHECKS
from divmetrics.validation.ladders import CLEAR, COLUMNS, CONTROLS, KNOBS
from divmetrics.validation.recommend import ANSWERS, seen, sharper
from divmetrics.validation.records import Card, LadderRow, Validation

FILE = Path(__file__).parent.parent / "benchmarks" / "results" / "validation.json"
SIGNS = {"sees": "**sees**", "partly": "partly", "blind_to": "-", "misled_by": "*misled*"}
WHY = "for comparison with papers"
WIDTH, HEIGHT, GAP = 96, 54, 8
COLOURS = {"blue": "#1b6ca8", "red": "#c8553d", "green": "#2a7f62", "violet": "#8d6a9f"}


@cache
def validation() -> Validation:
    """What is committed; an empty one where nothing is."""
    return Validation.load(FILE) if FILE.exists() else Validation()


def page() -> str:
    """The whole report card."""
    found = validation()
    parts = [
        "# The report card of the metrics\n\n`divmetrics validate` measures the metrics on samples with known ground "
        "truth; `--quick` takes minutes, and a run that was stopped goes on. A metric of your own, once it is "
        "[registered](plugins.md), is validated with `-m its_name`. Five levels of each sanity case are run, both ends "
        "and the middle among them; `--levels N` runs another odd number, and `--levels 51` all that the check has. "
        "This page is made from "
        "`benchmarks/results/validation.json`, which `divmetrics validate --json` writes again. " + _stands_on(found),
        "## What each metric sees\n\n" + _legend() + "\n\n" + _matrix(found),
        "## Which to use\n\n" + _recommendation(found),
        "## In one sentence\n\n" + "\n".join(f"- [{c.metric}](metrics/{c.metric}.md): {c.text}" for c in found.cards),
        "## Curves of the recommended metrics\n\n" + "\n\n".join([_explained(), *map(_named, found.recommended)]),
        "## Other generators\n\n" + _others(found),
        "## Sanity checks\n\n" + _sanity(found),
        "## False alarms of nulls\n\n" + _calibration(found),
    ]
    return "\n\n".join(parts) + "\n"


def card(metric: str) -> str:
    """What the report card says of one metric, with its curves; empty where it was not judged."""
    own = [card for card in validation().cards if card.metric == metric]
    if not own:
        return ""
    return f"[Report card](../report-card.md): {own[0].text}\n\n{_explained()}\n\n{curves(metric)}\n\n"


def _stands_on(found: Validation) -> str:
    facts = {name: entry for name, entry in found.meta.items() if isinstance(entry, dict)}
    texts = []
    if (own := facts.get("ladders")) is not None:
        texts.append(
            f"ladders on {_draws(own['repeats'])} a level, {own['n']} samples a side, of {', '.join(own['targets'])}, "
            f"beside {own['healthy']} healthy draws of each"
        )
        if own.get("trained_repeats"):
            texts.append(f"{_draws(own['trained_repeats'])} of each trained model")
    if (own := facts.get("sanity")) is not None:
        texts.append(
            f"sanity checks on {_draws(own['repeats'])} of {own['n']} samples, {own['levels']} levels of each case"
        )
    if (own := facts.get("calibration")) is not None:
        texts.append(f"false alarms on {own['draws']} healthy pairs of {own['n']} samples")
    took = f" It took {found.meta['seconds'] / 60:.0f} minutes." if "seconds" in found.meta else ""
    notes = " ".join(["", *found.meta.get("notes", ())])
    return f"It stands on {'; '.join(texts)}.{took}{notes}" if texts else "Nothing is recorded yet."


def _draws(count: int) -> str:
    return f"{count} draw{'s' * (count != 1)}"


def _legend() -> str:
    knobs = {letter: [knob for knob, owner in KNOBS.items() if owner == letter] for letter in COLUMNS}
    told = "; ".join(f"{letter} {COLUMNS[letter]} ({', '.join(knobs[letter])})" for letter in COLUMNS)
    return (
        f"{told}. In {', '.join(CONTROLS)} fidelity fails and nothing is lost; G is measured against the training "
        "set.\n\n*sees*: on most ladders of the column the value gets worse step by step and leaves the band of "
        "healthy samples, at 1 % false alarms. *misled*: it gets better, beyond that band. *partly*: seen on some "
        "targets. A dash: neither."
    )


def _matrix(found: Validation) -> str:
    lines = [
        f"| metric | for | {' | '.join(COLUMNS)} | checks passed | note |",
        "|---|---|" + "---|" * (len(COLUMNS) + 2),
    ]
    for own in sorted(found.cards, key=lambda card: (card.role, card.metric)):
        cells = [_sign(own, word) for word in COLUMNS.values()]
        passed = "" if own.sanity is None else f"{own.sanity[0]} of {own.sanity[1]}"
        note = "; ".join(own.flags)
        lines.append(
            f"| [{own.metric}](metrics/{own.metric}.md) | {own.role} | {' | '.join(cells)} | {passed} | {note} |"
        )
    return "\n".join(lines)


def _sign(own: Card, word: str) -> str:
    return next((sign for field, sign in SIGNS.items() if word in getattr(own, field)), "")


def _recommendation(found: Validation) -> str:
    """Why the preset `default` is what it is: for each column who answers for it, and from which severity on."""
    table = seen(found.ladders)
    default = [metric.name for metric in METRICS if "default" in metric.presets]
    lines = ["| column | answered for by (severity or level from which on it is detected) |", "|---|---|"]
    for letter, word in COLUMNS.items():
        able = [n for n in default if letter in table.get(n, {}) and letter in ANSWERS[METRICS[n].role]]
        cells = ", ".join(f"{name} ({table[name][letter]:.2f})" for name in able) or "none"
        lines.append(f"| {letter} {word} | {cells} |")
    return (
        f"The smallest set that sees every column, and needs neither classes nor a third side, is "
        f"**{', '.join(found.recommended)}**. A metric counts only for what it is for: those of diversity for A "
        "to D, those of fidelity for E, F and H, those that look for copies for G. A distance such as fid sees much, "
        f"and cannot say what. The preset `default` is this set{_beside(default, found)}.\n\n" + "\n".join(lines)
    )


def _beside(default: list[str], found: Validation) -> str:
    more = [name for name in default if name not in found.recommended]
    sharp = sharper(found.ladders, found.recommended)
    why = [
        f"{name} ({'detects milder faults, with classes or held-out samples' if name in sharp else WHY})"
        for name in more
    ]
    return f", and beside it {', '.join(why)}" if more else ""


def _others(found: Validation) -> str:
    """Ladders that are in no column: what happens to the mass there is what the oracle says, not one thing."""
    names = list(dict.fromkeys(row.ladder for row in found.ladders if row.column is None and not row.trained))
    rows = {(row.ladder, row.metric): row for row in found.ladders}
    shown = [name for name in found.recommended if any((ladder, name) in rows for ladder in names)]
    lines = [f"| ladder, to severity | {' | '.join(shown)} |", "|---|" + "---|" * len(shown)]
    for ladder in names:
        own = [rows.get((ladder, name)) for name in shown]
        most = max((rung.severity for row in own if row for rung in row.rungs), default=0.0)
        cells = ["" if row is None else f"{row.reaction} ({row.kendall_tau or 0:.2f})" for row in own]
        lines.append(f"| {ladder}, {most:.2f} | {' | '.join(cells)} |")
    told = (
        "Reaction of the recommended metrics, and Kendall's tau against the oracle's severity. The ladders of "
        "two-modes are the toy of Song 2019: modes in shares .8 and .2, annealed Langevin dynamics with ever fewer "
        "steps, noise levels or noise. Where annealing fails each mode has half, as without it "
        "(`zoo:two-modes-langevin`). No sanity check repeats that: it stands here."
    )
    return f"{told}\n\n" + "\n".join(lines)


def _sanity(found: Validation) -> str:
    names = list(dict.fromkeys((row.metric, row.role) for row in found.sanity))
    checks = list(dict.fromkeys(row.check for row in found.sanity))
    rows = {(row.check, row.metric, row.role): row for row in found.sanity}
    lines = [f"| metric, as | {' | '.join(str(i + 1) for i in range(len(checks)))} |", "|---|" + "---|" * len(checks)]
    for metric, role in names:
        cells = [_verdict(rows.get((check, metric, role))) for check in checks]
        lines.append(f"| [{metric}](metrics/{metric}.md), {role} | {' | '.join(cells)} |")
    told = "\n".join(f"{i + 1}. `{name}`: {CHECKS[name].text} ({CHECKS[name].cite})." for i, name in enumerate(checks))
    return (
        f"{told}\n\nEach cell is shape, then bounds: `+` as it must be, `x` not; `h` and `l` say that diversity ends "
        "high or low when fakes are too wide; a dot: not asked, or without a meaning for a metric that has no 0 and 1 "
        "of its own; blank: it cannot be measured there, or was not. Tolerances are those of "
        "Raisa 2025, on the mean over the draws.\n\n" + "\n".join(lines)
    )


def _verdict(row: object) -> str:
    if row is None:
        return ""
    shape = {"pass": "+", "fail": "x", "high": "h", "low": "l", None: "."}[row.property]
    return f"`{shape}{ {True: '+', False: 'x', None: '.'}[row.bounds] }`"


def _calibration(found: Validation) -> str:
    lines = ["| metric | fakes and reals alike | draws | p <= 1 % | p <= 5 % |", "|---|---|---|---|---|"]
    for row in found.calibration:
        rates = [f"{rate:.1%}" if row.holds else f"**{rate:.1%}**" for rate in (row.at_1, row.at_5)]
        lines.append(f"| {row.metric} | {row.case} | {row.draws} | {' | '.join(rates)} |")
    return "Bold: more than binomial error (99 %) allows. [More draws](calibration.md).\n\n" + "\n".join(lines)


def _named(metric: str) -> str:
    return f"### {metric}\n\n{curves(metric)}"


def _explained() -> str:
    colours = ", ".join(f"{target} {colour}" for target, colour in zip(_targets(), COLOURS, strict=False))
    return (
        f"Severity to the right (on controls the level), value upwards, better above; {colours}. A dot is a level on "
        "which most draws alarm. All panels of one colour share their scale."
    )


def _targets() -> list[str]:
    return list(dict.fromkeys(_target(row) for row in validation().ladders if row.column is not None))


def curves(metric: str) -> str:
    """Small panels, one a knob: severity against value, scaled by the metric's own range on that target."""
    rows = [row for row in validation().ladders if row.metric == metric and row.column is not None]
    targets = _targets()
    scales = {target: scale(metric, [row for row in rows if _target(row) == target]) for target in targets}
    colours = dict(zip(targets, COLOURS.values(), strict=False))
    panels = {}
    for knob in KNOBS:
        own = [(row, _target(row)) for row in rows if _knob(row) == knob]
        if own:
            lines = [_line(row, scales[target], colours.get(target, "#777")) for row, target in own]
            panels[f"{KNOBS[knob]} {knob}"] = "".join(lines)
    return figure(panels)


def figure(panels: Mapping[str, str]) -> str:
    """What is drawn in each panel, by the title below it; five in a row."""
    across = 5
    size = (across * (WIDTH + GAP), -(-len(panels) // across) * (HEIGHT + 16 + GAP))
    parts = []
    for place, (title, drawn) in enumerate(panels.items()):
        x, y = place % across * (WIDTH + GAP), place // across * (HEIGHT + 16 + GAP)
        frame = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#bbb"/>'
        text = f'<text y="{HEIGHT + 11}" font-size="9" fill="currentColor">{title}</text>'
        parts.append(f'<g transform="translate({x},{y})">{frame}{drawn}{text}</g>')
    box = f'viewBox="-2 -2 {size[0]} {size[1]}" width="{size[0]}"'
    return f'<div><svg xmlns="http://www.w3.org/2000/svg" {box} role="img">{"".join(parts)}</svg></div>'


def scale(metric: str, rows: list[LadderRow]) -> tuple[float, float]:
    """(worst, best) value over the ladders of one target."""
    values = [rung.value for row in rows for rung in row.rungs] or [0.0]
    ends = (min(values), max(values))
    return ends if METRICS[metric].better == "higher" else ends[::-1]


def points(row: LadderRow, ends: tuple[float, float]) -> list[tuple[float, float, bool]]:
    """(x, y, whether most draws alarm) of each rung in its panel; `ends` are the values at its foot and its top."""
    worst, best = ends
    most = max(rung.severity for rung in row.rungs) or 1.0
    width = best - worst or 1.0
    return [
        (WIDTH * rung.severity / most, HEIGHT * (1 - (rung.value - worst) / width), rung.alarms > CLEAR)
        for rung in row.rungs
    ]


def _line(row: LadderRow, ends: tuple[float, float], colour: str) -> str:
    found = points(row, ends)
    path = " ".join(f"{x:.0f},{y:.0f}" for x, y, _ in found)
    dots = "".join(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="2" fill="{colour}"/>' for x, y, alarm in found if alarm)
    return f'<polyline points="{path}" fill="none" stroke="{colour}"/>{dots}'


def _knob(row: LadderRow) -> str:
    return next((knob for knob in KNOBS if row.ladder.endswith(f"-{knob}")), "")


def _target(row: LadderRow) -> str:
    return row.ladder.removesuffix(f"-{_knob(row)}")
