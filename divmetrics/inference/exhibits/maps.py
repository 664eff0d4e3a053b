"""Samples in two dimensions: the first principal components, t-SNE, and features of two columns as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from divmetrics.arrays.clustering import reduced_dimension, thread_controller
from divmetrics.arrays.memo import once
from divmetrics.errors import FeatureError

PERPLEXITY = 30
"""Of t-SNE; a third of the samples where these are fewer than 90."""
STEPS = 500
"""Of the descent of t-SNE; the picture hardly changes beyond."""
ANGLE = 0.8
"""Accuracy of the Barnes-Hut approximation: 0.5, the usual one, takes five times as long for the same picture."""
FEWEST = 5
"""Samples below which there is nothing to see."""
DIGITS = 5
"""Significant digits kept of coordinates."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Samples in two dimensions."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    shares: tuple[float, float] | None = None
    """Shares of the variance along both axes; None where axes have none."""


def principal_plane(rows: torch.Tensor, seed: int) -> Plane:
    """The first two principal components of rows `[n, d]`, centred, with a sign that the rows decide.

    Raises FeatureError where all rows are equal.

    Example:
        >>> plane = principal_plane(torch.tensor([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [2.0, 1.0, 0.0]]), 0)
        >>> [round(share, 2) for share in plane.shares]
        [0.92, 0.08]
    """
    reduced, total = _reduced(rows, seed)
    points = reduced - reduced.mean(0)
    values, vectors = np.linalg.eigh(points.T @ points)
    flat = points @ vectors[:, ::-1][:, :2]
    if flat.shape[1] < 2:
        flat = np.concatenate([flat, np.zeros((len(flat), 1))], 1)
    heaviest = np.abs(flat).argmax(0)
    flat *= np.where(flat[heaviest, [0, 1]] < 0, -1.0, 1.0)
    first, second = ([*values[::-1].clip(0).tolist(), 0.0])[:2]
    return Plane(*_columns(flat), (first / total, second / total))


def tsne_plane(rows: torch.Tensor, seed: int) -> Plane:
    """t-SNE of rows `[n, d]` (van der Maaten 2014), begun at the principal components. The same for the same seed.

    Raises FeatureError where all rows are equal or fewer than `FEWEST`.
    """
    from sklearn.manifold import TSNE

    points = _reduced(rows, seed)[0].astype(np.float32)
    if len(points) < FEWEST:
        raise FeatureError(f"t-SNE needs {FEWEST} samples, there are {len(points)}.")
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    with thread_controller().limit(limits=1):  # sums over several threads vary in order, and the descent with them
        method = TSNE(
            init="pca", perplexity=perplexity, max_iter=STEPS, angle=ANGLE, random_state=seed % 2**32, n_jobs=1
        )
        return Plane(*_columns(method.fit_transform(points)))


def columns_plane(rows: torch.Tensor, seed: int) -> Plane:
    """Rows `[n, 2]` as they are; rows `[n, 1]` with a random height, drawn by the seed."""
    values = rows.detach().cpu().double().numpy()
    if values.shape[1] == 1:
        values = np.concatenate([values, np.random.default_rng(seed).uniform(0, 1, values.shape)], 1)
    return Plane(*_columns(values))


def _reduced(rows: torch.Tensor, seed: int) -> tuple[np.ndarray, float]:
    """Rows in few dimensions `[n, p]` float64, and the sum of squares about their mean; both maps read them."""

    def make() -> tuple[np.ndarray, float]:
        centred = _centred(rows)
        return reduced_dimension(centred, seed).numpy(), float(centred.square().sum())

    return once((rows,), ("reduced for maps", seed), make)


def _centred(rows: torch.Tensor) -> torch.Tensor:
    """Rows less their mean, in a unit that keeps squares finite, float64."""
    values = rows.detach().cpu().double()
    values = values - values.mean(0)
    largest = float(values.abs().max()) if values.numel() else 0.0
    if not largest > 0:
        raise FeatureError("all samples have the same features, so there is nothing to map.")
    return values / largest


def _columns(points: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The two columns of `points` `[n, 2]`, rounded."""
    x, y = ([float(f"{value:.{DIGITS}g}") for value in column] for column in points.T.astype(float))
    return tuple(x), tuple(y)
