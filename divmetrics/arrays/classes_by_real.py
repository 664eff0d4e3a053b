"""Classes of samples by labelled real samples: the nearest ones or a linear rule, and how often it is right on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.linear_classes import linear_classes
from divmetrics.arrays.pairs import blocks, ieee_products

NEIGHBOURS = 5
"""Real samples that vote on the class of one sample."""
REFERENCES = 10_000
"""Real samples that vote at all, at most; of more, as many are taken evenly along one direction of the features."""
NARROW = 64
"""Columns up to which distances are computed in float64."""
SAME = {torch.float32: 2e-6, torch.float64: 1e-12}
"""Distance, relative to the length of a row, up to which two rows are copies: they differ by round-off."""
GAIN = 0.02
"""Accuracy by which the linear rule must be better to be used."""


@dataclass(frozen=True, eq=False)
class ClassesByReal:
    """What the real samples say of the samples of both sides."""

    real: Tensor
    """Class `[n]` int64 by the other real samples; copies of the sample itself have no vote."""
    fake: Tensor
    """Class `[m]` int64 by the real samples."""
    confusion: np.ndarray
    """Counts `[classes, classes]` of the real samples, row = true class, column = class by the others."""
    repeats: float
    """Times that an average fake occurs among the fakes, itself included: 1 where there are no copies."""
    rule: str = f"knn{NEIGHBOURS}"
    """`knn5`, or `linear`."""

    @property
    def recalls(self) -> np.ndarray:
        """Share of the real samples of each class that the others put into it `[classes]`."""
        return np.asarray(np.diagonal(self.confusion) / np.maximum(self.confusion.sum(1), 1))

    @property
    def accuracy(self) -> float:
        """Mean of the recalls over the classes, so that a large class does not decide."""
        return float(self.recalls[self.confusion.sum(1) > 0].mean())

    @property
    def skill(self) -> float:
        """Accuracy between that of a guess, 0, and that of no error, 1."""
        chance = 1 / int((self.confusion.sum(1) > 0).sum())
        return (self.accuracy - chance) / (1 - chance)


def classes_by_real(real: Tensor, labels: Tensor, fake: Tensor, classes: int) -> ClassesByReal:
    """The class of each sample, by the better of two rules that the real samples give.

    `knn5` is the majority of the 5 nearest real samples, of a tie the nearest one's; `linear` is ridge regression on
    the features. Real samples are judged by the others ("leave one out"), so both sides meet the same rule, and where
    both come from one distribution the predictions do, too. Copies of a real sample have no say on it. Which rule is
    better is measured on the real samples alone.

    Args:
        real: Features `[n, d]`.
        labels: Their classes `[n]` int64.
        fake: Features `[m, d]`.
        classes: Number of classes.

    Returns:
        The classes and the errors.

    Example:
        >>> rows = torch.tensor([[0.0], [0.1], [0.2], [0.3], [9.0], [9.1], [9.2], [9.3]])
        >>> found = classes_by_real(rows, torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), torch.tensor([[9.5]]), 2)
        >>> found.fake.tolist(), found.accuracy, found.rule
        ([1], 1.0, 'knn5')
    """
    if real.device.type == "mps":  # which has no float64
        real, fake = real.cpu(), fake.cpu()
    labels = labels.to(real.device)
    centre = real.double().mean(0)
    kind = torch.float64 if real.shape[1] <= NARROW else torch.float32
    real_rows, fake_rows = ((side.to(real.device).double() - centre).to(kind) for side in (real, fake))
    voters, column = _voters(real)
    reference, classes_of_voters = real_rows[voters], labels[voters]
    with ieee_products(real.device):
        by_others = _vote(real_rows, reference, classes_of_voters, column, classes)
        of_fakes = _vote(fake_rows, reference, classes_of_voters, None, classes)
    sizes = copies(fake)[0].bincount().double()
    repeats = float(sizes.square().sum() / sizes.sum())
    nearest = _judged(by_others, of_fakes, labels, classes, repeats, f"knn{NEIGHBOURS}")
    if nearest.accuracy > 1 - GAIN or (rule := linear_classes(reference, classes_of_voters, classes)) is None:
        return nearest
    by_others = torch.where(column >= 0, rule.left_out[column.clamp(min=0)], rule(real_rows))
    linear = _judged(by_others, rule(fake_rows), labels, classes, repeats, "linear")
    return linear if linear.accuracy > nearest.accuracy + GAIN else nearest


def _judged(real: Tensor, fake: Tensor, labels: Tensor, classes: int, repeats: float, rule: str) -> ClassesByReal:
    """The classes that a rule gives, with its errors on the real samples, whose classes are `labels`."""
    pairs = (labels * classes + real).bincount(minlength=classes**2).view(classes, classes)
    return ClassesByReal(real.cpu(), fake.cpu(), pairs.double().cpu().numpy(), repeats, rule)


def _voters(real: Tensor) -> tuple[Tensor, Tensor]:
    """The places `[v]` of the real samples that vote, one of each group of copies; the voter of each sample, or -1."""
    groups, along = copies(real)
    count, places = int(groups.max()) + 1, torch.arange(len(groups), device=groups.device)
    first = torch.full((count,), len(groups), device=groups.device).scatter_reduce(0, groups, places, "amin")
    if count > REFERENCES:
        ordered = first[along[first].argsort()]
        first = ordered[torch.linspace(0, count - 1, REFERENCES, dtype=torch.float64).round().long().to(groups.device)]
    voter = torch.full((count,), -1, device=groups.device)
    voter[groups[first]] = torch.arange(len(first), device=groups.device)
    return first, voter[groups]


def _vote(rows: Tensor, reference: Tensor, voters: Tensor, own: Tensor | None, classes: int) -> Tensor:
    """Class `[b]` of each row by its nearest rows in `reference`, that in column `own` (-1: none) left out."""
    lengths = reference.square().sum(1)
    found = []
    for block in blocks(len(rows)):
        part = rows[block]
        squared = lengths - 2 * part @ reference.T  # the row's own length orders nothing
        if own is not None:
            at = (own[block] >= 0).nonzero()[:, 0]
            squared[at, own[block][at]] = torch.inf
        near = squared.topk(min(NEIGHBOURS, squared.shape[1] - (own is not None)), largest=False, sorted=True)
        weight = 1 + torch.arange(near.indices.shape[1], 0, -1, device=rows.device) / 100  # ties go to the nearest
        votes = torch.zeros(len(part), classes, device=rows.device)
        votes.scatter_add_(1, voters[near.indices], weight.expand_as(near.values).to(votes))
        found.append(votes.argmax(1))
    return torch.cat(found)


def copies(features: Tensor) -> tuple[Tensor, Tensor]:
    """Groups of rows that differ by no more than round-off.

    Args:
        features: `[n, d]`.

    Returns:
        Number `[n]` int64 of the group of each row; and the place `[n]` float64 of each row along a direction that
        depends on the number of columns only.

    Example:
        >>> copies(torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]))[0].tolist()
        [0, 1, 0]
    """
    if features.device.type == "mps":
        features = features.cpu()
    direction = torch.randn(features.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    direction = direction.to(features.device)
    along = torch.cat([features[block].double() @ direction for block in blocks(len(features))])
    order = along.argsort(stable=True)  # copies are neighbours there
    tolerance = SAME.get(features.dtype, SAME[torch.float32])
    apart = [torch.zeros(1, dtype=torch.bool, device=features.device)]
    for block in blocks(len(order) - 1):
        row, other = (features[part[block]].double() for part in (order[1:], order[:-1]))
        apart.append((row - other).square().sum(1) > tolerance**2 * row.square().sum(1))
    groups = torch.empty(len(order), dtype=torch.int64, device=features.device)
    groups[order] = torch.cat(apart).cumsum(0)
    return groups, along
