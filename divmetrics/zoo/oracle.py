"""What is true of samples of a known target: which modes they hold, in which shares, how wide, how many are copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import scipy
from scipy.special import entr, rel_entr

from divmetrics.zoo.targets import REAL_SHARE, Target

COPY_RATIO = 1 / 3
"""A sample is a copy if its nearest training row is this much nearer than the second (Carlini 2023; Yoon 2023)."""
NOISE, MISJUDGED = 4.0, 0.5
"""What errors of the classifier may leave in a missing mode: so many standard deviations, and so much of their mean."""
SEED = 1
FEW, MANY = 2500, 26_000
"""Samples behind the numbers: 2,500 (Srivastava 2017), and 26,000 where there are a thousand modes (Lin 2018)."""


@dataclass(frozen=True)
class Oracle:
    """Numbers of `n` samples of a target with `modes_total` modes. Where not said otherwise over all samples."""

    n: int
    modes_found: int
    """Modes with a high-quality sample; where the classifier errs, with more than its errors put there."""
    modes_total: int
    mode_kl: float | None
    """KL(found || true shares) of the high-quality samples, in nats; >= 0, 0 is right; None without any."""
    mode_tv: float
    """Total variation of the histogram of modes, all else in a bin of its own; in [0, 1], 0 is right."""
    effective_modes: float
    """exp(entropy) of the shares of the high-quality samples."""
    high_quality: float
    """Share of samples within the reach of a mode; real samples have 98.89 %."""
    spread: float | None
    """Standard deviation of high-quality samples within their modes over that of real ones; 1 is right."""
    distinct: float
    """Share of the samples left when equal ones count once."""
    copies: float | None
    """Share of samples that copy the training set, beyond what real samples do by chance; None without one."""
    p: float
    """G test of the histogram with its outside bin against the target."""
    severity: float
    """0 healthy, 1 everything lost: what is missing of the true mass, of its spread and of its distinctness."""

    def to_json(self) -> dict[str, float | int | None]:
        """All numbers by name, rounded to six digits."""
        return {name: round(v, 6) if isinstance(v, float) else v for name, v in asdict(self).items()}


def examine(target: Target, draw: Callable[[int, int], np.ndarray], copied: int = 0, most: int | None = None) -> Oracle:
    """The numbers that are recorded of a generator `draw(n, seed)`.

    `copied` is how many training rows it has seen, `most` how many samples it can give.
    """
    n = MANY if target.modes >= 1000 else FEW
    rows = draw(min(n, most or n), SEED)
    return judge(target, rows, target.training_set(copied)[0] if copied else None)


def judge(target: Target, rows: np.ndarray, training: np.ndarray | None = None) -> Oracle:
    """The oracle numbers of `rows` `[n, d]`; `training` `[m, d]` are the rows that the generator may have copied.

    Severity is 1 - kept mass x kept spread x distinct share, where the kept mass is sum_k min(found, true share) of the
    high-quality samples over what real samples of that number keep, so a healthy sampler is near 0 at any n. Samples
    outside all modes do not count: poor fidelity alone is no collapse, unless nothing is left.
    """
    rows = np.ascontiguousarray(rows, np.float32)
    modes, distance = target.place(rows)
    inside = distance <= 1
    good = int(inside.sum())
    counts, noise = _counted(target, modes[inside])
    shares = counts / max(counts.sum(), 1e-12)
    spread = _spread(target, rows[inside], modes[inside])
    distinct = len(np.unique(rows, axis=0)) / len(rows)
    kept = float(np.minimum(shares, target.weights).sum()) / kept_by_chance(target.weights, good) if good else 0.0
    real = np.append(target.weights * REAL_SHARE, 1 - REAL_SHARE)
    found = np.append(shares * good, len(rows) - good)
    return Oracle(
        n=len(rows),
        modes_found=int((counts > noise).sum()),
        modes_total=target.modes,
        mode_kl=float(rel_entr(shares, target.weights).sum()) if good else None,
        mode_tv=float(np.abs(found / len(rows) - real).sum() / 2),
        effective_modes=float(np.exp(entr(shares).sum())) if good else 0.0,
        high_quality=good / len(rows),
        spread=spread,
        distinct=distinct,
        copies=None if training is None else _copies(target, rows, training),
        p=float(scipy.stats.power_divergence(found, real * len(rows), lambda_="log-likelihood").pvalue),
        severity=float(np.clip(1 - min(kept, 1.0) * min(1.0 if spread is None else spread, 1.0) * distinct, 0, 1)),
    )


def kept_by_chance(weights: np.ndarray, n: int) -> float:
    """Expected sum_k min(share, weight) for `n` samples of the target itself: de Moivre's mean absolute deviation."""
    above = np.floor(n * weights) + 1
    deviation = 2 * above * (1 - weights) * scipy.stats.binom.pmf(above, n, weights)
    return float(1 - deviation.sum() / (2 * n))


def _counted(target: Target, modes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(samples of each mode, freed from the classifier's confusion; what errors alone may leave there), `[K]` each."""
    counts = np.bincount(modes, minlength=target.modes).astype(np.float64)
    if target.confusion is None:
        return counts, np.zeros(target.modes)
    true = np.maximum(counts @ target.unconfused, 0.0)
    stray = true @ target.confusion - true * np.diag(target.confusion)
    return true, np.maximum(NOISE * np.sqrt(stray) + MISJUDGED * stray, 0.5)


def _spread(target: Target, rows: np.ndarray, modes: np.ndarray) -> float | None:
    """Pooled within-mode standard deviation over the true one; None with fewer than two samples in every mode."""
    counts = np.bincount(modes, minlength=target.modes)
    free = int(np.maximum(counts - 1, 0).sum())
    if free == 0:
        return None
    wide = rows.astype(np.float64)
    sums = np.zeros((target.modes, rows.shape[1]))
    np.add.at(sums, modes, wide)
    means = sums / np.maximum(counts, 1)[:, None]
    return float(np.sqrt((((wide - means[modes]) ** 2).sum(1) / target.variation[modes]).sum() / free))


def _copies(target: Target, rows: np.ndarray, training: np.ndarray) -> float:
    """Share of rows that are copies, above the share among fresh real samples, over what is left of 1."""
    real, _ = target.sample(min(len(rows), 2000), np.random.default_rng(2**31 + 4))
    found, uncertainty = _ratio_share(rows, training), _ratio_share(real, training)
    return float(np.clip((found - uncertainty) / max(1 - uncertainty, 1e-9), 0, 1))


def _ratio_share(rows: np.ndarray, training: np.ndarray) -> float:
    from sklearn.neighbors import NearestNeighbors

    distances, _ = NearestNeighbors(n_neighbors=2).fit(training).kneighbors(rows)
    return float((distances[:, 0] < COPY_RATIO * distances[:, 1]).mean())
