"""Class counts: closed forms, the published conventions, collapse, fakes outside the reals' classes."""

from math import log

import numpy as np
import pytest
import torch
from scipy.special import erf
from scipy.stats import binom, entropy, foldnorm

from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, MeasureError, UsageError
from divmetrics.inference.replicates import SharedSplits
from divmetrics.inference.uncertainty import Asked, Estimate, uncertainty_of
from divmetrics.records.metric import METRICS, Metric

modes_found, mode_kl, mode_tv, effective_modes = (
    METRICS[name] for name in ("modes_found", "mode_kl", "mode_tv", "effective_modes")
)
FAMILY = [modes_found, mode_kl, mode_tv, effective_modes]


def labels(*counts: int) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


EVEN = labels(10, 10, 10, 10)


def test_missing_modes_are_named() -> None:
    found = modes_found.measure(EVEN, labels(5, 0, 1, 0))
    assert found.value == 2
    assert found.extras == {"modes_total": 4, "missing": [1, 3]}


def test_min_count_moves_the_number() -> None:
    assert [modes_found(EVEN, labels(5, 0, 1, 4), min_count=count) for count in (1, 2, 5, 6)] == [3, 2, 1, 0]


def test_fakes_outside_the_reals_classes_find_nothing() -> None:
    real, fake = labels(10, 0, 10), labels(4, 10, 0, 6)  # half of the fakes outside: classes 1 and 3
    assert modes_found(real, fake) == 1
    assert mode_tv(real, fake) == pytest.approx((0.3 + 0.5 + 0.5 + 0.3) / 2)
    assert mode_kl(real, fake) == pytest.approx(log(2))  # inside, all fakes are of one of two classes
    assert effective_modes(real, fake) == 1
    for metric in (mode_kl, mode_tv, effective_modes):
        assert metric.measure(real, fake).extras["outside"] == pytest.approx(0.8)


def test_kl_is_from_fake_to_real_in_nats() -> None:
    real, fake = labels(50, 30, 20), labels(10, 60, 30)
    assert mode_kl(real, fake) == pytest.approx(entropy([0.1, 0.6, 0.3], [0.5, 0.3, 0.2]))
    assert mode_kl(real, fake) != pytest.approx(mode_kl(fake, real))


@pytest.mark.parametrize("kept", [1, 2, 4])
def test_even_fakes_on_some_of_even_modes(kept: int) -> None:
    fake = labels(*[8] * kept)
    assert mode_kl(EVEN, fake) == pytest.approx(log(4 / kept), abs=1e-15)  # field: KL >= ln(K / modes)
    assert mode_tv(EVEN, fake) == pytest.approx(1 - kept / 4)
    assert effective_modes(EVEN, fake) == pytest.approx(kept)


def test_null_floor_is_what_faithful_samples_score() -> None:
    rng = np.random.default_rng(0)
    found = [mode_kl.measure(rng.integers(0, 20, 1500), rng.integers(0, 20, 1000)) for _ in range(200)]
    floor = found[0].extras["null_floor"]
    assert floor == pytest.approx(19 / 2 * (1 / 1000 + 1 / 1500))
    assert np.mean([one.value for one in found]) == pytest.approx(floor, rel=0.1)


def test_effective_modes_weighs_shares_and_knows_the_reals() -> None:
    found = effective_modes.measure(EVEN, labels(97, 1, 1, 1))
    assert 1 < found.value < 1.3
    assert found.extras["real"] == pytest.approx(4)


def test_logits_vote_by_their_largest() -> None:
    logits = np.eye(4)[EVEN] + 0.1
    for metric in FAMILY:
        assert metric(logits, logits[:25]) == metric(EVEN, EVEN[:25])


def test_all_get_worse_as_modes_are_lost() -> None:
    ladder = [labels(10, 10, 10, 10), labels(20, 10, 9, 1), labels(30, 10), labels(40)]
    for metric in FAMILY:
        values = [metric(EVEN, fake) for fake in ladder]
        assert values == sorted(values, reverse=metric.better == "higher"), metric.name


def test_no_fake_inside() -> None:
    outside = labels(0, 0, 0, 0, 7)
    assert modes_found(EVEN, outside) == 0
    assert mode_tv(EVEN, outside) == 1
    assert effective_modes(EVEN, outside) == 0
    with pytest.raises(MeasureError, match="no fake sample is in a class of the real samples"):
        mode_kl(EVEN, outside)


def test_bad_input() -> None:
    with pytest.raises(UsageError, match="min_count=0 is not possible"):
        modes_found(EVEN, EVEN, min_count=0)
    with pytest.raises(FeatureError, match="whole numbers"):
        mode_tv(EVEN, np.array([-1, 2]))


@pytest.mark.parametrize("name", ["mode_tv", "mode_kl", "effective_modes", "unseen_mass"])
def test_labels_in_a_column_are_no_logits_of_one_class(name: str) -> None:
    metric, column = METRICS[name], EVEN[:, None]
    with pytest.raises(FeatureError, match="logits of one class"):
        metric(*[column] * len(metric.needs))


def pool_of(real: np.ndarray, fake: np.ndarray) -> Pool:
    return TwoSamplePool(*(Rows(torch.from_numpy(side), torch.arange(len(side))) for side in (real, fake)))


@pytest.mark.parametrize("metric", FAMILY, ids=lambda metric: metric.name)
def test_resampling_knows_its_sides(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    pool = pool_of(rng.integers(0, 9, 70), rng.integers(2, 12, 50))
    splits = Splits.of([Splits.permutations(70, 50, 4, 0), Splits.halves(70, 50, 4, 0)])
    found = metric.uncertainty.resample(pool, splits, **metric.resolve({}))
    for b in range(8):
        sides = [pool.whole.features[splits.side[b] == side] for side in (REAL, FAKE)]
        assert float(found[b]) == pytest.approx(metric(*sides))


SHARES = {
    "even": (np.full(8, 1 / 8), np.full(8, 1 / 8)),
    "dropped": (np.full(8, 1 / 8), np.append(np.full(7, 1 / 7), 0)),
    "skewed": (np.full(8, 1 / 8), np.arange(1, 9) / 36),
    "many": (np.full(100, 1 / 100), np.full(100, 1 / 100)),
}


@pytest.mark.parametrize("world", SHARES)
@pytest.mark.parametrize("metric", FAMILY, ids=lambda metric: metric.name)
def test_the_standard_error_is_that_of_fresh_draws(metric: Metric, world: str) -> None:
    """At the flat places of a divergence it is too large by a third at most, for it may not vanish there."""
    values, errors = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        real, fake = (rng.choice(len(shares), 300, p=shares) for shares in SHARES[world])
        values.append(metric(real, fake))
        variance = metric.uncertainty.variance(pool_of(real, fake), **metric.resolve({}))
        errors.append((variance or 0.0) ** 0.5)
    if metric is modes_found and world != "many":
        assert np.std(values) < 0.1
        assert np.mean(errors) < 0.1
    else:
        assert 0.85 < np.mean(errors) / np.std(values) < 1.4


def variance_of(metric: Metric, real: np.ndarray, fake: np.ndarray, **options: int) -> float | None:
    return metric.uncertainty.variance(pool_of(real, fake), **metric.resolve(options))


def spread_of(values: np.ndarray, shares: np.ndarray) -> float:
    return float(shares @ values**2 - (shares @ values) ** 2)


def test_the_variance_of_modes_found_is_a_sum_of_coin_flips() -> None:
    found = [
        binom.sf(0, 10, reals) * binom.sf(1, 10, fakes) for reals, fakes in zip((0.2, 0.8), (0.9, 0.1), strict=True)
    ]
    expected = sum(p * (1 - p) for p in found)
    assert variance_of(modes_found, labels(2, 8), labels(9, 1), min_count=2) == pytest.approx(expected)


def test_the_variance_of_the_divergence_by_hand() -> None:
    p, q = np.array([0.1, 0.6, 0.3]), np.array([0.5, 0.3, 0.2])
    second = 2 / 2 * (1 / 100 + 1 / 200) ** 2
    expected = spread_of(np.log(p / q), p) / 100 + spread_of(p / q, q) / 200 - second
    assert variance_of(mode_kl, labels(100, 60, 40), labels(10, 60, 30)) == pytest.approx(expected)
    assert variance_of(mode_kl, labels(100, 60, 40), labels(50, 30, 20)) == pytest.approx(second)  # where it is flat
    assert variance_of(mode_kl, labels(3, 0), labels(0, 3)) is None


def test_the_variance_of_total_variation_is_that_of_folded_normals() -> None:
    spread = 0.7 * 0.3 / 50 + 0.5 * 0.5 / 100
    sd, gap = spread**0.5, (0.2**2 - spread) ** 0.5
    settled = erf(gap / sd / 2**0.5) ** 2 * spread
    expected = (foldnorm(gap / sd, scale=sd).var() + settled) / 2
    assert variance_of(mode_tv, labels(50, 50), labels(35, 15)) == pytest.approx(expected)


def test_the_variance_of_effective_modes_has_that_of_rare_real_classes() -> None:
    p = np.array([0.6, 0.3, 0.1])
    effective, occurs = np.exp(entropy(p)), 1 - (1 - np.array([0.5, 0.49, 0.01])) ** 100
    without = np.array([np.exp(entropy(np.delete(p, k))) for k in range(3)])
    first, second = spread_of(-np.log(p), p) / 200, 2 / (2 * 200**2)
    classes = (occurs * (1 - occurs) * (effective - without) ** 2).sum()
    found = variance_of(effective_modes, labels(50, 49, 1), labels(120, 60, 20))
    assert found == pytest.approx(effective**2 * (first - second) + classes)
    even = variance_of(effective_modes, labels(50, 50), labels(100, 100))
    assert even == pytest.approx(2**2 * 1 / (2 * 200**2))


@pytest.mark.parametrize("metric", [modes_found, effective_modes], ids=lambda metric: metric.name)
@pytest.mark.parametrize("per_class", [2, 5, 20, 36, 200])
def test_no_interval_of_a_count_goes_beyond_the_number_of_modes(metric: Metric, per_class: int) -> None:
    """9 classes: the interval of `modes_found` ended at 9.0000001, that of `effective_modes` at 9.04."""
    sides = labels(*[per_class] * 9)
    estimate = Estimate(metric, metric.resolve({}), metric(sides, sides), pool_of(sides, sides))
    low, high = uncertainty_of(estimate, SharedSplits(0), Asked(0.95, null=False))[0].ci
    assert low <= estimate.value <= high <= 9 + 1e-12


@pytest.mark.parametrize(
    ("first", "second", "min_count", "p"),
    [
        ([5, 40], [0, 40], 1, 2 * 2.0**-5),  # all five of the rare mode are of one generator
        ([5, 40], [5, 40], 1, 1.0),
        ([3, 3, 40], [0, 0, 40], 1, 2 * 2.0**-6),  # both rare modes are of one: (1/8)^2, twice
        ([4, 40], [1, 40], 2, 2 * (1 + 5) * 2.0**-5),  # of five, at most one is of the other
        ([60, 0], [0, 60], 1, 1.0),  # as many modes, though others
        (np.ones(5000), np.zeros(5000), 1, 0.0),
    ],
)
def test_a_mode_that_is_missed_by_chance(first: list, second: list, min_count: int, p: float) -> None:
    exchanged = METRICS["modes_found"].uncertainty.exchanged
    assert exchanged(np.array(first), np.array(second), min_count=min_count) == pytest.approx(p, abs=1e-12)
