"""Which modes of the reals the fakes miss, class by class, with the chance that it is chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from divmetrics.results import Mode
from divmetrics.summaries import ClassTally

ALPHA = 0.01
"""Family-wise false-alarm rate of the states `missing` and `thinned`."""


def mode_table(real: ClassTally, fake: ClassTally, names: Sequence[str] | None) -> tuple[Mode, ...]:
    """One `Mode` for each class of the reals, in the order of the classes.

    `p` is Fisher's exact one-sided test of "this class is rarer among the fakes", unadjusted; the states use Holm's
    step-down at 1 % over all classes, so one table in a hundred of a faithful generator names a mode at all.
    """
    width = max(len(real.counts), len(fake.counts))
    reals, fakes = real.padded(width).numpy(), fake.padded(width).numpy()
    classes = np.flatnonzero(reals)
    p = stats.hypergeom.cdf(fakes[classes], real.n + fake.n, (reals + fakes)[classes], fake.n)
    rejected = _holm(p)
    return tuple(
        Mode(
            id=int(c),
            name=names[int(c)] if names is not None else f"class {c}",
            real_share=float(reals[c] / real.n),
            fake_share=float(fakes[c] / fake.n),
            p=float(p[place]),
            state=_state(int(fakes[c]), bool(rejected[place])),
        )
        for place, c in enumerate(classes)
    )


def _holm(p: np.ndarray) -> np.ndarray:
    """Which hypotheses Holm's step-down rejects at ALPHA."""
    order = np.argsort(p)
    passed = p[order] <= ALPHA / np.arange(len(p), 0, -1)
    rejected = np.zeros(len(p), bool)
    rejected[order] = np.logical_and.accumulate(passed)
    return rejected


def _state(fakes: int, rejected: bool) -> str:
    if rejected:
        return "thinned" if fakes else "missing"
    return "present" if fakes else "unseen"
