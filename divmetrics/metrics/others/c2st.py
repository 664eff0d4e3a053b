"""Classifier two-sample test (C2ST): held-out accuracy of a classifier of fake against real samples."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import erfc, isqrt, sqrt
from typing import Literal

import numpy as np

from divmetrics.arrays.draws import drawn_order
from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples
from divmetrics.records.metric import About, Laws, Measured, Null, UncertaintySpec, Variance, metric

Classifier = Literal["logistic", "knn"]
MAX_ITERATIONS = 200
"""Iteration limit of the logistic regression, which takes about 100 iterations on 1280 columns."""
WIDE = 256
FITS, FITS_WIDE = 6, 3
"""Classifiers trained on halves of the training samples to estimate the variance due to training; the second number
applies above `WIDE` columns, where each takes seconds."""


@dataclass(frozen=True, eq=False)
class _TestResult:
    """Predictions of the classifier for the test samples of the real and the fake side."""

    places: tuple[np.ndarray, np.ndarray]  # positions of the test samples in each side
    probabilities: tuple[np.ndarray, np.ndarray]  # predicted probability of being fake
    accuracies: tuple[float, float]  # of each side; a probability of exactly 1/2 counts as half correct

    @property
    def null_sd(self) -> float:
        """Standard deviation of the accuracy under the null hypothesis, where predictions are independent of labels."""
        return float(np.sqrt(sum(1 / len(side) for side in self.places)) / 4)

    @property
    def auc(self) -> float:
        """Area under the ROC curve: P(fake test sample scores higher than a real one), ties counting 1/2."""
        reals = np.sort(self.probabilities[0])
        below, up_to = (np.searchsorted(reals, self.probabilities[1], side) for side in ("left", "right"))
        return float((below + up_to).mean() / 2 / len(reals))

    @property
    def variance(self) -> float:
        """Binomial sampling variance of the accuracy, for a fixed classifier."""
        pairs = zip(self.accuracies, self.places, strict=True)
        return sum(share * (1 - share) / (len(side) - 1) for share, side in pairs) / 4


@dataclass(frozen=True, eq=False)
class _Halves:
    """Both sides, standardised by the pool, each divided into a training and a test half."""

    orders: list[np.ndarray]  # positions in each side, training samples first
    trained: list[int]  # number of training samples of each side
    rows: np.ndarray  # [n + m, d], the real samples in their order, then the fake ones
    fake: np.ndarray  # [n + m] bool
    trains: np.ndarray  # [n + m] bool

    @classmethod
    def of(cls, real: Rows, fake: Rows, seed: int) -> _Halves:
        """Divide both sides. Raises TooFewSamples below 4 rows a side."""
        same_width(real.d, fake.d)
        if min(real.n, fake.n) < 4:
            raise TooFewSamples(f"at least 4 rows per side are needed, got {real.n} and {fake.n}; add samples.")
        sides = [side.features.double().cpu().numpy() for side in (real, fake)]
        orders = [
            drawn_order(side.features, seed, copies_together=True, content=side.content).numpy()
            for side in (real, fake)
        ]
        rows = np.concatenate([side[order] for side, order in zip(sides, orders, strict=True)])
        spread = rows.std(0)
        rows = (rows - rows.mean(0)) / np.where(spread > 0, spread, 1)  # by the pool, which does not know the labels
        place = np.concatenate([np.arange(real.n), np.arange(fake.n)])
        label = np.arange(len(rows)) >= real.n
        return cls(orders, [real.n // 2, fake.n // 2], rows, label, place < np.where(label, fake.n // 2, real.n // 2))

    def predict(self, classifier: Classifier, trains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predicted probability of being fake of real and of fake test samples, after training on `trains` `[t]`."""
        probabilities = _probabilities(classifier, self.rows[trains], self.fake[trains], self.rows[~self.trains])
        label = self.fake[~self.trains]
        return probabilities[~label], probabilities[label]

    def training_variance(self, classifier: Classifier, seed: int) -> float:
        """Variance of the accuracy on unlimited test data due to the choice of the training samples.

        It is the variance over classifiers trained on halves of them, minus the part from disagreement on single test
        samples, which the binomial variance includes.
        """
        rng, fits = np.random.default_rng(seed), FITS_WIDE if self.rows.shape[1] > WIDE else FITS
        sides = [np.flatnonzero(self.trains & (self.fake == which)) for which in (False, True)]
        halves = [
            np.concatenate([rng.permutation(side)[: max(1, len(side) // 2)] for side in sides]) for _ in range(fits)
        ]
        predictions = [self.predict(classifier, half) for half in halves]
        total = np.var([sum(_accuracies(prediction)) / 2 for prediction in predictions], ddof=1)
        signs = [np.sign(np.stack(side) - 0.5) / 2 for side in zip(*predictions, strict=True)]  # [fits, t] each
        of_single_samples = sum(sign.var(0, ddof=1).mean() / sign.shape[1] for sign in signs) / 4
        return max(0.0, float(total - of_single_samples))


def _accuracies(probabilities: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Accuracy on each side; a probability of exactly 1/2 counts as half correct."""
    signs = [np.sign(side - 0.5).mean() for side in probabilities]
    return float(1 - signs[0]) / 2, float(1 + signs[1]) / 2


def _test(real: Rows, fake: Rows, classifier: Classifier, seed: int) -> _TestResult:
    """Train on one half of each side and test on the other. Raises TooFewSamples below 4 rows a side."""
    halves = _Halves.of(real, fake, seed)
    probabilities = halves.predict(classifier, halves.trains)
    places = [order[trained:] for order, trained in zip(halves.orders, halves.trained, strict=True)]
    return _TestResult((places[0], places[1]), probabilities, _accuracies(probabilities))


def _probabilities(classifier: Classifier, rows: np.ndarray, label: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Probability `[t]` that `others` `[t, d]` are fake, after training on `rows` `[s, d]` and `label` `[s]`."""
    from sklearn.exceptions import ConvergenceWarning  # scikit-learn takes a second to import
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    if classifier == "knn":
        model = KNeighborsClassifier(isqrt(len(rows)), algorithm="brute")
    else:
        model = LogisticRegression(C=1.0, max_iter=MAX_ITERATIONS, class_weight="balanced")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, label)
    return np.asarray(model.predict_proba(others))[:, 1]


def _test_once(real: Rows, fake: Rows, classifier: Classifier, seed: int) -> _TestResult:
    """`_test`, memoised beside the two sets."""
    return once((real, fake), ("c2st", classifier, seed), lambda: _test(real, fake, classifier, seed))


def _variance(pool: TwoSamplePool, *, classifier: Classifier, seed: int) -> float | None:
    """Sampling variance: binomial for the fixed classifier, plus that due to training."""
    binomial = _test_once(pool.real, pool.fake, classifier, seed).variance
    return binomial + _Halves.of(pool.real, pool.fake, seed).training_variance(classifier, seed)


def _null(pool: TwoSamplePool, *, classifier: Classifier, seed: int) -> Null | None:
    return Null(0.5, _test_once(pool.real, pool.fake, classifier, seed).null_sd)


def _column(test: _TestResult, side: int, n: int) -> list[float | None]:
    """Per-sample column `[n]` of a side (0 real, 1 fake): the probability of being fake, None for training samples."""
    column: list[float | None] = [None] * n
    for place, probability in zip(test.places[side], test.probabilities[side], strict=True):
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
        sees="Any difference the classifier can learn: with `logistic` a shift of the mean in any direction, including "
        "dropped modes; with `knn` also local differences of density.",
        blind="`logistic`: modes that shrink about the same means. A value of 0.5 is evidence of health only if the "
        "classifier detects the smallest relevant difference at the same sample size.",
        bias="None at 0.5; any true difference is detected better with more samples, so the value rises.",
        cost="`logistic` O((n + m) d) an iteration, at most 200, three times that for the interval; `knn` "
        "O((n + m)^2 d).",
    ),
)
def c2st(real: Rows, fake: Rows, *, classifier: Classifier = "logistic", seed: int = 0) -> Measured:
    """Test accuracy of a classifier of fake against real samples; in [0, 1], lower is better, 0.5 is ideal.

    Lopez-Paz and Oquab 2017, section 3. The classifier is trained on half of each side and tested on the other half;
    the value is the mean of the accuracies of both sides. Features are standardised by the pool.

    Args:
        real: Features of the real samples, `[n, d]`.
        fake: Features of the generated samples, `[m, d]`.
        classifier: `logistic` (the default), L2-regularised logistic regression with C = 1, or `knn`, the share of fake
            samples among the floor(sqrt(t)) nearest of t training samples.
        seed: Seed of the halves, which also depend on the contents of the rows, not on their order; 0 by default.
            Features that differ in the last bits move few samples: the value by up to 0.002 at 1,500 samples.

    Returns:
        The accuracy. Per sample: `fake_probability`, None for training samples. Extras: `auc`, the area under the ROC
        curve; `p`, the one-sided p-value of the accuracy.

    Raises:
        TooFewSamples: Fewer than 4 samples on a side.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [0.1], [0.2], [0.3]], [[9.0], [9.1], [9.2], [9.3]]
        >>> dm.metrics.c2st(real, fake), dm.metrics.c2st(real, real)
        (1.0, 0.5)
    """
    test = _test_once(real, fake, classifier, seed)
    value = sum(test.accuracies) / 2
    return Measured(
        value,
        real={"fake_probability": _column(test, 0, real.n)},
        fake={"fake_probability": _column(test, 1, fake.n)},
        extras={"auc": test.auc, "p": erfc((value - 0.5) / test.null_sd / sqrt(2)) / 2},
    )
