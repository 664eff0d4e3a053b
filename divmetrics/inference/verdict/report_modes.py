"""Clusters of the verdict by the names of the modes of the report, which readers know.

The clusters of the verdict are those of both sides together, since a test on others would not be exact; the table of
modes has classes, or clusters of the real samples alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from divmetrics.records.printing import listed

HELD = 0.5
"""Part of the samples of a mode that must lie in clusters at fault for the mode to be called so."""
TOUCHED = 0.1
"""Part of the samples of the clusters at fault that a mode must hold to be named as one of which they are parts."""
NAMED = 5
"""Modes named in a sentence."""
OTHER_WORD: Mapping[str, tuple[str, ...]] = {"dropped_modes": ("present", "thinned"), "thinned_modes": ("missing",)}
"""Kind of finding -> states of modes in the table that are none of this kind: clusters there are parts of the mode."""


@dataclass(frozen=True, eq=False)
class ModesOfSamples:
    """The mode of each real sample, by the table of modes of the report."""

    names: Sequence[str]
    real: np.ndarray  # [n] int64, places in `names`; -1 where a sample has none
    states: Mapping[str, str] = field(default_factory=dict)
    """Name of a mode -> its state in the table."""

    def within(self, positions: np.ndarray, at_fault: np.ndarray, kind: str) -> tuple[tuple[str, ...], str]:
        """The modes that clusters at fault are, or are parts of.

        Args:
            positions: Positions of the tested real samples in their set, `[k]`.
            at_fault: Which of them lie in the clusters at fault, `[k]` bool.
            kind: Kind of the finding. A mode that the table does not call so is not named as one, only as one of which
                the clusters are parts.

        Returns:
            The modes of which more than half lies there, the one with most samples first, and a sentence about them;
            where these are not most of what lies there, no modes, and of which modes it is a part.

        Example:
            >>> modes = ModesOfSamples(["cat", "dog"], np.array([0, 0, 1, 1]))
            >>> modes.within(np.arange(4), np.array([False, False, True, True]), "dropped_modes")
            (('dog',), 'In the table of modes: dog.')
        """
        mode = self.real[positions]
        count = np.bincount(mode[mode >= 0], minlength=len(self.names))
        inside = np.bincount(mode[(mode >= 0) & at_fault], minlength=len(self.names))
        order = np.argsort(-inside, kind="stable")
        other = [self.states.get(name) in OTHER_WORD.get(kind, ()) for name in self.names]
        whole = [number for number in order if inside[number] > HELD * count[number] and not other[number]]
        if inside[whole].sum() > HELD * at_fault.sum():
            names = tuple(self.names[number] for number in whole)
            return names, f"In the table of modes: {listed(names, NAMED)}."
        touched = tuple(self.names[number] for number in order if inside[number] > TOUCHED * at_fault.sum())
        return (), f"In the table of modes they are parts of {listed(touched, NAMED)}." if touched else ""
