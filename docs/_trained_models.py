"""What the report card says of metrics on trained models: a part of its page, and of the page of each metric."""

from collections.abc import Callable

from _report_card import COLOURS, figure, points, scale, validation

from divmetrics.validation.families import ENOUGH, LEAST
from divmetrics.validation.records import LadderRow, Validation
from divmetrics.zoo.oracle import N_SAMPLES, N_SAMPLES_THOUSAND_MODES

KNOWN = "ABCD"
"""Columns in which something is lost, as it is on these ladders."""
EXPLAINED = f"""\
A knob breaks one thing by a stated amount. A trained model breaks as it happens to, and its recipe says nothing of how
much. So the models of one target (of one family, where two families have {LEAST} or more) are the rungs of one ladder,
in the order of the severity that the oracle measures on {N_SAMPLES:,} samples of each
({N_SAMPLES_THOUSAND_MODES:,} where there are a thousand modes). Kendall's tau against it, beside the mean
taus over the knobs of A to D; bold: significant for so many models.

These columns show whether a metric ranks failures of real training by how much is lost. They cannot show what it saw:

- Trained models lose fidelity together with modes, or in place of them, and the oracle's severity is that of the loss
  alone: of the mass, the spread and the distinctness of those samples that lie in a mode. A model that scatters its
  samples and reaches all modes is a mild one here. A metric that falls with scattered samples too gets a tau that is
  low where the two go apart, and undeserved where they go together: *high_quality* shows what fidelity alone gets.
- Severity is itself measured, and on few samples where few lie in a mode; models with less than {100 * ENOUGH:.0f} %
  there are left out. Of two models of nearly the same severity nobody knows which is the worse.
- Each model is one seed of one recipe. There are as many rungs as models, unevenly spaced: the least severity detected
  is that of a model that happens to be there, and the alarm may be for its fidelity.

So no sentence of a card rests on them, and neither does the choice of `default`."""


def section(found: Validation) -> str:
    """Tau of each metric over the trained models, beside its mean taus over the knobs."""
    rows = {(row.ladder, row.metric): row for row in found.ladders if row.trained}
    if not rows:
        return "## Trained models\n\nNothing is recorded yet.\n"
    longest: dict[str, LadderRow] = {}
    for row in rows.values():
        longest[row.ladder] = max(longest.get(row.ladder, row), row, key=lambda one: len(one.rungs))
    heads: dict[str, Callable[[LadderRow], str]] = {
        "models": lambda row: str(len(row.rungs)),
        "severity": lambda row: f"{row.rungs[0].severity:.2f} to {row.rungs[-1].severity:.2f}",
        "95 % of chance": lambda row: f"{_chance(row):.2f}",
    }
    lines = [
        _line("metric", "for", *KNOWN, *map(_label, longest.values())),
        "|---|---|" + "---|" * (len(KNOWN) + len(longest)),
        *(_line(f"*{word}*", "", *[""] * len(KNOWN), *map(told, longest.values())) for word, told in heads.items()),
    ]
    for own in sorted(found.cards, key=lambda card: (card.role, card.metric)):
        knobs = [_mean_tau([r for r in found.ladders if (r.metric, r.column) == (own.metric, c)]) for c in KNOWN]
        models = [_tau(rows.get((ladder, own.metric))) for ladder in longest]
        lines.append(_line(f"[{own.metric}](metrics/{own.metric}.md)", own.role, *knobs, *models))
    return f"## Trained models\n\n{EXPLAINED}\n\n" + "\n".join(lines) + "\n"


def card(metric: str) -> str:
    """The taus of one metric, and its value on each model; empty where it was not tried on any."""
    rows = [row for row in validation().ladders if row.metric == metric and row.trained]
    if not rows:
        return ""
    taus = ", ".join(f"{_label(row)} {_tau(row)}" for row in rows if row.kendall_tau is not None)
    return (
        f"[Trained models](../report-card.md#trained-models), Kendall's tau against the oracle's severity: {taus}; "
        "bold: beyond chance. A circle is a model, a full one where most draws alarm; each panel has its own scale.\n\n"
        f"{panels(rows)}\n\n"
    )


def panels(rows: list[LadderRow]) -> str:
    """Severity against value, a panel for each ladder."""
    return figure({_label(row): "".join(_circles(row)) for row in rows})


def _circles(row: LadderRow) -> list[str]:
    """No line: there is nothing between two models."""
    blue = COLOURS["blue"]
    return [
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="2" stroke="{blue}" fill="{blue if alarm else "none"}"/>'
        for x, y, alarm in points(row, scale(row.metric, [row]))
    ]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _mean_tau(rows: list[LadderRow]) -> str:
    found = [row.kendall_tau for row in rows if row.kendall_tau is not None]
    return f"{sum(found) / len(found):.2f}" if found else ""


def _tau(row: LadderRow | None) -> str:
    if row is None or row.kendall_tau is None:
        return ""
    text = f"{row.kendall_tau:.2f}"
    return f"**{text}**" if abs(row.kendall_tau) > _chance(row) else text


def _chance(row: LadderRow) -> float:
    """What |tau| stays within in 95 of 100 cases where the metric knows nothing of severity (Kendall 1938)."""
    n = len(row.rungs)
    return min(1.0, 1.96 * (2 * (2 * n + 5) / (9 * n * (n - 1))) ** 0.5)


def _label(row: LadderRow) -> str:
    """`grid-25-soft gan` of the ladder `grid-25-soft-trained-gan`."""
    return row.ladder.replace("-trained-", " ").removesuffix("-trained")
