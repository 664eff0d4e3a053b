"""Digests and looks of samples: what a file says, what its pixels say, equal numbers in whatever precision."""

import io

import numpy as np
import pytest
from PIL import Image

from divmetrics.sources import Look, Traits, look_of_pixels, open_source, traits_of_rows


@pytest.fixture
def look(build):
    """The look of one file: look(content, "a.png")."""

    def look(content, name="a.png"):
        folder = build({name: content}, f"set{len(content)}")
        return open_source(folder).inspect(0)[1]

    return look


def test_a_png_and_its_alpha(look, encode, photo) -> None:
    opaque = Image.fromarray(photo).convert("RGBA")
    holed = opaque.copy()
    holed.putpixel((3, 4), (1, 2, 3, 254))
    plain = look(encode(opaque))
    assert plain[:6] == (160, 107, "PNG", "RGBA", 8, None)
    assert (plain.transparent, plain.grey, plain.repeats) == (False, False, 1)
    assert look(encode(holed)).transparent


def test_transparency_of_palettes_and_of_one_colour(look, encode, photo) -> None:
    palette = Image.fromarray(photo).quantize(16)
    assert look(encode(palette, "GIF"), "a.gif").transparent is False
    assert look(encode(palette, "GIF", transparency=palette.getpixel((0, 0))), "a.gif").transparent is True
    image = Image.fromarray(photo)
    assert look(encode(image, "PNG", transparency=image.getpixel((0, 0)))).transparent is True


@pytest.mark.parametrize("quality", [1, 50, 75, 95, 100])
def test_the_quality_of_a_jpeg_is_that_it_was_saved_with(look, encode, photo, quality: int) -> None:
    assert look(encode(Image.fromarray(photo), "JPEG", quality=quality), "a.jpg").quality == str(quality)


def test_quantisation_tables_of_another_encoder_are_told_as_about(look, encode, photo) -> None:
    with Image.open(io.BytesIO(encode(Image.fromarray(photo), "JPEG", quality=80))) as image:
        tables = [list(table) for table in image.quantization.values()]  # type: ignore[attr-defined]
    tables[0][5] += 1
    assert look(encode(Image.fromarray(photo), "JPEG", qtables=tables), "a.jpg").quality == "about 80"


def test_bits_of_png_and_tiff(look, encode) -> None:
    deep = Image.fromarray(np.full((4, 4), 4095, np.uint16))
    for form in ("PNG", "TIFF"):
        found = look(encode(deep, form), f"a.{form.lower()}")
        assert (found.bits, found.brightest) == (16, 16)  # 4095 of 65535
    assert look(encode(Image.new("1", (4, 4), 1))).bits == 8


def test_a_turned_photograph_has_its_upright_size(look, encode, photo) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert look(encode(Image.fromarray(photo), "JPEG", exif=exif), "a.jpg")[:2] == (107, 160)


def test_pixels_that_are_repeated(photo) -> None:
    small = photo[:20, :30]
    assert look_of_pixels(small).repeats == 1
    assert look_of_pixels(small.repeat(3, 0).repeat(3, 1)).repeats == 3
    assert look_of_pixels(np.pad(small, ((4, 4), (4, 4), (0, 0)))).repeats == 1  # a border is flat, the rest is not
    assert look_of_pixels(np.zeros((8, 8, 3), np.uint8)).repeats == 1
    assert look_of_pixels(small[:1]).repeats == 1


def test_grey_is_said_of_pixels_not_of_files(look, encode, photo) -> None:
    grey = Image.fromarray(photo).convert("L")
    assert look(encode(grey)).grey
    assert look(encode(grey.convert("RGB"))).grey
    one = np.array(grey.convert("RGB"))
    one[5, 5, 0] ^= 1
    assert not look_of_pixels(one).grey


def test_rows_are_equal_where_their_numbers_are() -> None:
    rows = np.array([[0.0, 1.5], [-0.0, 1.5], [0.1, 2.0]], np.float32)
    narrow, wide = traits_of_rows(rows), traits_of_rows(rows.astype(np.float64))
    assert narrow.contents == wide.contents
    assert narrow.contents[0] == narrow.contents[1] != narrow.contents[2]
    assert traits_of_rows(np.array([[0.1, 2.0]])).contents[0] != narrow.contents[2]  # 0.1 is another number in float64


def test_traits_survive_json_and_merge() -> None:
    first = Traits((b"a" * 16, b"b" * 16), (Look(3, 4, "PNG"), Look(3, 4, "PNG")), (b"c" * 16, b"d" * 16))
    second = Traits((b"e" * 16,), (None,))
    assert Traits.from_json(first.to_json()) == first
    assert len(first.to_json()["looks"]) == 1
    assert first + Traits() == first == Traits() + first
    assert (first + second).files == ()
    assert Traits.joined([first, first]).files == first.files * 2
    assert first.at([1]).contents == (b"b" * 16,)
    with pytest.raises(ValueError, match="differ in number"):
        Traits.from_json({**first.to_json(), "which": [0]})
