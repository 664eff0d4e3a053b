"""The calibration suite: how often do nulls, and verdicts, raise an alarm where fakes and reals are alike?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from divmetrics.validation.cells import VERDICT, side, values
from divmetrics.validation.records import CalibrationRow
from divmetrics.validation.running import Key, Outcome, grouped, seed_of
from divmetrics.zoo.targets import target

CASES = {"equal sizes": (1.0, 1.0), "a third as many fakes": (1.0, 1 / 3)}
"""Case -> sizes of reals and fakes over n."""
TARGET = "modes-64d"
TAILS = (0.01, 0.05)


def cells(n: int, draws: int) -> list[Key]:
    """(case, n, draw)."""
    return [(case, n, draw) for draw in range(draws) for case in CASES]


def compute(cell: Key, metrics: Sequence[str]) -> Outcome:
    """One healthy pair, with the p-value of each metric."""
    case, n, draw = str(cell[0]), int(cell[1]), int(cell[2])
    owner, rng = target(TARGET), np.random.default_rng(seed_of(*cell))
    sizes = (max(2, round(share * n)) for share in CASES[case])
    real, fake = (
        side(name, owner.sample(size, rng)[0], owner) for name, size in zip(("real", "fake"), sizes, strict=True)
    )
    held_out = side("held_out", owner.sample(n, rng)[0], owner)
    return Outcome(values(metrics, real, fake, held_out, seed=draw, null=True))


def judge(outcomes: Mapping[Key, Outcome], metrics: Sequence[str]) -> list[CalibrationRow]:
    """A row for each case and metric that has a null."""
    rows = []
    for (case, *_), members in grouped(outcomes, 1).items():
        for metric in (*metrics, VERDICT):
            found = [outcomes[cell].found.get(metric, (None, None)) for cell in members]
            p = np.array([uncertainty for value, uncertainty in found if value is not None and uncertainty is not None])
            if len(p):
                rows.append(_row(metric, str(case), p))
    return rows


def _row(metric: str, case: str, p: np.ndarray) -> CalibrationRow:
    hits = [int((p <= tail).sum()) for tail in TAILS]
    # Too many alarms alone are a fault: a p of 199 re-splits, or of counts, cannot be small often enough.
    holds = all(hit <= stats.binom.ppf(0.995, len(p), tail) for hit, tail in zip(hits, TAILS, strict=True))
    return CalibrationRow(metric, case, len(p), hits[0] / len(p), hits[1] / len(p), bool(holds))
