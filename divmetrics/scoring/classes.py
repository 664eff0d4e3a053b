"""Which classes a run compares: those that both sides name, or those of the real samples, which classify the fakes.

A metric of classes means one quantity for given sides: it counts what both sides name; where only the real samples have
classes, they give each fake one; where neither side has any, the classes of the network.
Names that cannot be the same thing on both sides, such as folders of another kind, are never counted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.classes_by_real import NEIGHBOURS, ClassesByReal, classes_by_real
from divmetrics.arrays.confusion import Predicted, true_counts
from divmetrics.arrays.summaries import ClassTally
from divmetrics.errors import MissingLayer, UsageError
from divmetrics.records.files import check_regular
from divmetrics.records.printing import listed
from divmetrics.records.results import Side
from divmetrics.sources._labels import are_file_names

SHOWN = 3
"""Names that a sentence shows of each side."""
FEWEST_NAMES = 10
"""From so many samples on, names of their own for each of them are no classes."""
LEAST_SKILL = 0.5
"""Skill from which on a classifier is used: half way from guessing to no error."""
LEAST_RECALL, LEAST_SAMPLES, MOST_LEFT_OUT = 0.25, 5, 0.1
"""Classes of which fewer samples, or a smaller share, are recognised are left out, up to this share of the reals."""

Counts = Mapping[str, int] | None
"""Class name -> number of samples; None where samples have no classes."""
Kind = Literal["labels", "real", "network", "none"]


@dataclass(frozen=True)
class ClassSource:
    """Where the classes of a run come from."""

    kind: Kind
    """`labels`: both sides name them. `real`: the real samples do, and classify the fakes. `network`: nobody does,
    so those of the extractor are counted where it has some. `none`: names that cannot be compared."""
    text: str = ""
    """What users must know, a sentence; empty where there is nothing to say."""


def class_source(real: Counts, fake: Counts) -> ClassSource:
    """Where the classes come from, by the class counts of both sides.

    Example:
        >>> class_source({"cat": 5, "dog": 5}, {"dog": 9}).kind, class_source({"real": 9}, {"fake": 9}).kind
        ('labels', 'network')
        >>> class_source({"cat": 5, "dog": 5}, None).kind, class_source({"cat": 5, "dog": 5}, {"0": 4, "1": 4}).kind
        ('real', 'none')
    """
    known = {name: n for name, n in (real or {}).items() if n}
    given = {name: n for name, n in (fake or {}).items() if n}
    if len(known) < 2 or _are_own_names(known):
        return _without_real_classes(known, given)
    common = known.keys() & given.keys()
    if common and not _are_own_names(given):
        return ClassSource("labels", _invented(known, given))
    if len(given) < 2 or _are_own_names(given):
        return ClassSource("real", _no_classes("generated", given) if given else "")
    return ClassSource(
        "none",
        f"The real and the generated samples share no class name ({_listed(known)}; {_listed(given)}), so classes are "
        "left out; name them alike with --labels.",
    )


def class_source_of(real: Side, fake: Side) -> ClassSource:
    """Where the classes of two collected sides come from; classes of a part of a side only are those of none."""
    for name, side in (("real", real), ("generated", fake)):
        if side.labelled:
            return ClassSource(
                "none",
                f"{side.labelled} of {side.n} {name} samples have a class and the others none, so classes are left "
                "out; give all of them one.",
            )
    return class_source(real.labels, fake.labels)


def _without_real_classes(known: Mapping[str, int], given: Mapping[str, int]) -> ClassSource:
    """The source where the real samples tell no two classes apart."""
    if len(given) < 2 or _are_own_names(given):
        text = _no_classes("real", known) if known else _no_classes("generated", given) if given else ""
        return ClassSource("network", text)
    why = f"only one, {_listed(known)}" if len(known) == 1 else "none"
    return ClassSource(
        "none",
        f"The generated samples have classes ({_listed(given)}), and the real ones have {why}, so classes are left "
        "out; give those of both sides with --labels.",
    )


def _no_classes(side: str, counts: Mapping[str, int]) -> str:
    """Why the names of one side are no classes."""
    if len(counts) == 1:
        (name,) = counts
        why = f"All {side} samples are in one folder or class, {name!r}, which tells no classes apart"
    else:
        why = f"Each of the {side} samples has a name of its own ({_listed(counts)}), which are no classes"
    return f"{why}; classes can be given with --labels."


def _are_own_names(counts: Mapping[str, int]) -> bool:
    """Whether the names are those of single samples: of their files, or one a sample."""
    alone = len(counts) >= FEWEST_NAMES and max(counts.values()) == 1
    return alone or (len(counts) > 1 and are_file_names(list(counts)))


def _invented(known: Mapping[str, int], given: Mapping[str, int]) -> str:
    """A sentence on generated samples of classes that no real sample has; empty where there are none."""
    outside = {name: n for name, n in given.items() if name not in known}
    if not outside:
        return ""
    n, total = sum(outside.values()), sum(given.values())
    return (
        f"{n} of {total} generated samples are of classes that no real sample has ({_listed(outside)}): invented "
        "ones, or other names, which --labels can map."
    )


def _listed(names: Mapping[str, int]) -> str:
    """The first names, and how many there are where some are left out."""
    return listed(list(map(repr, sorted(names))), SHOWN)


@dataclass(frozen=True, eq=False)
class Classified:
    """The samples of both sides in the classes of the real ones, which classify them."""

    names: tuple[str, ...]
    """The classes, in the order of their numbers."""
    found: ClassesByReal
    left_out: tuple[str, ...] = ()
    """Classes of the real samples that are too small or not recognised; their samples are not counted."""

    @classmethod
    def of(cls, real: Tensor, labels: Sequence[str], fake: Tensor) -> Classified:
        """Classify fakes `[m, d]` by real samples `[n, d]` with the classes `labels`.

        Raises:
            MissingLayer: The classes of the real samples cannot be told apart by these features.
        """
        names = sorted(set(labels))
        number = {name: place for place, name in enumerate(names)}
        numbers = torch.tensor([number[name] for name in labels], dtype=torch.int64)
        found = classes_by_real(real, numbers, fake, len(names))
        sizes = found.confusion.sum(1)
        kept = (found.recalls >= LEAST_RECALL) & (sizes >= LEAST_SAMPLES)
        out = tuple(name for name, keep in zip(names, kept, strict=True) if not keep)
        if out and kept.sum() >= 2 and sizes[~kept].sum() <= MOST_LEFT_OUT * sizes.sum():
            chosen = torch.from_numpy(kept)[numbers]
            renumbered = (torch.from_numpy(kept).cumsum(0) - 1)[numbers[chosen]]
            names = [name for name, keep in zip(names, kept, strict=True) if keep]
            found = classes_by_real(real[chosen.to(real.device)], renumbered, fake, len(names))
            kept = found.recalls >= LEAST_RECALL
        few = f", and a class needs {LEAST_SAMPLES} of them" if (sizes < LEAST_SAMPLES).any() else ""
        if not kept.all() or found.skill < LEAST_SKILL:
            raise MissingLayer(
                "the generated samples have no classes, and the real ones cannot give them theirs: by these features "
                f"a real sample is put into the right class in {_percent(found)} of cases (by chance in "
                f"{100 / len(names):.2g} %){few}; give classes with --labels."
            )
        return cls(tuple(names), found, out)

    @cached_property
    def tallies(self) -> dict[str, ClassTally]:
        """Side -> class counts, corrected for the errors."""
        sides = true_counts(*self.predicted_counts(), self.found.confusion)
        return {
            name: ClassTally(torch.from_numpy(side), self.names)
            for name, side in zip(("real", "fake"), sides, strict=True)
        }

    def predicted_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts `[classes]` of both sides as the rule gives them."""
        real, fake = (side.bincount(minlength=len(self.names)).numpy() for side in (self.found.real, self.found.fake))
        return real, fake

    def rows(self, side: str) -> Predicted:
        """The class number of each sample of one side, for half-samples and permutations."""
        numbers = self.found.real if side == "real" else self.found.fake
        weight = 1.0 if side == "real" else self.found.skill**2 / self.found.repeats
        return Predicted(numbers, torch.arange(len(numbers)), self.found.confusion, weight)

    def text(self, extractor: str) -> str:
        """Who classified, and how well, as a sentence."""
        features = "the features" if extractor == "features" else extractor
        out = f" Left out, as too small or not recognised: {_listed(dict.fromkeys(self.left_out, 0))}."
        again = f" An average generated sample occurs {self.found.repeats:.3g} times, which widens the intervals."
        how = (
            f"the class of its {NEIGHBOURS} nearest real samples by {features}"
            if self.found.rule != "linear"
            else f"the class that a linear rule, fitted to the real samples, gives it by {features}"
        )
        return (
            f"The generated samples have no classes: each is counted in {how}, which is right for "
            f"{_percent(self.found)} of the real samples (leave one out, mean over the classes, by chance "
            f"{100 / len(self.names):.2g} %), and shares are corrected for its errors."
            f"{out if self.left_out else ''}{again if self.found.repeats >= 1.1 else ''}"
        )

    @property
    def rule(self) -> str:
        """The rule, as parameters and signatures show it: `knn5-by-real`."""
        return f"{self.found.rule}-by-real"


def _percent(found: ClassesByReal) -> str:
    return f"{100 * found.accuracy:.3g} %"


def confusion_matrix(given: Any) -> Any:
    """The confusion matrix, read if `given` is the path of a .npy or .csv file. Raises UsageError if that fails."""
    if not isinstance(given, (str, os.PathLike)):
        return given
    path = Path(given)
    try:
        check_regular(path)
        return np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, delimiter=",", ndmin=2)
    except Exception as error:  # numpy raises a dozen types on damaged files
        raise UsageError(
            f"{path} is not a confusion matrix ({str(error)[:120]}); give numbers, one row for each true class."
        ) from None
