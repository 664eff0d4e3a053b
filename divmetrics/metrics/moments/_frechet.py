"""Squared Frechet distance of Gaussian fits: its two terms, influence function, spread, and values on splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

import numpy as np
import scipy
import torch
from torch import Tensor

from divmetrics.arrays.linalg import ACCURACY, bures, bures_of_factors, each, eigenvalues, float64, gram, threads_for
from divmetrics.arrays.memo import growing, once
from divmetrics.arrays.skewness import MOST_CURVED, curvature_of_square, spread_of
from divmetrics.arrays.splits import ABSENT, Pool, Splits
from divmetrics.arrays.summaries import Moments, Rows, same_width
from divmetrics.errors import TooFewSamples
from divmetrics.records.metric import Spread

InfluenceFunction = tuple[np.ndarray, np.ndarray]
"""Its values at the real samples `[n]` and at the fake samples `[m]`, each with mean 0."""
METHOD = "influence function with skewness"
"""Name of the method of intervals in reports."""
LEAST_SAMPLES = 1.5
"""Samples per side, in units of d, from which the influence function holds: below, covariances are nearly singular."""
ROWS = 8192
"""Rows that are converted to float64 at a time."""
ROUND_OFF = 1e-12
"""Second term, in units of both traces, that is round-off of their difference: 0 in truth, and of either sign."""
DRAW_ACCURACY = 1e-3
"""Bound on the relative error of one draw among many, whose spread is 10 %; the error itself is below 1e-5."""


def fit(rows: Rows) -> Moments:
    """Gaussian fit (mean and covariance) of a sample set; computed once."""
    return once((rows,), ("gaussian fit",), lambda: fit_of(rows.features))


def fit_of(features: Tensor) -> Moments:
    """Gaussian fit (mean and covariance) of features `[n, d]`."""
    return Moments.of(features, torch.arange(len(features)))


def distance(real: Moments, fake: Moments, *, accuracy: float = ACCURACY) -> float:
    """Squared Frechet distance of two Gaussian fits: the sum of `terms`."""
    return sum(terms(real, fake, accuracy=accuracy))


def terms(real: Moments, fake: Moments, *, accuracy: float = ACCURACY) -> tuple[float, float]:
    """|m_r - m_f|² and tr(S_r + S_f - 2 (S_r S_f)^1/2), covariances with ddof 1. Heusel 2017, eq. 6.

    Args:
        real: Gaussian fit of the real samples.
        fake: Gaussian fit of the fake samples.
        accuracy: Bound on the relative error of the second term.

    Raises:
        TooFewSamples: A side has fewer than two samples.
        FeatureError: The sides have different numbers of columns.
    """
    for side, moments in (("real", real), ("fake", fake)):
        if moments.n < 2:
            raise TooFewSamples(f"a covariance needs at least 2 rows per side, {side} has {moments.n}; add samples.")
    same_width(len(real.mean), len(fake.mean))
    mean_term = float((real.mean - fake.mean.to(real.mean.device)).square().sum())
    left, right = real.factor, fake.factor
    if left is not None and right is not None:
        second = bures_of_factors(left, right, accuracy)
        traces = real.total_variance + fake.total_variance
    else:
        second = bures(real.covariance, fake.covariance, accuracy)
        traces = float(real.covariance.trace() + fake.covariance.trace().to(real.covariance.device))
    return mean_term, 0.0 if abs(second) <= ROUND_OFF * traces else second


def influence(real: Rows, fake: Rows) -> InfluenceFunction | None:
    """Influence function of the squared distance at each real and each fake sample; computed once.

    With D = m_r - m_f and T the optimal transport map from the real Gaussian fit to the fake one, it is
    2 D'(x - m_r) + (x - m_r)'(I - T)(x - m_r) less its mean at a real sample x, and
    -2 D'(y - m_f) + (y - m_f)'(I - 1/T)(y - m_f) less its mean at a fake sample y.
    None below 1.5 d + 2 samples per side or where a covariance is singular.
    """
    return once((real, fake), ("frechet influence",), lambda: _influence(real, fake))


def _influence(real: Rows, fake: Rows) -> InfluenceFunction | None:
    if min(real.n, fake.n) < LEAST_SAMPLES * real.d + 2:
        return None
    fits = fit(real), fit(fake)
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
        basis = scipy.linalg.solve_triangular(lower, axes, trans="T", lower=True, check_finite=False), lower @ axes
        at_real, at_fake = (
            np.concatenate(
                [
                    sign * 2 * x @ gap + np.square(x).sum(1) - np.square(x @ axis) @ scale
                    for x in _centred(side, own.mean)
                ]
            )
            for side, own, sign, axis, scale in zip(
                (real, fake), fits, (1, -1), basis, (np.sqrt(squares), 1 / np.sqrt(squares)), strict=True
            )
        )
    return at_real - at_real.mean(), at_fake - at_fake.mean()


def _centred(side: Rows, mean: Tensor) -> Iterator[np.ndarray]:
    """The rows about `mean` in float64, some at a time: all at once would be the largest thing in memory."""
    for rows in torch.split(side.features, ROWS):
        yield (float64(rows) - mean).cpu().numpy()


def spread(real: Rows, fake: Rows) -> Spread | None:
    """Sampling variance of the squared distance, both sides random, with its shape; None where `influence` is None.

    For different distributions the first-order term, from the influence function, dominates. For equal ones it vanishes
    in truth, and its plug-in estimate measures twice the second-order term instead; that term, known from
    `null_moments`, is therefore subtracted once, and it is a lower bound.
    """
    values = influence(real, fake)
    if values is None:
        return None
    first = float(values[0].var(ddof=1) / real.n + values[1].var(ddof=1) / fake.n)
    bias, second = null_moments((fit(real).covariance + fit(fake).covariance) / 2, real.n, fake.n)
    variance = max(second, first - second)
    if variance <= 0:
        return Spread(0.0)
    linear = min(1.0, max(0.0, (first - 2 * second) / variance))
    curvature = curvature_of_square(distance(fit(real), fit(fake)) - bias, variance, linear)
    of_mean = min(MOST_CURVED, _mean_curvature(real, fake, values, first))
    return spread_of(variance, values, curvature=max(curvature, of_mean), linear=linear)


def variance(real: Rows, fake: Rows) -> float | None:
    """The variance of `spread`."""
    found = spread(real, fake)
    return None if found is None else found.variance


def _mean_curvature(real: Rows, fake: Rows, values: InfluenceFunction, first: float) -> float:
    """Curvature of |m_r - m_f|² in the direction in which the distance varies most, less what noise adds to it."""
    shift, noise = np.zeros(real.d), 0.0
    for side, own, sign in zip((real, fake), values, (1.0, -1.0), strict=True):
        start = 0
        for rows in _centred(side, fit(side).mean):
            weights = own[start : start + len(rows)] / side.n**2
            shift += sign * (weights @ rows)
            noise += float(np.square(weights) @ np.square(rows).sum(1))
            start += len(rows)
    return max(0.0, float(shift @ shift) - noise) / float(first**1.5)


def null_moments(covariance: Tensor, n: int, m: int) -> tuple[float, float]:
    """Mean and variance of the squared distance between n and m samples of one Gaussian, to lowest order in 1/n + 1/m.

    Both terms are weighted sums of chi-squares. With l the eigenvalues of the covariance and e its estimation error in
    the eigenbasis, the second term is the sum of e_ij² / (2 (l_i + l_j)).
    """
    spectrum = np.maximum(eigenvalues(covariance), 0)
    sums = spectrum[:, None] + spectrum
    mixed = np.divide(np.outer(spectrum, spectrum), sums, out=np.zeros_like(sums), where=sums > 0)
    mean = 1.25 * spectrum.sum() + mixed.sum() / 2
    total = 2 * np.square(spectrum).sum() + np.square(spectrum).sum() / 4 + np.square(mixed).sum()
    return float((1 / n + 1 / m) * mean), float((1 / n + 1 / m) ** 2 * total)


def on_splits(pool: Pool, splits: Splits) -> Tensor:
    """Squared Frechet distance on each split of the pool, `[B]` float64.

    Several cores share the splits, each with some rows in float64 at a time. Each split is computed once per pool,
    whichever metric asks for it and among whichever others.
    """
    digests = [sha256(side.numpy().tobytes()).digest() for side in splits.side]
    with growing((pool,), ("frechet on splits",), dict[bytes, float]) as computed:
        new = [b for b, digest in enumerate(digests) if digest not in computed]
        if new:
            rows = _CentredRows.of(pool)
            differences = min(pool.n, pool.m) >= pool.fake.d and bool((splits.side[new] != ABSENT).all(1).any())
            whole = rows.sums(torch.arange(pool.n + pool.m))[1] if differences else None
            values = each(
                lambda i: distance(*_split_fits(rows, whole, splits, new[i]), accuracy=DRAW_ACCURACY), len(new)
            )
            computed.update(zip((digests[b] for b in new), values.tolist(), strict=True))
        return torch.tensor([computed[digest] for digest in digests], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class _CentredRows:
    """The samples of a pool about their common mean, in float64 where they are asked for."""

    features: Tensor  # [N, d], on the CPU
    mean: Tensor  # [d] float64

    @classmethod
    def of(cls, pool: Pool) -> Self:
        features = pool.features().cpu()
        sums = torch.stack([part.double().sum(0) for part in torch.split(features, ROWS)])
        return cls(features, sums.sum(0) / len(features))

    def at(self, places: Tensor) -> Tensor:
        """The rows at `places` `[b]`, `[b, d]` float64."""
        return self.features[places].double().sub_(self.mean)

    def sums(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Sum `[d]` and Gram matrix `[d, d]` of the rows at `places`."""
        total, raw = torch.zeros_like(self.mean), self.mean.new_zeros((len(self.mean), len(self.mean)))
        for part in torch.split(places, ROWS):
            rows = self.at(part)
            total += rows.sum(0)
            raw += gram(rows)
        return total, raw

    def fit(self, places: Tensor) -> Moments:
        """The Gaussian fit of the rows at `places`."""
        if len(places) < len(self.mean):
            return fit_of(self.at(places))
        return _from_raw(len(places), *self.sums(places))


def _split_fits(rows: _CentredRows, whole: Tensor | None, splits: Splits, b: int) -> tuple[Moments, Moments]:
    """Gaussian fits of both sides of split `b`, given the Gram matrix of all rows where both sides have d of them.

    Where no sample is absent, the sums over the fake samples are the sums over all less those over the real ones.
    """
    if whole is None or bool((splits.side[b] == ABSENT).any()):
        return rows.fit(splits.real(b)), rows.fit(splits.fake(b))
    total, raw = rows.sums(splits.real(b))
    n = len(splits.real(b))
    return _from_raw(n, total, raw), _from_raw(len(rows.features) - n, -total, whole - raw)  # the rows have mean 0


def _from_raw(n: int, total: Tensor, raw: Tensor) -> Moments:
    """Moments from the sums of n rows and of their products; no digits are lost, for the rows are centred."""
    return Moments(n, total / n, None, raw - torch.outer(total, total) / n)
