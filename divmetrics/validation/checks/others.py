"""Checks with out-of-distribution samples (Salvy 2026), and with clusters of digits that are replaced (Xu 2018)."""

from __future__ import annotations

from functools import cache

import numpy as np

from divmetrics.validation.checks._check import FALLS, ROLES, Check, Criterion, Curve, Rng, SamplePair, check, flat
from divmetrics.validation.checks.mixtures import linear

OUTLIER_COLUMNS = 32
CLUSTERS = 20


def _strange(rows: np.ndarray, share: float, rng: Rng) -> np.ndarray:
    """`rows`, the share `share` of them pushed out tenfold."""
    out = rng.random(len(rows)) < share
    factors = np.maximum(2, 10 + rng.normal(size=(len(rows), 1)))
    return np.where(out[:, None], rows * factors, rows)


def _strange_fakes(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    real, fake = rng.normal(size=(2, n, OUTLIER_COLUMNS))
    return SamplePair(real, _strange(fake, x, rng))


def _strange_both(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    real, fake = rng.normal(size=(2, n, OUTLIER_COLUMNS))
    return SamplePair(_strange(real, x, rng), _strange(fake, x, rng))


def _share_left(curve: Curve) -> bool:
    return bool((np.abs(curve.values - (1 - curve.xs)) <= 0.1).all())


@cache
def _clustered() -> tuple[np.ndarray, np.ndarray]:
    """The digits of scikit-learn `[n, 64]`, and which of 20 clusters each is in."""
    from sklearn.cluster import KMeans
    from sklearn.datasets import load_digits

    rows = load_digits().data / 16
    return rows, KMeans(CLUSTERS, n_init=1, random_state=0).fit_predict(rows)


def _halves(rng: Rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(real, fake, cluster of each fake): disjoint halves of the digits."""
    rows, clusters = _clustered()
    order = rng.permutation(len(rows))
    half = len(rows) // 2
    return rows[order[:half]], rows[order[half : 2 * half]].copy(), clusters[order[half : 2 * half]]


def _centred(_: str, x: float, __: int, rng: Rng) -> SamplePair:
    real, fake, clusters = _halves(rng)
    for cluster in rng.permutation(CLUSTERS)[: round(x * CLUSTERS)]:
        members = clusters == cluster
        if members.any():
            fake[members] = fake[members].mean(0)
    return SamplePair(real, fake)


def _replaced(_: str, x: float, __: int, rng: Rng) -> SamplePair:
    real, fake, clusters = _halves(rng)
    lost = np.isin(clusters, rng.permutation(CLUSTERS)[: round(x * CLUSTERS)])
    fake[lost] = fake[~lost][rng.integers((~lost).sum(), size=int(lost.sum()))]
    return SamplePair(real, fake)


LINEAR = Criterion(linear, _share_left)
check(
    Check(
        "strange_fakes",
        "the share x of the fakes is pushed out tenfold: all should fall with the share that is left",
        "Salvy 2026, check i",
        ("d=32",),
        lambda _: np.linspace(0, 1, 11),
        _strange_fakes,
        dict.fromkeys(ROLES, LINEAR),
        scaled=False,
    )
)
check(
    Check(
        "strange_both",
        "the same on both sides, up to 3 %: nothing should move",
        "Salvy 2026, check ii",
        ("d=32",),
        lambda _: (0, 0.01, 0.02, 0.03),
        _strange_both,
        dict.fromkeys(ROLES, Criterion(flat, needs_bounds=True)),
        scaled=False,
    )
)
check(
    Check(
        "clusters_to_centres",
        "digits of scikit-learn in 20 clusters, the share x of which is replaced by its centre",
        "Xu 2018",
        ("digits",),
        lambda _: np.linspace(0, 1, 5),
        _centred,
        {"diversity": FALLS},
        scaled=False,
    )
)
check(
    Check(
        "clusters_replaced",
        "the same, the share x replaced by samples of the other clusters",
        "Xu 2018",
        ("digits",),
        lambda _: (0, 0.2, 0.4, 0.6, 0.8),
        _replaced,
        {"diversity": FALLS},
        scaled=False,
    )
)
