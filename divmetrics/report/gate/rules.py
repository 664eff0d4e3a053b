"""The rules of a gate, read from TOML and checked as a whole before anything is measured."""

from __future__ import annotations

import math
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.keywords import options_of
from divmetrics.records.results import Report
from divmetrics.records.run_options import ScoreRequest

MOST = sys.float_info.max
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
    return _parse(Path(name), table)


def _section(path: Path) -> str:
    """Name of the table with the rules in the file `path`."""
    return "tool.divmetrics.gate" if path.name == "pyproject.toml" else "gate"


def _gate_table(path: Path) -> Mapping[str, Any] | None:
    """The table with the rules in the file `path`; None where it has none."""
    try:
        whole: Any = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the rules {path}: {getattr(error, 'strerror', None) or 'not text'}.") from None
    except (RecursionError, ValueError):  # of lists in lists, and of numbers
        raise UsageError(f"{path} nests thousands of lists, or holds a number of thousands of digits.") from None
    if path.name == "pyproject.toml":
        whole = _table(_table(whole.get("tool", {}), f"{path}: tool").get("divmetrics", {}), f"{path}: tool.divmetrics")
    _check_keys(whole, ["gate"], str(path))
    return _table(whole["gate"], f"{path}: {_section(path)}") if "gate" in whole else None


def _parse(path: Path, table: Mapping[str, Any]) -> Rules:
    """Check the table of a rule file and read its baseline."""
    where = f"{path}: [{_section(path)}]"
    if "by" in table:
        raise UsageError(f"{where}: by (rules for each group) does not exist yet; leave it out.")
    _check_keys(table, [*KEYS], where)
    extractor, more = _text(table, "extractor", where), _names(table, "metrics", where)
    options = _options(table, path.parent, where)
    rules = _table(table.get("rules", {}), f"{path}: {_section(path)}.rules")
    parsed = tuple(_rule(name, entry, f"{path}: [{_section(path)}.rules.{name}]") for name, entry in rules.items())
    verdict = _choice(table, "verdict", VERDICTS, where)
    inconclusive = _inconclusive(table, verdict, where)
    if not parsed and verdict in (None, "off"):
        raise UsageError(f"{where} has no rules; write at least one as [{_section(path)}.rules.NAME].")
    baseline = _text(table, "baseline", where)
    place = None if baseline is None else path.parent / baseline
    relative = [rule.name for rule in parsed if rule.max_regression]
    if relative and place is None:
        raise UsageError(f"{where}: max_regression of {', '.join(relative)} needs baseline = REPORT.json.")
    report = None if place is None else Report.load(place)
    quarantine = table.get("quarantine", False)
    if not isinstance(quarantine, bool):
        raise UsageError(f"{where}: quarantine = {quarantine!r:.40} is neither true nor false.")
    rules_read = Rules(path, parsed, extractor, verdict, inconclusive, quarantine, report, place, more, options)
    check_against_baseline(rules_read)
    return rules_read


def _inconclusive(table: Mapping[str, Any], verdict: str | None, where: str) -> str:
    """The key `inconclusive`. Raises UsageError where the verdict cannot fail, so that it could not either."""
    found = _choice(table, "inconclusive", INCONCLUSIVE, where)
    if found is not None and verdict == "off":
        raise UsageError(f'{where}: inconclusive = "{found}" is about the verdict, and verdict = "off"; drop one.')
    if found == "fail" and verdict == "warn":
        raise UsageError(
            f'{where}: verdict = "warn" never fails and inconclusive = "fail" does; set verdict = "error", or '
            'inconclusive = "warn".'
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
                f"{rules.path}: [{_section(rules.path)}.rules.{rule.name}]: {wanted} and max_regression {allowed} "
                f"contradict each other: the baseline has {before.value:.6g}, so no value passes both; drop one."
            )


def _options(table: Mapping[str, Any], folder: Path, where: str) -> dict[str, Any]:
    """The options of `score` in the table; paths are relative to the folder of the rule file, as the baseline's."""
    declared = {option.name: option for option in options_of(ScoreRequest)}
    found: dict[str, Any] = {}
    for name in NUMBERS:
        if name in table:
            value, option = table[name], declared[name]
            try:
                percent = isinstance(value, str) and value.endswith("%") and float in option.kinds
                found[name] = option.parse(value) if percent else value
                option.check(found[name])
            except UsageError as error:
                raise error.within(where) from None
    for name in PLACES:
        if (text := _text(table, name, where)) is not None:
            found[name] = _beside(folder, text)
    return found


def _beside(folder: Path, source: str) -> str:
    """The source of a rule file in `folder`: its path, or those of the shards `a.dms+b.dms`; `zoo:NAME` as it is."""
    if source.startswith("zoo:"):
        return source
    parts = source.split("+")
    parts = parts if all(part.endswith(".dms") for part in parts) else [source]
    return "+".join(str(folder / part) for part in parts)


def _names(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """Names in a text, separated by commas, or in a list of texts; none where the key is absent."""
    value = table.get(key, ())
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) and name.strip() for name in names):
        raise UsageError(f"{where}: {key} = {value!r} is neither a text nor a list of texts.")
    return tuple(name.strip() for name in names)


def _rule(name: str, entry: Any, where: str) -> Rule:
    """Check one rule; `where` begins the error messages."""
    entry = _table(entry, where)
    if name == "verdict":
        raise UsageError(f'{where}: the verdict is a key of the table above, verdict = "error" or "warn"; write that.')
    if "" in name.split("@"):
        raise UsageError(f"{where}: {name!r} is no METRIC or METRIC@EXTRACTOR; name the rule after what it judges.")
    if name in MODE_RULES:
        return _mode_rule(name, entry, where)
    _check_keys(entry, ["level", "min", "max", "max_regression", "use"], where)
    if not entry.keys() & {"min", "max", "max_regression"}:
        raise UsageError(f"{where} asks for nothing; give it min, max or max_regression.")
    least, most = _number(entry, "min", where), _number(entry, "max", where)
    if least is not None and most is not None and least > most:
        raise UsageError(f"{where}: min {least:g} is above max {most:g}; no value can pass.")
    return Rule(
        name,
        level=_choice(entry, "level", LEVELS, where) or "error",
        min=least,
        max=most,
        max_regression=_regression(entry, where),
        use=_choice(entry, "use", USES, where) or "pessimistic",
    )


def _mode_rule(name: str, entry: Mapping[str, Any], where: str) -> Rule:
    """Check a rule on the table of modes: `max` modes, and a level."""
    for key in entry:
        if key in ("min", "max_regression", "use"):
            raise UsageError(f"{where}: {key} has no meaning for a number of modes; give max, and level if you like.")
    _check_keys(entry, ["level", "max"], where)
    most = _number(entry, "max", where)
    if most is None:
        raise UsageError(f"{where} asks for nothing; give it max, the number of modes that may be so.")
    if most < 0 or most != int(most):
        raise UsageError(f"{where}: max = {entry['max']!r:.40} is no number of modes; give 0, 1, 2, ...")
    return Rule(name, level=_choice(entry, "level", LEVELS, where) or "error", max=most, use="value")


def _regression(entry: Mapping[str, Any], where: str) -> Regression | None:
    """`max_regression`: a number in units of the metric, or a percentage like "10%"."""
    given = entry.get("max_regression")
    if given is None:
        return None
    try:
        relative = isinstance(given, str) and given.endswith("%")
        amount = float(given.removesuffix("%")) / 100 if relative else _number(entry, "max_regression", where)
    except ValueError:
        amount = None
    if amount is None or not 0 <= amount < math.inf:
        raise UsageError(f'{where}: max_regression = {given!r} is neither a number >= 0 nor a percentage like "10%".')
    return Regression(amount, relative)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    """`value`, which must be a table."""
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be a table, not {value!r}.")
    return value


def _check_keys(table: Mapping[str, Any], known: list[str], where: str) -> None:
    """Raise UnknownName for a key that is not in `known`."""
    for key in table:
        if key not in known:
            raise UnknownName.of("key", key, known).within(where)


def _number(table: Mapping[str, Any], key: str, where: str) -> float | None:
    """A finite number; None where the key is absent."""
    if key not in table:
        return None
    value = table[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MOST:
        raise UsageError(f"{where}: {key} = {value!r:.40} is not a number.")
    return float(value)


def _text(table: Mapping[str, Any], key: str, where: str) -> str | None:
    """A text that is not empty; None where the key is absent."""
    value = table.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise UsageError(f"{where}: {key} = {value!r} is not a text.")
    return value


def _choice(table: Mapping[str, Any], key: str, known: tuple[str, ...], where: str) -> str | None:
    """One of the texts in `known`; None where the key is absent."""
    value = _text(table, key, where)
    if value is not None and value not in known:
        raise UnknownName.of(key, value, known).within(where)
    return value
