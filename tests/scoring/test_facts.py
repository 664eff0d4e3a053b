"""Facts: what is exactly so of the samples, and nothing where the sides agree."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sklearn.datasets import load_sample_images

import divmetrics as dm
from divmetrics.records.facts import Fact
from divmetrics.scoring.facts import _scales_differ, _shares_differ
from divmetrics.sources import Source, open_source

PHOTOS = load_sample_images().images
Make = Callable[..., Path]
ICONS = Path("/usr/share/icons")


def crop(seed: int, size: int = 48) -> Image.Image:
    rng = np.random.default_rng(seed)
    y, x = (int(rng.integers(edge - size)) for edge in PHOTOS[0].shape[:2])
    return Image.fromarray(PHOTOS[seed % 2][y : y + size, x : x + size])


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A folder of pictures: make("fake", lambda image: image, form="png", first=100)."""

    def make(
        name: str,
        change: Callable[[Image.Image], Image.Image] = lambda image: image,
        *,
        form: str = "png",
        first: int = 0,
        n: int = 20,
        size: int = 48,
        **options: object,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for i in range(n):
            change(crop(first + i, size)).save(folder / f"{i:02}.{form}", **options)
        return folder

    return make


def facts(real: object, fake: object, **options: object) -> list[Fact]:
    given = {"metrics": "fid", "extractor": "pixels?size=8", "ci_level": 0, "null": False, **options}
    return list(dm.score(real, fake, **given).facts)  # type: ignore[arg-type]


def transparent(image: Image.Image) -> Image.Image:
    mask = Image.new("L", image.size, 255)
    mask.paste(0, (0, 0, 20, 20))
    image.putalpha(mask)
    return image


def twelve_bits(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 16)


def test_copies_of_reals_and_of_each_other(make: Make) -> None:
    real, fake = make("real"), make("fake", first=100)
    for i in range(3):
        shutil.copy(real / f"0{i}.png", fake / f"stolen{i}.png")
    shutil.copy(fake / "05.png", fake / "again.png")
    between, within = facts(real, fake)
    assert (between.kind, between.side, between.to, between.count, between.of) == (
        "identical_files",
        "fake",
        "real",
        3,
        24,
    )
    assert between.samples[:2] == ("stolen0.png", "00.png")
    assert between.text == (
        "3 of 24 fake files are byte-identical to real ones: for example fake stolen0.png and real 00.png."
    )
    assert (within.kind, within.side, within.to, within.count, within.samples) == (
        "identical_files",
        "fake",
        "fake",
        2,
        ("05.png", "again.png"),
    )
    assert "leaves 23 different ones; of the 20 real files 0 are" in within.text


def test_one_picture_in_files_that_differ(make: Make) -> None:
    fake = make("fake", first=100)
    note = PngInfo()
    note.add_text("seed", "7")
    crop(100).save(fake / "again.png", pnginfo=note)
    (fact,) = facts(make("real"), fake)
    assert (fact.kind, fact.count, fact.samples) == ("identical_images", 2, ("00.png", "again.png"))


def test_copies_among_the_reals_are_said_from_a_hundredth_on(make: Make) -> None:
    real = make("real")
    shutil.copy(real / "00.png", real / "again.png")
    (fact,) = facts(real, make("fake", first=100))
    assert (fact.side, fact.to, fact.count) == ("real", "real", 2)
    rows = np.random.default_rng(0).normal(size=(300, 2))
    assert facts(np.concatenate([rows, rows[:1]]), rows + 5) == []


def test_the_same_folder_twice_and_again_from_the_cache_and_as_zip(make: Make, tmp_path: Path) -> None:
    real = make("real")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", real)
    for other in (real, real, packed):
        (fact,) = facts(real, other)
        assert (fact.kind, fact.side, fact.to, fact.count) == ("same_samples", "fake", "real", 20)


def test_rows_in_any_precision_and_held_out() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(40, 3)), rng.normal(size=(30, 3)).astype(np.float32)
    real[7] = fake[2]
    held_out = np.concatenate([real[:2], rng.normal(size=(20, 3))])
    between, leaked = facts(real, fake, held_out=held_out)
    assert (between.kind, between.count, between.samples) == ("identical_rows", 1, ("#2", "#7"))
    assert between.text == "1 of 30 fake rows is identical in every number to real ones: fake #2 and real #7."
    assert (leaked.side, leaked.to, leaked.count, leaked.of) == ("held_out", "real", 2, 22)


@pytest.mark.parametrize(
    ("change", "options", "kind", "words"),
    [
        (transparent, {}, "transparency", "20 of 20 fake images have transparent pixels, 0 of 20 real ones."),
        (lambda image: image, {"size": 32}, "size", "size: fake 32 x 32 (all 20); real 48 x 48 (all 20)."),
        (lambda image: image.convert("L"), {}, "grey", "20 of 20 fake images hold no colour, 0 of 20 real ones."),
        (lambda image: image.quantize(32), {}, "colour_mode", "colour mode: fake P (all 20); real RGB or grey"),
        (lambda image: image, {"form": "bmp"}, "format", "file format: fake BMP (all 20); real PNG (all 20)."),
        (
            lambda image: image.resize((24, 24)).resize((48, 48), Image.Resampling.NEAREST),
            {},
            "enlarged",
            "20 of 20 fake images are enlarged by repeating pixels, 0 of 20 real ones.",
        ),
    ],
)
def test_sides_that_differ_in_one_thing(
    make: Make, change: Callable[[Image.Image], Image.Image], options: dict[str, object], kind: str, words: str
) -> None:
    (fact,) = facts(make("real"), make("fake", change, first=100, **options))
    assert (fact.kind, fact.side, fact.count, fact.of) == (kind, "fake", 20, 20)
    assert fact.text.startswith(words)


def test_the_side_that_stands_out_is_the_fact_s(make: Make) -> None:
    (fact,) = facts(make("real", transparent), make("fake", first=100))
    assert (fact.kind, fact.side, fact.to) == ("transparency", "real", "fake")


def test_qualities_of_jpeg_and_the_values_of_a_fact(make: Make) -> None:
    real = make("real", form="jpg", quality=95)
    (fact,) = facts(real, make("fake", form="jpg", quality=75, first=100))
    assert (fact.kind, fact.values) == ("jpeg_quality", {"fake": {"75": 20}, "real": {"95": 20}})


def test_sizes_without_a_common_one_are_compared_as_a_whole(make: Make) -> None:
    def of(low: int) -> Callable[[Image.Image], Image.Image]:
        return lambda image: image.resize((low + len(set(image.tobytes())) % 30,) * 2)

    real = make("real", of(40))
    assert facts(real, make("alike", of(40), first=100)) == []
    (fact,) = facts(real, make("small", of(10), first=200))
    assert fact.kind == "size"


def test_12_bits_in_files_of_16(make: Make) -> None:
    real = make("real", lambda image: image.convert("L"))
    dark, deep = facts(real, make("fake", twelve_bits, first=100))
    assert (dark.kind, dark.side, dark.count) == ("nearly_black", "fake", 20)
    assert "no value above 16 of 255, as from values of 12 bits or fewer in files of 16 bits" in dark.text
    assert (deep.kind, deep.values["fake"]) == ("bit_depth", {"16": 20})


def test_nothing_is_said_where_the_sides_agree(make: Make) -> None:
    real = make("real", transparent)
    assert facts(real, make("fake", transparent, first=100)) == []
    for source in ("zoo:digits?n=60", "zoo:grid-25?n=60"):
        assert facts(source, f"{source}&seed=1") == []


def test_shares_and_scales_differ_beyond_chance_and_beyond_a_trifle() -> None:
    assert _shares_differ(3, 3, 0, 2)
    assert not _shares_differ(3, 40, 0, 40)
    assert not _shares_differ(50, 5000, 0, 5000)  # beyond chance, and one in a hundred
    assert _shares_differ(150, 5000, 0, 5000)
    assert not _shares_differ(0, 10, 0, 20)
    assert not _shares_differ(10, 10, 20, 20)
    rng = np.random.default_rng(0)
    halves = [_scales_differ(rng.normal(size=80), rng.normal(size=60)) for _ in range(200)]
    assert not any(halves)
    assert _scales_differ(rng.normal(size=80), rng.normal(1.5, size=60))


def test_batches_files_and_saved_features_know_their_samples(make: Make, tmp_path: Path) -> None:
    real, fake = make("real"), make("fake", first=100)
    shutil.copy(real / "00.png", fake / "stolen.png")
    pictures = {}
    for key, folder in (("r", real), ("f", fake)):
        source = open_source(folder)
        assert isinstance(source, Source)
        pictures[key] = source.read(range(len(source)))
    meter = dm.Meter("fid,precision:k=1", extractor="pixels?size=8", ci_level=0, null=False)
    for side, key in (("real", "r"), ("fake", "f")):
        for start in range(0, len(pictures[key]), 7):
            batch = torch.from_numpy(np.stack(pictures[key][start : start + 7])).movedim(3, 1)
            meter.add(side, batch.float() / 255)  # type: ignore[arg-type]
    meter.save(tmp_path / "meter.dms")
    drawn = meter.collected("fake").drawn(8, seed=0)
    assert len(drawn.traits.contents) == 8
    loaded = dm.Meter.load(tmp_path / "meter.dms", "fid", ci_level=0, null=False)
    dm.extract(real, tmp_path / "real.dms", extractor="pixels?size=8")
    found = [meter.results().facts, loaded.results().facts, facts(tmp_path / "real.dms", fake)]
    for (fact,), kind in zip(found, ("identical_images", "identical_images", "identical_files"), strict=True):
        assert (fact.kind, fact.side, fact.to, fact.count, fact.of) == (kind, "fake", "real", 1, 21)


def test_facts_stand_first_and_survive_json(make: Make) -> None:
    report = dm.score(make("real"), make("fake", form="bmp", first=100), metrics="fid", extractor="pixels?size=8")
    assert dm.Report.from_json(report.to_json()).facts == report.facts
    text = " ".join(str(report).split())
    assert text.index("file format: fake BMP") < text.index("measured with pixels")
    entry = report.to_dict()["facts"][0]
    assert {key: entry[key] for key in ("kind", "side", "count")} == {"kind": "format", "side": "fake", "count": 20}


@pytest.mark.skipif(not ICONS.is_dir(), reason="no icons are installed here")
def test_icons_are_transparent_and_their_copies_on_white_are_not(tmp_path: Path) -> None:
    icons = [path for path in sorted(ICONS.rglob("*.png")) if path.is_file() and not path.is_symlink()]
    chosen = [path for path in icons[:2000] if path.read_bytes()[25:26] == b"\6"][:40]  # the header's type: RGBA
    if len(chosen) < 10:
        pytest.skip("too few icons with an alpha channel are installed here")
    for name in ("real", "fake"):
        (tmp_path / name).mkdir()
    for i, path in enumerate(chosen):
        with Image.open(path) as file:
            icon = file.copy()
        icon.save(tmp_path / "real" / f"{i}.png")
        flat = Image.new("RGBA", icon.size, "white")
        flat.alpha_composite(icon)
        flat.convert("RGB").save(tmp_path / "fake" / f"{i}.png")
    found = {fact.kind: fact for fact in facts(tmp_path / "real", tmp_path / "fake")}
    assert found["transparency"].side == "real"
    assert "size" not in found
