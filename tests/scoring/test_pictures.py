"""Pictures of what a report shows: from the samples at hand, from the paths of a saved report, of any kind."""

import base64
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import divmetrics as dm
from divmetrics.records.exhibits import Exhibits, Gallery, GalleryRow, Map, Points, Shown
from divmetrics.records.results import Report, Side
from divmetrics.scoring import pictures
from divmetrics.scoring.pictures import LARGE, SMALL, pictures_of, saved_pictures, thumbnails
from divmetrics.sources import open_source

RED, BLUE = (200, 30, 40), (20, 60, 210)


def image_in(uri: str) -> Image.Image:
    head, content = uri.split(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def folder_of(path: Path, n: int, colour: tuple[int, int, int]) -> Path:
    """A folder of flat images, each of its own brightness."""
    path.mkdir()
    for number in range(n):
        Image.new("RGB", (40 + number, 20), tuple(c - number for c in colour)).save(path / f"{number}.png")  # type: ignore[arg-type]
    return path


@pytest.fixture
def scored(tmp_path: Path) -> Report:
    real, fake = folder_of(tmp_path / "real", 12, RED), folder_of(tmp_path / "fake", 10, BLUE)
    return dm.score(real, fake, metrics="fid", extractor="pixels?size=4", ci_level=0, null=False, exhibits=True)


def test_a_report_with_exhibits_has_pictures_of_all_that_it_shows(scored: Report) -> None:
    assert scored.exhibits is not None
    assert scored.pictures is not None
    shown = scored.exhibits.shown()
    assert set(scored.pictures.uris) == {(side, index) for side in ("real", "fake") for index in shown[side]}
    assert scored.pictures.notes == ()
    picture = image_in(scored.pictures.uris["fake", 3])
    name = scored.exhibits.maps[0].points.name[12 + 3]
    number = int(name.removesuffix(".png"))
    assert picture.size == (40 + number, 20)
    assert np.asarray(picture.convert("RGB"))[10, 10] == pytest.approx(np.array(BLUE) - number, abs=3)


def test_pictures_of_a_saved_report_come_from_the_paths_in_it(scored: Report, tmp_path: Path) -> None:
    saved = Report.from_json(scored.to_json())
    assert saved.pictures is None
    assert scored.pictures is not None
    assert saved_pictures(saved) == scored.pictures
    (tmp_path / "real" / "3.png").unlink()
    Image.new("RGB", (43, 20), BLUE).save(tmp_path / "real" / "4.png")
    (tmp_path / "real" / "5.png").write_bytes(b"no image")
    found = saved_pictures(saved)
    assert len(found.uris) == len(scored.pictures.uris) - 3
    text = " ".join(found.notes)
    assert "(not there any more): 3.png; " in text
    assert "(changed since it was measured): 4.png; " in text
    assert "5.png" in text
    assert "score --html" in text


def test_a_saved_report_whose_source_is_gone_says_so(scored: Report) -> None:
    gone = Report.from_json(scored.to_json().replace("/real", "/vanished"))
    found = saved_pictures(gone)
    assert {side for side, _ in found.uris} == {"fake"}
    (note,) = found.notes
    assert note.startswith("Pictures of the real samples cannot be drawn: real: there is no file or folder")
    assert "score --html" in note


def test_drawn_samples_are_found_by_their_names(tmp_path: Path) -> None:
    real, fake = folder_of(tmp_path / "real", 12, RED), folder_of(tmp_path / "fake", 10, BLUE)
    report = dm.score(
        real, fake, metrics="fid", extractor="pixels?size=4", ci_level=0, null=False, exhibits=True, num=5, seed=3
    )
    assert report.pictures is not None
    assert len(report.pictures.uris) == 10
    assert saved_pictures(Report.from_json(report.to_json())) == report.pictures


def test_arrays_archives_and_what_has_no_pictures(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (9, 6, 6, 3), dtype=np.uint8)
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "a.npz", images=images)
    folder_of(tmp_path / "folder", 3, RED)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in sorted((tmp_path / "folder").iterdir()):
            archive.write(file, file.name)
    for source in (images, tmp_path / "a.npy", tmp_path / "a.npz"):
        (uri,) = thumbnails(open_source(source), [4]).values()  # type: ignore[arg-type]
        assert np.array_equal(np.asarray(image_in(uri).convert("RGB")), images[4])
    assert list(thumbnails(open_source(tmp_path / "a.zip"), [0, 2])) == [0, 2]  # type: ignore[arg-type]
    assert thumbnails(open_source(np.zeros((5, 3), np.float32)), [1]) == {}  # type: ignore[arg-type]
    rows = np.random.default_rng(0).normal(size=(12, 2))
    features = dm.score(rows, rows, metrics="fid", ci_level=0, null=False, exhibits=True)
    assert features.pictures == pictures.Pictures()
    assert saved_pictures(features) == pictures.Pictures()
    arrays = dm.score(images, images, metrics="fid", extractor="pixels?size=2", ci_level=0, null=False, exhibits=True)
    assert arrays.pictures is not None
    assert len(arrays.pictures.uris) == 18
    assert "cannot be drawn" in saved_pictures(arrays).notes[0]


def test_iterables_and_features_extracted_before_say_why_nothing_is_drawn(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (9, 6, 6, 3), dtype=np.uint8)
    dm.extract(images, tmp_path / "real.dms", extractor="pixels?size=2")
    options = {"metrics": "fid", "extractor": "pixels?size=2", "ci_level": 0, "null": False, "exhibits": True}
    report = dm.score(tmp_path / "real.dms", (image for image in images), **options)  # type: ignore[arg-type]
    assert report.pictures is not None
    assert report.pictures.uris == {}
    assert "read once" in " ".join(report.pictures.notes)
    assert "extracted before" in " ".join(report.pictures.notes)


def test_images_of_every_kind_are_drawn_and_hostile_ones_named(tmp_path: Path) -> None:
    wide = np.tile(np.linspace(0, 65535, 400).astype(np.uint16), (10, 1))
    Image.fromarray(wide).save(tmp_path / "16bit.png")
    Image.new("L", (300, 200), 90).save(tmp_path / "grey.png")
    icon = Image.new("RGBA", (128, 64), (0, 0, 0, 0))
    icon.paste((250, 0, 0, 255), (32, 16, 96, 48))
    icon.save(tmp_path / "icon.png")
    icon.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.gif", transparency=0)
    Image.new("CMYK", (200, 200), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    Image.new("RGB", (1, 4000), RED).save(tmp_path / "thin.png")
    turned = Image.new("RGB", (200, 100), RED)
    exif = turned.getexif()
    exif[274] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    Image.new("1", (20000, 5000)).save(tmp_path / "bomb.png")
    (tmp_path / "<script>.png").write_bytes(b"\x89PNG damaged")
    source = open_source(tmp_path)
    found = {source.path(index): image_in(uri) for index, uri in thumbnails(source, range(len(source))).items()}  # type: ignore[union-attr, arg-type]
    assert set(found) == {"16bit.png", "grey.png", "icon.png", "palette.gif", "print.jpg", "thin.png", "turned.jpg"}
    assert all(max(image.size) == LARGE for image in found.values())
    assert found["thin.png"].size == (1, LARGE)
    assert found["turned.jpg"].size == (LARGE // 2, LARGE)
    row = np.asarray(found["16bit.png"].convert("L")).mean(0)
    assert row[-1] - row[0] > 230
    assert np.asarray(found["grey.png"].convert("L")).mean() == pytest.approx(90, abs=2)
    for name in ("icon.png", "palette.gif"):
        assert found[name].mode == "RGBA"
        alpha = np.asarray(found[name])[..., 3]
        assert (alpha[0, 0], alpha[24, 48]) == (0, 255)
    assert np.asarray(found["print.jpg"].convert("RGB"))[48, 48, 0] > 200


def test_maps_give_way_where_a_page_would_become_large(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 255, (400, 50, 50, 3), dtype=np.uint8)
    shown = tuple(Shown("fake", index, f"#{index}") for index in range(100))
    every = tuple(range(400))
    points = Points(
        (0.0,) * 400, (0.0,) * 400, ("fake",) * 400, every, tuple(f"#{i}" for i in every), (None,) * 400, (None,) * 400
    )
    exhibits = Exhibits((Gallery("grid", "", "", (GalleryRow("", (), shown),)),), (Map("pca", "", "", "", points),))
    side = Side("images", 400, None)
    report = Report("0", "", side, side, {}, exhibits=exhibits)
    sources = {"real": open_source(images), "fake": open_source(images)}
    whole = pictures_of(report, sources)
    assert len(whole.uris) == 400
    assert image_in(whole.uris["fake", 0]).size == (50, 50)
    assert image_in(whole.uris["fake", 300]).size == (SMALL, SMALL)
    monkeypatch.setattr(pictures, "MOST_BYTES", sum(len(whole.uris["fake", i]) for i in range(100)) + 1)
    few = pictures_of(report, sources)
    assert len(few.uris) == 100 + pictures.BATCH
    assert "236 points of the maps are without a picture" in few.notes[0]
    monkeypatch.setattr(pictures, "MOST_SECONDS", -1.0)
    assert len(pictures_of(report, sources).uris) == 100
