from pathlib import Path

import numpy as np
import pytest
import torch

import divmetrics as dm
from divmetrics.arrays.summaries import Moments, Rows
from divmetrics.errors import FeatureError, SourceError, UsageError
from divmetrics.scoring.collector import CHUNK, ChunkedSummaries

RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(size=(300, 6)), RNG.normal(0.3, 1.1, size=(250, 6))
METRICS = ["fid", "kid", "recall:k=3", "coverage", "vendi"]


def values(meter: dm.Meter) -> dict[str, float | None]:
    return {key: result.value for key, result in meter.results().metrics.items()}


def filled(batch: int) -> dm.Meter:
    meter = dm.Meter(METRICS)
    for side, rows in (("real", REAL), ("fake", FAKE)):
        for start in range(0, len(rows), batch):
            meter.add(side, rows[start : start + batch])
    return meter


def test_batches_do_not_matter_and_plain_calls_agree() -> None:
    whole = values(filled(1000))
    assert values(filled(7)) == whole
    assert whole["fid@features"] == dm.metrics.fid(REAL, FAKE)
    assert whole["recall@features"] == dm.metrics.recall(REAL, FAKE, k=3)


def test_results_may_be_asked_at_any_time() -> None:
    meter = dm.Meter("fid")
    meter.add("real", REAL)
    meter.add("fake", FAKE[:100])
    early = values(meter)
    assert values(meter) == early
    meter.add("fake", FAKE[100:])
    assert values(meter)["fid@features"] == pytest.approx(dm.metrics.fid(REAL, FAKE), rel=1e-12)


def test_saved_loaded_merged(tmp_path: Path) -> None:
    whole = values(filled(1000))
    first, second = dm.Meter(METRICS), dm.Meter(METRICS)
    first.add("real", REAL)
    second.add("fake", FAKE)
    first.merge(second)
    assert values(first) == whole
    first.save(tmp_path / "meter.dms")
    assert values(dm.Meter.load(tmp_path / "meter.dms", METRICS)) == pytest.approx(whole, rel=1e-12)


def test_labels_give_modes() -> None:
    meter = dm.Meter("modes_found")
    meter.add("real", REAL[:90], labels=["cat"] * 30 + ["dog"] * 60)
    meter.add("fake", FAKE[:90], labels=["dog"] * 90)
    report = meter.results()
    assert report["modes_found"].value == 1
    assert [(mode.name, mode.state) for mode in report.modes] == [("cat", "missing"), ("dog", "present")]


def test_wrong_use_is_told() -> None:
    meter = dm.Meter("fid")
    with pytest.raises(UsageError, match="'real', 'fake' or 'held_out', not 'fakes'"):
        meter.add("fakes", REAL)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="no samples on the real side"):
        meter.results()
    with pytest.raises(FeatureError, match=r"1 of 2 rows hold NaN or Inf, the first is row 1"):
        meter.add("real", np.array([[0.0], [np.nan]]))


def test_pool_is_the_same_for_every_batching() -> None:
    rows, index = torch.randn(2 * CHUNK + 900, 3), torch.arange(2 * CHUNK + 900)
    pools = [ChunkedSummaries((Rows, Moments)), ChunkedSummaries((Rows, Moments))]
    for pool, size in zip(pools, (len(rows), 700), strict=True):
        for start in range(0, len(rows), size):
            pool.add(rows[start : start + size], index[start : start + size])
    (rows_a, moments_a), (rows_b, moments_b) = (pool.summaries() for pool in pools)
    assert torch.equal(rows_a.features, rows)
    assert torch.equal(rows_b.features, rows)
    assert torch.equal(moments_a.covariance, moments_b.covariance)
    assert pools[0].done[0][0] == 2
