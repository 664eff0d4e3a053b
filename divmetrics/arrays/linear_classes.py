"""Classes of samples by a linear rule that is fitted to labelled real samples, with exact leave-one-out errors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from divmetrics.arrays.pairs import ieee_products

WIDEST = 2048
"""The smaller of rows and columns up to which the rule is fitted: its cost is the cube of that."""
SHRINKAGES = tuple(10 ** (power / 2) for power in range(-4, 3))
"""Strengths of the penalty that are tried, in units of the mean squared length along an axis."""


@dataclass(frozen=True, eq=False)
class LinearClasses:
    """A linear rule, and what it says of each sample that it was fitted to where that sample is left out."""

    left_out: Tensor
    """Class `[n]` int64 of each sample by the others."""
    weights: Tensor
    """`[d, classes]` float64, of features whose mean is 0."""
    offset: Tensor
    """`[classes]`."""

    def __call__(self, rows: Tensor) -> Tensor:
        """Class `[b]` int64 of rows `[b, d]` that are centred as the fitted ones were."""
        return (rows.double() @ self.weights + self.offset).argmax(1)


def linear_classes(rows: Tensor, labels: Tensor, classes: int) -> LinearClasses | None:
    """Ridge regression of the classes, as 0 and 1, on the features; the largest prediction is the class.

    What the rule would say of a sample had it not been fitted to it follows in closed form, with the residual divided
    by 1 - leverage; the penalty with the least squared error of these is taken.

    Args:
        rows: Features `[n, d]`, all different.
        labels: Their classes `[n]` int64.
        classes: Number of classes.

    Returns:
        The rule; None where rows and columns are both more than 2048, or all rows are equal.

    Example:
        >>> rule = linear_classes(torch.tensor([[0.0], [0.1], [1.0], [1.1]]), torch.tensor([0, 0, 1, 1]), 2)
        >>> rule.left_out.tolist()
        [0, 0, 1, 1]
    """
    n, d = rows.shape
    if min(n, d) > WIDEST:
        return None
    wanted = torch.nn.functional.one_hot(labels, classes).double()
    middle, mean = rows.double().mean(0), wanted.mean(0)
    centred = rows.double() - middle
    with ieee_products(rows.device):
        lengths, axes = _principal_axes(centred)
        if not len(lengths):
            return None
        scores, least = centred @ axes, torch.inf
        for shrinkage in SHRINKAGES:
            damped = 1 / (lengths + shrinkage * lengths.mean())
            leverage = scores.square() @ damped + 1 / n
            found = damped[:, None] * (scores.T @ (wanted - mean))
            residual = wanted - mean - scores @ found
            alone = residual / (1 - leverage).clamp(min=1e-9)[:, None]
            if (error := float(alone.square().sum())) < least:
                least, loads, left_out = error, axes @ found, (wanted - alone).argmax(1)
    return LinearClasses(left_out, loads, mean - middle @ loads)


def _principal_axes(centred: Tensor) -> tuple[Tensor, Tensor]:
    """Squared lengths `[r]` along the principal axes, and the axes `[d, r]`, those without length left out."""
    n, d = centred.shape
    lengths, axes = torch.linalg.eigh(centred.T @ centred if d <= n else centred @ centred.T)
    kept = lengths > max(1e-10 * float(lengths.max()), 1e-300)
    lengths, axes = lengths[kept], axes[:, kept]
    return lengths, axes if d <= n else centred.T @ axes / lengths.sqrt()
