"""The Frechet distance of Gaussian fits: its terms, how sure they are, and what any split of a pool gives."""

from __future__ import annotations

from hashlib import sha256
from weakref import WeakKeyDictionary

import numpy as np
import scipy
import torch
from torch import Tensor

from divmetrics.arrays.linalg import ACCURACY, bures, bures_of_factors, each, eigenvalues, float64, gram, threads_for
from divmetrics.arrays.splits import ABSENT, Pool, Splits
from divmetrics.arrays.summaries import Moments, Rows, same_width
from divmetrics.errors import TooFewSamples

Pulls = tuple[np.ndarray, np.ndarray]
FULL = 1.5
"""Samples a side, in units of d, from which the influence functions hold: below, covariances are nearly singular."""
DRAWN = 1e-3
"""Bound on the relative error of one draw among many, whose spread is 10 %; the error itself is below 1e-5."""


# Forgotten with the last user of a set or pool: the keys are weak, the values hold neither.
_fits: WeakKeyDictionary[Rows, Moments] = WeakKeyDictionary()
_pulls: WeakKeyDictionary[Rows, WeakKeyDictionary[Rows, Pulls | None]] = WeakKeyDictionary()
_dealt: WeakKeyDictionary[Pool, dict[bytes, float]] = WeakKeyDictionary()


def fit(rows: Rows) -> Moments:
    """The Gaussian fit of a set, remembered beside it."""
    if rows not in _fits:
        _fits[rows] = fit_of(rows.features)
    return _fits[rows]


def fit_of(features: Tensor) -> Moments:
    """The Gaussian fit of `[n, d]`."""
    return Moments.of(features, torch.arange(len(features)))


def frechet(real: Moments, fake: Moments, *, accuracy: float = ACCURACY) -> tuple[float, float]:
    """|m_r - m_f|² and tr(S_r + S_f - 2 (S_r S_f)^1/2), covariances with ddof 1. Heusel 2017, eq. 6.

    `accuracy` bounds the relative error of the second term.

    Raises TooFewSamples below two rows on a side, FeatureError on different widths.
    """
    for side, moments in (("real", real), ("fake", fake)):
        if moments.n < 2:
            raise TooFewSamples(f"a covariance needs at least 2 rows per side, {side} has {moments.n}; add samples.")
    same_width(len(real.mean), len(fake.mean))
    mean_term = float((real.mean - fake.mean.to(real.mean.device)).square().sum())
    if real.factor is not None and fake.factor is not None:
        return mean_term, bures_of_factors(real.factor, fake.factor, accuracy)
    return mean_term, bures(real.covariance, fake.covariance, accuracy)


def influence(real: Rows, fake: Rows) -> Pulls | None:
    """How far each sample pulls the distance: its influence function at the reals `[n]` and at the fakes `[m]`.

    With D = m_r - m_f and T the optimal transport map from the reals' Gaussian fit to the fakes', at a real x it is
    2 D'(x - m_r) + (x - m_r)'(I - T)(x - m_r) less its mean; at a fake -2 D'(y - m_f) + (y - m_f)'(I - 1/T)(y - m_f).
    None below 1.5 d samples a side or where a covariance is singular. Remembered beside the two sets.
    """
    known = _pulls.setdefault(real, WeakKeyDictionary())
    if fake not in known:
        known[fake] = _influence(real, fake)
    return known[fake]


def _influence(real: Rows, fake: Rows) -> Pulls | None:
    if min(real.n, fake.n) < FULL * real.d + 2:
        return None
    fits = fit(real), fit(fake)
    x, y = ((float64(side.features) - own.mean).cpu().numpy() for side, own in zip((real, fake), fits, strict=True))
    gap = (fits[0].mean - fits[1].mean.to(fits[0].mean.device)).cpu().numpy()
    with threads_for(real.d):
        try:
            lower = np.linalg.cholesky(fits[0].covariance.cpu().numpy())
        except np.linalg.LinAlgError:
            return None
        # T = L^-T M^1/2 L^-1 with L L' = S_r and M = L' S_f L: symmetric, positive, and T S_r T = S_f
        squares, axes = scipy.linalg.eigh(lower.T @ fits[1].covariance.cpu().numpy() @ lower, check_finite=False)
        if squares[0] <= 1e-14 * squares[-1]:
            return None
        of_real = scipy.linalg.solve_triangular(lower, x.T, lower=True, check_finite=False).T @ axes
        of_fake = y @ (lower @ axes)
    at_real = 2 * x @ gap + np.square(x).sum(1) - np.square(of_real) @ np.sqrt(squares)
    at_fake = -2 * y @ gap + np.square(y).sum(1) - np.square(of_fake) @ (1 / np.sqrt(squares))
    return at_real - at_real.mean(), at_fake - at_fake.mean()


def variance(real: Rows, fake: Rows) -> float | None:
    """Sampling variance of the distance, both sides random; None where `influence` is.

    Off the null the variances of the influence function rule. Where the distributions are equal they measure pairs of
    samples instead, and those twice, so that the known variance of that part is taken off once; it is a lower bound.
    """
    pulls = influence(real, fake)
    if pulls is None:
        return None
    singles = float(pulls[0].var(ddof=1) / real.n + pulls[1].var(ddof=1) / fake.n)
    pairs = null_variance((fit(real).covariance + fit(fake).covariance) / 2, real.n, fake.n)
    return max(pairs, singles - pairs)


def null_variance(covariance: Tensor, n: int, m: int) -> float:
    """Variance of the distance between n and m samples of one Gaussian, to second order in 1/n + 1/m.

    The mean term is a weighted sum of chi-squares; so is the other, with the error e_ij of the covariance in its own
    axes: sum of e_ij² / (2 (l_i + l_j)).
    """
    spectrum = np.maximum(eigenvalues(covariance), 0)
    sums = spectrum[:, None] + spectrum
    mixed = np.divide(np.outer(spectrum, spectrum), sums, out=np.zeros_like(sums), where=sums > 0)
    total = 2 * np.square(spectrum).sum() + np.square(spectrum).sum() / 4 + np.square(mixed).sum()
    return float((1 / n + 1 / m) ** 2 * total)


def on_splits(pool: Pool, splits: Splits) -> Tensor:
    """The distance on each split of the pool, `[B]`; the rows are centred and cast once, and cores share the splits.

    A split that was seen before, by another metric or among others, is remembered beside the pool.
    """
    known = _dealt.setdefault(pool, {})
    names = [sha256(side.numpy().tobytes()).digest() for side in splits.side]
    new = [b for b, name in enumerate(names) if name not in known]
    if new:
        rows = float64(pool.features()).cpu()
        rows = rows - rows.mean(0)
        whole = gram(rows) if min(pool.n, pool.m) >= pool.fake.d else None
        found = each(lambda i: sum(frechet(*_split_fits(rows, whole, splits, new[i]), accuracy=DRAWN)), len(new))
        known.update(zip((names[b] for b in new), found.tolist(), strict=True))
    return torch.tensor([known[name] for name in names], dtype=torch.float64)


def _split_fits(rows: Tensor, whole: Tensor | None, splits: Splits, b: int) -> tuple[Moments, Moments]:
    """Both sides of split `b`. Where nobody is absent the fakes are what the reals leave of the `whole`."""
    real = rows[splits.real(b)]
    if whole is None or bool((splits.side[b] == ABSENT).any()):
        return fit_of(real), fit_of(rows[splits.fake(b)])
    raw, total, m = gram(real), real.sum(0), len(rows) - len(real)
    return _from_raw(len(real), total, raw), _from_raw(m, -total, whole - raw)  # the rows have mean 0


def _from_raw(n: int, total: Tensor, raw: Tensor) -> Moments:
    """From sums of rows and of their products; the rows are centred on the pool, so nothing is lost."""
    return Moments(n, total / n, None, raw - torch.outer(total, total) / n)
