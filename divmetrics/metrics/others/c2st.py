"""Classifier two-sample test."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import erfc, isqrt, sqrt
from typing import Literal

import numpy as np

from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples
from divmetrics.records.metric import About, Laws, Measured, Null, UncertaintySpec, Variance, metric

Classifier = Literal["logistic", "knn"]
STEPS = 200
"""Of the optimiser at most: on 1280 columns it stops at about 100."""

WIDE = 256
FITS, FITS_WIDE = 6, 3
"""Classifiers trained on halves of the training samples, for the variance that training adds; the second number where
there are more than `WIDE` columns and each takes seconds."""


@dataclass(frozen=True, eq=False)
class _Test:
    """What the classifier says of the samples it was not trained on."""

    places: tuple[np.ndarray, np.ndarray]  # which reals and which fakes those are
    fakeness: tuple[np.ndarray, np.ndarray]  # probability of being fake of each
    right: tuple[float, float]  # share of each side that is told right, half for a toss-up

    @property
    def null_sd(self) -> float:
        """Standard deviation of the accuracy of a coin: independent of the test samples, whatever was learned."""
        return float(np.sqrt(sum(1 / len(side) for side in self.places)) / 4)

    @property
    def auc(self) -> float:
        """Chance that a fake of the test half looks more like one than a real does, half of it where alike."""
        reals = np.sort(self.fakeness[0])
        below, up_to = (np.searchsorted(reals, self.fakeness[1], side) for side in ("left", "right"))
        return float((below + up_to).mean() / 2 / len(reals))

    @property
    def variance(self) -> float:
        """Of the accuracy, given the classifier."""
        pairs = zip(self.right, self.places, strict=True)
        return sum(share * (1 - share) / (len(side) - 1) for share, side in pairs) / 4


def _shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    """Places of `rows` `[n, d]` in an order that looks random and depends on their contents and `seed` alone.

    So the halves do not depend on the order of rows, and copies are not on both sides of the divide.
    """
    factors = np.random.default_rng(seed).integers(0, 2**64, rows.shape[1], dtype=np.uint64) | np.uint64(1)
    bits = np.ascontiguousarray(rows + 0.0).view(np.uint64)  # + 0.0 makes -0.0 of one kind with 0.0
    mixed = (bits ^ (bits >> np.uint64(29))) * factors
    mixed = (mixed ^ (mixed >> np.uint64(32))).sum(1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return np.argsort(mixed ^ (mixed >> np.uint64(31)), kind="stable")


@dataclass(frozen=True, eq=False)
class _Halves:
    """Both sides, standardised by the pool, one half to train on and one to test."""

    orders: list[np.ndarray]  # places of each side, training samples first
    trained: list[int]  # how many of each side train
    rows: np.ndarray  # [n + m, d], the reals in their order, then the fakes
    fake: np.ndarray  # [n + m]
    trains: np.ndarray  # [n + m]

    @classmethod
    def of(cls, real: Rows, fake: Rows, seed: int) -> _Halves:
        """Raises TooFewSamples below 4 rows a side."""
        same_width(real.d, fake.d)
        if min(real.n, fake.n) < 4:
            raise TooFewSamples(f"at least 4 rows per side are needed, got {real.n} and {fake.n}; add samples.")
        sides = [side.features.double().cpu().numpy() for side in (real, fake)]
        orders = [_shuffled(rows, seed) for rows in sides]
        rows = np.concatenate([side[order] for side, order in zip(sides, orders, strict=True)])
        spread = rows.std(0)
        rows = (rows - rows.mean(0)) / np.where(spread > 0, spread, 1)  # by the pool, so that no label leaks
        place = np.concatenate([np.arange(real.n), np.arange(fake.n)])
        label = np.arange(len(rows)) >= real.n
        return cls(orders, [real.n // 2, fake.n // 2], rows, label, place < np.where(label, fake.n // 2, real.n // 2))

    def fakeness(self, classifier: Classifier, trains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probability of being fake of each real and of each fake of the test half, learned from `trains` `[t]`."""
        found = _probabilities(classifier, self.rows[trains], self.fake[trains], self.rows[~self.trains])
        label = self.fake[~self.trains]
        return found[~label], found[label]

    def learned(self, classifier: Classifier, seed: int) -> float:
        """Variance of the accuracy on ever new test samples, from the choice of the training samples.

        It is that over classifiers trained on halves of them, less what comes of disagreeing on single test samples:
        that part is in the binomial variance already.
        """
        rng, fits = np.random.default_rng(seed), FITS_WIDE if self.rows.shape[1] > WIDE else FITS
        sides = [np.flatnonzero(self.trains & (self.fake == which)) for which in (False, True)]
        halves = [
            np.concatenate([rng.permutation(side)[: max(1, len(side) // 2)] for side in sides]) for _ in range(fits)
        ]
        found = [self.fakeness(classifier, half) for half in halves]
        over_all = np.var([sum(_right(fakeness)) / 2 for fakeness in found], ddof=1)
        signs = [np.sign(np.stack(side) - 0.5) / 2 for side in zip(*found, strict=True)]  # [fits, t] each
        on_single = sum(sign.var(0, ddof=1).mean() / sign.shape[1] for sign in signs) / 4
        return max(0.0, float(over_all - on_single))


def _right(fakeness: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Share of each side that is told right, half for a toss-up."""
    sure = [np.sign(side - 0.5).mean() for side in fakeness]
    return float(1 - sure[0]) / 2, float(1 + sure[1]) / 2


def _test(real: Rows, fake: Rows, classifier: Classifier, seed: int) -> _Test:
    """Train on a half of each side, test on the other. Raises TooFewSamples below 4 rows a side."""
    halves = _Halves.of(real, fake, seed)
    fakeness = halves.fakeness(classifier, halves.trains)
    places = [order[trained:] for order, trained in zip(halves.orders, halves.trained, strict=True)]
    return _Test((places[0], places[1]), fakeness, _right(fakeness))


def _probabilities(classifier: Classifier, rows: np.ndarray, label: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Probability of each of `others` `[t, d]` to be fake, learned from `rows` and whether they are."""
    from sklearn.exceptions import ConvergenceWarning  # sklearn takes a second to import
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    if classifier == "knn":
        model = KNeighborsClassifier(isqrt(len(rows)), algorithm="brute")
    else:
        model = LogisticRegression(C=1.0, max_iter=STEPS, class_weight="balanced")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, label)
    return np.asarray(model.predict_proba(others))[:, 1]


def _test_once(real: Rows, fake: Rows, classifier: Classifier, seed: int) -> _Test:
    return once((real, fake), ("c2st", classifier, seed), lambda: _test(real, fake, classifier, seed))


def _variance(pool: TwoSamplePool, *, classifier: Classifier, seed: int) -> float | None:
    """Binomial, given the classifier, and what another training half would have learned."""
    given = _test_once(pool.real, pool.fake, classifier, seed).variance
    return given + _Halves.of(pool.real, pool.fake, seed).learned(classifier, seed)


def _null(pool: TwoSamplePool, *, classifier: Classifier, seed: int) -> Null | None:
    return Null(0.5, _test_once(pool.real, pool.fake, classifier, seed).null_sd)


def _column(test: _Test, side: int, n: int) -> list[float | None]:
    column: list[float | None] = [None] * n
    for place, probability in zip(test.places[side], test.fakeness[side], strict=True):
        column[place] = float(probability)
    return column


@metric(
    "c2st",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, 1), on_copies=0.5, on_collapse="worse"),
    role="distance",
    cite="Lopez-Paz and Oquab 2017, arXiv:1610.06545",
    minimum=lambda _: 4,
    equal_n=True,
    uncertainty=UncertaintySpec(Variance("binomial and retrained", _variance), null=_null),
    about=About(
        formula=r"\frac12\Bigl(\frac1{n'}\sum_{i\in\text{test}}1[\hat p(x_i)<\tfrac12]+"
        r"\frac1{m'}\sum_{j\in\text{test}}1[\hat p(y_j)>\tfrac12]\Bigr)",
        sees="Any difference the classifier can learn: with `logistic` a shift of means along some direction, dropped "
        "modes among them; with `knn` local differences of density too.",
        blind="`logistic`: shrunken modes about the same means. One half is evidence of health only where the "
        "same classifier finds the smallest difference that matters at the same size.",
        bias="None at one half; any real difference is found better with more samples, and the value rises.",
        cost="`logistic` O((n + m) d) a step, at most 200, thrice that for the interval; `knn` O((n + m)^2 d).",
    ),
)
def c2st(real: Rows, fake: Rows, *, classifier: Classifier = "logistic", seed: int = 0) -> Measured:
    """Accuracy of a classifier of fakes against reals on held-out samples; in [0, 1], lower is better, 0.5 at best.

    Lopez-Paz and Oquab 2017, section 3. Half of each side trains, chosen by `seed` and the contents of rows; the value
    is the mean of both sides' accuracies on the rest. `logistic` is a logistic regression (L2, C=1), `knn` the share of
    fakes among the floor(root of the training rows) nearest; features are standardised by the pool. Per sample:
    `fake_probability`, None where it trained. Extras: `auc`, and `p`, the chance of so good an accuracy where reals and
    fakes are alike. Raises TooFewSamples below 4 rows.
    """
    test = _test_once(real, fake, classifier, seed)
    value = sum(test.right) / 2
    return Measured(
        value,
        real={"fake_probability": _column(test, 0, real.n)},
        fake={"fake_probability": _column(test, 1, fake.n)},
        extras={"auc": test.auc, "p": erfc((value - 0.5) / test.null_sd / sqrt(2)) / 2},
    )
