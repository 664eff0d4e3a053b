"""The rules of a gate, read from TOML and checked as a whole before anything is measured."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from divmetrics.errors import UsageError
from divmetrics.records.files import read_text
from divmetrics.records.keywords import options_of
from divmetrics.records.results import Report
from divmetrics.records.run_options import ScoreRequest
from divmetrics.report.gate.tables import Table

FILES = ("divmetrics.toml", "pyproject.toml")
LEVELS = ("error", "warn")
VERDICTS = (*LEVELS, "off")
INCONCLUSIVE = ("warn", "fail")
NUMBERS, PLACES = ("num", "seed", "alpha", "tolerance", "ci_level", "modes"), ("labels", "held_out")
"""Options of `score` that a rule file may hold: numbers, and paths."""
KEYS = (
    *("extractor", "metrics", *NUMBERS, *PLACES),
    *("verdict", "inconclusive", "quarantine", "baseline", "rules"),
)
USES = ("value", "ci_low", "ci_high", "pessimistic")
MODE_RULES = {"missing_modes": "missing", "thinned_modes": "thinned"}
"""Rules that count modes, and the state of those in the table of modes."""


@dataclass(frozen=True)
class Regression:
    """Largest accepted change for the worse, absolute or relative to the baseline's value."""

    amount: float
    """In units of the metric, or a fraction of the baseline's value."""
    relative: bool
    """Whether it is a fraction."""

    def allowed(self, baseline: float) -> float:
        """The accepted change in units of the metric."""
        return self.amount * abs(baseline) if self.relative else self.amount

    def __str__(self) -> str:
        return f"{100 * self.amount:g} %" if self.relative else f"{self.amount:g}"


@dataclass(frozen=True)
class Rule:
    """Bounds on one metric, or on the number of modes in a state.

    `name` is a metric, with `:option=value` and `@EXTRACTOR` where needed, or one of `MODE_RULES`.
    """

    name: str
    level: str = "error"
    """`error` fails the gate, `warn` is printed."""
    min: float | None = None
    max: float | None = None
    max_regression: Regression | None = None
    use: str = "pessimistic"
    """The number that is judged: `value`, `ci_low`, `ci_high`, or `pessimistic`: the lower end of the interval against
    `min`, the upper against `max`, and the value where there is no interval and against a baseline."""
    table: Table | None = field(default=None, compare=False, repr=False)
    """Where it stands."""

    @property
    def place(self) -> str:
        """Where it stands, as messages say it: `divmetrics.toml, line 4: [gate.rules.recall]`."""
        return f"rule {self.name}" if self.table is None else self.table.place()

    @property
    def expected(self) -> str:
        """The rule in words, such as `>= 0.4, at most 10 % worse than the baseline`."""
        parts = [
            None if self.min is None else f">= {self.min:g}",
            None if self.max is None else f"<= {self.max:g}",
            None if self.max_regression is None else f"at most {self.max_regression} worse than the baseline",
        ]
        return ", ".join(filter(None, parts))


@dataclass(frozen=True)
class Rules:
    """The checked content of a rule file."""

    path: Path
    rules: tuple[Rule, ...]
    extractor: str | None = None
    verdict: str | None = None
    """`error`, `warn` or `off`; None is `error` for reports that have a verdict."""
    inconclusive: str = "warn"
    """What an inconclusive verdict does: `warn` is printed, `fail` fails the gate."""
    quarantine: bool = False
    """Whether a gate that fails is measured again on another seed, and fails only if it does so twice."""
    baseline: Report | None = None
    baseline_path: Path | None = None
    more_metrics: tuple[str, ...] = ()
    """Metrics and presets that are measured besides those that the rules name."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of `score`: `num`, `seed`, `labels`, `held_out`, as far as the file has them."""

    @property
    def metrics(self) -> list[str]:
        """The metrics that are measured, with their options, as arguments of `score`."""
        named = (rule.name.partition("@")[0] for rule in self.rules if rule.name not in MODE_RULES)
        return list(dict.fromkeys([*self.more_metrics, *named]))

    @property
    def about_modes(self) -> bool:
        """Whether a rule needs the table of modes."""
        return any(rule.name in MODE_RULES for rule in self.rules)

    @property
    def alpha(self) -> float | None:
        """The false-alarm rate of the verdict that the file asks for; None where it does not say."""
        return self.options.get("alpha")

    @property
    def extractors(self) -> str | None:
        """The extractors to score with, comma-separated; None where the rules leave it open."""
        named = dict.fromkeys(rule.name.partition("@")[2] for rule in self.rules)
        return self.extractor or ",".join(name for name in named if name not in ("", "features", "labels")) or None

    @property
    def keywords(self) -> dict[str, Any]:
        """Arguments of `score` that the rules name; none where they ask for the verdict only."""
        named = {"metrics": self.metrics, "extractor": self.extractors, "mode_table": self.about_modes}
        return {**{name: value for name, value in named.items() if value}, **self.options}


def read_rules(path: str | os.PathLike[str] | None = None) -> Rules:
    """Read the rules of a gate and its baseline.

    Args:
        path: A TOML file with a table `[gate]`, or a pyproject.toml with `[tool.divmetrics.gate]`. None:
            divmetrics.toml, else pyproject.toml, in the current folder.

    Returns:
        The checked rules.

    Raises:
        UsageError: where the file is missing or malformed, has an unknown key or contradicts itself, or has no rule.
    """
    places = [Path(path)] if path is not None else [place for place in map(Path, FILES) if place.exists()]
    for place in places:
        if (table := _gate_table(place)) is not None:
            return _parse(place, table)
    if path is not None:
        raise UsageError(f"{path} has no rules; write them as [{_section(places[0])}.rules.NAME].")
    wanted = " or ".join(f"[{_section(Path(name))}] in {name}" for name in FILES)
    raise UsageError(f"there are no rules here: write {wanted}, or name a file with --config.")


def rules_from(table: Mapping[str, Any], name: str = "config") -> Rules:
    """Rules from a mapping instead of a file.

    Args:
        table: The content of `[gate]`.
        name: What messages call it.

    Returns:
        The checked rules.

    Raises:
        UsageError: as `read_rules`.

    Example:
        >>> rules_from({"rules": {"recall": {"min": 0.4}}}).rules[0].expected
        '>= 0.4'
    """
    _check_keys_are_texts(table, name)
    return _parse(Path(name), Table(table, name, ("gate",)))


def _check_keys_are_texts(table: Mapping[Any, Any], name: str) -> None:
    """Raise UsageError for a key that no TOML file could hold."""
    for key, value in table.items():
        if not isinstance(key, str):
            raise UsageError(f"{name}: the key {key!r:.40} is not a text.")
        if isinstance(value, dict):
            _check_keys_are_texts(value, name)


def _section(path: Path) -> str:
    """Name of the table with the rules in the file `path`."""
    return "tool.divmetrics.gate" if path.name == "pyproject.toml" else "gate"


def _gate_table(path: Path) -> Table | None:
    """The table with the rules in the file `path`; None where it has none."""
    text = read_text(path, "rules")
    try:
        whole = Table(tomllib.loads(text), str(path), text=text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}.") from None
    except (RecursionError, ValueError):  # of lists in lists, and of numbers
        raise UsageError(f"{path} nests thousands of lists, or holds a number of thousands of digits.") from None
    if path.name == "pyproject.toml":
        whole = whole.table("tool").table("divmetrics")
    whole.check_keys(["gate"])
    return whole.table("gate") if "gate" in whole.content else None


def _parse(path: Path, table: Table) -> Rules:
    """Check the table of a rule file and read its baseline."""
    if "by" in table.content:
        raise table.mistake("by (rules for each group) does not exist yet; leave it out.", "by")
    table.check_keys(KEYS)
    extractor, more = table.string("extractor"), table.names("metrics")
    options, rules = _options(table, path.parent), table.table("rules")
    parsed = tuple(_rule(name, rules.table(name)) for name in rules.content)
    verdict = table.choice("verdict", VERDICTS)
    inconclusive = _inconclusive(table, verdict)
    if not parsed and verdict in (None, "off"):
        raise UsageError(f"{table.place()} has no rules; write at least one as [{_section(path)}.rules.NAME].")
    baseline = table.string("baseline")
    place = None if baseline is None else path.parent / baseline
    relative = [rule for rule in parsed if rule.max_regression]
    if relative and place is None:
        names = ", ".join(rule.name for rule in relative)
        raise UsageError(
            f"{relative[0].place}: max_regression of {names} needs baseline = REPORT.json in [{_section(path)}]."
        )
    report = None if place is None else Report.load(place)
    quarantine = table.switch("quarantine")
    rules_read = Rules(path, parsed, extractor, verdict, inconclusive, quarantine, report, place, more, options)
    check_against_baseline(rules_read)
    return rules_read


def _inconclusive(table: Table, verdict: str | None) -> str:
    """The key `inconclusive`. Raises UsageError where the verdict cannot fail, so that it could not either."""
    found = table.choice("inconclusive", INCONCLUSIVE)
    if found is not None and verdict == "off":
        text = f'inconclusive = "{found}" is about the verdict, and verdict = "off"; drop one.'
        raise table.mistake(text, "inconclusive")
    if found == "fail" and verdict == "warn":
        raise table.mistake(
            'verdict = "warn" never fails and inconclusive = "fail" does; set verdict = "error", or '
            'inconclusive = "warn".',
            "inconclusive",
        )
    return found or "warn"


def check_against_baseline(rules: Rules) -> None:
    """Raise UsageError where a bound and `max_regression` of one rule leave no value that passes."""
    for rule in rules.rules:
        if rule.max_regression is None or rules.baseline is None or rule.use in ("ci_low", "ci_high"):
            continue
        key = rule.name if rule.name in rules.baseline.metrics else None
        keys = [key] if key else [k for k in rules.baseline.metrics if k.partition("@")[0] == rule.name]
        before = rules.baseline.metrics[keys[0]] if len(keys) == 1 else None
        if before is None or before.value is None or not math.isfinite(before.value):
            continue  # said where it is judged
        allowed, worst = rule.max_regression, before.value
        lower = before.better == "lower"
        worst += allowed.allowed(before.value) * (1 if lower else -1)
        bound = rule.min if lower else rule.max
        if bound is not None and (bound > worst if lower else bound < worst):
            wanted = f"min {bound:g}" if lower else f"max {bound:g}"
            raise UsageError(
                f"{rule.place}: {wanted} and max_regression {allowed} contradict each other: the baseline has "
                f"{before.value:.6g}, so no value passes both; drop one."
            )


def _options(table: Table, folder: Path) -> dict[str, Any]:
    """The options of `score` in the table; paths are relative to the folder of the rule file, as the baseline's."""
    declared = {option.name: option for option in options_of(ScoreRequest)}
    found: dict[str, Any] = {}
    for name in NUMBERS:
        if name in table.content:
            value, option = table.content[name], declared[name]
            try:
                percent = isinstance(value, str) and value.endswith("%") and float in option.kinds
                found[name] = option.parse(value) if percent else value
                option.check(found[name])
            except UsageError as error:
                raise error.within(table.place(name)) from None
    for name in PLACES:
        if (text := table.string(name)) is not None:
            found[name] = with_paths(text, lambda path: str(folder / path))
    return found


def with_paths(source: str, changed: Callable[[str], str]) -> str:
    """A source with its path changed, or those of the shards `a.dms+b.dms`; `zoo:NAME`, which has none, as it is.

    Example:
        >>> with_paths("a.dms+b.dms", str.upper), with_paths("zoo:digits", str.upper)
        ('A.DMS+B.DMS', 'zoo:digits')
    """
    if source.startswith("zoo:"):
        return source
    parts = source.split("+")
    parts = parts if all(part.endswith(".dms") for part in parts) else [source]
    return "+".join(map(changed, parts))


def _rule(name: str, entry: Table) -> Rule:
    """Check one rule."""
    if name == "verdict":
        text = 'the verdict is a key of the table above, verdict = "error" or "warn"; write that.'
        raise entry.mistake(text)
    if "" in name.split("@"):
        raise entry.mistake(f"{name!r} is no METRIC or METRIC@EXTRACTOR; name the rule after what it judges.")
    if name in MODE_RULES:
        return _mode_rule(name, entry)
    entry.check_keys(["level", "min", "max", "max_regression", "use"])
    if not entry.content.keys() & {"min", "max", "max_regression"}:
        raise UsageError(f"{entry.place()} asks for nothing; give it min, max or max_regression.")
    least, most = entry.number("min"), entry.number("max")
    if least is not None and most is not None and least > most:
        raise entry.mistake(f"min {least:g} is above max {most:g}; no value can pass.", "min")
    return Rule(
        name,
        level=entry.choice("level", LEVELS) or "error",
        min=least,
        max=most,
        max_regression=_regression(entry),
        use=entry.choice("use", USES) or "pessimistic",
        table=entry,
    )


def _mode_rule(name: str, entry: Table) -> Rule:
    """Check a rule on the table of modes: `max` modes, and a level."""
    for key in entry.content:
        if key in ("min", "max_regression", "use"):
            raise entry.mistake(f"{key} has no meaning for a number of modes; give max, and level if you like.", key)
    entry.check_keys(["level", "max"])
    most = entry.number("max")
    if most is None:
        raise UsageError(f"{entry.place()} asks for nothing; give it max, the number of modes that may be so.")
    if most < 0 or most != int(most):
        raise entry.mistake(f"max = {entry.content['max']!r:.40} is no number of modes; give 0, 1, 2, ...", "max")
    level = entry.choice("level", LEVELS) or "error"
    return Rule(name, level=level, max=most, use="value", table=entry)


def _regression(entry: Table) -> Regression | None:
    """`max_regression`: a number in units of the metric, or a percentage like "10%"."""
    given = entry.content.get("max_regression")
    if given is None:
        return None
    try:
        relative = isinstance(given, str) and given.endswith("%")
        amount = float(given.removesuffix("%")) / 100 if relative else entry.number("max_regression")
    except ValueError:
        amount = None
    if amount is None or not 0 <= amount < math.inf:
        text = f'max_regression = {given!r} is neither a number >= 0 nor a percentage like "10%".'
        raise entry.mistake(text, "max_regression")
    return Regression(amount, relative)
