"""A batch is taken whole or not at all, one kind of samples on a side, and threads may share a meter."""

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

import divmetrics as dm
from divmetrics.errors import FeatureError, SourceError
from divmetrics.scoring.chunks import CHUNK

RNG = np.random.default_rng(0)


def with_bad_row(rows: np.ndarray, place: int) -> np.ndarray:
    bad = rows.copy()
    bad[place] = np.nan
    return bad


def stream(rows: np.ndarray, fails_at: int) -> Any:
    for place, row in enumerate(rows):
        if place == fails_at:
            raise OSError("the disk is gone")
        yield row


REFUSED = {
    "NaN in the last row": (lambda rows: with_bad_row(rows, -1), FeatureError),
    "NaN beyond the first chunk": (lambda rows: with_bad_row(np.tile(rows, (3, 1)), CHUNK + 50), FeatureError),
    "another width": (lambda rows: rows[:, :3], FeatureError),
    "images": (lambda rows: RNG.random((4, 8, 8, 3)), SourceError),
    "a stream that breaks": (lambda rows: stream(rows, CHUNK + 5), Exception),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_batch_leaves_nothing_behind(case: str) -> None:
    make, error = REFUSED[case]
    real, fake = RNG.normal(size=(CHUNK + 10, 4)), RNG.normal(size=(300, 4))
    meter, untouched = dm.Meter("fid,recall", ci_level=0, null=False), dm.Meter("fid,recall", ci_level=0, null=False)
    for each in (meter, untouched):
        each.add("real", real)
        each.add("fake", fake)
    for side in ("real", "fake"):
        with pytest.raises(error):
            meter.add(side, make(real))
    for each in (meter, untouched):
        each.add("fake", fake + 0.5)
    found, expected = meter.results(), untouched.results()
    assert (found.fake.n, found.real.n) == (600, CHUNK + 10)
    assert {key: result.value for key, result in found.metrics.items()} == {
        key: result.value for key, result in expected.metrics.items()
    }
    assert meter.collected("fake").paths == untouched.collected("fake").paths


def test_a_refused_batch_of_images_leaves_nothing_behind() -> None:
    images = RNG.integers(0, 255, (6, 8, 8, 3), dtype=np.uint8)
    meter = dm.Meter("fid", extractor="pixels?size=8", ci_level=0, null=False)
    meter.add("real", images)
    for bad in (RNG.normal(size=(5, 4)), images.astype(float) * np.nan):
        with pytest.raises(dm.DivmetricsError):
            meter.add("real", bad)
    assert meter.collected("real").side.n == 6


def test_features_and_images_on_one_side_are_refused() -> None:
    images = RNG.integers(0, 255, (6, 8, 8, 3), dtype=np.uint8)
    meter = dm.Meter("fid", extractor="pixels?size=8")
    meter.add("real", RNG.normal(size=(5, 4)))
    with pytest.raises(SourceError, match="real holds features already, and these are images; give one kind"):
        meter.add("real", images)
    other = dm.Meter("fid", extractor="pixels?size=8")
    other.add("fake", images)
    with pytest.raises(SourceError, match="fake holds images already, and these are features"):
        other.take("fake", meter.collected("real"))
    assert (meter.collected("real").side.n, other.collected("fake").side.n) == (5, 6)


@pytest.mark.parametrize("side", ["fake", "held_out"])
def test_features_on_one_side_and_images_on_another_are_refused_when_they_come(side: str) -> None:
    images, rows = RNG.integers(0, 255, (6, 8, 8, 3), dtype=np.uint8), RNG.normal(size=(6, 4))
    words = "which cannot be compared; give images on all sides, or features of one network on all."
    for first, second, held in (
        (images, rows, f"real holds images and {side} holds features"),
        (rows, images, f"real holds features and {side} holds images"),
    ):
        meter, filled = (dm.Meter("fid", extractor="pixels?size=8", ci_level=0, null=False) for _ in range(2))
        meter.add("real", first)
        filled.add(side, second)
        with pytest.raises(SourceError, match=f"^{held}, {words}"):
            meter.add(side, second)
        with pytest.raises(SourceError, match=f"^{held}, {words}"):
            meter.merge(filled)
        with pytest.raises(SourceError, match="no samples on the fake"):
            meter.results()
        sides = {"real": meter.collected("real"), "fake": filled.collected(side)}
        with pytest.raises(SourceError, match="and fake holds"):  # as ranks of a distributed run may bring them
            meter.measured(sides)


def test_threads_share_a_meter() -> None:
    batches = [RNG.normal(size=(37, 3)) for _ in range(120)]
    meter, alone = (dm.Meter("fid,precision", ci_level=0, null=False) for _ in range(2))
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(meter.add, side, batch) for batch in batches for side in ("real", "fake")]
        jobs += [pool.submit(meter.collected, "real") for _ in range(20)]
        for job in jobs:
            job.result()
    for batch in batches:
        alone.add("real", batch)
        alone.add("fake", batch)
    found, wanted = meter.results(), alone.results()
    assert found.fake.n == wanted.fake.n == 37 * 120
    assert found.scalars() == pytest.approx(wanted.scalars(), abs=1e-9)


def test_a_meter_can_be_copied() -> None:
    meter = dm.Meter("fid", ci_level=0, null=False)
    meter.add("real", RNG.normal(size=(9, 2)))
    for again in (copy.copy(meter), copy.deepcopy(meter)):
        again.add("fake", RNG.normal(size=(5, 2)))
        assert again.collected("real").side.n == 9


def pickled(meter: dm.Meter) -> dm.Meter:
    return pickle.loads(pickle.dumps(meter))  # noqa: S301


def channels(batch: torch.Tensor) -> torch.Tensor:
    """A network of the user's that can be found by its name."""
    return batch.mean((2, 3))


@pytest.mark.parametrize("copied", [pickled, copy.deepcopy])
@pytest.mark.parametrize("extractor", ["pixels?size=4", channels])
def test_a_copy_goes_on_with_the_samples_and_leaves_the_other_alone(copied: Callable, extractor: object) -> None:
    images = RNG.integers(0, 255, (3, 9, 8, 8, 3), dtype=np.uint8)
    meter = dm.Meter("fid,recall:k=3", extractor=extractor, ci_level=0, null=False)
    meter.add("real", images[0])
    meter.add("fake", images[1])
    again = copied(meter)
    again.add("fake", images[2])
    assert (meter.collected("fake").side.n, again.collected("fake").side.n) == (9, 18)
    meter.add("fake", images[2])
    first, second = meter.results(), again.results()
    assert {key: result.value for key, result in first.metrics.items()} == {
        key: result.value for key, result in second.metrics.items()
    }
    assert [str(result.signature) for result in first.metrics.values()] == [
        str(result.signature) for result in second.metrics.values()
    ]
