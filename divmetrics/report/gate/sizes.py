"""How many samples of each side make the numbers of a report comparable with those of a baseline."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.results import Report
from divmetrics.records.signature import Signature
from divmetrics.report.gate.rules import Rule, Rules

SIDES = ("real", "fake", "held_out")
"""The sides whose sizes a signature gives, in its order."""


@dataclass
class BaselineSizes:
    """The sizes that the samples of a gate are drawn to, so that rules on a change compare equal sizes."""

    rules: Rules
    num: int | None = None
    """How many samples of each side were asked for, with `num`."""
    drawn: dict[str, str] = field(default_factory=dict)
    """Side that was drawn from -> a sentence that says so."""

    def check(self) -> None:
        """Raise UnknownName where the baseline lacks the number that a rule compares with."""
        baseline = self.rules.baseline
        for rule in self.rules.rules:
            if baseline is not None and rule.max_regression is not None and not _before(rule, baseline):
                error = UnknownName.of("metric in the report", rule.name, baseline.metrics)
                raise error.within(f"baseline {self.rules.baseline_path}")

    def draw(self, side: str, there: int | None) -> int | None:
        """How many of the `there` samples of a side are drawn; None leaves it to `num`.

        Raises:
            UsageError: There are fewer than a rule can compare with the baseline.
        """
        baseline = self.rules.baseline
        if baseline is None or there is None or (least := self._least(side, baseline)) is None:
            return None
        if min(there, self.num or there) < least:
            raise UsageError(self._too_few(side, there, least))
        before = _side_size(baseline, side) or least
        if min(there, self.num or there) <= before:
            return None
        self.drawn[side] = (
            f"{side}: {before} of the {there} samples were drawn by the seed, as many as the baseline "
            f"{self.rules.baseline_path} has; rules on a change compare equal sizes."
        )
        return before

    def _least(self, side: str, baseline: Report) -> int | None:
        """The most samples of a side that one of the numbers to be compared rests on; None where none reads it."""
        sizes = [_read_size(signature, side) for rule in self.rules.rules for signature in _before(rule, baseline)]
        return max((size for size in sizes if size is not None), default=None)

    def _too_few(self, side: str, there: int, least: int) -> str:
        if there >= least:
            return (
                f"num is {self.num}, and the baseline {self.rules.baseline_path} has {least} {side} samples; leave num "
                f"out, or make a new baseline: {remade(self.rules)} --num {self.num}."
            )
        return (
            f"{side} has {there} samples, the baseline {self.rules.baseline_path} has {least}, and fewer samples give "
            f"another number: add {least - there}, or make a new baseline of these: {remade(self.rules)}."
        )


def difference_in_words(signature: Signature, baseline: Signature, rules: Rules) -> str:
    """Why two numbers with different signatures are not comparable, and the cure."""
    different = signature.differences(baseline)
    text = ", ".join(f"{name} {mine!r} against {theirs!r}" for name, (mine, theirs) in different.items())
    return f"another signature in the baseline {rules.baseline_path}: {text}; {_cure(different, rules)}."


def remade(rules: Rules) -> str:
    """The command that makes the baseline of these rules anew.

    Example:
        >>> from divmetrics.report.gate.rules import rules_from
        >>> remade(rules_from({"extractor": "pixels", "rules": {"recall": {"min": 0.4}, "fid": {"max": 9}}}))
        'divmetrics score REAL FAKE -e pixels -m recall,fid'
    """
    chosen = {"-e": rules.extractors, "-m": ",".join(rules.metrics), "--json": rules.baseline_path}
    given = [part for option, value in chosen.items() if value for part in (option, shlex.quote(str(value)))]
    return " ".join(["divmetrics score REAL FAKE", *given])


def _cure(different: dict[str, tuple[str, str]], rules: Rules) -> str:
    """What makes the numbers comparable: a way to measure again, where there is one, or a new baseline."""
    anew = f"make a new baseline: {remade(rules)}"
    if set(different) == {"seed"}:
        return f"measure with --seed {different['seed'][1]}, or {anew}"
    if set(different) != {"n"}:
        return anew
    mine, theirs = (_numbers(text) for text in different["n"])
    pairs = [(a, b) for a, b in zip(mine, theirs, strict=False) if a is not None and b is not None]
    if len(mine) == len(theirs) and pairs and all(a >= b for a, b in pairs):
        sizes = {b for _, b in pairs}
        num = f", as score --num {sizes.pop()} does" if len(sizes) == 1 else ""
        return f"a saved report cannot be cut: gate REAL FAKE draws as many as the baseline has{num}, or {anew}"
    return f"add samples, or {anew}"


def _numbers(text: str) -> list[int | None]:
    """The sizes in the `n` of a signature; None for a side that is not read, or of unknown size."""
    return [int(part) if part.isdecimal() else None for part in text.split("/")]


def _before(rule: Rule, baseline: Report) -> list[Signature]:
    """The numbers of the baseline that a rule may be compared with; none where it asks for no change."""
    if rule.max_regression is None:
        return []
    name, _, extractor = rule.name.partition("@")
    metric = name.partition(":")[0]
    found = [r for r in baseline.metrics.values() if r.metric == metric and extractor in ("", r.extractor)]
    return [result.signature for result in found]


def _read_size(signature: Signature, side: str) -> int | None:
    sizes = dict(zip(SIDES, _numbers(signature.n), strict=False))
    return sizes.get(side)


def _side_size(report: Report, side: str) -> int | None:
    found = getattr(report, side)
    return None if found is None else found.n
