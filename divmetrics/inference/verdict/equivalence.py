"""Claims of a healthy generator: each loss of diversity is smaller than the tolerance, with confidence.

"Not significantly worse" is not healthy: with few samples nothing is significant. So each claim is tested the other way
round, as non-inferiority: the lower confidence bound of the statistic, relative to the real samples, must be above its
limit. All claims must hold, so each is tested at its full level (intersection-union test; Berger 1982).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log

import numpy as np

from divmetrics.inference.verdict.findings import repeated_samples
from divmetrics.inference.verdict.structures import Partition
from divmetrics.inference.verdict.tested import Tested

SIDED = 1.645
"""Standard errors from an estimate to its one-sided 95 % bound."""
LEAST_SHARE = 0.5
"""Part of its share that each mode must keep."""
SMALLEST = 75
"""Real samples that a natural cluster holds on average, or coarse clusters serve as modes."""


@dataclass(frozen=True)
class Claim:
    """One claim: that a quantity, 1 where both sides are alike, is above a limit."""

    name: str
    """The quantity in words."""
    estimate: float
    bound: float
    """Lower end of the one-sided 95 % confidence interval."""
    limit: float

    @property
    def holds(self) -> bool:
        """Whether the claim is shown."""
        return self.bound >= self.limit

    @property
    def factor(self) -> float:
        """How many times as many samples would show the claim of a generator that loses nothing.

        For most draws of them: the estimate varies, too, and the bound lies that much lower once in ten times.
        """
        if self.holds:
            return 1.0
        width = log(self.estimate / max(self.bound, self.estimate / 100))
        return max(1.1, (2 * width / log(1 / self.limit)) ** 2)


def claims(tested: Tested, tolerance: float) -> list[Claim]:
    """All claims, with limits of 1 - `tolerance`; of the smallest mode, half its share."""
    limit = 1 - tolerance
    found = []
    for name, words in (("width", "the width of modes"), ("spacing", "the distance between neighbours")):
        statistic = tested[name]
        ratio = float(np.exp(-statistic.effect))
        found.append(Claim(words, ratio, float(ratio * np.exp(-SIDED * statistic.spread)), limit))
    share, _ = repeated_samples(tested)
    m = tested.structures.m
    error = (max(share * (1 - share), 1 / m) / m) ** 0.5
    found.append(Claim("the share of distinct samples", 1 - share, 1 - share - SIDED * error, limit))
    return [*found, *_of_modes(tested, limit)]


def _of_modes(tested: Tested, limit: float) -> Iterator[Claim]:
    """Claims about the shares of the modes: of all partitions the least favourable, and of each single mode."""
    structures = tested.structures
    counts = [_counts(tested, partition) for partition in structures.partitions]
    yield min((_claim("the effective number of modes", _effective(*both), limit) for both in counts), key=_margin)
    yield min((_claim("the mass that the modes keep", _kept(*both), limit) for both in counts), key=_margin)
    natural, coarse = structures.partitions[:2]
    fits = structures.n >= SMALLEST * len(natural.names)
    real, fake = (side[0] for side in _counts(tested, structures.partition("classes") or (natural if fits else coarse)))
    there = real > 0
    ratio = np.log((fake[there] + 0.5) / structures.m) - np.log((real[there] + 0.5) / structures.n)
    lower = ratio - SIDED * np.sqrt(1 / (fake[there] + 0.5) + 1 / (real[there] + 0.5))
    worst = int(lower.argmin())
    yield Claim("the share of each mode", float(np.exp(ratio[worst])), float(np.exp(lower[worst])), LEAST_SHARE)


def _counts(tested: Tested, partition: Partition) -> tuple[np.ndarray, np.ndarray]:
    """Real and fake samples in each cell, on the data and on permutations, `[1 + B, C]` each."""
    member = partition.member
    fake = tested.fake @ member
    return member.sum(0) - fake, fake


def _effective(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Effective number of modes of the fake samples relative to that of the real ones, `[1 + B]`."""
    shares = [counts / counts.sum(1, keepdims=True) for counts in (real, fake)]
    entropies = [-(share * np.log(np.where(share > 0, share, 1))).sum(1) for share in shares]
    return np.asarray(np.exp(entropies[1] - entropies[0]))


def _kept(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """1 less the mass by which cells fall short of their share of the real samples, `[1 + B]`."""
    shares = [counts / counts.sum(1, keepdims=True) for counts in (real, fake)]
    return np.asarray(1 - np.clip(shares[0] - shares[1], 0, None).sum(1))


def _margin(claim: Claim) -> float:
    return claim.bound - claim.limit


def _claim(name: str, values: np.ndarray, limit: float) -> Claim:
    """A claim about a value `[1 + B]` on the data and on permutations, less the bias that the latter show."""
    estimate = float(values[0] - values[1:].mean()) + 1
    return Claim(name, estimate, estimate - SIDED * float(values[1:].std()), limit)


def needed(claims: list[Claim], n: int) -> int:
    """Samples a side that would decide all claims, rounded up to two digits."""
    wanted = n * max(claim.factor for claim in claims)
    unit: int = 10 ** max(0, len(str(ceil(wanted))) - 2)
    return ceil(wanted / unit) * unit
