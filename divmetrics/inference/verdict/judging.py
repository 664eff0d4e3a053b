"""The verdict of two samples: healthy, collapsed, poor_fidelity or inconclusive, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np
import torch

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict.copies import copies_of_training
from divmetrics.inference.verdict.equivalence import DISTINCT, Claim, claims, little_mass_lost, needed
from divmetrics.inference.verdict.findings import Found, findings
from divmetrics.inference.verdict.report_modes import ModesOfSamples
from divmetrics.inference.verdict.tested import Tested
from divmetrics.inference.verdict.wording import ADVICE, EVIDENCE, WORDS
from divmetrics.records.verdict import Finding, State, Verdict

PERMUTATIONS = 999
"""So that the smallest p-value is .001; more where alpha asks for a smaller one."""
LARGEST = 5000
"""Samples of each side that are tested; of more, this many are drawn by the seed."""
SUSPECTED = 0.05
"""p-value of the doubt that a region lacks samples up to which nothing is called healthy."""
SMALLEST = 50
"""Samples of each side below which nothing is tested."""
LOST = ("dropped_modes", "thinned_modes", "shrunken_modes", "near_duplicates", "few_atoms", "narrow")
"""Kinds of findings that are a loss of diversity."""


@dataclass(frozen=True)
class Question:
    """What a verdict is asked for."""

    alpha: float = 0.01
    tolerance: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Naming:
    """How a verdict calls things."""

    sample: Callable[[Literal["real", "fake"], int], str] = lambda side, number: f"{side} #{number}"
    """Side and number of a sample in its set -> its name."""
    keys: tuple[str, ...] = ()
    """Keys of the results of the report, for the evidence."""
    extractor: str | None = None
    """What gave the features."""
    modes: Callable[[], ModesOfSamples | None] = lambda: None
    """The mode in the report of every sample, where it has modes; asked for where a finding is about some."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A verdict, and what it was found from."""

    verdict: Verdict
    drawn: tuple[torch.Tensor, torch.Tensor] | None = None
    """Positions of the tested samples in their sides; None where nothing was tested."""
    tested: Tested | None = None
    """The tests of these samples."""
    found: tuple[Found, ...] = ()
    """The findings of the verdict with places in the pool of tested samples, in their order."""


def judge(
    real: Rows,
    fake: Rows,
    question: Question,
    *,
    held_out: Rows | None = None,
    classes: tuple[Sequence[str], Sequence[str]] | None = None,
    naming: Naming | None = None,
) -> Judged:
    """Judge fake samples against real ones.

    Args:
        real: Features of the real samples `[n, d]`; the training data where `held_out` is given.
        fake: Features of the fake samples `[m, d]`.
        question: False-alarm rate, tolerance and seed.
        held_out: Features of real samples that the generator was not trained on, `[h, d]`.
        classes: The class of each real and of each fake sample, where both have classes of their own.
        naming: Names of samples and results.

    Returns:
        The verdict, and what it was found from.

    Example:
        >>> import torch
        >>> rows = torch.randn(2, 60, 2, generator=torch.Generator().manual_seed(0))
        >>> verdict = judge(Rows.from_array(rows[0]), Rows.from_array(0.1 * rows[1]), Question()).verdict
        >>> verdict.state, verdict.findings[0].kind
        ('collapsed', 'shrunken_modes')
    """
    naming, least = naming or Naming(), min(real.n, fake.n)
    if least < SMALLEST:
        text = f"inconclusive: {least} samples are too few for a verdict, which needs {SMALLEST} of each side."
        return Judged(_verdict("inconclusive", question, (), text, SMALLEST, naming))
    places = drawn_positions(real, question.seed), drawn_positions(fake, question.seed)
    tested = _tested(
        real.take(places[0]), fake.take(places[1]), question, places, classes, with_copies=held_out is not None
    )
    found = findings(tested)
    if held_out is not None:  # they tell copies of training data from samples that are close by nature
        copies = copies_of_training(
            real,
            fake.take(places[1]),
            held_out,
            offset=len(places[0]),
            alpha=question.alpha,
            permutations=len(tested.fake) - 1,
            seed=question.seed,
        )
        found = [*(fault for fault in found if fault.kind != "copies"), *copies]
    shown = claims(tested, question.tolerance)
    suspected = tested.doubt <= SUSPECTED
    state, kept = _state(found, shown, question.tolerance, known_copies=held_out is not None, suspected=suspected)
    open_to = state == "inconclusive" and "copies" not in {fault.kind for fault in kept}
    n_needed = _needed(shown, tested) if open_to else None
    name = _NameInPool((real, fake), places, naming)
    records = tuple(_record(_with_modes_of_report(fault, tested, places, naming), name, naming.keys) for fault in kept)
    text = _sentence(state, kept, shown, question, n_needed)
    return Judged(_verdict(state, question, records, text, n_needed, naming), places, tested, tuple(kept))


def _tested(
    real: Rows,
    fake: Rows,
    question: Question,
    places: tuple[torch.Tensor, torch.Tensor],
    classes: tuple[Sequence[str], Sequence[str]] | None,
    *,
    with_copies: bool,
) -> Tested:
    """The tests of samples that were drawn at `places`; a test of copies by itself takes half of alpha."""
    share = 0.5 if with_copies else 1.0
    return Tested.of(
        real,
        fake,
        classes=None if classes is None else [str(classes[i][at]) for i in (0, 1) for at in places[i].tolist()],
        seed=question.seed,
        alpha=question.alpha,
        permutations=max(PERMUTATIONS, ceil(1 / (question.alpha * share) - 1e-9) - 1),
        share=share,
    )


def _verdict(
    state: State, question: Question, found: tuple[Finding, ...], text: str, n_needed: int | None, naming: Naming
) -> Verdict:
    """The record of a verdict."""
    return Verdict(state, question.alpha, found, question.tolerance, text, n_needed, naming.extractor)


@dataclass(frozen=True)
class _NameInPool:
    """Place in the pool of tested samples -> the sample's name."""

    sides: tuple[Rows, Rows]
    drawn: tuple[torch.Tensor, ...]  # positions of the tested samples in their sides
    naming: Naming

    def __call__(self, place: int) -> str:
        first = len(self.drawn[0])
        if place < first:
            return self.naming.sample("real", int(self.sides[0].index[self.drawn[0][place]]))
        return self.naming.sample("fake", int(self.sides[1].index[self.drawn[1][place - first]]))


def drawn_positions(rows: Rows, seed: int) -> torch.Tensor:
    """Positions of at most `LARGEST` rows, ascending."""
    if rows.n <= LARGEST:
        return torch.arange(rows.n)
    return torch.randperm(rows.n, generator=torch.Generator().manual_seed(seed))[:LARGEST].sort().values


def _stands_alone(fault: Found) -> bool:
    """Whether a loss of diversity would be seen wherever the fake samples lie: of classes, or of distinct samples."""
    return fault.kind in ("near_duplicates", "few_atoms") or any(test.endswith("classes") for test in fault.tests)


def _is_small(fault: Found, shown: Sequence[Claim], tolerance: float, *, within: bool) -> bool:
    """Whether a loss is real and within the tolerance; a region without samples never is.

    What repeats lose is counted, so that one claim says whether it is small. Any other loss is where all claims hold:
    the effect of thinned modes counts those that stand out only, so that it is the claims that say how much is lost.
    """
    if fault.kind == "near_duplicates":
        return all(claim.holds for claim in shown if claim.name == DISTINCT)
    if fault.kind == "shrunken_modes":
        return within and fault.effect >= 1 - tolerance
    if (
        fault.kind not in ("thinned_modes", "narrow")
        or fault.nearly_gone
        or any(test.startswith("empty") for test in fault.tests)
    ):
        return False
    return within and fault.effect <= tolerance and little_mass_lost(shown, tolerance)


def _state(
    found: Sequence[Found], shown: Sequence[Claim], tolerance: float, *, known_copies: bool, suspected: bool
) -> tuple[State, list[Found]]:
    """The state, and the findings in the order in which they matter."""
    kinds = {fault.kind for fault in found}
    lost = LOST if not known_copies else (*LOST, "copies")
    invented = sum(fault.effect for fault in found if fault.kind == "invented_modes")
    elsewhere = invented > 0.5 and "low_fidelity" in kinds  # near the real ones, they are narrow modes of them
    if elsewhere:  # that clusters lack samples, or lose width, then follows from where the fake samples lie
        found = [fault for fault in found if fault.kind not in LOST or _stands_alone(fault)]
    within = not suspected and all(claim.holds for claim in shown)
    if any(fault.kind in lost and not _is_small(fault, shown, tolerance, within=within) for fault in found):
        return "collapsed", sorted(found, key=lambda fault: fault.kind not in lost)
    if kinds & {"low_fidelity", "invented_modes"}:  # a few invented modes are far from the real ones, too
        first = "low_fidelity" if elsewhere else "invented_modes"
        return "poor_fidelity", sorted(found, key=lambda fault: fault.kind != first)
    if within and "copies" not in kinds:
        return "healthy", list(found)
    return "inconclusive", list(found)


def _needed(shown: Sequence[Claim], tested: Tested) -> int | None:
    """Samples a side that would decide, at most as many as are tested; None where there are as many already."""
    n, m = tested.structures.n, tested.structures.m
    alike = 2 * n * m / (n + m)  # samples a side, were both sides equal, whose differences have the same variance
    wanted = needed(shown, alike)
    if tested.doubt <= SUSPECTED:
        wanted = max(wanted, ceil(2 * alike))
    return min(wanted, LARGEST) if min(n, m) < LARGEST else None


def _with_modes_of_report(fault: Found, tested: Tested, places: Sequence[torch.Tensor], naming: Naming) -> Found:
    """A finding about clusters with the modes of the report that they are; their own numbers are nobody else's."""
    partition = tested.structures.partition(fault.partition)
    if partition is None or partition.name == "classes":
        return fault
    known = None if fault.kind == "invented_modes" else naming.modes()  # the table has modes of real samples only
    if known is None:
        return replace(fault, modes=())
    cells = [cell for cell, called in enumerate(partition.names) if called in fault.modes]
    modes, text = known.within(places[0].numpy(), np.isin(partition.cell[~tested.is_fake], cells), fault.kind)
    return replace(fault, modes=modes, text=f"{fault.text} {text}".rstrip())


def _record(fault: Found, name: Callable[[int], str], keys: Sequence[str]) -> Finding:
    """A finding with names of samples and keys of results in place of numbers."""
    evidence = tuple(key for metric in EVIDENCE[fault.kind] for key in keys if key.partition("@")[0] == metric)
    return Finding(
        fault.kind,
        fault.p,
        fault.effect,
        fault.unit,
        fault.text,
        evidence,
        fault.tests,
        tuple(map(name, fault.places)),
        fault.modes,
        ADVICE[fault.kind],
    )


def _sentence(
    state: State, found: Sequence[Found], shown: Sequence[Claim], question: Question, n_needed: int | None
) -> str:
    """The state and why, in one sentence."""
    rate = f"at a false-alarm rate of {question.alpha:g}"
    reasons = ", ".join(WORDS[fault.kind] for fault in found)
    if state in ("collapsed", "poor_fidelity"):
        return f"{state.replace('_', ' ')}, {rate}: {reasons}."
    limit = f"{question.tolerance:.0%}"
    if state == "healthy":
        aside = f" (found, but smaller than that: {reasons})" if found else ""
        return f"healthy: with 95 % confidence less than {limit} of the diversity of the real samples is lost{aside}."
    if "copies" in {fault.kind for fault in found}:
        return "inconclusive: samples nearly repeat real ones; give real samples that were not trained on (--held-out)."
    open_claim = max(shown, key=lambda claim: (not claim.holds, claim.factor))
    no_loss = f"{reasons}, by less than {limit}; no other loss of diversity" if found else "no loss of diversity"
    reason = (
        f"{no_loss} is shown, but a region seems to lack fake samples, though not beyond doubt"
        if open_claim.holds
        else f"{no_loss} is found, but none can be excluded: {open_claim.name} may be "
        f"{max(open_claim.bound, 0):.2f} of that of the real samples, and {open_claim.limit:g} must be shown"
    )
    if n_needed is None:
        decides = f"More than {LARGEST} samples a side are not tested; a larger --tolerance would decide."
    elif n_needed == LARGEST:
        decides = f"As many as {LARGEST} samples a side, the most that are tested, may be needed."
    else:
        decides = f"About {n_needed} samples a side would decide."
    return f"inconclusive: {reason}. {decides}"
