"""Ground truth about samples of a known target: modes found, their shares and widths, copies, severity of collapse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import scipy
from scipy.special import entr, rel_entr

from divmetrics.zoo.targets import REAL_SHARE, Target

COPY_RATIO = 1 / 3
"""A sample is a copy if its distance to the nearest training row is below this share of the distance to the second
nearest (Carlini 2023; Yoon 2023)."""
NOISE, MISJUDGED = 4.0, 0.5
"""Samples that classification errors may put into a missing mode: this many standard deviations of their number, and
this share of its mean."""
SEED = 1
"""Seed of the samples that the recorded numbers stand on."""
N_SAMPLES, N_SAMPLES_THOUSAND_MODES = 2500, 26_000
"""Samples behind the recorded numbers (Srivastava 2017), and where a target has a thousand modes (Lin 2018)."""


@dataclass(frozen=True)
class Oracle:
    """Ground-truth numbers of `n` samples of a target with `modes_total` modes; over all samples unless stated."""

    n: int
    modes_found: int
    """Modes with a high-quality sample; with an imperfect classifier, with more than its errors explain."""
    modes_total: int
    mode_kl: float | None
    """KL(observed || true shares) of the high-quality samples, nats; >= 0, 0 is exact; None without such samples."""
    mode_tv: float
    """Total within_variance of the histogram of modes, all else in a bin of its own; in [0, 1], 0 is right."""
    effective_modes: float
    """Exponential of the entropy of the mode shares of the high-quality samples."""
    high_quality: float
    """Share of samples within the reach of a mode; real samples have 98.89 %."""
    spread: float | None
    """Standard deviation of high-quality samples within modes over that of real samples; 1 is exact."""
    distinct: float
    """Distinct samples over all samples."""
    copies: float | None
    """Share of samples that copy the training set, in excess of fresh real samples; None without a training set."""
    p: float
    """p-value of the G test of the histogram with its outside bin against the target."""
    severity: float
    """1 - kept mass x kept spread x distinct share; in [0, 1], 0 is healthy, 1 is everything lost."""

    def to_json(self) -> dict[str, float | int | None]:
        """All numbers by name, rounded to six digits."""
        return {name: round(v, 6) if isinstance(v, float) else v for name, v in asdict(self).items()}


def measure_generator(
    target: Target, draw: Callable[[int, int], np.ndarray], copied: int = 0, most: int | None = None
) -> Oracle:
    """The numbers that are recorded for a generator, of 2,500 samples, or 26,000 of a target with a thousand modes.

    Args:
        target: The distribution that the generator is meant to sample.
        draw: `(n, seed)` -> rows `[n, d]`.
        copied: Number of training rows that it has seen and may copy; 0 leaves `copies` out.
        most: Number of samples that it can give at most; None for no limit.

    Returns:
        The oracle's numbers.
    """
    n = N_SAMPLES_THOUSAND_MODES if target.modes >= 1000 else N_SAMPLES
    rows = draw(min(n, most or n), SEED)
    return measure_samples(target, rows, target.training_set(copied)[0] if copied else None)


def measure_samples(target: Target, rows: np.ndarray, training: np.ndarray | None = None) -> Oracle:
    """Ground-truth numbers of samples of a target.

    Severity is 1 - kept mass x kept spread x distinct share. The kept mass is sum_k min(observed, true share) of the
    high-quality samples over its expectation for as many real samples, so that a healthy sampler is near 0 at any n.
    Samples outside all modes do not count: poor fidelity alone is no collapse, unless nothing is left.

    Args:
        target: The distribution that the samples are meant to come from.
        rows: Samples `[n, d]`.
        training: Rows `[m, d]` that the generator may have copied; None leaves `copies` out.

    Returns:
        The oracle's numbers.

    Example:
        >>> import numpy as np
        >>> from divmetrics.zoo.targets import target
        >>> ring = target("ring-8")
        >>> rows = ring.draw(np.zeros(1000, int), np.random.default_rng(0))  # one mode of eight
        >>> measure_samples(ring, rows).modes_found
        1
    """
    rows = np.ascontiguousarray(rows, np.float32)
    modes, distance = target.nearest_modes(rows)
    inside = distance <= 1
    good = int(inside.sum())
    counts, error = _corrected_counts(target, modes[inside])
    shares = counts / max(counts.sum(), 1e-12)
    spread = _relative_spread(target, rows[inside], modes[inside])
    distinct = len(np.unique(rows, axis=0)) / len(rows)
    kept = float(np.minimum(shares, target.weights).sum()) / expected_overlap(target.weights, good) if good else 0.0
    real = np.append(target.weights * REAL_SHARE, 1 - REAL_SHARE)
    observed = np.append(shares * good, len(rows) - good)
    return Oracle(
        n=len(rows),
        modes_found=int((counts > error).sum()),
        modes_total=target.modes,
        mode_kl=float(rel_entr(shares, target.weights).sum()) if good else None,
        mode_tv=float(np.abs(observed / len(rows) - real).sum() / 2),
        effective_modes=float(np.exp(entr(shares).sum())) if good else 0.0,
        high_quality=good / len(rows),
        spread=spread,
        distinct=distinct,
        copies=None if training is None else _copies(target, rows, training),
        p=float(scipy.stats.power_divergence(observed, real * len(rows), lambda_="log-likelihood").pvalue),
        severity=float(np.clip(1 - min(kept, 1.0) * min(1.0 if spread is None else spread, 1.0) * distinct, 0, 1)),
    )


def expected_overlap(weights: np.ndarray, n: int) -> float:
    """Expected sum_k min(share, weight) for `n` samples of the target, from the binomial's mean absolute deviation."""
    above = np.floor(n * weights) + 1
    deviation = 2 * above * (1 - weights) * scipy.stats.binom.pmf(above, n, weights)
    return float(1 - deviation.sum() / (2 * n))


def _corrected_counts(target: Target, modes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(samples of each mode corrected for misclassification, bound on the misclassified ones), `[K]` each."""
    counts = np.bincount(modes, minlength=target.modes).astype(np.float64)
    if target.confusion is None:
        return counts, np.zeros(target.modes)
    true = np.maximum(counts @ target.inverse_confusion, 0.0)
    stray = true @ target.confusion - true * np.diag(target.confusion)
    return true, np.maximum(NOISE * np.sqrt(stray) + MISJUDGED * stray, 0.5)


def _relative_spread(target: Target, rows: np.ndarray, modes: np.ndarray) -> float | None:
    """Pooled within-mode standard deviation over the true one; None with fewer than two samples in every mode."""
    counts = np.bincount(modes, minlength=target.modes)
    free = int(np.maximum(counts - 1, 0).sum())
    if free == 0:
        return None
    wide = rows.astype(np.float64)
    sums = np.zeros((target.modes, rows.shape[1]))
    np.add.at(sums, modes, wide)
    means = sums / np.maximum(counts, 1)[:, None]
    return float(np.sqrt((((wide - means[modes]) ** 2).sum(1) / target.within_variance[modes]).sum() / free))


def _copies(target: Target, rows: np.ndarray, training: np.ndarray) -> float:
    """Share of rows that are copies, in excess of the share among fresh real samples: (found - c) / (1 - c)."""
    real, _ = target.sample(min(len(rows), 2000), np.random.default_rng(2**31 + 4))
    found, by_chance = _copy_share(rows, training), _copy_share(real, training)
    return float(np.clip((found - by_chance) / max(1 - by_chance, 1e-9), 0, 1))


def _copy_share(rows: np.ndarray, training: np.ndarray) -> float:
    """Share of `rows` whose nearest training row is much nearer than the second nearest (`COPY_RATIO`)."""
    from sklearn.neighbors import NearestNeighbors

    distances, _ = NearestNeighbors(n_neighbors=2).fit(training).kneighbors(rows)
    return float((distances[:, 0] < COPY_RATIO * distances[:, 1]).mean())
