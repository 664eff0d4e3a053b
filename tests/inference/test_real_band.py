"""The band "reals score": what real samples score against real samples, whatever the fakes are."""

import json

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.inference.replicates import Counts, SharedSplits, draw, sizes_of_reals
from divmetrics.records.metric import METRICS
from divmetrics.records.null_band import NullBand
from divmetrics.records.results import Report

APPROXIMATE = {"p_recall": 1e-3, "p_precision": 1e-4, "w2": 0.1, "sinkhorn": 0.02, "mmd_rbf": 0.3, "high_quality": 0.1}
"""Metrics whose values on splits are not exact: faster plans, or one bandwidth for all splits of a pool."""


def features(n: int, d: int, seed: int, modes: int = 10) -> np.ndarray:
    """A mixture of ten modes, of which the first few are drawn."""
    rng = np.random.default_rng(seed)
    centres = 2.5 * np.random.default_rng(99).normal(size=(10, d))
    return (centres[rng.integers(0, modes, n)] + rng.normal(size=(n, d))).astype(np.float32)


def pool(n: int, m: int) -> Pool:
    return TwoSamplePool(Rows.from_array(np.eye(n, 3)), Rows.from_array(np.eye(m, 3)))


@pytest.mark.parametrize(
    ("n", "m", "available", "sizes"),
    [
        (400, 400, 400, (200, 200)),
        (5000, 500, 5000, (4545, 454)),
        (100, 10_000, 100, (50, 50)),
        (400, 300, 700, (400, 300)),
        (400, 300, 9000, (400, 300)),
        (400, 400, 600, (300, 300)),
        (2, 2, 2, (1, 1)),
    ],
)
def test_sizes_are_those_of_the_sides_or_in_proportion(n: int, m: int, available: int, sizes: tuple[int, int]) -> None:
    assert sizes_of_reals(pool(n, m), available) == sizes
    assert sum(sizes) <= available


def test_a_collapsed_set_leaves_the_score_of_the_real_samples_alone() -> None:
    """Permutations mix the fakes in, so that their band is that of another distribution."""
    real, fresh = features(300, 32, 0), features(300, 32, 1)
    collapsed = real[:1] + 0.3 * features(300, 32, 2)
    metrics = ["recall", "coverage", "fid", "kid", "sym_recall"]
    healthy = dm.score(real, fresh, metrics=metrics, ci_level=0)
    report = dm.score(real, collapsed, metrics=metrics, ci_level=0)
    for name in metrics:
        band, value = report[name].null, healthy[name].value
        assert band.low <= value <= band.high, name
        assert band.mean == pytest.approx(healthy[name].null.mean, rel=1e-6), "no fake takes part"
        assert not band.low <= report[name].value <= band.high, name
        assert report[name].null.p <= 0.01
    recall = report["recall"].null
    assert abs(recall.permutations.mean - recall.mean) > 0.02


@pytest.mark.slow
def test_bands_hold_for_a_healthy_generator() -> None:
    """Bands of 95 %, 25 draws: recall and precision by their trend, fid and kid by 1/n, realism beside the fakes."""
    rng = np.random.default_rng(0)
    held = dict.fromkeys(("recall", "precision", "kid", "fid", "rarity"), 0)
    for _ in range(25):
        real, fake = rng.normal(size=(2, 60, 8))
        report = dm.score(real, fake, metrics=list(held), ci_level=0)
        for name in held:
            band = report[name].null
            value = report[name].value if band.fakes is None else band.fakes
            assert (band.n_real, band.fakes is None) == ((30, False) if name == "rarity" else (60, True))
            held[name] += band.low <= value <= band.high
    assert all(count >= 20 for count in held.values()), held


def band_is_carried(band: NullBand) -> bool:
    return (band.n_real, band.n_fake) != band.split


def test_every_metric_on_real_samples_is_the_metric_of_these_samples() -> None:
    """Of real samples alone and of the fakes at the same sizes, re-indexed or recomputed."""
    n, m = 60, 44
    real, fake = features(n, 3, 0, 2), features(m, 3, 1, 1)
    report = dm.score(real, fake, metrics="full", ci_level=0)
    pooled, seen = np.concatenate([real, fake]), 0
    for key, rows in report.replicates.rows.items():
        result, metric = report.metrics[key], METRICS[report.metrics[key].metric]
        if metric.equal_n or not len(rows.reals):
            assert metric.equal_n or result.null is None or result.null.method == "closed form"
            continue
        seen += 1
        assert rows.sizes == (34, 25)
        for splits, values in zip(Splits.of_reals(n, m, (34, 25), 3, seed=2), (rows.reals, rows.fakes), strict=True):
            assert len(values) or band_is_carried(result.null)
            for b, value in enumerate(values[:3]):
                expected = metric(pooled[splits.real(b)], pooled[splits.fake(b)], **result.params)
                assert value == pytest.approx(expected, rel=APPROXIMATE.get(metric.name, 1e-6), abs=1e-6), key
    assert seen >= 20


def test_metrics_share_the_splits_of_the_real_samples() -> None:
    report = dm.score(
        features(80, 4, 0), features(80, 4, 1, 3), metrics="precision,recall,density,kid,rarity", ci_level=0
    )
    precision, _ = report.replicates.matrix("reals", ["precision@features", "recall@features"])
    assert len(precision) == 32
    assert report.replicates.matrix("reals", ["precision@features", "kid@features"]).shape == (2, 32)
    density, _ = report.replicates.matrix("reals", ["density@features", "recall@features"])
    assert np.corrcoef(precision, density)[0, 1] > 0.1
    (fakes,) = report.replicates.matrix("fakes", ["rarity@features"])
    assert report["rarity"].null.fakes == pytest.approx(fakes.mean())
    (reals,) = report.replicates.matrix("reals", ["rarity@features"])
    assert fakes.mean() != pytest.approx(reals.mean(), rel=0.01)
    assert report.replicates.rows["rarity@features"].sizes == (40, 40)


def test_held_out_samples_give_both_sizes() -> None:
    real, held_out, fake = features(200, 8, 0), features(260, 8, 1), features(150, 8, 2, 3)
    report = dm.score(real, fake, held_out=held_out, metrics="recall,fid", ci_level=0)
    for result in report.metrics.values():
        band = result.null
        assert (band.method, band.split) == ("real and held-out samples", (200, 150))
        assert (band.n_real, band.n_fake, band.fakes) == (200, 150, None)
        fresh = METRICS[result.metric](real, held_out[:150])
        assert band.low <= fresh <= band.high
    few = dm.score(real, fake, held_out=held_out[:50], metrics="recall", ci_level=0)["recall"].null
    assert few.split == (142, 107)  # 250 samples for 350
    assert (few.n_real, few.n_fake) == (200, 150), "carried by the trend"
    with pytest.raises(dm.FeatureError, match="held_out has 3 columns, real has 8"):
        dm.score(real, fake, held_out=held_out[:, :3], metrics="recall", ci_level=0)


def test_held_out_samples_of_a_test_for_copies_are_split_themselves() -> None:
    real, held_out, fake = features(60, 4, 0), features(50, 4, 1), features(60, 4, 2)
    band = dm.score(real, fake, held_out=held_out, metrics="fld", ci_level=0)["fld"].null
    assert band is not None
    assert band.method in ("closed form", "held-out samples")


def test_without_labels_of_the_held_out_samples_classes_are_those_of_the_reals() -> None:
    meter = dm.Meter(metrics="effective_modes,mode_tv", ci_level=0)
    meter.add("real", np.eye(60, 2), labels=["a", "b", "c"] * 20)
    meter.add("fake", np.eye(40, 2), labels=["a", "b"] * 20)
    meter.add("held_out", np.eye(30, 2))
    report = meter.results()
    band = report["effective_modes"].null
    assert (band.method, band.split) == ("real samples", (36, 24))
    assert band.low > 2 == pytest.approx(report["effective_modes"].value)
    tv = report["mode_tv"].null  # 24 samples are 5 for each of 3 classes: 1 / sqrt n holds
    assert (tv.split, tv.n_real, tv.n_fake) == ((36, 24), 60, 40)


def test_too_few_real_samples_have_no_band_and_say_so() -> None:
    result = dm.score(features(8, 2, 0), features(30, 2, 1), metrics="recall", ci_level=0)["recall"]
    assert (result.null.mean, result.null.low, result.null.high, result.null.draws) == (None,) * 4
    assert result.null.p is not None
    assert any("8 real samples are too few to be split" in text for text in result.warnings)


def test_the_band_survives_json_and_old_reports_keep_their_permutations() -> None:
    report = dm.score(features(60, 4, 0), features(60, 4, 1, 3), metrics="recall,fid", ci_level=0)
    again = Report.from_json(report.to_json())
    assert again == report
    assert again["recall"].null.permutations.draws == 199
    entry = report.to_dict()
    entry["metrics"]["recall@features"]["null"] = {
        "mean": 0.4,
        "low": 0.3,
        "high": 0.5,
        "sd": 0.05,
        "p": 0.01,
        "draws": 199,
        "method": "permutation",
    }
    old = Report.from_json(json.dumps(entry))["recall"].null
    assert (old.mean, old.low, old.p) == (None, None, 0.01), "those were no scores of real samples"
    assert (old.permutations.mean, old.permutations.draws) == (0.4, 199)


def test_counts_of_each_kind_come_back_apart() -> None:
    counts = Counts(0, 3, reals=2, fakes=2, sizes=(4, 3))
    rows = draw(METRICS["precision"], {"k": 1, "ties": "open"}, pool(8, 6), counts, SharedSplits(0), pool(7, 5))
    assert (len(rows.permutations), len(rows.reals), len(rows.fakes)) == (3, 2, 2)
