"""The gate's judgement: each condition passes and fails, and nothing that cannot be judged is a pass."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divmetrics.errors import UsageError
from divmetrics.records.results import Mode, Report, Result, Side
from divmetrics.records.signature import Signature
from divmetrics.records.verdict import Verdict
from divmetrics.report.gate.judge import judge
from divmetrics.report.gate.outcomes import GateResult
from divmetrics.report.gate.rules import Regression, Rule, Rules

BETTER = {"recall": "higher", "fid": "lower", "modes_found": "higher"}


def result(metric: str, value: float | None, extractor: str = "pixels", **changes: Any) -> Result:
    signature = Signature(metric, f"{extractor}#12345678", "pooled", "none", "k:5", "9/9", "0", "0.1.0")
    common = {"better": BETTER[metric], "range": (0, None), "params": {"k": 5}, "n_real": 9, "n_fake": 9}
    return Result(metric, extractor, value, **{**common, "signature": signature, **changes})


def report(*results: Result, verdict: str | None = None, digest: str = "sha256:1") -> Report:
    metrics = {f"{r.metric}@{r.extractor}": r for r in results}
    state = None if verdict is None else Verdict(verdict, 0.01)
    sides = (Side("real/", 9, digest), Side("fake/", 9, None))
    return Report("0.1.0", "2026-01-31T12:00:00Z", *sides, metrics, verdict=state)


def gated(now: Report, *rules: Rule, **more: Any) -> GateResult:
    return judge(now, Rules(Path("divmetrics.toml"), rules, **more))


def status(now: Report, *rules: Rule, **more: Any) -> list[str]:
    return [outcome.status for outcome in gated(now, *rules, **more).outcomes]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("recall", min=0.4), "pass"),
        (Rule("recall", min=0.41), "pass"),
        (Rule("recall", min=0.42), "fail"),
        (Rule("recall", max=0.42), "pass"),
        (Rule("recall", max=0.40), "fail"),
        (Rule("recall", min=0.4, max=0.405), "fail"),
        (Rule("recall", min=0.42, level="warn"), "warn"),
    ],
)
def test_limits_on_a_value(rule: Rule, expected: str) -> None:
    assert status(report(result("recall", 0.41)), rule) == [expected]


@pytest.mark.parametrize(
    ("use", "least", "most"),  # the largest min and the smallest max that pass
    [("value", 0.41, 0.41), ("ci_low", 0.38, 0.38), ("ci_high", 0.45, 0.45), ("pessimistic", 0.38, 0.45)],
)
def test_use_chooses_the_end_of_the_interval(use: str, least: float, most: float) -> None:
    now = report(result("recall", 0.41, ci=(0.38, 0.45), ci_level=0.95))
    assert status(now, Rule("recall", min=least, use=use)) == ["pass"]
    assert status(now, Rule("recall", min=least + 0.001, use=use)) == ["fail"]
    assert status(now, Rule("recall", max=most, use=use)) == ["pass"]
    assert status(now, Rule("recall", max=most - 0.001, use=use)) == ["fail"]


@pytest.mark.parametrize("size", [1e-3, 0.4, 10.0, -3.0, 1e6])
def test_round_off_breaks_no_bound(size: float) -> None:
    """A bound is broken by more than a millionth of it; of 0 by more than 1e-12."""
    below, above = (size - abs(size) * 1e-7, size + abs(size) * 1e-7)
    now = report(result("fid", size, ci=(below, above)))
    assert status(now, Rule("fid", min=size, max=size)) == ["pass"]
    wide = report(result("fid", size, ci=(size - abs(size) * 1e-5, size + abs(size) * 1e-5)))
    assert status(wide, Rule("fid", min=size), Rule("fid", max=size)) == ["fail", "fail"]


def test_round_off_at_0() -> None:
    assert status(report(result("fid", 5.7e-14)), Rule("fid", max=0)) == ["pass"]
    assert status(report(result("fid", -5.7e-14)), Rule("fid", min=0)) == ["pass"]
    assert status(report(result("fid", 1e-11)), Rule("fid", max=0)) == ["fail"]


def test_round_off_is_no_regression() -> None:
    """Nothing may be lost, and one unit in the last place is nothing; nor is 1e-14 where the baseline was 0."""
    for metric, before, now in [("recall", 0.41, 0.41 - 1e-16), ("fid", 10.0, 10.0 + 1e-7), ("fid", 0.0, 1e-14)]:
        for allowed in (Regression(0, relative=True), Regression(0, relative=False)):
            rule, baseline = Rule(metric, max_regression=allowed), report(result(metric, before))
            assert status(report(result(metric, now)), rule, baseline=baseline) == ["pass"]
            assert status(
                report(result(metric, now + 0.01 * (-1 if metric == "recall" else 1))), rule, baseline=baseline
            ) == ["fail"]


@pytest.mark.parametrize(
    ("ci", "passes"),  # of min = 10 and max = 10
    [((9.9999999, 10.0000001), True), ((9.9997, 10.0003), True), ((9.96, 10.04), True), ((9.4, 10.6), False)],
)
def test_the_interval_of_a_count_holds_whole_numbers_up_to_the_total(ci: tuple[float, float], passes: bool) -> None:
    now = report(result("modes_found", 10.0, ci=ci, extras={"modes_total": 10}))
    assert status(now, Rule("modes_found", min=10)) == ["pass" if passes else "fail"]
    assert status(now, Rule("modes_found", max=10)) == ["pass"], "there are no more than 10"
    assert status(now, Rule("modes_found", min=11)) == ["fail"]
    unbounded = report(result("modes_found", 10.0, ci=ci))
    assert status(unbounded, Rule("modes_found", max=10)) == ["pass" if passes else "fail"]


@pytest.mark.parametrize(("value", "bound"), [(0.39998, 0.4), (9.99996, 10.0), (0.4, 0.40001), (1234567.0, 1234570.0)])
def test_a_message_tells_the_number_from_the_bound(value: float, bound: float) -> None:
    (outcome,) = gated(report(result("fid", value)), Rule("fid", min=bound)).outcomes
    first, second = outcome.text.split(" is below ")
    assert float(first) < float(second)
    assert outcome.status == "fail"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("recall", min=0.1), [("ci_low", 0.38)]),
        (Rule("recall", max=0.9), [("ci_high", 0.45)]),
        (Rule("recall", min=0.1, max=0.9), [("ci_low", 0.38), ("ci_high", 0.45)]),
        (Rule("recall", min=0.1, use="ci_high"), [("ci_high", 0.45)]),
        (Rule("recall", min=0.1, max=0.9, use="value"), [("value", 0.41)]),
        (Rule("recall", max_regression=Regression(1, relative=False)), [("value", 0.41)]),
    ],
)
def test_what_was_judged_is_named(rule: Rule, expected: list[tuple[str, float]]) -> None:
    now = report(result("recall", 0.41, ci=(0.38, 0.45)))
    assert [*gated(now, rule, baseline=now).outcomes[0].judged] == expected


def modes(*states: str) -> tuple[Mode, ...]:
    return tuple(Mode(i, f"mode-{i}", 0.2, 0.2, 0.5, state) for i, state in enumerate(states))


def test_a_broken_rule_on_modes_names_the_missing_ones() -> None:
    short = result("modes_found", 2.0, extras={"modes_total": 4, "missing": [1, 3]})
    now = replace(report(short), modes=modes("present", "missing", "thinned", "unseen"))
    rule = Rule("modes_found", min=4)
    assert gated(now, rule).outcomes[0].text == "2 is below 4; missing modes: mode-1, mode-3"
    assert gated(now, replace(rule, min=2)).outcomes[0].text == ""
    clusters = replace(now, modes=tuple(replace(mode, exemplars=("a.png",)) for mode in now.modes))
    for other in (clusters, replace(now, modes=now.modes[:2]), report(short)):
        assert gated(other, rule).outcomes[0].text == "2 is below 4; missing modes: class 1, class 3"
    others = replace(now, metrics={"recall@pixels": result("recall", 0.1)})
    assert gated(others, Rule("recall", min=0.4)).outcomes[0].text == "0.1 is below 0.4", "recall is not about modes"
    divergence = replace(now, metrics={"mode_tv@pixels": replace(short, metric="mode_tv", extras={})})
    assert gated(divergence, Rule("mode_tv", max=1)).outcomes[0].text.endswith("missing modes: mode-1, mode-3")


def test_many_missing_modes_are_counted() -> None:
    short = result("modes_found", 2.0, extras={"modes_total": 40, "missing": [*range(38)]})
    assert (
        gated(report(short), Rule("modes_found", min=3))
        .outcomes[0]
        .text.endswith("class 18, class 19 and others, 38 in all")
    )


@pytest.mark.parametrize("use", ["ci_low", "ci_high"])
def test_an_end_of_an_interval_that_is_not_there_is_an_error(use: str) -> None:
    with pytest.raises(UsageError, match="has no interval"):
        gated(report(result("recall", 0.41)), Rule("recall", min=0.1, use=use))


@pytest.mark.parametrize(
    ("metric", "before", "now", "allowed", "expected"),
    [
        ("recall", 0.50, 0.45, "10%", "pass"),
        ("recall", 0.80, 0.70, 0.1, "pass"),  # 0.8 - 0.7 > 0.1 in floats: round-off must not decide
        ("recall", 0.50, 0.44, "10%", "fail"),
        ("recall", 0.50, 0.90, "10%", "pass"),
        ("fid", 10.0, 11.0, "10%", "pass"),
        ("fid", 10.0, 11.2, "10%", "fail"),
        ("fid", 10.0, 1.0, "10%", "pass"),
        ("fid", 10.0, 12.0, 2.0, "pass"),
        ("fid", 10.0, 12.1, 2.0, "fail"),
        ("fid", -10.0, -8.9, "10%", "fail"),  # a share of the size of the baseline, whatever its sign
    ],
)
def test_regression_goes_by_the_direction_of_the_metric(
    metric: str, before: float, now: float, allowed: str | float, expected: str
) -> None:
    share = isinstance(allowed, str)
    rule = Rule(metric, max_regression=Regression(0.1 if share else float(allowed), relative=share))
    more = {"baseline": report(result(metric, before)), "baseline_path": Path("b.json")}
    assert status(report(result(metric, now)), rule, **more) == [expected]


@pytest.mark.parametrize(("metric", "sign"), [("recall", -1), ("fid", 1)])
def test_regression_within_the_joint_interval_passes(metric: str, sign: int) -> None:
    """Half-widths of 3 and 4 that face each other make a joint one of 5; the far ends are wide and must not matter."""

    def seen(value: float, near: float, *, better_side: bool) -> Result:
        ends = (
            sorted([value - sign * near, value + sign * 50])
            if better_side
            else sorted([value + sign * near, value - sign * 50])
        )
        return result(metric, value, ci=tuple(ends), ci_level=0.95)

    baseline = report(seen(100.0, 3.0, better_side=False))
    rule = Rule(metric, max_regression=Regression(1.0, relative=False))
    for change, expected in [(4.9, "inconclusive"), (5.1, "fail")]:
        now = report(seen(100.0 + sign * change, 4.0, better_side=True))
        assert status(now, rule, baseline=baseline) == [expected]
    plain = report(result(metric, 100.0 + sign * 4.9))
    assert status(plain, rule, baseline=baseline) == ["fail"], "one interval alone is not a joint one"


def test_use_chooses_what_is_compared_with_the_baseline() -> None:
    baseline = report(result("recall", 0.5, ci=(0.49, 0.51)))
    now = report(result("recall", 0.5, ci=(0.30, 0.51)))
    rule = Rule("recall", max_regression=Regression(0.1, relative=False))
    assert status(now, rule, baseline=baseline) == ["pass"]
    assert status(now, replace(rule, use="ci_low"), baseline=baseline) == ["fail"]


@pytest.mark.parametrize("field", ["extractor", "layer", "preprocessing", "params", "n", "seed"])
def test_a_baseline_with_another_signature_is_an_error(field: str) -> None:
    now = result("recall", 0.5)
    foreign = replace(now, signature=replace(now.signature, **{field: "other"}))
    rule = Rule("recall", max_regression=Regression(1, relative=False))
    with pytest.raises(UsageError, match=f"another signature .*{field}.*'other'"):
        gated(report(now), rule, baseline=report(foreign), baseline_path=Path("b.json"))


def test_another_version_or_other_real_samples_only_warn() -> None:
    now = result("recall", 0.5)
    older = replace(now, signature=replace(now.signature, version="0.0.9"))
    rule = Rule("recall", max_regression=Regression(1, relative=False))
    found = gated(report(now), rule, baseline=report(older, digest="sha256:2"), baseline_path=Path("b.json"))
    assert found.outcomes[0].status == "pass"
    assert found.passed
    assert [text.split(".json ")[1][:30] for text in found.warnings] == [
        "was measured against other rea",
        "was made by divmetrics 0.0.9, ",
    ]
    assert not gated(report(now), rule, baseline=report(now)).warnings


@pytest.mark.parametrize("before", [report(), report(result("recall", None))])
def test_a_baseline_without_the_number_is_an_error(before: Report) -> None:
    rule = Rule("recall", max_regression=Regression(1, relative=False))
    with pytest.raises(UsageError, match=r"baseline b\.json"):
        gated(report(result("recall", 0.5)), rule, baseline=before, baseline_path=Path("b.json"))


def test_a_metric_that_the_report_lacks_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"unknown metric in the report 'recal'\. Did you mean 'recall'"):
        gated(report(result("recall", 0.5)), Rule("recal", min=0.1))


def test_a_metric_that_could_not_be_computed_is_never_a_pass() -> None:
    now = report(result("recall", None, warnings=("too few samples",)))
    judged = gated(now, Rule("recall", min=0.1), verdict="off")
    assert (judged.outcomes[0].status, judged.passed, judged.exit_code) == ("error", False, 3)
    assert judged.error == "recall@pixels could not be computed: too few samples."
    assert status(now, Rule("recall", min=0.1, level="warn")) == ["warn"]


def test_a_rule_finds_its_number() -> None:
    now = report(result("recall", 0.5), result("recall", 0.1, extractor="other"))
    rule = Rule("recall", min=0.3)
    with pytest.raises(UsageError, match="fits recall@pixels, recall@other"):
        gated(now, rule)
    assert status(now, rule, extractor="pixels") == ["pass"]
    assert status(now, rule, extractor="other") == ["fail"]
    assert status(now, replace(rule, name="recall@other"), extractor="pixels") == ["fail"], "the rule's own word counts"
    assert status(now, replace(rule, name="recall:k=5@pixels")) == ["pass"]
    for wrong in ("inception", "pix"):
        with pytest.raises(UsageError, match=f"asks for extractor {wrong}; the report has recall@pixels"):
            gated(now, rule, extractor=wrong)
    with pytest.raises(UsageError, match="unknown metric"):
        gated(now, replace(rule, name="recall:k=3@pixels"))


def test_features_and_labels_serve_any_extractor() -> None:
    now = report(result("recall", 0.5, extractor="features"))
    assert status(now, Rule("recall", min=0.3), extractor="pixels") == ["pass"]


@pytest.mark.parametrize(
    ("asked", "state", "expected"),
    [
        ("error", "collapsed", ["fail"]),
        ("error", "healthy", ["pass"]),
        ("warn", "collapsed", ["warn"]),
        ("off", "collapsed", []),
        (None, "collapsed", ["fail"]),
        (None, None, []),
        ("off", None, []),
    ],
)
def test_verdict(asked: str | None, state: str | None, expected: list[str]) -> None:
    assert status(report(verdict=state), verdict=asked) == expected


@pytest.mark.parametrize("asked", ["error", "warn"])
def test_a_verdict_that_the_report_lacks_is_an_error(asked: str) -> None:
    with pytest.raises(UsageError, match="the report has none"):
        gated(report(), verdict=asked)


def test_only_errors_fail_and_the_json_says_all() -> None:
    now = report(result("recall", 0.41, ci=(0.38, 0.44)), result("fid", 9.0))
    rules = (Rule("recall", min=0.4), Rule("fid", max=8, level="warn"))
    assert gated(now, rules[1]).passed
    whole = json.loads(gated(now, *rules).to_json())
    assert (whole["schema"], whole["passed"]) == ("divmetrics.gate/1", False)
    recall, fid = whole["rules"]
    assert recall == {
        "name": "recall",
        "metric": "recall@pixels",
        "level": "error",
        "expected": ">= 0.4",
        "found": 0.41,
        "interval": [0.38, 0.44],
        "judged": [["ci_low", 0.38]],
        "status": "fail",
        "text": "0.38 is below 0.4",
        "note": "the value 0.41 keeps min 0.4, its interval [0.38, 0.44] does not: more samples make it narrower",
    }
    assert (fid["status"], fid["found"], fid["interval"]) == ("warn", 9.0, None)


finite = st.floats(-1e6, 1e6)


@given(value=finite, least=finite, most=finite)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_a_rule_passes_exactly_when_its_conditions_hold(value: float, least: float, most: float) -> None:
    found = status(report(result("fid", value)), Rule("fid", min=least, max=most))
    if least <= value <= most:
        assert found == ["pass"]
    elif found == ["pass"]:  # by round-off of the larger number, or at 0
        assert least - max(1e-12, 1e-6 * max(abs(least), abs(value))) <= value
        assert value <= most + max(1e-12, 1e-6 * max(abs(most), abs(value)))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("where", ["value", "ci_low", "ci_high"])
def test_numbers_that_are_not_finite_are_refused_on_either_side(bad: float, where: str) -> None:
    """NaN is neither below nor above a bound, so that a comparison alone lets it pass."""
    ci = (bad if where == "ci_low" else 0.3, bad if where == "ci_high" else 0.5)
    damaged = report(result("recall", bad if where == "value" else 0.4, ci=ci))
    sound = report(result("recall", 0.4, ci=(0.3, 0.5)))
    for rule in (Rule("recall", min=0.1), Rule("recall", max=1.0), Rule("recall", min=0.1, level="warn", use="value")):
        with pytest.raises(UsageError, match=f"recall@pixels: {where} is {bad}, which is not finite"):
            gated(damaged, rule)
    changed = Rule("recall", max_regression=Regression(0.1, relative=False))
    for now, before in ((sound, damaged), (damaged, sound)):
        with pytest.raises(UsageError, match="which is not finite"):
            gated(now, changed, baseline=before, baseline_path=Path("b.json"))


def test_an_interval_in_disorder_is_refused() -> None:
    with pytest.raises(UsageError, match="ends below its begin"):
        gated(report(result("recall", 0.2, ci=(0.9, 0.1))), Rule("recall", min=0.4))


@pytest.mark.parametrize("level", [0.0, 1e-300, 1.0, 95.0, -1.0])
def test_a_level_that_is_none_is_refused_on_either_side(level: float) -> None:
    sound = result("recall", 0.4, ci=(0.3, 0.5))
    damaged = report(replace(sound, ci_level=level))
    changed = Rule("recall", max_regression=Regression(0.1, relative=False))
    for now, before in ((report(sound), damaged), (damaged, report(sound))):
        with pytest.raises(UsageError, match=r"recall@pixels: its interval has the level .*, not 0\.01 to 0\.999999"):
            gated(now, changed, baseline=before, baseline_path=Path("b.json"))
