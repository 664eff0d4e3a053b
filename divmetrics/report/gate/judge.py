"""Judgement of a report by the rules of a gate.

A rule that cannot be judged is an error, never a pass. A rule on a change against the baseline fails where the change
is larger than allowed and no chance, all such rules of the file together; see `divmetrics.report.gate.changes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.results import Report, Result
from divmetrics.report.gate.changes import Change, change_of, significant
from divmetrics.report.gate.mode_rules import ABOUT_MODES, judge_modes, judge_verdict, missing_modes
from divmetrics.report.gate.numbers import (
    bounds_in_noise,
    check_numbers,
    check_possible,
    exceeds,
    judged_numbers,
    violated_bounds,
)
from divmetrics.report.gate.outcomes import GateResult, RuleResult, Status
from divmetrics.report.gate.rules import MODE_RULES, Rule, Rules
from divmetrics.report.page import class_note

NO_ERROR_RULE = "no rule has the level error, so this gate never fails."


@dataclass(frozen=True)
class _Read:
    """A rule with the number that it is about."""

    rule: Rule
    key: str
    result: Result
    change: Change | None = None


def judge(
    report: Report,
    rules: Rules,
    drawn: Mapping[str, str] | None = None,
    *,
    share: float = 1.0,
    ignored: Sequence[str] = (),
) -> GateResult:
    """Judge a report by rules.

    Args:
        report: The report.
        rules: The rules, with their baseline.
        drawn: Side of which fewer samples were drawn, to compare as many as the baseline has -> a sentence for the
            warnings.
        share: Share of the level that rules on a change spend: a half in a second run.
        ignored: Fields in which the signature of the baseline may differ.

    Returns:
        One result for each rule, and warnings. A metric that could not be computed is the status `error` of its rule.

    Raises:
        UsageError: where the report lacks what a rule names, rules contradict each other, or the baseline has another
            signature.
    """
    drawn = drawn or {}
    warnings = [*drawn.values(), *(_reference_warning(report, rules) if "real" not in drawn else ())]
    verdict = [*judge_verdict(report, rules)]
    read = [_read(rule, report, rules, ignored, warnings) for rule in rules.rules if rule.name not in MODE_RULES]
    _check_together(read)
    known = {about.rule.name: outcome for about, outcome in zip(read, _judged(read, report, share), strict=True)}
    known |= {rule.name: judge_modes(rule, report) for rule in rules.rules if rule.name in MODE_RULES}
    outcomes = (*verdict, *(known[rule.name] for rule in rules.rules))
    if any(about.result.metric in ABOUT_MODES for about in read) or rules.about_modes:
        warnings += filter(None, [class_note(report)])
    if not any(outcome.level == "error" for outcome in outcomes):
        warnings.append(NO_ERROR_RULE)
    return GateResult(report, rules, outcomes, tuple(dict.fromkeys(warnings)))


def judge_saved(report: Report, rules: Rules) -> GateResult:
    """Judge a report that is not measured again.

    Raises:
        UsageError: as `judge`, and where no value of a metric could pass a rule.
    """
    check_possible(rules, {result.metric: result.range for result in report.metrics.values()})
    judged = judge(report, rules)
    if rules.quarantine and not judged.passed:
        once = "quarantine has no effect on a saved report, which is not measured again; gate REAL FAKE instead."
        return replace(judged, warnings=(*judged.warnings, once))
    return judged


def _reference_warning(report: Report, rules: Rules) -> Iterator[str]:
    """A warning where the baseline was measured on other real samples.

    No error, since the digest of the real samples changes with the names of their files, too.
    """
    digests = {report.real.digest, rules.baseline.real.digest} if rules.baseline is not None else {None}
    if None not in digests and len(digests) > 1 and rules.baseline is not None:
        yield f"{rules.baseline_path} was measured against other real samples, {rules.baseline.real.source}."


def _read(rule: Rule, report: Report, rules: Rules, ignored: Sequence[str], warnings: list[str]) -> _Read:
    """A rule and its number; warnings about the baseline are appended to `warnings`."""
    try:
        key = find_key(report, rule, rules.extractor)
    except UsageError as error:
        raise error.within(rule.place) from None
    result, change = report.metrics[key], None
    if result.value is not None:
        check_numbers(result, key)
        if rule.max_regression is not None and rules.baseline is not None:
            change, warning = change_of(rule, key, result, rules, ignored)
            warnings += [warning] if warning else []
    return _Read(rule, key, result, change)


def _check_together(read: Sequence[_Read]) -> None:
    """Raise UsageError where two rules on one number leave no value that passes both."""
    for place, first in enumerate(read):
        for second in read[place + 1 :]:
            for low, high in ((first, second), (second, first)):
                least, most = low.rule.min, high.rule.max
                if first.key == second.key and least is not None and most is not None and exceeds(least, most):
                    names = f"rules {first.rule.name!r} and {second.rule.name!r}"
                    raise UsageError(
                        f"{second.rule.place}: {names} are both about {first.key}: min {least:g} is above max "
                        f"{most:g}, so no value passes both; drop one."
                    )


def _judged(read: Sequence[_Read], report: Report, share: float) -> Iterator[RuleResult]:
    """One result for each rule on a number."""
    changes = [about.change for about in read if about.change is not None]
    real_changes = iter(significant(changes, share))
    for about in read:
        no_chance = about.change is not None and next(real_changes)
        yield _apply(about, report, no_chance=no_chance, family=len(changes), share=share)


def _apply(about: _Read, report: Report, *, no_chance: bool, family: int, share: float) -> RuleResult:
    """Result of one rule; `no_chance` says whether its change is significant among those of the `family`."""
    rule, key, result = about.rule, about.key, about.result
    bare = RuleResult(rule.name, key, rule.level, rule.expected, result.value, result.ci, (), "pass", "")
    if result.value is None:
        text = f"{key} could not be computed: {'; '.join(result.warnings) or 'the report does not say why'}"
        return replace(bare, status="error" if rule.level == "error" else "warn", text=text.removesuffix("."))
    broken = [*violated_bounds(rule, key, result)]
    notes = [*bounds_in_noise(rule, result, failing=bool(broken))]
    unclear, floor = "", None
    if (change := about.change) is not None:
        floor = change.noise_floor(family, share * change.level) or None
        if change.too_large and no_chance:
            broken.append(change.in_words())
        elif change.too_large:
            unclear = f"{change.in_words()}; chance explains up to {floor or 0:.3g}"
        if change.error is None:
            notes.append("no interval here or in the baseline, so that chance may decide; measure both with --ci-level")
        told = change.too_large and no_chance  # beyond the noise, too
        if floor is not None and not told and exceeds(floor, change.allowed, change.scale):
            notes.append(
                f"max_regression {rule.max_regression} is inside the noise: changes below {floor:.3g} are not told "
                "from chance and do not fail; measure more samples, or allow more"
            )
    text = "; ".join([*broken, *(missing_modes(report, result) if broken else ()), *filter(None, [unclear])])
    status: Status = "pass" if not unclear else "inconclusive"
    if broken:
        status = "fail" if rule.level == "error" else "warn"
    judged = tuple(judged_numbers(rule, key, result).items())
    return replace(bare, judged=judged, status=status, text=text, note="; ".join(notes), noise_floor=floor)


def find_key(report: Report, rule: Rule, extractor: str | None) -> str:
    """Key of the result that a rule names.

    Args:
        report: The report.
        rule: The rule; `recall:k=3` also names `recall` measured with k=3.
        extractor: The extractors of the rule file, comma-separated, which decide where a rule names none.

    Raises:
        UsageError: There is no such result, or more than one.
    """
    spec, _, named = rule.name.partition("@")
    keys = _keys_of_metric(report, spec)
    allowed = [named] if named else [*extractor.split(","), "features", "labels"] if extractor else None
    matching = [key for key in keys if allowed is None or report.metrics[key].extractor in allowed]
    if len(matching) > 1:
        raise UsageError(f"rule {rule.name!r} fits {', '.join(matching)}; call the rule by one of these.")
    if keys and not matching:
        raise UsageError(
            f"rule {rule.name!r} asks for extractor {named or extractor}; the report has {', '.join(keys)}."
        )
    if not keys:
        raise UnknownName.of("metric in the report", rule.name, [*report.metrics, *map(_metric_of, report.metrics)])
    return matching[0]


def _keys_of_metric(report: Report, spec: str) -> list[str]:
    """Keys of the results of the metric `spec`; `recall:k=3` also matches `recall` measured with k=3."""
    exact = [key for key in report.metrics if _metric_of(key) == spec]
    metric, *options = spec.split(":")
    if exact or not options:
        return exact
    same = [key for key, result in report.metrics.items() if result.metric == metric]
    return [key for key in same if {f"{o}={v}" for o, v in report.metrics[key].params.items()}.issuperset(options)]


def _metric_of(key: str) -> str:
    """Metric of a key, without the extractor."""
    return key.partition("@")[0]
