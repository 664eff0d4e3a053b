"""A weights file may have any name: its path is an option of a `Spec`, never a part of a text that is split."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import divmetrics as dm
from divmetrics.encoders import load_encoder
from divmetrics.errors import UsageError
from divmetrics.records.extractor import EXTRACTORS, Spec
from divmetrics.scoring.meter import Meter
from divmetrics.scoring.plan import Plan

NAMES = ["a,b.pth", "a&b.pth", "a?b=c.pth"]
FAST = {"metrics": "fid", "ci_level": 0, "null": False, "cache": False}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sets of images, and weights files whose names hold what separates the parts of a query."""
    generator = np.random.default_rng(0)
    for name in ("real", "fake"):
        np.save(tmp_path / f"{name}.npy", generator.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8))
    state = load_encoder("efficientnet-lite0").network.state_dict()
    for name in NAMES:
        torch.save({key: value * 0.9 for key, value in state.items()}, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_score_reads_weights_of_any_name(folder: Path, name: str) -> None:
    sources = [folder / "real.npy", folder / "fake.npy"]
    report = dm.score(*sources, weights=folder / name, **FAST)
    assert report["fid"].extractor == "efficientnet-lite0"
    assert report["fid"].value != dm.score(*sources, **FAST)["fid"].value


@pytest.mark.parametrize("name", NAMES)
def test_the_command_reads_weights_of_any_name(folder: Path, name: str, call: Callable[..., object]) -> None:
    sources = [folder / "real.npy", folder / "fake.npy"]
    done = call("score", *sources, "--weights", folder / name, "-m", "fid", "--ci-level", "0", "--no-null", "--quiet")
    assert done.code == 0, done.err
    made = call("extract", sources[0], "-o", folder / "out.dms", "--weights", folder / name, "--quiet")
    assert made.code == 0, made.err


@pytest.mark.parametrize("name", NAMES[:2])
@pytest.mark.parametrize("listed", [False, True])
def test_such_a_path_in_a_query_is_refused_with_the_way_out(name: str, listed: bool) -> None:
    text = f"efficientnet-lite0?weights={name}"
    with pytest.raises(UsageError, match=r"a path with a comma or & .* --weights"):
        Plan.of("fid", [text] if listed else text)
    with pytest.raises(UsageError, match=r"a path with a comma or & .* --weights"):
        Spec.parse(text)


def test_a_misspelt_option_after_the_weights_is_still_told() -> None:
    with pytest.raises(UsageError, match="Did you mean 'seed'"):
        Spec.parse("inception?weights=w.pth&sed=1")
    assert [spec.name for spec in Spec.parse_all("efficientnet-lite0?weights=w.pth, pixels")] == [
        "efficientnet-lite0",
        "pixels",
    ]


def test_options_are_set_on_the_spec() -> None:
    spec = Spec.parse("pixels").with_options(size=32)
    assert (spec.name, spec.options, str(spec)) == ("pixels?size=32", {"size": 32}, "pixels?size=32")
    assert spec == Spec.parse("pixels?size=32")
    assert Spec.parse("pixels") == Spec.parse("pixels?size=0")
    with pytest.raises(UsageError, match="Did you mean 'size'"):
        spec.with_options(sise=3)


def test_specs_are_handed_on_as_objects(folder: Path) -> None:
    spec = Spec(EXTRACTORS["efficientnet-lite0"]).with_options(weights=str(folder / "a,b.pth"))
    assert Plan.of("fid", spec).extractors == {"efficientnet-lite0": spec}
    assert load_encoder(spec).digest != load_encoder("efficientnet-lite0").digest


def test_a_meter_that_was_saved_goes_on_with_its_weights(folder: Path) -> None:
    spec = Spec(EXTRACTORS["efficientnet-lite0"]).with_options(weights=str(folder / "a&b.pth"))
    meter = Meter("fid", spec, cache=False)
    for side in ("real", "fake"):
        meter.add(side, np.load(folder / f"{side}.npy"))
    meter.save(folder / "m.dms")
    again = Meter.load(folder / "m.dms", "fid")
    assert again.plan.extractors == {"efficientnet-lite0": spec}
    assert again.results()["fid"].value == meter.results()["fid"].value
