"""`Verdict` and `Finding`: what the numbers of a report mean together, as records of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

State = Literal["healthy", "collapsed", "poor_fidelity", "inconclusive"]
FindingKind = Literal[
    "dropped_modes",
    "thinned_modes",
    "shrunken_modes",
    "narrow",
    "near_duplicates",
    "few_atoms",
    "copies",
    "invented_modes",
    "low_fidelity",
]


@dataclass(frozen=True)
class Finding:
    """One fault of the generator.

    The kinds: `dropped_modes` and `thinned_modes`, modes without samples or with too few; `shrunken_modes`, narrower
    than the real ones; `narrow`, diversity lost that no mode explains; `near_duplicates` and `few_atoms`, samples
    that repeat each other, in the latter case most of them; `copies`, samples that repeat training data;
    `invented_modes`, modes that the real samples do not have; `low_fidelity`, samples far from all real ones.
    """

    kind: FindingKind
    """Which fault."""
    p: float
    """p-value, adjusted for all tests of the verdict together."""
    effect: float
    """Size of the fault, in `unit`."""
    unit: str
    """What `effect` is: a share of the real or fake samples, or a factor."""
    text: str
    """The fault in one sentence."""
    evidence: tuple[str, ...] = ()
    """Keys of results of the report that are about this fault."""
    tests: tuple[str, ...] = ()
    """Names of the significant tests."""
    samples: tuple[str, ...] = ()
    """Names of samples that show it: real ones that are missed, fake ones that are at fault."""
    modes: tuple[str, ...] = ()
    """Names of the classes or clusters at fault."""
    advice: str = ""
    """What usually causes it, and what helps."""


@dataclass(frozen=True)
class Verdict:
    """Whether the generator is diverse, at a known false-alarm rate."""

    state: State
    """`healthy`, `collapsed`, `poor_fidelity` or `inconclusive`."""
    alpha: float
    """Probability of a finding where both sides come from one distribution."""
    findings: tuple[Finding, ...] = ()
    """What was found, the clearest first."""
    tolerance: float | None = None
    """Loss of diversity that a healthy generator may have, as a share."""
    text: str = ""
    """One sentence: the state and why."""
    n_needed: int | None = None
    """Samples a side that would decide an inconclusive verdict; None where more samples would not, or it is none."""
    extractor: str | None = None
    """The features that were tested: the name of an extractor, or `features`."""

    def to_json(self) -> dict[str, Any]:
        """The entry `verdict` of a report, plain JSON."""
        findings = [{name: _plain(value) for name, value in vars(finding).items()} for finding in self.findings]
        return {**vars(self), "findings": findings}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
