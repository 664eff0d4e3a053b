"""Decoding of image files with Pillow.

Every image becomes uint8 `[h, w, 3]`:

- **alpha is dropped**, not composited, as in torchvision's loader, pytorch-fid, torch-fidelity and clean-fid; the
  transparency of a palette likewise;
- **EXIF orientation is applied**. The tools above ignore it, which matters for photographs only: generated files
  carry none;
- **16-bit gray is scaled**, round(v / 257); a plain conversion would clip at 255. Pillow reduces 16-bit colour to its
  high byte. Float TIFF is read if it lies in [0, 1];
- CMYK is converted without a colour profile; of several frames the first is read.
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from divmetrics.errors import SourceError
from divmetrics.records.run_options import MAX_PIXELS
from divmetrics.sources._base import UnreadableSample
from divmetrics.sources._listing import formats_of
from divmetrics.sources._memory import one_large
from divmetrics.sources._pixels import as_image, check_unit
from divmetrics.sources._thumbnails import shrunk, thumbnail_of_pixels
from divmetrics.sources._traits import Look, is_transparent, look_of_file, with_pixels

_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"GIF8")
_AT_ONCE = 2**22
"""Pixels that are converted at once: what Pillow has decoded is not copied as a whole."""


def decode(data: bytes, path: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file.

    Args:
        data: Content of the file.
        path: What errors and reports call the sample.
        max_pixels: Pixels of an image that is decoded, at most.

    Returns:
        The image, uint8 `[h, w, 3]`.

    Raises:
        UnreadableSample: where it cannot be decoded.
    """
    return inspect(data, path, max_pixels)[0]


def inspect(data: bytes, path: str, max_pixels: int = MAX_PIXELS) -> tuple[np.ndarray, Look]:
    """An image as `decode` gives it, and its look. Raises UnreadableSample."""
    looks: list[Look] = []
    with loaded(data, path, max_pixels, opened=lambda image: looks.append(look_of_file(image, data))) as image:
        transparent = is_transparent(image)
        values = pixels(image)
        image.close()  # its memory goes before more is taken
        return values, with_pixels(looks[0], values, transparent=transparent)


@contextmanager
def loaded(
    data: bytes,
    path: str,
    max_pixels: int,
    *,
    opened: Callable[[Image.Image], object] = lambda _: None,
    draft: int | None = None,
) -> Iterator[Image.Image]:
    """An image file, decoded; what decoding it and the block raise becomes UnreadableSample.

    Args:
        data: Content of the file.
        path: What errors call the sample.
        max_pixels: Pixels of an image that is decoded, at most.
        opened: Called with the image before its pixels are decoded.
        draft: Length of the longer side from which on less than the whole resolution will do (JPEG only).
    """
    if not data:
        raise UnreadableSample(path, "empty file")
    try:
        with strict, Image.open(io.BytesIO(data), formats=formats_of(path)) as image:
            check_pixels(image, max_pixels)
            one_large.claim(image.width * image.height)
            opened(image)
            if draft is not None:
                image.draft(None, (draft, draft))
            image.load()
            check_pixels(image, max_pixels)  # that of an icon may be larger than its directory says
            yield image
    except UnidentifiedImageError:  # raised for a truncated header as well
        raise UnreadableSample(path, "truncated or damaged" if data.startswith(_MAGIC) else "not an image") from None
    except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error, KeyError and more
        raise UnreadableSample(path, reason(error)) from None


def thumbnail_of_file(data: bytes, path: str, max_pixels: int, side: int) -> np.ndarray:
    """A small version of an image file, to be looked at: unlike what the networks read, it keeps transparency.

    Args:
        data: Content of the file.
        path: What errors call the sample.
        max_pixels: Pixels of an image that is decoded, at most.
        side: Length of its longer side at most; smaller images stay as they are.

    Returns:
        uint8 `[h, w, 3]`, or `[h, w, 4]` where it is transparent somewhere.

    Raises:
        UnreadableSample: The file cannot be decoded.
    """
    with loaded(data, path, max_pixels, draft=2 * side) as image:
        if is_transparent(image):
            return shrunk(ImageOps.exif_transpose(image).convert("RGBA"), side)
        return thumbnail_of_pixels(pixels(image), side)


def pixels(image: Image.Image) -> np.ndarray:
    """An opened image as uint8 `[h, w, 3]`. Raises SourceError on grey values whose range is ambiguous."""
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # exif_transpose would copy every image
        image = ImageOps.exif_transpose(image)
    width, height = image.size
    if width * height <= _AT_ONCE:
        return _converted(image)
    values, step = np.empty((height, width, 3), np.uint8), max(1, _AT_ONCE // width)
    for top in range(0, height, step):
        values[top : top + step] = _converted(image.crop((0, top, width, min(height, top + step))))
    return values


def check_pixels(image: Image.Image, most: int) -> None:
    """Raise DecompressionBombError where an opened image has more than `most` pixels, before it is decoded."""
    if image.width * image.height > most:
        raise Image.DecompressionBombError(f"{image.width * image.height}")


def _converted(image: Image.Image) -> np.ndarray:
    """A loaded image, or a part of it, as uint8 `[h, w, 3]`."""
    if image.mode == "F":
        values = np.asarray(image)  # [h, w]
        check_unit(values)
        return as_image(values)
    if image.mode.startswith("I"):  # I;16, I;16B, I;16L and I: Pillow's modes for 16-bit PNG and 32-bit TIFF
        return as_image(_eight_bits(np.asarray(image)))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns about the direct conversion; the colours are the same
    return np.array(image.convert("RGB"))


def reason(error: Exception) -> str:
    """Why Pillow could not decode an image, in a few words."""
    text = str(error)
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, Image.DecompressionBombError):
        found = re.search(r"\d+", text)
        return f"{found.group() if found else 'too many'} pixels, more than --max-pixels allows"
    if re.search("truncated|broken data stream", text, re.IGNORECASE):
        return "truncated"
    if "could not create decoder" in text:  # the only message of libwebp
        return "truncated or damaged"
    return text or type(error).__name__


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """16-bit grey values `[h, w]` as uint8, round(v / 257)."""
    wide = values.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise SourceError(f"32-bit gray values from {wide.min()} to {wide.max()}; wanted at most 16 bits.")
    return ((wide + 128) // 257).astype(np.uint8)


class _StrictPillow:
    """Context in which Pillow gives no warnings and refuses truncated files, whatever the process has set.

    Both are settings of the whole process, so concurrent threads share one context: the first that enters sets them,
    the last that leaves restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._lenient = False
        self._warnings = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._warnings.__exit__(None, None, None)
                ImageFile.LOAD_TRUNCATED_IMAGES = self._lenient


strict = _StrictPillow()
