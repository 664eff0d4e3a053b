"""Decoding of each kind of image file, and the reasons given for files that are no images."""

import contextlib
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from divmetrics.sources import UnreadableSample
from divmetrics.sources._decode import decode


def png(width, height, depth, colour, rows):
    """A PNG by the book, for what Pillow cannot write."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))) + chunk(b"IEND", b"")


def refused(data):
    with pytest.raises(UnreadableSample) as caught:
        decode(data, "cat/1.png")
    assert caught.value.path == "cat/1.png"
    return caught.value.reason


@pytest.mark.parametrize(
    ("form", "options"),
    [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True})],
)
def test_lossless_formats_give_the_pixels_back(photo, encode, form, options):
    found = decode(encode(Image.fromarray(photo), form, **options), "x")
    assert found.dtype == np.uint8
    assert found.flags.writeable  # torch.from_numpy warns otherwise
    np.testing.assert_array_equal(found, photo)


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_are_what_pillow_decodes(photo, encode, form):
    """Nothing like `draft` in between: equal to Image.open(...).convert("RGB"), as pytorch-fid and clean-fid read."""
    data = encode(Image.fromarray(photo), form)
    found = decode(data, "x")
    np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert np.abs(found.astype(int) - photo).mean() < 15


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        *(("PNG", mode) for mode in ("1", "L", "LA", "P", "RGBA")),
        *(("TIFF", mode) for mode in ("CMYK", "F", "I", "I;16")),
    ],
)
def test_every_mode_becomes_three_channels(encode, form, mode):
    found = decode(encode(Image.new(mode, (5, 3), 0), form), "x")
    assert found.shape == (3, 5, 3)
    assert found.dtype == np.uint8


def test_gray_is_repeated(encode):
    found = decode(encode(Image.fromarray(np.array([[0, 7], [200, 255]], np.uint8))), "x")
    np.testing.assert_array_equal(found[..., 0], [[0, 7], [200, 255]])
    assert (found == found[..., :1]).all()


def test_one_bit_is_black_and_white(encode):
    found = decode(encode(Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")), "x")
    np.testing.assert_array_equal(found[0], [[0, 0, 0], [255, 255, 255]])


def test_alpha_is_dropped_not_composited(encode):
    assert decode(encode(Image.new("RGBA", (2, 2), (10, 20, 30, 0))), "x")[0, 0].tolist() == [10, 20, 30]


def test_a_transparent_palette_keeps_its_colours(encode):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    for transparency in (0, bytes([0, 128])):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = decode(encode(image, transparency=transparency), "x")
        assert found[0].tolist() == [[10, 20, 30], [40, 50, 60]]


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.lists(st.integers(0, 65535), min_size=1, max_size=20))
def test_sixteen_bit_gray_is_scaled_not_clipped(gray_values):
    wide = np.array([gray_values], np.uint16)
    wanted = np.round(wide / 257)
    saved = io.BytesIO()
    Image.fromarray(wide).save(saved, "PNG")
    np.testing.assert_array_equal(decode(saved.getvalue(), "x")[..., 0], wanted)
    by_the_book = png(wide.shape[1], 1, 16, 0, [wide.astype(">u2").tobytes()])
    np.testing.assert_array_equal(decode(by_the_book, "x")[..., 0], wanted)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_sixteen_bit_tiff_is_scaled(encode, mode):
    image = Image.frombytes(
        mode, (2, 1), np.array([25700, 65535], {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]).tobytes()
    )
    assert decode(encode(image, "TIFF"), "x")[0, :, 0].tolist() == [100, 255]


def test_sixteen_bit_colour_is_cut_to_its_high_byte():
    assert decode(png(1, 1, 16, 2, [struct.pack(">3H", 0x0AFF, 0x1400, 0x1E80)]), "x")[0, 0].tolist() == [10, 20, 30]


def test_gray_of_more_than_sixteen_bits_is_refused(encode):
    assert "32-bit gray values from 70000" in refused(encode(Image.new("I", (2, 2), 70000), "TIFF"))


def test_float_tiff_in_the_unit_interval_is_rounded_and_beyond_it_ambiguous(encode):
    assert decode(encode(Image.new("F", (2, 2), 0.5), "TIFF"), "x")[0, 0].tolist() == [128, 128, 128]
    for value in (-0.5, 200.0, float("nan")):
        assert "must lie in [0, 1]" in refused(encode(Image.new("F", (2, 2), value), "TIFF"))


@pytest.mark.parametrize("colour", [(250, 20, 30), (20, 240, 60), (255, 255, 255), (0, 0, 0)])
def test_cmyk_jpeg_with_adobe_inversion_has_its_colours(encode, colour):
    """Pillow writes CMYK JPEG as Adobe does, inverted, and marks it; read as plain CMYK it would be a negative."""
    data = encode(Image.new("RGB", (16, 16), colour).convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in data
    assert np.abs(decode(data, "x").astype(int) - colour).max() < 8


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(encode, form):
    image = Image.new("RGB", (32, 16), (255, 255, 255))
    image.paste((0, 0, 0), (0, 0, 16, 16))  # left half black
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter clockwise to see it upright: black ends on top
    found = decode(encode(image, form, exif=exif), "x")
    assert found.shape == (32, 16, 3)
    assert found[:12].max() < 40
    assert found[20:].min() > 215


def test_broken_exif_does_not_matter(photo, encode):
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"):
        assert decode(encode(Image.fromarray(photo), "JPEG", exif=exif), "x").shape == photo.shape


def test_the_first_frame_is_read(encode):
    frames = [Image.new("RGB", (4, 4), (value, value, value)) for value in (10, 200)]
    for form in ("GIF", "TIFF", "PNG", "WEBP"):
        data = encode(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)
        assert decode(data, "x")[0, 0, 0] == 10


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_truncated_files_are_refused(photo, encode, form):
    data = encode(Image.fromarray(photo), form)
    for cut in (60, len(data) // 2, len(data) - 30):
        assert refused(data[:cut]) in ("truncated", "truncated or damaged")


def test_truncation_is_found_though_the_process_asks_pillow_to_overlook_it(photo, encode, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = encode(Image.fromarray(photo), "JPEG")
    assert refused(data[: len(data) // 2]) == "truncated"
    assert ImageFile.LOAD_TRUNCATED_IMAGES  # the process keeps its choice


def test_what_is_no_image_is_refused(encode):
    assert refused(b"") == "empty file"
    assert refused(b"a,b\n1,2\n") == "not an image"
    assert refused(b"<html>") == "not an image"
    assert refused(encode(Image.new("RGB", (4, 4)), "ICO")) == "not an image"  # a format beyond the promised six


@pytest.mark.parametrize("limit", [89_478_485, None, 10**12])
@pytest.mark.parametrize(("side", "found"), [(10_000, "100000000"), (30_000, "900000000")])
def test_decompression_bombs_are_refused_whatever_the_process_allows(monkeypatch, limit, side, found):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert refused(png(side, side, 1, 0, [b""])) == f"{found} pixels, more than --max-pixels allows"


def test_pillow_warnings_stay_inside(photo, encode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refused(png(10_000, 10_000, 1, 0, [b""]))  # DecompressionBombWarning
        decode(encode(Image.fromarray(photo), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff"), "x")  # Corrupt EXIF


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"]), st.data())
def test_a_flipped_byte_gives_an_image_or_an_unreadable_sample(form, data):
    file = io.BytesIO()
    Image.linear_gradient("L").resize((9, 9)).convert("RGB").save(file, form)
    damaged = bytearray(file.getvalue())
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(UnreadableSample):
        assert decode(bytes(damaged), "x").dtype == np.uint8


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_image_is_converted_in_bands_to_the_same_pixels(monkeypatch, encode, photo, mode, orientation):
    image = Image.fromarray(photo).convert("L" if mode in ("I;16", "F") else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    if mode == "F":
        image = Image.fromarray(np.asarray(image).astype(np.float32) / 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(image, "TIFF" if mode in ("CMYK", "F") else "PNG", exif=exif)
    whole = decode(data, "x")
    monkeypatch.setattr("divmetrics.sources._decode._AT_ONCE", 1000)
    np.testing.assert_array_equal(decode(data, "x"), whole)


def test_the_largest_number_of_pixels_can_be_chosen(encode):
    data = encode(Image.new("RGB", (20, 10)))
    assert decode(data, "x", 200).shape == (10, 20, 3)
    with pytest.raises(UnreadableSample, match="200 pixels, more than --max-pixels allows"):
        decode(data, "x", 199)
