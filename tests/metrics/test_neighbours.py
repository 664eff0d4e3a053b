"""Clipped and symmetric metrics, authenticity, realism, rarity: brute force by formula, collapse, options, columns."""

from fractions import Fraction
from math import comb, inf

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import MeasureError, TooFewSamples, UsageError
from divmetrics.records.metric import METRICS

NAMES = ("clipped_density", "clipped_coverage", "sym_precision", "sym_recall", "authenticity", "realism", "rarity")
TaskInputs = tuple[np.ndarray, np.ndarray]


def gaussians(n: int = 300, d: int = 8, m: int | None = None, seed: int = 0) -> TaskInputs:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m or n, d))


def shifted(n: int = 300, d: int = 8) -> TaskInputs:
    real, fake = gaussians(n, d, n - 50)
    return real, 0.8 * fake + 0.3


WORLDS = {"alike": gaussians(), "shifted": shifted(), "wide": shifted(200, 300), "odd": gaussians(151, 3, 97)}


@pytest.fixture(params=WORLDS)
def sides(request: pytest.FixtureRequest) -> TaskInputs:
    return WORLDS[request.param]


def kth(rows: np.ndarray, k: int) -> np.ndarray:
    """Distance of each row to its k-th nearest other."""
    return np.sort(cdist(rows, rows), axis=1)[:, k]


def test_sym_precision_is_the_smaller_of_two_shares(sides: TaskInputs) -> None:
    real, fake = sides
    between = cdist(real, fake)
    precision = (between < kth(real, 5)[:, None]).any(0).mean()
    complement = (between < kth(fake, 5)).any(0).mean()
    found = METRICS["sym_precision"].measure(real, fake)
    assert found.value == pytest.approx(min(precision, complement))
    assert found.extras == pytest.approx({"precision": precision, "complement": complement})


def test_sym_recall_is_the_smaller_of_recall_and_coverage(sides: TaskInputs) -> None:
    recall, coverage = (METRICS[name](*sides) for name in ("recall", "coverage"))
    assert METRICS["sym_recall"](*sides) == pytest.approx(min(recall, coverage))


@pytest.mark.parametrize("k", [2, 5])
def test_clipped_density_by_its_formula(sides: TaskInputs, k: int) -> None:
    real, fake = sides
    radii = kth(real, k)
    radii = np.minimum(radii, np.median(radii))
    # Slack for ties of a radius with the distance that it is, for cdist rounds both.
    within = cdist(real, real) <= radii[:, None] * (1 + 1e-12)
    np.fill_diagonal(within, val=False)
    own = np.minimum(within.sum(0) / k, 1).mean()
    crowd = np.minimum((cdist(real, fake) <= radii[:, None]).sum(0) / k, 1)
    found = METRICS["clipped_density"].measure(real, fake, k=k)
    assert found.extras["real"] == pytest.approx(own, abs=1e-9)
    assert found.extras["unclipped"] == pytest.approx(crowd.mean() / own, abs=1e-9)
    assert found.value == min(1.0, found.extras["unclipped"])
    np.testing.assert_allclose(found.fake["clipped_density"], crowd)


def expected_share(s: int, n: int, k: int) -> float:
    """f(s) of Salvy 2026 in whole numbers: the sum over j as it stands, beta functions as factorials."""

    def beta(a: int, b: int) -> Fraction:
        return Fraction(1, a * comb(a + b - 1, a))

    terms = (min(j, k) * comb(s, j) * beta(k + j, n - k + s - j) / beta(k, n - k) for j in range(s + 1))
    return float(sum(terms, start=Fraction(0)) / k)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_clipped_coverage_by_its_formula(k: int) -> None:
    real, fake = gaussians(40, 3, 30)
    fake[:10] += 20
    near = (cdist(real, fake) < kth(real, k)[:, None]).sum(1)
    mean = (np.minimum(near, k) / k).mean()
    table = [expected_share(s, 40, k) for s in range(31)]
    found = METRICS["clipped_coverage"].measure(real, fake, k=k)
    assert found.extras["mean_share"] == pytest.approx(mean)
    assert found.value == pytest.approx(float(np.interp(mean, table, np.arange(31) / 30)), abs=1e-9)
    assert found.real["fakes_near"].tolist() == near.tolist()


@pytest.mark.parametrize("good", [0.2, 0.5, 0.8])
def test_clipped_metrics_are_the_share_of_good_fakes(good: float) -> None:
    """Salvy 2026: fakes far off the manifold replace good ones; coverage itself is not linear in them."""
    found = []
    for seed in range(5):
        real, fake = gaussians(400, 8, seed=seed)
        fake[round(good * 400) :] += 30
        found.append([METRICS[name](real, fake) for name in ("clipped_density", "clipped_coverage", "coverage")])
    density, coverage, plain = np.mean(found, axis=0)
    assert density == pytest.approx(good, abs=0.06)
    assert coverage == pytest.approx(good, abs=0.05)
    assert plain > good + 0.1


def test_clipped_coverage_is_free_of_the_sizes() -> None:
    found = [METRICS["clipped_coverage"](*gaussians(600, 4, 60, seed)) for seed in range(10)]
    assert np.mean(found) == pytest.approx(0.93, abs=0.07)
    assert METRICS["coverage"](*gaussians(600, 4, 60)) < 0.5


def test_authenticity_by_its_formula(sides: TaskInputs) -> None:
    real, fake = sides
    between = cdist(real, fake)
    nearest = between.argmin(0)
    authentic = kth(real, 1)[nearest] < between.min(0)
    found = METRICS["authenticity"].measure(real, fake)
    assert found.value == pytest.approx(authentic.mean())
    assert found.fake["authentic"].tolist() == authentic.tolist()


def test_authenticity_of_equal_distributions_grows_with_the_columns_as_the_page_says() -> None:
    said = METRICS["authenticity"].about.bias
    for d, share in {1: ".34", 8: ".58", 64: ".82", 1000: ".87"}.items():
        assert share in said
        draws = [np.random.default_rng([seed, d]).normal(size=(2, 1000, d)) for seed in range(2)]
        assert np.mean([METRICS["authenticity"](*draw) for draw in draws]) == pytest.approx(float(share), abs=0.03)


def test_copies_are_not_authentic_whatever_the_sizes() -> None:
    """The authors' code looks the reals up by the fakes' places and fails where there are more fakes than reals."""
    real, fake = gaussians(50, 4, 80)
    near = np.concatenate([real + 1e-6, real[:30]])
    assert METRICS["authenticity"](real, near) == 0
    assert METRICS["authenticity"](real, np.concatenate([near[:40], fake[:40]])) < 0.5
    assert METRICS["authenticity"](real, fake + 10) == 1


@pytest.mark.parametrize("k", [1, 3])
def test_realism_by_its_formula(sides: TaskInputs, k: int) -> None:
    real, fake = sides
    radii = kth(real, k)
    small = radii <= np.median(radii)
    scores = (radii[small, None] / cdist(real[small], fake)).max(0)
    found = METRICS["realism"].measure(real, fake, k=k)
    np.testing.assert_allclose(found.fake["realism"], scores, rtol=1e-9)
    assert found.value == pytest.approx(np.median(scores), rel=1e-9)


def test_copies_are_infinitely_real_and_said_in_plain_json() -> None:
    real, fake = gaussians(100, 4)
    radii = kth(real, 3)
    common = real[radii <= np.median(radii)][:20]
    found = METRICS["realism"].measure(real, np.concatenate([common, fake[:60]]))
    assert found.fake["realism"][:20] == [None] * 20
    assert found.extras == {"copies": 20}
    assert all(score < inf for score in found.fake["realism"][20:])
    assert METRICS["realism"](real, common) == inf


def test_reals_that_repeat_themselves_have_no_realism_to_give_but_to_copies() -> None:
    real = np.repeat(gaussians(20, 4)[0], 10, axis=0)
    found = METRICS["realism"].measure(real, np.concatenate([real[:10], real[:30] + 1]))
    assert found.fake["realism"][:10] == [None] * 10
    assert max(found.fake["realism"][10:]) < 1e-9


@pytest.mark.parametrize("k", [1, 3])
def test_rarity_by_its_formula(sides: TaskInputs, k: int) -> None:
    real, fake = sides
    radii = kth(real, k)
    least = np.where(cdist(real, fake) <= radii[:, None], radii[:, None], inf).min(0)
    found = METRICS["rarity"].measure(real, fake, k=k)
    inside = least < inf
    assert [radius is not None for radius in found.fake["rarity"]] == inside.tolist()
    np.testing.assert_allclose([r for r in found.fake["rarity"] if r is not None], least[inside], rtol=1e-9)
    assert found.value == pytest.approx(least[inside].mean(), rel=1e-9)
    assert found.extras["excluded"] == pytest.approx(1 - inside.mean())


def test_rarity_where_nothing_is_inside() -> None:
    real, fake = gaussians(60, 4)
    found = METRICS["rarity"].measure(real, fake + 100)
    assert found.value == inf
    assert found.fake["rarity"] == [None] * 60
    assert found.extras == {"excluded": 1.0}


def test_collapse_onto_the_middle() -> None:
    """In 32 dimensions the balls of wide reals hold all that is amid them: precision and coverage are content."""
    real, fake = gaussians(500, 32)
    world = (3 * real, 0.3 * fake)
    found = {name: METRICS[name](*world) for name in (*NAMES, "precision", "coverage")}
    assert found["precision"] > 0.99
    assert found["coverage"] > 0.9
    assert found["sym_precision"] < 0.1
    assert found["sym_recall"] < 0.1
    assert found["rarity"] < METRICS["rarity"](3 * real, 3 * fake)
    assert found["realism"] > 1


def test_dropped_modes() -> None:
    rng = np.random.default_rng(0)
    centres = 20 * rng.normal(size=(10, 8))
    real, fake = (centres[rng.integers(modes, size=600)] + rng.normal(size=(600, 8)) for modes in (10, 4))
    kept = (cdist(real, centres).argmin(1) < 4).mean()
    assert METRICS["clipped_coverage"](real, fake) == pytest.approx(kept, abs=0.07)
    assert METRICS["clipped_density"](real, fake) > 0.9
    assert METRICS["sym_recall"](real, fake) < kept
    assert METRICS["sym_precision"](real, fake) > 0.6


@pytest.mark.parametrize("name", [name for name in NAMES if name != "authenticity"])
def test_options_move_the_value(name: str) -> None:
    real, fake = gaussians(200, 4)
    metric = METRICS[name]
    assert metric(real, fake + 0.3, k=2) != metric(real, fake + 0.3, k=6)
    if "ties" in metric.options:
        grid = [(2 * side).round() for side in (real, fake + 0.5)]
        assert metric(*grid, k=3, ties="open") != metric(*grid, k=3, ties="closed")


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_one_sentence(name: str) -> None:
    real, fake = gaussians(20, 4)
    metric = METRICS[name]
    few = 1 if name == "authenticity" else 3
    with pytest.raises(TooFewSamples, match=f"needs at least {few + 1} rows per side, fake has {few}"):
        metric(real, fake[:few], **({} if name == "authenticity" else {"k": 3}))
    if name != "authenticity":
        with pytest.raises(UsageError, match="k=0"):
            metric(real, fake, k=0)


def test_density_of_nothing_is_an_error() -> None:
    real, fake = gaussians(20, 4)
    with pytest.raises(MeasureError, match="raise k=1"):
        METRICS["clipped_density"](real, fake, k=1, ties="open")


CHANCE = ("precision", "recall", "density", "coverage", *NAMES)


@pytest.mark.slow
def test_standard_errors_are_the_spread_over_fresh_draws() -> None:
    """A dropped mode, 30 draws: the spread itself is only known to 13 %."""
    values: dict[str, list[float]] = {name: [] for name in CHANCE}
    variances: dict[str, list[float]] = {name: [] for name in CHANCE}
    rng = np.random.default_rng(7)
    centres = 6 * np.eye(5, 16)
    for _ in range(30):
        real, fake = (centres[rng.integers(modes, size=160)] + rng.normal(size=(160, 16)) for modes in (5, 4))
        pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))
        for name in CHANCE:
            metric = METRICS[name]
            values[name].append(metric(pool.real, pool.fake))
            if metric.uncertainty.interval is not None:
                low, high = metric.uncertainty.interval.function(pool, 0.95, **metric.resolve({})) or (0.0, 0.0)
                assert low <= values[name][-1] <= high
                variances[name].append(((high - low) / (2 * 1.96)) ** 2)
            else:
                assert metric.uncertainty.variance is not None
                variances[name].append(metric.uncertainty.variance(pool, **metric.resolve({})) or 0.0)
    ratios = {name: float(np.sqrt(np.mean(variances[name])) / np.std(values[name], ddof=1)) for name in CHANCE}
    assert all(0.7 < ratio < 1.45 for ratio in ratios.values()), ratios


def test_re_splits_show_the_null() -> None:
    """Coverage is known in closed form, so the deals must find it."""
    pool = TwoSamplePool(*(Rows.from_array(side) for side in gaussians(400, 8)))
    metric = METRICS["coverage"]
    assert metric.uncertainty.resample is not None
    found = metric.uncertainty.resample(pool, Splits.permutations(400, 400, 60, 0), **metric.resolve({}))
    assert float(found.mean()) == pytest.approx(0.9692, abs=0.005)


@pytest.mark.parametrize("name", ["authenticity", "beta_recall"])
def test_reals_that_all_occur_twice_are_the_reals(name: str) -> None:
    """Their nearest other sample would be their copy, and any fake sample farther away than that."""
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(200, 8)), rng.normal(size=(200, 8))
    fake[:50] = real[:50] + 1e-6
    assert 0.1 < METRICS[name](real, fake) < 0.9
    assert METRICS[name](np.repeat(real, 2, 0), fake) == pytest.approx(METRICS[name](real, fake), rel=0.02)
