"""The verdict of a report and its findings, as a page says them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from divmetrics.records.exhibits import Gallery
from divmetrics.records.results import Report
from divmetrics.records.verdict import Finding
from divmetrics.report.html.links import docs_link
from divmetrics.report.page import number, p_value

SAMPLES_NAMED = 40
"""Most samples of a finding that are named."""


@dataclass(frozen=True)
class Answer:
    """The state in words, and why."""

    state: str
    word: str
    """The state as a heading."""
    why: str
    terms: tuple[tuple[str, str], ...]
    """On what terms it was reached: (name, value)."""
    link: str | None


@dataclass(frozen=True)
class FindingCard:
    """One finding."""

    id: str
    kind: str
    title: str
    amount: str
    """The size of the effect: `67 %`, `1.30`."""
    unit: str
    """What that is: `of the real samples`."""
    p: str
    text: str
    advice: str
    evidence: tuple[tuple[str, str | None], ...]
    """Keys of results, each with the id of its row."""
    samples: tuple[str, ...]
    more: int
    """Samples that are not named."""
    galleries: tuple[Gallery, ...]
    link: str | None


def answer_of(report: Report) -> Answer | None:
    """The verdict of a report; None where it has none."""
    verdict = report.verdict
    if verdict is None:
        return None
    word = verdict.state.replace("_", " ")
    why = verdict.text.removeprefix(verdict.state).removeprefix(word).lstrip(" ,:")
    terms = [("false-alarm rate", f"{verdict.alpha:g}")]
    terms += [("tolerated loss", f"{100 * verdict.tolerance:g} %")] if verdict.tolerance is not None else []
    terms += (
        [("features", "as given" if verdict.extractor == "features" else verdict.extractor)]
        if verdict.extractor
        else []
    )
    terms += [("samples that would decide", f"{verdict.n_needed:,} a side")] if verdict.n_needed else []
    return Answer(verdict.state, word, why[:1].upper() + why[1:], tuple(terms), docs_link("verdict"))


def finding_cards(report: Report, ids: Mapping[str, str], prefix: str = "finding") -> tuple[FindingCard, ...]:
    """The findings of a report.

    Args:
        report: The report.
        ids: Key of a result -> id of its row in the page.
        prefix: What the ids of the cards begin with.
    """
    if report.verdict is None:
        return ()
    findings = enumerate(report.verdict.findings, start=1)
    return tuple(_card(f"{prefix}-{place}", finding, report, ids) for place, finding in findings)


def title_of(kind: str) -> str:
    """A kind of finding as a heading.

    Example:
        >>> title_of("dropped_modes")
        'Dropped modes'
    """
    return "Few different samples" if kind == "few_atoms" else kind.replace("_", " ").capitalize()


def _card(card_id: str, finding: Finding, report: Report, ids: Mapping[str, str]) -> FindingCard:
    amount, unit = _effect(finding)
    galleries = report.exhibits.galleries if report.exhibits is not None else ()
    return FindingCard(
        id=card_id,
        kind=finding.kind,
        title=title_of(finding.kind),
        amount=amount,
        unit=unit,
        p=p_value(finding.p),
        text=finding.text,
        advice=finding.advice,
        evidence=tuple((key, ids.get(key)) for key in finding.evidence),
        samples=finding.samples[:SAMPLES_NAMED],
        more=max(0, len(finding.samples) - SAMPLES_NAMED),
        galleries=tuple(gallery for gallery in galleries if gallery.kind == finding.kind),
        link=docs_link("verdict", finding.kind),
    )


def _effect(finding: Finding) -> tuple[str, str]:
    """Size and unit of a finding: a share in per cent, a factor as it is."""
    if match := re.match(r"(additional )?share (of .*)", finding.unit):
        return f"{100 * finding.effect:.3g} %", match[2]
    return number(finding.effect, 3), finding.unit
