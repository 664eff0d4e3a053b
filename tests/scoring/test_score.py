"""The main road on features and on small images; the parts have tests of their own."""

import json
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from threadpoolctl import threadpool_limits

import divmetrics as dm
from divmetrics.encoders.python_object import encoder_of
from divmetrics.errors import FeatureError, MeasureError, MissingLayer, SourceError, TooFewSamples, UsageError
from divmetrics.scoring import meter
from divmetrics.sources import _array_files

RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(size=(60, 6)), RNG.normal(0.3, 1.1, size=(50, 6))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Class folders of 8 x 8 images: the fakes lack class c."""
    for side, classes in (("real", "abc"), ("fake", "ab")):
        for shade, name in enumerate(classes):
            (tmp_path / side / name).mkdir(parents=True)
            for i in range(12):
                pixels = RNG.integers(60 * shade, 60 * shade + 60, (8, 8, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / side / name / f"{i}.png")
    return tmp_path / "real", tmp_path / "fake"


def test_features_from_arrays_and_files_score_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "real.npy", REAL)
    np.savez(tmp_path / "fake.npz", FAKE)
    by_file = dm.score(tmp_path / "real.npy", str(tmp_path / "fake.npz"), metrics="default")
    by_array = dm.score(REAL, FAKE, metrics="default")
    assert {k: r.value for k, r in by_file.metrics.items()} == {k: r.value for k, r in by_array.metrics.items()}
    assert by_file["fid"].value == pytest.approx(dm.metrics.fid(REAL, FAKE), rel=1e-12)


def test_an_array_that_was_read_is_not_held_while_its_features_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "fake.npz", FAKE)
    arrays, held = [], []
    opened, measured = _array_files.open_array, meter.measure

    def open_array(rows: np.ndarray, *given: Any) -> Any:
        arrays.append(weakref.ref(rows))
        return opened(rows, *given)

    def measure(*given: Any) -> Any:
        held.append(arrays[0]() is not None)
        return measured(*given)

    monkeypatch.setattr(_array_files, "open_array", open_array)
    monkeypatch.setattr(meter, "measure", measure)
    dm.score(REAL, tmp_path / "fake.npz", metrics="fid", ci_level=0, null=False)
    assert held == [False]


def test_a_preset_gives_a_value_or_a_reason_for_each_of_its_metrics() -> None:
    report = dm.score(REAL, FAKE, metrics="full")
    for result in report.metrics.values():
        assert result.value is not None or result.warnings
    assert report["inception_score"].value is None
    assert "reads logits" in report["inception_score"].warnings[0]
    json.loads(report.to_json())


def test_signature_says_all() -> None:
    report = dm.score(REAL, FAKE, metrics="recall:k=3,vendi", seed=4)
    assert str(report["recall"].signature).startswith("recall|features|pooled|none|k:3|ties:open|n:60/50|seed:4|")
    assert "|n:-/50|" in str(report["vendi"].signature)
    assert report["vendi"].extras["real"] == pytest.approx(dm.metrics.vendi(REAL))


def test_folders_of_images(folders: tuple[Path, Path]) -> None:
    report = dm.score(*folders, extractor="pixels", metrics="fid,precision,modes_found")
    assert set(report.metrics) == {"fid@pixels", "precision@pixels", "modes_found@labels"}
    assert report["modes_found"].value == 2
    assert [mode.name for mode in report.modes if mode.state == "missing"] == ["c"]
    assert report.fake.labels == {"a": 12, "b": 12}
    assert report.samples["fake"]["path"][0] == "a/0.png"
    assert len(report.samples["fake"]["inside"]) == 24
    assert report.meta["extractors"]["pixels"]["preprocessing"]


def test_unreadable_images_are_skipped_and_listed(folders: tuple[Path, Path]) -> None:
    (folders[1] / "a" / "3.png").write_bytes(b"")
    with pytest.raises(SourceError, match="max-skipped"):
        dm.score(*folders, extractor="pixels", metrics="fid")
    report = dm.score(*folders, extractor="pixels", metrics="fid,precision", max_skipped=0.1)
    assert report.fake.n == 23
    assert [sample.path for sample in report.fake.skipped] == ["a/3.png"]
    assert "a/3.png" not in report.samples["fake"]["path"]


def test_extracted_files_serve_as_either_side(folders: tuple[Path, Path], tmp_path: Path) -> None:
    live = dm.score(*folders, extractor="pixels", metrics="quick,modes_found")
    files = [tmp_path / f"{side.name}.dms" for side in folders]
    for side, file in zip(folders, files, strict=True):
        dm.extract(side, file, extractor="pixels")
    saved = dm.score(*files, extractor="pixels", metrics="quick,modes_found")
    assert {k: r.value for k, r in saved.metrics.items()} == {k: r.value for k, r in live.metrics.items()}
    assert saved.metrics["fid@pixels"].signature == live.metrics["fid@pixels"].signature
    halved = dm.score(f"{files[0]}+{files[0]}", files[1], extractor="pixels", metrics="fid")
    assert halved.real.n == 72


def test_another_extractor_than_the_file_holds(folders: tuple[Path, Path], tmp_path: Path) -> None:
    dm.extract(folders[0], tmp_path / "r.dms", extractor="pixels")
    with pytest.raises(SourceError, match="was extracted with pixels, not with pixels\\?size=4"):
        dm.score(tmp_path / "r.dms", folders[1], extractor="pixels?size=4")


def test_num_draws_from_features_extracted_before_what_it_draws_from_their_source(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    dm.extract(folders[0], tmp_path / "r.dms", extractor="pixels")
    options = {"extractor": "pixels", "metrics": "fid,modes_found", "num": 9, "ci_level": 0, "null": False}
    live, saved = (dm.score(real, folders[1], **options) for real in (folders[0], tmp_path / "r.dms"))
    assert (saved.real.n, saved.real.labels) == (9, live.real.labels)
    assert {key: r.value for key, r in saved.metrics.items()} == {key: r.value for key, r in live.metrics.items()}
    with pytest.raises(TooFewSamples, match="real has 36 samples, 99 were wanted"):
        dm.score(tmp_path / "r.dms", folders[1], extractor="pixels", num=99)
    with pytest.raises(UsageError, match="--num needs samples that can be chosen, not an iterable"):
        dm.score(iter([np.eye(3)]), np.eye(3), num=2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"digest": "0" * 64}, r"different versions of pixels \(weights \w{8} and 00000000\); extract both again"),
        ({"preprocessing": "cropped"}, r"different versions of pixels \(preprocessing .* and cropped\)"),
        ({"engine": "another engine"}, None),
    ],
)
@pytest.mark.parametrize("side", ["fake", "held_out"])
def test_sides_of_different_versions_of_an_encoder_are_refused(
    side: str, changes: dict[str, str], words: str | None, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    for name in ("real", "fake", "held_out"):
        dm.extract(folders[name == "fake"], tmp_path / f"{name}.dms", extractor="pixels")
    sides = {name: dm.Collected.load(tmp_path / f"{name}.dms") for name in ("real", "fake", "held_out")}
    info = replace(sides[side].encoders["pixels"], **changes)
    sides[side] = replace(sides[side], encoders={"pixels": info})
    sides[side].save(tmp_path / f"{side}.dms")
    files = {name: tmp_path / f"{name}.dms" for name in sides}
    options = {"metrics": "fid", "extractor": "pixels", "ci_level": 0, "null": False}
    meter = dm.Meter(**options)
    for name, collected in sides.items():
        meter.take(name, collected)
    if words is None:
        assert meter.results()["fid"].value == dm.score(**files, **options)["fid"].value
        return
    for run in (lambda: dm.score(**files, **options), meter.results):
        with pytest.raises(SourceError, match=words) as caught:
            run()
        assert "EncoderInfo" not in str(caught.value)


def test_num_draws_a_seeded_subset() -> None:
    reports = [dm.score(REAL, FAKE, metrics="fid", num=40, seed=seed) for seed in (0, 0, 1)]
    assert reports[0].real.n == reports[0].fake.n == 40
    assert reports[0]["fid"].value == reports[1]["fid"].value != reports[2]["fid"].value


def test_several_extractors_in_one_run(folders: tuple[Path, Path]) -> None:
    report = dm.score(*folders, extractor="pixels,pixels?size=4", metrics="fid")
    assert set(report.metrics) == {"fid@pixels", "fid@pixels?size=4"}


@pytest.mark.parametrize(
    ("real", "fake", "kind", "message"),
    [
        (REAL, FAKE[:, :5], FeatureError, "6 columns on one side and 5 on the other"),
        (REAL, np.zeros((10, 8, 8, 3), np.uint8), SourceError, "real holds features and fake holds images"),
        (np.array([[np.inf, 0.0]] * 9), FAKE, FeatureError, "real: 9 of 9 rows hold NaN or Inf"),
        (REAL, FAKE[:1], MeasureError, "fake has 1"),
    ],
)
def test_bad_features(real: np.ndarray, fake: np.ndarray, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        dm.score(real, fake, metrics="fid,precision")


def test_a_named_metric_without_its_layer_fails_before_any_image_is_read(folders: tuple[Path, Path]) -> None:
    for file in folders[1].rglob("*.png"):
        file.write_bytes(b"not an image")
    with pytest.raises(MissingLayer, match="inception_score reads logits"):
        dm.score(*folders, extractor="pixels", metrics="inception_score")


def test_constant_features_give_numbers_or_reasons() -> None:
    report = dm.score(np.ones((30, 4)), np.ones((30, 4)), metrics="full")
    assert report["fid"].value == pytest.approx(0.0, abs=1e-12)
    json.loads(report.to_json())


def test_weights_go_to_the_one_extractor() -> None:
    with pytest.raises(UsageError, match="has no weights to replace"):
        dm.score(REAL, FAKE, extractor="pixels", weights="w.pth")
    with pytest.raises(UsageError, match="exactly one extractor"):
        dm.score(REAL, FAKE, extractor="pixels,efficientnet-lite0", weights="w.pth")


def test_unwritable_output_is_found_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        dm.extract(REAL, tmp_path / "absent" / "out.dms")


@pytest.mark.parametrize("row", [0, 2047, 2048, 3000])
def test_the_first_bad_row_is_counted_in_the_whole_file(row: int) -> None:
    """Rows are taken in 2048 at a time; the number is that of the file."""
    rows = np.random.default_rng(0).normal(size=(3001, 2))
    rows[row] = np.nan
    with pytest.raises(
        FeatureError, match=rf"fake: 1 of \d+ rows hold NaN or Inf among rows \d+ to \d+, the first is row {row};"
    ):
        dm.score(np.random.default_rng(1).normal(size=(3001, 2)), rows, metrics="fid")


def test_the_last_bits_of_features_decide_no_draw() -> None:
    """Batch sizes and threads move features of images in their last bits; what is drawn goes by the pixels."""
    rng = np.random.default_rng(0)
    sides = [rng.integers(low, 256, (1100, 4, 4, 3), dtype=np.uint8) for low in (0, 8)]

    def values(error: float) -> dict[str, float | None]:
        def network(batch: torch.Tensor) -> torch.Tensor:
            rows = batch.flatten(1)[:, ::4]
            return rows * (1 + error * torch.sin(1e4 * rows.sum(1, keepdim=True) + torch.arange(rows.shape[1])))

        encoder = encoder_of(network, name="net", size=4, mean=0, std=1)
        options = {"batch_size": 8, "ci_level": 0, "null": False, "cache": False}
        report = dm.score(*sides, metrics="c2st,ndb,mode_js,prd_f8,fid_infinity", extractor=encoder, **options)
        return {name: result.value for name, result in report.metrics.items()}

    assert values(3e-7) == pytest.approx(values(0.0), rel=1e-5)


DRAWING = "c2st,ndb,mode_js,prd_f8,high_quality,fid_infinity,inception_score,ms_ssim:pairs=40,c_t,fld"
"""Metrics that draw samples or fit clusters."""


@pytest.mark.slow
def test_batches_threads_and_names_of_files_move_no_number(tmp_path: Path) -> None:
    """A network with more features than there are images, so that all that is random sees more columns than rows."""
    rng = np.random.default_rng(0)
    means = rng.uniform(60, 200, (3, 3, 3, 3))
    for side, n in (("real", 130), ("fake", 110), ("held", 100)):
        places = rng.permutation(n)
        for i, place in enumerate(places):
            grey = np.clip(means[i % 3] + rng.normal(0, 40, (3, 3, 3)), 0, 255).astype(np.uint8)
            image = np.asarray(Image.fromarray(grey).resize((24, 24), Image.Resampling.BICUBIC), float)
            image = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
            for names, name in (("as made", i), ("shuffled", place)):
                folder = tmp_path / names / side / "abc"[i % 3]
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(folder / f"{name:03}.png")
    torch.manual_seed(0)
    body = torch.nn.Sequential(torch.nn.Conv2d(3, 40, 5, 2), torch.nn.GELU(), torch.nn.AdaptiveAvgPool2d(3))
    head = torch.nn.Linear(360, 10)

    def network(batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = body(batch).flatten(1)
        return features, 200 * head(features)

    def values(names: str, batch_size: int, threads: int) -> dict[str, float | None]:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        sides = [tmp_path / names / side for side in ("real", "fake", "held")]
        options = {"ci_level": 0, "null": False, "cache": False, "batch_size": batch_size}
        try:
            with threadpool_limits(threads):
                encoder = encoder_of(network, name="net", size=24)
                report = dm.score(*sides[:2], held_out=sides[2], metrics=DRAWING, extractor=encoder, **options)
        finally:
            torch.set_num_threads(before)
        return {name: result.value for name, result in report.metrics.items()}

    expected = values("as made", 8, 1)
    assert None not in expected.values()
    assert values("as made", 64, 2) == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert values("shuffled", 8, 1) == pytest.approx(expected, rel=1e-5, abs=1e-9)
