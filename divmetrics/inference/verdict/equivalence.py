"""Claims of a healthy generator: each loss of diversity is smaller than the tolerance, with confidence.

"Not significantly worse" is not healthy: with few samples nothing is significant. So each claim is tested the other way
round, as non-inferiority: the lower confidence bound of the statistic, relative to the real samples, must be above its
limit. All claims must hold, so each is tested at its full level (intersection-union test; Berger 1982).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log

import numpy as np
from scipy.special import ndtri

from divmetrics.inference.verdict.findings import distinct_share
from divmetrics.inference.verdict.structures import Partition, Structures
from divmetrics.inference.verdict.tested import Tested

SIDED = 1.645
"""Standard errors from an estimate to its one-sided 95 % bound."""
LEAST_SHARE = 0.5
"""Part of its share that each mode must keep."""
LEAST_COUNT = 100
"""Samples of each side that a cluster should hold as a mode: its share is then known within a quarter."""
RARE = 0.01
"""Share of the samples below which classes are judged together."""
DILUTED = 0.5
"""Part of a lost mode that neighbourhoods of its samples show, about: those of deep features hold other modes, too."""
LEAST_ESTIMATE = 1e-6
"""Estimate, relative to the real samples, that stands for 0 and less, which have no logarithm."""

DISTINCT = "the share of distinct samples"
MASS = "the mass"
"""How the names of the claims about lost mass begin."""


@dataclass(frozen=True)
class Claim:
    """One claim: that a quantity, 1 where both sides are alike, is above a limit."""

    name: str
    """The quantity in words."""
    estimate: float
    bound: float
    """Lower end of the one-sided 95 % confidence interval."""
    limit: float
    tried: int = 1
    """Number of quantities of which this is the least favourable."""

    @property
    def holds(self) -> bool:
        """Whether the claim is shown."""
        return self.bound >= self.limit

    @property
    def factor(self) -> float:
        """How many times as many samples would show the claim of a generator that loses nothing, 19 times in 20.

        The bound then lies above the limit although the estimate, or the least of several, is as low as 5 % of draws.
        Below 1 where fewer would do; a claim that holds by luck needs more.
        """
        estimate = max(self.estimate, LEAST_ESTIMATE)
        error = log(estimate / max(self.bound, estimate / 100)) / SIDED  # standard error of the logarithm
        unlucky = float(ndtri(0.95 ** (1 / self.tried)))
        return ((SIDED + unlucky) * error / log(1 / self.limit)) ** 2


def claims(tested: Tested, tolerance: float) -> list[Claim]:
    """All claims, with limits of 1 - `tolerance`; of each mode, half its share."""
    limit = 1 - tolerance
    found = []
    for name, words in (("width", "the width of modes"), ("spacing", "the distance between neighbours")):
        statistic = tested[name]
        ratio = float(np.exp(-statistic.effect))
        found.append(Claim(words, ratio, float(ratio * np.exp(-SIDED * statistic.spread)), limit))
    distinct, m = distinct_share(tested), tested.structures.m
    error = (max(distinct * (1 - distinct), 1 / m) / m) ** 0.5
    found.append(Claim(DISTINCT, distinct, distinct - SIDED * error, limit))
    kept = 1 - tested["lacking"].values
    found.append(_claim(f"{MASS} that neighbourhoods keep", kept, 1 - DILUTED * tolerance))
    return [*found, *_of_modes(tested, limit)]


def _of_modes(tested: Tested, limit: float) -> Iterator[Claim]:
    """Claims about the shares of the modes: of all partitions the least favourable, and of each single mode."""
    structures = tested.structures
    counts = [_counts(tested.fake, partition) for partition in structures.partitions]
    yield min((_claim("the effective number of modes", _effective(*both), limit) for both in counts), key=_margin)
    yield min((_claim(f"{MASS} that the modes keep", _kept(*both), limit) for both in counts), key=_margin)
    classes = structures.partition("classes")
    real, fake = (
        side[0] for side in _counts(tested.fake[:1], _without_rare(classes) if classes else joined(structures))
    )
    there = real > 0
    ratio = np.log((fake[there] + 0.5) / structures.m) - np.log((real[there] + 0.5) / structures.n)
    lower = ratio - SIDED * np.sqrt(1 / (fake[there] + 0.5) + 1 / (real[there] + 0.5))
    worst = int(lower.argmin())
    name = "the share of each mode"
    yield Claim(name, float(np.exp(ratio[worst])), float(np.exp(lower[worst])), LEAST_SHARE, len(ratio))


def joined(structures: Structures) -> Partition:
    """The natural clusters, of which those with few samples are joined with the nearest."""
    natural = structures.partitions[0]
    sizes, cell = natural.sizes.astype(float), natural.cell.copy()
    sums = np.zeros((len(sizes), structures.points.shape[1]))
    np.add.at(sums, cell, structures.points)
    least = LEAST_COUNT * structures.total / min(structures.n, structures.m)
    while (there := np.flatnonzero(sizes)).size > 1 and sizes[there].min() < least:
        small = there[sizes[there].argmin()]
        others = there[there != small]
        apart = np.square(sums[others] / sizes[others, None] - sums[small] / sizes[small]).sum(1)
        into = others[apart.argmin()]
        cell[cell == small] = into
        sizes[into], sums[into], sizes[small] = sizes[into] + sizes[small], sums[into] + sums[small], 0
    numbers, cell = np.unique(cell, return_inverse=True)
    return Partition("joined clusters", cell, [natural.names[number] for number in numbers])


def _without_rare(classes: Partition) -> Partition:
    """The classes, of which those with less than `RARE` of the samples are one."""
    rare = classes.sizes < RARE * len(classes.cell)
    if rare.sum() < 2:
        return classes
    numbers = np.where(rare, (~rare).sum(), np.cumsum(~rare) - 1)
    names = [name for name, few in zip(classes.names, rare, strict=True) if not few]
    return Partition("classes", numbers[classes.cell], [*names, "rare classes"])


def _counts(called: np.ndarray, partition: Partition) -> tuple[np.ndarray, np.ndarray]:
    """Real and fake samples in each cell for each row of `called` `[B, N]`, `[B, C]` each."""
    fake = partition.counts(called)
    return partition.sizes - fake, fake


def _effective(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Effective number of modes of the fake samples relative to that of the real ones, `[1 + B]`."""
    shares = [counts / counts.sum(1, keepdims=True) for counts in (real, fake)]
    entropies = [-(share * np.log(np.where(share > 0, share, 1))).sum(1) for share in shares]
    return np.asarray(np.exp(entropies[1] - entropies[0]))


def _kept(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """1 less the mass by which cells fall short of their share of the real samples, `[1 + B]`."""
    shares = [counts / counts.sum(1, keepdims=True) for counts in (real, fake)]
    return np.asarray(1 - np.clip(shares[0] - shares[1], 0, None).sum(1))


def little_mass_lost(shown: Sequence[Claim], tolerance: float) -> bool:
    """Whether so little mass is lost that it is within the tolerance even if half of the loss is not seen."""
    return all(claim.bound >= 1 - DILUTED * tolerance for claim in shown if claim.name.startswith(MASS))


def _margin(claim: Claim) -> float:
    return claim.bound - claim.limit


def _claim(name: str, values: np.ndarray, limit: float) -> Claim:
    """A claim about a value `[1 + B]` on the data and on permutations, less the bias that the latter show."""
    estimate = float(values[0] - values[1:].mean()) + 1
    return Claim(name, estimate, estimate - SIDED * float(values[1:].std()), limit)


def needed(claims: Sequence[Claim], n: float) -> int:
    """Samples a side that would show all claims, a fifth more than `n` at least; rounded up to two digits."""
    wanted = n * max((1.2, *(claim.factor for claim in claims)))
    unit: int = 10 ** max(0, len(str(ceil(wanted))) - 2)
    return ceil(wanted / unit) * unit
