"""Nearest-neighbour metrics, number by number: intervals of clipped values, ties, sizes, and splits without a value."""

from math import inf
from typing import Any

import numpy as np
import pytest
import torch

from divmetrics.arrays.pairs import half_sample_error, subset_error
from divmetrics.arrays.share_intervals import share_ends
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import METRICS, Metric

PAIRS = 40
"""Pairs of half-samples, which are the degrees of freedom of the error."""


def pooled(real: Any, fake: Any) -> TwoSamplePool:
    return TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))


def identity(pool: TwoSamplePool) -> Splits:
    return Splits(torch.tensor([[REAL] * pool.n + [FAKE] * pool.m], dtype=torch.uint8))


@pytest.mark.parametrize(("name", "extra"), [("clipped_density", "unclipped"), ("clipped_coverage", "mean_share")])
@pytest.mark.parametrize(("level", "bad"), [(0.95, 8), (0.6, 8), (0.95, 0)])
def test_intervals_of_clipped_values_come_from_what_is_not_clipped(
    name: str, extra: str, level: float, bad: int
) -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(60, 3)), rng.normal(size=(44, 3))
    fake = np.concatenate([fake[:bad] + 30, (fake[bad:] + 0.4) if bad else 0.3 * fake])  # without bad ones, at the cap
    pool, metric = pooled(real, fake), METRICS[name]
    options = metric.resolve({"k": 3})

    def on_splits(splits: Splits) -> torch.Tensor:
        sides = [(pool.part(splits.real(b)), pool.part(splits.fake(b))) for b in range(len(splits))]
        return torch.tensor([metric.measure(*both, **options).extras[extra] for both in sides])

    shown = METRICS[name].measure(real, fake, **options)
    table = np.array([metric_value(name, mean) for mean in GRID])
    error = {"clipped_density": subset_error, "clipped_coverage": half_sample_error}[name](pool, on_splits)
    expected = share_ends(
        lambda values: np.interp(values, GRID, table), shown.extras[extra], error, PAIRS, level, min(60, 44)
    )
    found = metric.uncertainty.interval.function(pool, level, **options)
    assert found == pytest.approx(expected, abs=2e-3)  # the table is read between its points
    assert found[0] < shown.value <= found[1]


GRID = np.linspace(-1, 3, 4001)


def metric_value(name: str, mean: float) -> float:
    """The value that belongs to an unclipped ratio, or to a mean share of 60 and 44 samples with k = 3."""
    if name == "clipped_density":
        return min(max(mean, 0.0), 1.0)
    return float(np.interp(mean, expected_shares(60, 44, 3), np.arange(45) / 44))


def expected_shares(n: int, m: int, k: int) -> np.ndarray:
    """Mean of min(k, c) / k for s of m fake samples drawn like the n real ones: c is beta-binomial, drawn step by step.

    A further sample falls into a ball that holds c of s with probability (k + c) / (n + s), as in Polya's urn.
    """
    shares, counts = [0.0], np.zeros(m + 1)
    counts[0] = 1.0
    for s in range(m):
        into = counts * (k + np.arange(m + 1)) / (n + s)
        counts = counts - into
        counts[1:] += into[:-1]
        shares.append(float((counts * np.minimum(np.arange(m + 1), k)).sum() / k))
    return np.array(shares)


def test_a_fake_as_far_as_the_next_real_sample_is_a_copy() -> None:
    real, fake = [[0.0], [1.0], [3.0]], [[5.0], [-1.0], [5.1], [4.9]]  # 3 is 2 from its nearest, 0 is 1
    metric, pool = METRICS["authenticity"], pooled(real, fake)
    assert metric.measure(real, fake).fake["authentic"].tolist() == [False, False, True, False]
    assert metric.uncertainty.resample(pool, identity(pool)).item() == 0.25


@pytest.mark.parametrize("name", ["precision", "recall", "density", "coverage"])
def test_a_distance_equal_to_the_radius(name: str) -> None:
    real, fake = [[0.0], [4.0], [9.0]], [[-4.0], [18.0], [20.0]]
    real, fake = (fake, real) if name == "recall" else (real, fake)
    found = {ties: METRICS[name](real, fake, k=1, ties=ties) for ties in ("open", "closed")}
    assert found["open"] < found["closed"]  # -4 is as far from 0 as 4 is
    inside = {
        "precision": ball_counts(real, fake, real)[1],
        "recall": ball_counts(fake, real, fake)[1],
        "density": ball_counts(real, fake, real)[1],
        "coverage": ball_counts(real, fake, real)[0],
    }[name]
    for ties in ("open", "closed"):
        counts = inside[ties]
        expected = np.mean(counts) if name == "density" else np.mean(np.array(counts) > 0)
        assert found[ties] == pytest.approx(expected)


def ball_counts(centres: Any, points: Any, own: Any) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Points in each ball, and balls over each point; radii to the nearest other of `own`."""
    radii = [sorted(abs(c[0] - o[0]) for o in own)[1] for c in centres]
    hold = {
        "open": [[abs(c[0] - p[0]) < r for p in points] for c, r in zip(centres, radii, strict=True)],
        "closed": [[abs(c[0] - p[0]) <= r for p in points] for c, r in zip(centres, radii, strict=True)],
    }
    return (
        {ties: [sum(row) for row in rows] for ties, rows in hold.items()},
        {ties: [sum(column) for column in zip(*rows, strict=True)] for ties, rows in hold.items()},
    )


def test_the_coverage_of_equal_distributions_is_a_product_of_shares() -> None:
    rng = np.random.default_rng(0)
    found = METRICS["coverage"].measure(rng.normal(size=(6, 2)), rng.normal(size=(5, 2)), k=2)
    assert found.extras["expected"] == pytest.approx(1 - (5 / 10) * (4 / 9))  # both nearest of 5 real and 5 fake others


def test_a_split_without_a_fake_in_a_ball_has_infinite_rarity() -> None:
    rng = np.random.default_rng(0)
    pool = pooled(rng.normal(size=(20, 3)), rng.normal(size=(15, 3)) + 100)
    metric = METRICS["rarity"]
    assert metric.uncertainty.resample(pool, identity(pool), **metric.resolve({})).item() == inf


@pytest.mark.parametrize(
    "metric", [m for m in METRICS if ".neighbours." in m.function.__module__], ids=lambda m: m.name
)
def test_a_kth_neighbour_needs_one_sample_more(metric: Metric) -> None:
    assert metric.minimum({"k": 7}) == (8 if "k" in metric.options else 2)
