from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import divmetrics as dm
from divmetrics.arrays.summaries import Moments, Rows
from divmetrics.errors import FeatureError, SourceError, UsageError
from divmetrics.extraction import loop
from divmetrics.extraction.engines import UNKNOWN
from divmetrics.scoring.chunks import CHUNK, ChunkedSummaries
from divmetrics.sources import open_source, with_labels

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


def columns(meter: dm.Meter) -> list[tuple[str, str, float]]:
    """Path, nearest real sample and distance of each fake sample."""
    fakes = meter.results().samples["fake"]
    return list(zip(fakes["path"], fakes["nearest_real"], fakes["nearest_real_distance"], strict=True))


def test_what_is_taken_in_keeps_its_order_and_its_paths(tmp_path: Path) -> None:
    """Batches, sources and files in turn: each sample keeps its own features, name and class."""
    parts = [FAKE[:20], FAKE[20:50], FAKE[50:90], FAKE[90:100], FAKE[100:130]]
    for i in (1, 2, 4):
        np.save(tmp_path / f"{i}.npy", parts[i])
    dm.extract(tmp_path / "1.npy", tmp_path / "1.dms")
    meter, whole = (dm.Meter("fid", samples=True, ci_level=0, null=False) for _ in range(2))
    for one in (meter, whole):
        one.add("real", REAL)
    meter.add("fake", parts[0], labels=["a"] * 20)
    meter.take("fake", dm.Collected.load(tmp_path / "1.dms"))
    meter.take("fake", open_source(tmp_path / "2.npy", side="fake"))
    meter.add("fake", parts[3], labels=["b"] * 10)
    meter.take("fake", open_source(tmp_path / "4.npy", side="fake"))
    whole.add("fake", FAKE[:130])
    assert [row[1:] for row in columns(meter)] == [row[1:] for row in columns(whole)]
    assert [path for path, *_ in columns(meter)] == [f"#{i}" for part in parts for i in range(len(part))]
    assert meter.results().fake.source == f"batches+{tmp_path}/1.npy+{tmp_path}/2.npy+batches+{tmp_path}/4.npy"


def test_classes_follow_their_samples_through_several_sources(tmp_path: Path) -> None:
    meter, whole = dm.Meter("intra_fid"), dm.Meter("intra_fid")
    names = [f"class {i % 2}" for i in range(len(FAKE))]
    for one in (meter, whole):
        one.add("real", REAL, labels=[f"class {i % 2}" for i in range(len(REAL))])
    whole.add("fake", FAKE, labels=names)
    for start in range(0, len(FAKE), 125):
        part = with_labels(open_source(FAKE[start : start + 125], side="fake"), names[start : start + 125])
        meter.take("fake", part)
    assert values(meter) == pytest.approx(values(whole), rel=1e-12)


def test_labels_give_modes() -> None:
    meter = dm.Meter("modes_found")
    meter.add("real", REAL[:90], labels=["cat"] * 30 + ["dog"] * 60)
    meter.add("fake", FAKE[:90], labels=["dog"] * 90)
    report = meter.results()
    assert report["modes_found"].value == 1
    assert [(mode.name, mode.state) for mode in report.modes] == [("cat", "missing"), ("dog", "present")]


def test_tensor_labels_are_class_numbers_and_intra_fid_names_its_classes() -> None:
    meter = dm.Meter("intra_fid:missing=skip,mode_tv", ci_level=0, null=False)
    meter.add("real", REAL[:90], labels=torch.tensor([7] * 40 + [3] * 40 + [9] * 10))
    meter.add("fake", FAKE[:80], labels=torch.tensor([7] * 40 + [3] * 40))
    report = meter.results()
    assert report.real.labels == {"3": 40, "7": 40, "9": 10}
    assert list(report["intra_fid"].extras["classes"]) == ["3", "7"]
    assert report["intra_fid"].extras["skipped"] == ["9"]
    strict = dm.Meter("intra_fid", ci_level=0, null=False)
    strict.add("real", REAL[:4], labels=["cat", "cat", "dog", "dog"])
    strict.add("fake", FAKE[:4], labels=["cat", "cat", "cat", "dog"])
    with pytest.raises(dm.DivmetricsError, match="the first is class dog with 1"):
        strict.results()
    with pytest.raises(SourceError, match=r"labels have shape \[4, 1\]"):
        strict.add("fake", FAKE[:4], labels=torch.zeros(4, 1, dtype=torch.int64))


@pytest.mark.parametrize("expected", [1, UNKNOWN])
def test_autocast_of_the_caller_changes_no_bit(expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Meter inside the autocast of a training loop, its network run by torch, or compiled."""
    monkeypatch.setattr(loop, "UNKNOWN", expected)
    images = torch.rand(2, 24, 3, 40, 40, generator=torch.Generator().manual_seed(0))

    def measured() -> tuple[torch.Tensor, dict[str, float | None]]:
        meter = dm.Meter("fid,kid,precision,vendi", ci_level=0, null=False)
        for side, samples in zip(("real", "fake"), images, strict=True):
            for batch in samples.split(12):
                meter.add(side, batch)
        rows = meter.collected("fake").get("efficientnet-lite0", "pooled", Rows)
        return rows.features, {key: result.value for key, result in meter.results().metrics.items()}

    rows, values = measured()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, found_values = measured()
        assert torch.is_autocast_enabled("cpu")
    assert torch.equal(found, rows)
    assert found_values == values


@pytest.mark.skipif(find_spec("openvino") is None, reason="nothing else compiles")
def test_small_batches_and_streams_use_the_compiled_network() -> None:
    images = torch.rand(6, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    meter = dm.Meter("fid", ci_level=0, null=False)
    for batch in images.split(2):
        meter.add("real", batch)
    meter.take("fake", open_source(iter(images.split(2))))
    engines = {meter.collected(side).encoders["efficientnet-lite0"].engine for side in ("real", "fake")}
    assert {engine.partition(" ")[0] for engine in engines} == {"openvino"}, "all samples by one engine"


def test_wrong_use_is_told() -> None:
    meter = dm.Meter("fid")
    with pytest.raises(UsageError, match="'real', 'fake' or 'held_out', not 'fakes'"):
        meter.add("fakes", REAL)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="no samples on the real side"):
        meter.results()
    with pytest.raises(FeatureError, match=r"1 of 2 rows hold NaN or Inf, the first is row 1"):
        meter.add("real", np.array([[0.0], [np.nan]]))
    for given in ("real/", REAL, 3, None):
        with pytest.raises(UsageError, match=r"take wants samples that were opened, not a \w+; give"):
            meter.take("real", given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="merge takes another Meter, not a Collected"):
        meter.merge(meter.collected("real"))  # type: ignore[arg-type]


@pytest.mark.parametrize("num", [0, -1, 1.5, "5", True, None, float("nan")])
def test_a_number_of_samples_is_a_whole_one(num: object) -> None:
    meter = dm.Meter("recall")
    meter.add("fake", FAKE)
    for draw in (lambda: meter.keep("fake", num), lambda: meter.collected("fake").drawn(num, 0)):
        with pytest.raises(UsageError, match=r"num is .*; give a whole number of at least 1\."):
            draw()
    with pytest.raises(UsageError, match="seed is -1; give a whole number of at least 0"):
        meter.collected("fake").drawn(5, -1)
    meter.keep("fake", np.int64(7))  # type: ignore[arg-type]
    assert meter.collected("fake").side.n == 7


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
