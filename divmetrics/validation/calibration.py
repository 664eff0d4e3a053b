"""The calibration suite: false-alarm rates of p-values and verdicts on pairs of samples from one distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from divmetrics.validation.measuring import VERDICT, measure_all, sample_set
from divmetrics.validation.records import CalibrationRow
from divmetrics.validation.running import Job, JobResult, grouped, seed_of
from divmetrics.zoo.targets import target

CASES = {"equal sizes": (1.0, 1.0), "a third as many fakes": (1.0, 1 / 3)}
"""Case -> sizes of the real and the fake sample set, as multiples of n."""
TARGET = "modes-64d"
TAILS = (0.01, 0.05)


def jobs(n: int, draws: int) -> list[Job]:
    """All jobs of the suite: (case, n, draw)."""
    return [(case, n, draw) for draw in range(draws) for case in CASES]


def run_job(job: Job, metrics: Sequence[str]) -> JobResult:
    """The p-value of each metric on one pair of sample sets from the same distribution."""
    case, n, draw = str(job[0]), int(job[1]), int(job[2])
    owner, rng = target(TARGET), np.random.default_rng(seed_of(*job))
    sizes = (max(2, round(share * n)) for share in CASES[case])
    real, fake = (
        sample_set(name, owner.sample(size, rng)[0], owner) for name, size in zip(("real", "fake"), sizes, strict=True)
    )
    held_out = sample_set("held_out", owner.sample(n, rng)[0], owner)
    return JobResult(measure_all(metrics, real, fake, held_out, seed=draw, null=True))


def summarise(results: Mapping[Job, JobResult], metrics: Sequence[str]) -> list[CalibrationRow]:
    """False-alarm rates: a row for each case and each metric that has a p-value."""
    rows = []
    for (case, *_), members in grouped(results, 1).items():
        for metric in (*metrics, VERDICT):
            found = [results[job].values.get(metric, (None, None)) for job in members]
            p = np.array([p for value, p in found if value is not None and p is not None])
            if len(p):
                rows.append(_row(metric, str(case), p))
    return rows


def _row(metric: str, case: str, p: np.ndarray) -> CalibrationRow:
    hits = [int((p <= tail).sum()) for tail in TAILS]
    # Only too many alarms are a fault: p-values from 199 permutations, or of counts, may be small too rarely.
    holds = all(hit <= stats.binom.ppf(0.995, len(p), tail) for hit, tail in zip(hits, TAILS, strict=True))
    return CalibrationRow(metric, case, len(p), hits[0] / len(p), hits[1] / len(p), bool(holds))
