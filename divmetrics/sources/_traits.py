"""`Traits`: what is known of samples besides their pixels: a digest of each, and how its file is made.

They are found while a sample is decoded, and travel with its features: two equal digests are two equal samples, and
looks that differ between the sides explain numbers that the pictures do not.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from math import gcd
from typing import Any, NamedTuple, Self

import numpy as np
from PIL import Image

_AT_ONCE = 2**24
"""Grey levels that are compared at once."""
DIGEST = 16
"""Bytes kept of the sha256 of a sample: two different samples among a billion agree with probability 1e-21."""


class Look(NamedTuple):
    """How an image is stored and what its pixels have in common; None where that is not known."""

    width: int | None = None
    height: int | None = None
    format: str | None = None
    """Of the file, as Pillow calls it: `PNG`."""
    mode: str | None = None
    """Colour mode of the file, as Pillow calls it: `RGBA`, `P`, `I;16`."""
    bits: int | None = None
    """Bits of one number in the file."""
    quality: str | None = None
    """Quality of a JPEG file from 1 to 100; `about 90` where its quantisation tables are not those of libjpeg."""
    transparent: bool | None = None
    """Whether a pixel is less than opaque; the transparency is dropped."""
    grey: bool | None = None
    """Whether red, green and blue agree in every pixel."""
    brightest: int | None = None
    """Largest value of a channel, 0 to 255, as the networks see the image."""
    repeats: int | None = None
    """Width and height of the blocks of equal pixels that the image consists of; 1 where it does not."""


@dataclass(frozen=True)
class Traits:
    """Digest and look of some samples, in order."""

    contents: tuple[bytes, ...] = ()
    """Digest of each sample as it is measured: of the decoded image, or of the row."""
    looks: tuple[Look | None, ...] = ()
    """Look of each image; None for rows of features."""
    files: tuple[bytes, ...] = ()
    """Digest of each sample's file; empty where some have no file of their own."""

    def __len__(self) -> int:
        return len(self.contents)

    def __add__(self, other: Self) -> Self:
        """These samples, then the others."""
        return self.joined([self, other])

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Those of all parts, in order."""
        filled = [part for part in parts if part.contents]
        in_files = all(part.files for part in filled)
        shared: dict[Look | None, Look | None] = {}
        return cls(
            tuple(chain.from_iterable(part.contents for part in filled)),
            tuple(shared.setdefault(look, look) for part in filled for look in part.looks),  # one object of equal ones
            tuple(chain.from_iterable(part.files for part in filled)) if in_files else (),
        )

    def with_files(self, hashes: Sequence[bytes] | None) -> Self:
        """The same with a digest of each file, where there are files."""
        if hashes is None or not all(hashes):  # one that vanished meanwhile has none
            return self
        return replace(self, files=tuple(one[:DIGEST] for one in hashes))

    def at(self, places: Sequence[int]) -> Self:
        """Those of some samples."""
        contents = tuple(self.contents[place] for place in places)
        looks = tuple(self.looks[place] for place in places)
        return type(self)(contents, looks, tuple(self.files[place] for place in places) if self.files else ())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, looks that several samples share once."""
        table = {look: place for place, look in enumerate(dict.fromkeys(self.looks))}
        return {
            "contents": _packed(self.contents),
            "files": _packed(self.files),
            "looks": [None if look is None else list(look) for look in table],
            "which": [table[look] for look in self.looks],
        }

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Self:
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError on anything else."""
        table = [None if look is None else Look(*look) for look in entry["looks"]]
        looks = tuple(table[place] for place in entry["which"])
        made = cls(_unpacked(entry["contents"]), looks, _unpacked(entry["files"]))
        if not len(made.looks) == len(made.contents) or (made.files and len(made.files) != len(made.contents)):
            raise ValueError("digests and looks of samples differ in number")
        return made


def _packed(digests: Sequence[bytes]) -> str:
    return base64.b64encode(b"".join(digests)).decode()


def _unpacked(text: str) -> tuple[bytes, ...]:
    whole = base64.b64decode(text)
    return tuple(whole[start : start + DIGEST] for start in range(0, len(whole), DIGEST))


def content_of(sample: np.ndarray) -> bytes:
    """Digest of an image uint8 `[h, w, 3]`, or of the undecoded content of a file `[bytes]`."""
    whole = hashlib.sha256(str(sample.shape).encode())
    whole.update(np.ascontiguousarray(sample).data)
    return whole.digest()[:DIGEST]


def traits_of_rows(rows: np.ndarray) -> Traits:
    """Traits of features `[n, d]`: digests are equal for equal numbers, in whatever precision they are stored."""
    flat = rows.reshape(len(rows), -1)
    with np.errstate(over="ignore"):  # what overflows is not equal to its narrow form
        narrow = flat.astype(np.float32) + np.float32(0)  # -0 becomes 0
    if flat.dtype == np.float64:
        exact = (narrow == flat).all(1)
        wide = flat + 0.0
        chosen = [narrow[i] if exact[i] else wide[i] for i in range(len(flat))]
    else:
        chosen = list(narrow)
    return Traits(tuple(hashlib.sha256(row.data).digest()[:DIGEST] for row in chosen), (None,) * len(chosen))


def look_of_pixels(image: np.ndarray) -> Look:
    """What the pixels of a decoded image, uint8 `[h, w, 3]`, tell of it."""
    height, width = image.shape[:2]
    return Look(width, height, grey=_is_grey(image), brightest=int(image.max()), repeats=_repeats(image))


def with_pixels(file: Look, image: np.ndarray, *, transparent: bool) -> Look:
    """The look of a file, with what its decoded pixels tell; they are turned upright where the file is not."""
    seen = look_of_pixels(image)
    upright = file._replace(width=seen.width, height=seen.height, transparent=transparent)
    return upright._replace(grey=seen.grey, brightest=seen.brightest, repeats=seen.repeats)


def look_of_file(image: Image.Image, content: bytes) -> Look:
    """What an opened image file tells of itself, before or after its pixels are loaded."""
    quality = _jpeg_quality(image) if image.format in ("JPEG", "MPO") else None
    return Look(*image.size, image.format, image.mode, _bits(image, content), quality)


def look_of_content(content: bytes) -> Look:
    """The look of the undecoded content of a file, without that of its pixels; empty where Pillow cannot read it."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return look_of_file(image, content)
    except Exception:  # Pillow raises many types on malformed files; whoever decodes it gives the reason
        return Look()


def is_transparent(image: Image.Image) -> bool:
    """Whether a pixel of a loaded image is less than opaque."""
    if not image.has_transparency_data:
        return False
    opaque = image if "A" in image.getbands() else image.convert("RGBA")
    low, _ = opaque.getchannel("A").getextrema()
    return bool(low < 255)  # type: ignore[operator]  # of one channel these are numbers


def _is_grey(image: np.ndarray) -> bool:
    for part in (image[::16, ::16], image):  # most colour images show it in a few pixels
        if not (np.array_equal(part[..., 0], part[..., 1]) and np.array_equal(part[..., 1], part[..., 2])):
            return False
    return True


def _repeats(image: np.ndarray) -> int:
    """Side of the blocks of equal pixels, the largest for which all of the image consists of them; 1 if it is flat."""
    if min(image.shape[:2]) < 2 or not np.array_equal(image[0], image[1]) or (image[:, 0] != image[:, 1]).any():
        return 1
    steps, changes = gcd(*image.shape[:2]), 0
    for lines in (image, image.swapaxes(0, 1)):
        step = max(1, _AT_ONCE // lines[0].size)
        differs = [
            (lines[at + 1 : at + 1 + step] != lines[at : min(at + step, len(lines) - 1)]).any((1, 2))
            for at in range(0, len(lines) - 1, step)
        ]
        found = np.flatnonzero(np.concatenate(differs)) + 1
        steps, changes = gcd(steps, *found.tolist()), changes + len(found)
    return steps if changes else 1


def _bits(image: Image.Image, content: bytes) -> int:
    """Bits of one number of a file."""
    if content.startswith(b"\x89PNG") and len(content) > 24:
        return max(8, content[24])  # the header's bit depth; fewer than 8 are palettes and masks, read as they are
    if image.mode == "F":
        return 32
    if image.format == "TIFF":
        found = getattr(image, "tag_v2", {}).get(258, 8)
        return max(8, *found) if isinstance(found, tuple) else max(8, int(found))
    return 16 if image.mode.startswith("I") else 8


def _jpeg_quality(image: Image.Image) -> str | None:
    """Quality of a JPEG file, found by its quantisation table of the luminance."""
    tables = getattr(image, "quantization", None)
    if not tables:
        return None
    table = tuple(tables[min(tables)])
    if (quality := _qualities().get(table)) is not None:
        return str(quality)
    nearest = min(_qualities().items(), key=lambda item: sum(abs(a - b) for a, b in zip(item[0], table, strict=True)))
    return f"about {nearest[1]}"


@cache
def _qualities() -> dict[tuple[int, ...], int]:
    """Quantisation table of the luminance -> quality, as libjpeg makes them."""
    found: dict[tuple[int, ...], int] = {}
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            found.setdefault(tuple(image.quantization[0]), quality)  # type: ignore[attr-defined]
    return found
