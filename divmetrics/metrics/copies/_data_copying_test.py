"""Data-copying test: Mann-Whitney tests of distances to the training set, cell by cell. Meehan 2020, arXiv:2004.05675.

The space is divided into k-means cells of the training set. In each cell the distances of fake samples and of held-out
real samples to their nearest training sample are compared by a Mann-Whitney test; z-scores are averaged by cell shares.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
import torch

from divmetrics.arrays.distributions import NORMAL
from divmetrics.arrays.draws import ranked
from divmetrics.arrays.linalg import threads_for
from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import nearest_rows
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples, UsageError


@dataclass(frozen=True)
class Cell:
    """Squared distances to the nearest training sample, of the fake and held-out samples in one cell."""

    fake: np.ndarray  # [m]
    held_out: np.ndarray  # [n]

    def wins(self) -> tuple[np.ndarray, np.ndarray]:
        """Number of held-out samples nearer than each fake one `[m]`, and of fakes farther than each held-out `[n]`.

        A tie counts 1/2.
        """
        m = len(self.fake)
        ranks = scipy.stats.rankdata(self._together())  # equal values share their mean rank, so a tie counts 1/2
        farther = ranks[:m] - scipy.stats.rankdata(self.fake)
        return farther, m - (ranks[m:] - scipy.stats.rankdata(self.held_out))

    @property
    def tie_correction(self) -> float:
        """Factor in [0, 1] by which ties reduce the variance of the rank sum."""
        total = len(self.fake) + len(self.held_out)
        counts = np.unique(self._together(), return_counts=True)[1].astype(float)
        return float(1 - (counts**3 - counts).sum() / (total**3 - total))

    @property
    def score(self) -> float:
        """Mann-Whitney z-score of the fake samples."""
        return float(z_score(self.wins()[0].sum(), len(self.fake), len(self.held_out), self.tie_correction))

    def counts_with(self, smallest: int, m: int, n: int) -> float:
        """Probability that the cell counts among fresh samples, `m` fake and `n` held-out ones."""
        likely = 1.0
        for size, total in ((len(self.fake), m), (len(self.held_out), n)):
            spread = np.sqrt(max(size * (1 - size / total), 1e-12))
            likely *= float(NORMAL.sf((smallest + 0.5 - size) / spread))
        return likely

    def _together(self) -> np.ndarray:
        return np.concatenate([self.fake, self.held_out])


def z_score(wins: np.ndarray, m: int, n: int, tie_correction: float) -> np.ndarray:
    """Mann-Whitney z-score (U - mn/2) / sd(U) of U = `wins` among m n pairs; 0 where all are tied."""
    deviation = float(np.sqrt(m * n * (m + n + 1) / 12 * tie_correction))
    return np.asarray((wins - m * n / 2) / deviation) if deviation > 0 else np.zeros_like(wins)


@dataclass(frozen=True)
class DataCopyingTest:
    """The cells that hold enough fake and held-out samples, and the test statistic made from them."""

    every: Sequence[Cell]
    """All cells; those with more than `smallest` samples of both kinds count."""
    smallest: int
    m: int
    """Number of fake samples, including those in cells that were left out."""
    n: int
    """Number of held-out real samples, likewise."""

    @cached_property
    def cells(self) -> Sequence[Cell]:
        """The cells that count."""
        return [cell for cell in self.every if min(len(cell.fake), len(cell.held_out)) > self.smallest]

    @property
    def shares(self) -> np.ndarray:
        """Weight of each cell `[c]`: its share of the held-out samples in these cells."""
        return _shares(self.cells)

    @property
    def scores(self) -> np.ndarray:
        """Mann-Whitney z-score of each cell `[c]`."""
        return np.array([cell.score for cell in self.cells], float)

    @property
    def null_sd(self) -> float:
        """Standard deviation of the mean score under the null hypothesis.

        Given the counts in each cell, all orders of the distances in a cell are equally likely and cells are
        independent: each z-score has variance 1, and their weighted mean the sum of squared shares.
        """
        return float(np.sqrt(np.square(self.shares).sum()))

    def variance(self) -> float:
        """Delete-one jackknife variance over fake and held-out samples, each deletion in closed form.

        The training set and its cells are fixed, because the generator was trained on this very set. That a cell has
        enough samples to count may be chance: without one sample it counts still, so its variance is added.
        """
        shares, scores = self.shares, self.scores
        inside = sum(len(cell.held_out) for cell in self.cells)
        value = float(shares @ scores)
        without_fake, without_held_out = [], []
        for cell, share, score in zip(self.cells, shares, scores, strict=True):
            m, n, ties = len(cell.fake), len(cell.held_out), cell.tie_correction
            fake_wins, held_out_wins = cell.wins()
            wins = fake_wins.sum()
            without_fake.append(share * (z_score(wins - fake_wins, m - 1, n, ties) - score))
            remaining = (n - 1) * z_score(wins - held_out_wins, m, n - 1, ties)
            without_held_out.append((inside * value - n * score + remaining) / (inside - 1) - value)
        return _jackknife(without_fake, self.m) + _jackknife(without_held_out, self.n) + self._variance_of_choice()

    def _variance_of_choice(self) -> float:
        """Variance of the mean score due to which cells count."""
        total = 0.0
        for cell in self.every:
            others = [other for other in self.cells if other is not cell]
            likely = cell.counts_with(self.smallest, self.m, self.n)
            if others and min(len(cell.fake), len(cell.held_out)) > 1:
                change = _mean_score([*others, cell]) - _mean_score(others)
                total += likely * (1 - likely) * change**2
        return total


def _shares(cells: Sequence[Cell]) -> np.ndarray:
    """Share of each of `cells` in the held-out samples of all of them, `[c]`."""
    sizes = np.array([len(cell.held_out) for cell in cells], float)
    return np.asarray(sizes / sizes.sum())


def _mean_score(cells: Sequence[Cell]) -> float:
    """z-scores of `cells`, weighted by their shares."""
    return float(_shares(cells) @ [cell.score for cell in cells])


def _jackknife(changes: Sequence[np.ndarray], n: int) -> float:
    """Jackknife variance from the change of the value by each of n deletions; those not listed change nothing."""
    change = np.concatenate(changes)
    return float((n - 1) / n * (np.square(change).sum() - change.sum() ** 2 / n))


def data_copying_test(
    train: Rows, fake: Rows, held_out: Rows, *, cells: int, pca: int, smallest: int, seed: int
) -> DataCopyingTest:
    """The test on `cells` k-means cells, those with more than `smallest` fake and held-out samples each; memoised.

    Raises UsageError for options out of range, TooFewSamples where no cell is left, FeatureError for unequal widths.
    """
    if cells < 1 or pca < 0 or smallest < 1:
        raise UsageError(f"cells={cells}, pca={pca}, smallest={smallest} is not possible; give at least 1, 0 and 1.")
    for side in (fake, held_out):
        same_width(train.d, side.d)
    return once(
        (train, fake, held_out),
        ("data-copying test", cells, pca, smallest, seed),
        lambda: _fit(train, fake, held_out, cells, pca, smallest, seed),
    )


def _fit(train: Rows, fake: Rows, held_out: Rows, cells: int, pca: int, smallest: int, seed: int) -> DataCopyingTest:
    """Fit the cells to the training set and sort the other samples into them."""
    if train.n < cells:
        raise TooFewSamples(f"{cells} cells need as many training samples, real has {train.n}; lower cells.")
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    base, fakes, held_outs = _principal_axes([side.features.cpu() for side in (train, fake, held_out)], pca)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than cells: some stay empty
        model = KMeans(cells, n_init=4, random_state=seed % 2**32).fit(base[ranked(base, train.content)].numpy())
    fake_cell, held_out_cell = (model.predict(side.numpy()) for side in (fakes, held_outs))
    fake_distance, held_out_distance = (nearest_rows(side, base)[0].numpy() for side in (fakes, held_outs))
    every = [Cell(fake_distance[fake_cell == c], held_out_distance[held_out_cell == c]) for c in range(cells)]
    found = DataCopyingTest(every, smallest, fake.n, held_out.n)
    if not found.cells:
        sizes = ", ".join(f"{len(cell.fake)} and {len(cell.held_out)}" for cell in every)
        raise TooFewSamples(
            f"no cell has more than {smallest} fake and {smallest} held-out samples (they have {sizes}); lower cells "
            "or add samples."
        )
    return found


def _principal_axes(sides: list[torch.Tensor], width: int) -> list[torch.Tensor]:
    """`sides` on the first `width` principal axes of the first side, float64; unchanged for 0 or for all columns."""
    exact = [side.double() for side in sides]
    if not 0 < width < exact[0].shape[1]:
        return exact
    mean = exact[0].mean(0)
    centred = (exact[0] - mean).numpy()
    n, d = centred.shape
    gram = centred.T @ centred if d <= n else centred @ centred.T
    with threads_for(len(gram)):
        axes = scipy.linalg.eigh(gram, subset_by_index=(max(0, len(gram) - width), len(gram) - 1))[1]
    if d > n:
        axes = scipy.linalg.qr(centred.T @ axes, mode="economic")[
            0
        ]  # the principal axes lie in the span of the samples
    basis = torch.from_numpy(np.ascontiguousarray(axes))
    return [(side - mean) @ basis for side in exact]
