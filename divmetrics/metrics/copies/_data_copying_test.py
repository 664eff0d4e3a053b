"""Are fakes nearer to the training set than held-out reals are? Rank tests of those distances, cell by cell.

Meehan 2020, arXiv:2004.05675: the space is cut into the k-means cells of the training set, in each the distances to the
nearest training sample are compared by a Mann-Whitney test, and the z-scores are averaged by the cells' shares.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
import torch

from divmetrics.arrays.linalg import threads_for
from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import nearest_rows
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples, UsageError


@dataclass(frozen=True)
class Cell:
    """A cell of the training set, and the squared distances to the nearest training sample in it."""

    fake: np.ndarray  # [m]
    held_out: np.ndarray  # [n]

    def beaten(self) -> tuple[np.ndarray, np.ndarray]:
        """How many held-out reals each fake is farther than `[m]`, and how many fakes are farther than each `[n]`."""
        m = len(self.fake)
        ranks = scipy.stats.rankdata(self._together())  # equal ones share their mean rank: half a point
        farther = ranks[:m] - scipy.stats.rankdata(self.fake)
        return farther, m - (ranks[m:] - scipy.stats.rankdata(self.held_out))

    @property
    def tied(self) -> float:
        """What ties leave of the variance of the rank sum, in [0, 1]."""
        total = len(self.fake) + len(self.held_out)
        counts = np.unique(self._together(), return_counts=True)[1].astype(float)
        return float(1 - (counts**3 - counts).sum() / (total**3 - total))

    def _together(self) -> np.ndarray:
        return np.concatenate([self.fake, self.held_out])


def z_score(wins: np.ndarray, m: int, n: int, tied: float) -> np.ndarray:
    """Mann and Whitney 1947: (U - mn/2) / sd(U) of `wins` U among m times n pairs; 0 where all are tied."""
    deviation = float(np.sqrt(m * n * (m + n + 1) / 12 * tied))
    return np.asarray((wins - m * n / 2) / deviation) if deviation > 0 else np.zeros_like(wins)


@dataclass(frozen=True)
class Cells:
    """The cells in which enough fakes and held-out reals lie."""

    cells: Sequence[Cell]
    fakes: int
    """Fakes of all cells, those left out among them."""
    held_outs: int

    @property
    def shares(self) -> np.ndarray:
        """Weight of each cell `[c]`: its share of the held-out reals of these cells."""
        sizes = np.array([len(cell.held_out) for cell in self.cells], float)
        return np.asarray(sizes / sizes.sum())

    @property
    def scores(self) -> np.ndarray:
        """z of each cell `[c]`."""
        found = [z_score(cell.beaten()[0].sum(), len(cell.fake), len(cell.held_out), cell.tied) for cell in self.cells]
        return np.array(found, float)

    @property
    def null_sd(self) -> float:
        """Standard deviation of the mean score where fakes and held-out reals are alike.

        Given how many of each lie in each cell, all orders of the distances in a cell are equally likely and cells are
        independent: each z has variance 1, and the mean the sum of the squared shares.
        """
        return float(np.sqrt(np.square(self.shares).sum()))

    def variance(self) -> float:
        """Delete-one jackknife over fakes and held-out reals, each deletion in closed form.

        The training set and its cells stay as they are: it is the one that this generator was trained on.
        """
        shares, scores = self.shares, self.scores
        inside = sum(len(cell.held_out) for cell in self.cells)
        value = float(shares @ scores)
        without_fake, without_held_out = [], []
        for cell, share, score in zip(self.cells, shares, scores, strict=True):
            m, n, tied = len(cell.fake), len(cell.held_out), cell.tied
            of_fakes, of_held_outs = cell.beaten()
            wins = of_fakes.sum()
            without_fake.append(share * (z_score(wins - of_fakes, m - 1, n, tied) - score))
            fewer = (n - 1) * z_score(wins - of_held_outs, m, n - 1, tied)
            without_held_out.append((inside * value - n * score + fewer) / (inside - 1) - value)
        return _jackknife(without_fake, self.fakes) + _jackknife(without_held_out, self.held_outs)


def _jackknife(changes: Sequence[np.ndarray], n: int) -> float:
    """Variance from the change of the value by each deletion; samples outside all cells change nothing."""
    found = np.concatenate(changes)
    return float((n - 1) / n * (np.square(found).sum() - found.sum() ** 2 / n))


def cells_of(train: Rows, fake: Rows, held_out: Rows, *, cells: int, pca: int, smallest: int, seed: int) -> Cells:
    """The cells of more than `smallest` fakes and held-out reals; remembered beside the three sets.

    Raises UsageError on options out of range, TooFewSamples where no cell is left, FeatureError on unequal widths.
    """
    if cells < 1 or pca < 0 or smallest < 1:
        raise UsageError(f"cells={cells}, pca={pca}, smallest={smallest}: wanted at least 1, 0 and 1.")
    for side in (fake, held_out):
        same_width(train.d, side.d)
    return once(
        (train, fake, held_out),
        ("data-copying test", cells, pca, smallest, seed),
        lambda: _cells(train, fake, held_out, cells, pca, smallest, seed),
    )


def _cells(train: Rows, fake: Rows, held_out: Rows, cells: int, pca: int, smallest: int, seed: int) -> Cells:
    if train.n < cells:
        raise TooFewSamples(f"{cells} cells need as many training samples, real has {train.n}; lower cells.")
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    base, fakes, held_outs = _reduced([side.features.cpu() for side in (train, fake, held_out)], pca)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than cells: some stay empty
        model = KMeans(cells, n_init=4, random_state=seed).fit(base.numpy())
    of_fake, of_held_out = (model.predict(side.numpy()) for side in (fakes, held_outs))
    far_fake, far_held_out = (nearest_rows(side, base)[0].numpy() for side in (fakes, held_outs))
    every = [Cell(far_fake[of_fake == c], far_held_out[of_held_out == c]) for c in range(cells)]
    kept = [cell for cell in every if min(len(cell.fake), len(cell.held_out)) > smallest]
    if not kept:
        sizes = ", ".join(f"{len(cell.fake)} and {len(cell.held_out)}" for cell in every)
        raise TooFewSamples(
            f"no cell has more than {smallest} fakes and {smallest} held-out reals (they have {sizes}); lower cells or "
            "add samples."
        )
    return Cells(kept, fake.n, held_out.n)


def _reduced(sides: list[torch.Tensor], width: int) -> list[torch.Tensor]:
    """`sides` on the `width` principal axes of the first, float64; as they are where they have no more columns."""
    exact = [side.double() for side in sides]
    if not 0 < width < exact[0].shape[1]:
        return exact
    mean = exact[0].mean(0)
    centred = (exact[0] - mean).numpy()
    n, d = centred.shape
    small = centred.T @ centred if d <= n else centred @ centred.T
    with threads_for(len(small)):
        axes = scipy.linalg.eigh(small, subset_by_index=(max(0, len(small) - width), len(small) - 1))[1]
    if d > n:
        axes = scipy.linalg.qr(centred.T @ axes, mode="economic")[0]  # what spans the samples spans their axes
    basis = torch.from_numpy(np.ascontiguousarray(axes))
    return [(side - mean) @ basis for side in exact]
