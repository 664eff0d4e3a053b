"""All tests of one verdict together: adjusted p-values by the step-down maxT procedure of Westfall and Young 1993."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict.statistics import (
    Statistic,
    all_statistics,
    assignments,
    shifted_mean,
    whitened_clusters,
)
from divmetrics.inference.verdict.structures import Structures

TAIL_LEVELS = (0.95, 0.99, 0.997)
"""Quantiles of a statistic that the unit of its scale is taken from."""
OF_REGIONS = ("avoided", "lacking", "empty", "emptiest", "thin", "missing_direction")
"""How the names of the tests begin that find real samples where too few fake ones are."""


def standardised(values: np.ndarray) -> np.ndarray:
    """Statistics `[S, 1 + B]` on one scale: less their medians, in units in which the upper tail is a normal one's.

    Medians and units are those of data and permutations alike. In standard deviations, the few skewed statistics would
    be the greatest in most permutations, and all others would have to exceed these. A unit is the greatest of the
    standard deviation and the tail quantiles over those of the normal distribution.
    """
    centred = values - np.median(values, 1, keepdims=True)
    unit = values.std(1)
    for level in TAIL_LEVELS:
        unit = np.maximum(unit, np.quantile(centred, level, axis=1, method="lower") / ndtri(level))
    varies = unit[:, None] > 1e-9
    return np.asarray(np.where(varies, centred / np.where(varies, unit[:, None], 1), 0.0))


def adjusted_p(z: np.ndarray) -> np.ndarray:
    """p-values that hold for all tests together, whatever their dependence.

    The probability that any true null hypothesis gets a p-value of at most alpha is at most alpha.

    Args:
        z: `[S, 1 + B]`, each statistic on the data and on B permutations, the same for all, on one scale; large is bad.

    Returns:
        `[S]`, at least 1 / (1 + B).

    Example:
        >>> z = np.array([[9.0, 0, 1, 2, 3], [2.5, 3, 2, 1, 0]])
        >>> adjusted_p(z).tolist()
        [0.2, 0.4]
    """
    order = np.argsort(-z[:, 0], kind="stable")
    p, worst = np.empty(len(z)), 0.0
    for step, test in enumerate(order):
        greatest = z[order[step:]].max(0)
        worst = max(worst, float((greatest >= z[test, 0] - 1e-12).mean()))
        p[test] = worst
    return p


@dataclass(frozen=True, eq=False)
class Tested:
    """The tests of two samples."""

    structures: Structures
    fake: np.ndarray  # [1 + B, N], which samples are called fake; the data first
    statistics: Sequence[Statistic]
    alpha: float
    """Probability that a faithful generator is accused of anything."""
    share: float = 1.0
    """Part of alpha that these tests spend; others spend the rest."""

    @classmethod
    def of(
        cls,
        real: Rows,
        fake: Rows,
        *,
        classes: Sequence[str] | None,
        seed: int,
        alpha: float,
        permutations: int,
        share: float = 1.0,
    ) -> Tested:
        """Run all tests.

        Args:
            real: Real samples `[n, d]`.
            fake: Fake samples `[m, d]`.
            classes: The class of each pooled sample, where each side has its own.
            seed: Seed of shuffle, clusters and permutations.
            alpha: Probability that a faithful generator is accused.
            permutations: Number of permutations.
            share: Part of alpha that these tests may spend.
        """
        structures = Structures.of(real, fake, seed, classes)
        called = assignments(real.n, fake.n, permutations, seed)
        return cls(structures, called, all_statistics(structures, called), alpha, share)

    @cached_property
    def z(self) -> np.ndarray:
        """Each statistic of the data on the scale of `standardised`, `[S]`."""
        return np.asarray(self._standardised[:, 0])

    @cached_property
    def p(self) -> np.ndarray:
        """Adjusted p-values `[S]`."""
        return np.minimum(adjusted_p(self._standardised) / self.share, 1.0)

    @cached_property
    def doubt(self) -> float:
        """p-value of the doubt that some region lacks fake samples.

        The tests of that are adjusted among themselves, together with the mean of those of findings and of the shifted
        mean: many that are slightly large tell, too. Nobody is accused by it, so it is none of the tests of findings.
        """
        of_regions = [statistic for statistic in self.statistics if statistic.name.startswith(OF_REGIONS)]
        of_regions.append(shifted_mean(self.structures, self.fake))
        every = [*of_regions, *whitened_clusters(self.structures, self.fake)]
        z = standardised(np.stack([statistic.values for statistic in every]))
        mean = standardised(z[: len(of_regions)].mean(0, keepdims=True))
        return float(adjusted_p(np.concatenate([z, mean])).min())

    @cached_property
    def _standardised(self) -> np.ndarray:
        return standardised(np.stack([statistic.values for statistic in self.statistics]))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {statistic.name: place for place, statistic in enumerate(self.statistics)}

    def __getitem__(self, name: str) -> Statistic:
        return self.statistics[self._places[name]]

    @property
    def is_fake(self) -> np.ndarray:
        """Which samples of the pool are fake, `[N]` bool."""
        return np.asarray(self.fake[0] > 0)

    def significant(self, names: Iterable[str], level: float | None = None) -> tuple[str, ...]:
        """Those of the tests whose p-value is at most `level`, alpha by default."""
        places, limit = self._places, self.alpha if level is None else level
        return tuple(name for name in names if name in places and self.p[places[name]] <= limit)

    def own_p(self, name: str) -> float:
        """The p-value of one test alone."""
        values = self[name].values
        return float((values >= values[0]).mean())

    def best(self, names: Iterable[str]) -> tuple[float, float]:
        """The smallest p-value and the greatest standardised value of these tests."""
        places = [self._places[name] for name in names]
        return float(self.p[places].min()), float(self.z[places].max())
