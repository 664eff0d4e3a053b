"""Images on the device: JPEG files are decoded there on request, and images are resized there where that is the same.

nvJPEG and torchvision's decoder round differently from Pillow's, by a grey level or two, so the name of the
preprocessing mentions them. The same code runs on a CPU.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

import torch
from torch import Tensor

from divmetrics.errors import Unavailable
from divmetrics.sources import UnreadableSample, decode

PrepareBatch = Callable[[Tensor], Tensor]
"""Images of one size, uint8 `[b, h, w, 3]` on the device -> input of the network, float32 `[b, ...]`."""

_FILES_AT_ONCE = 16
_MAX_PIXELS = 2**24
"""Pixels up to which a file is decoded on the device."""


def sendable(content: bytes) -> bool:
    """Whether a decoder that ignores EXIF rotation, CMYK and truncation reads this JPEG file as Pillow does."""
    from PIL import ExifTags, Image

    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:  # reads the header only
            upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
            whole = content.rstrip(b"\0").endswith(b"\xff\xd9") and image.width * image.height <= _MAX_PIXELS
            return upright and whole and image.mode in ("L", "RGB")
    except Exception:  # Pillow raises many types on malformed files; decoding it there gives the reason
        return False


def check_decoder(device: torch.device) -> None:
    """Raise Unavailable if torchvision cannot decode JPEG files on `device`; Pillow would have to read all of them."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "JPEG")
    try:
        (found,) = _decoded([torch.frombuffer(bytearray(stream.getvalue()), dtype=torch.uint8)], device)
    except ImportError:  # torchvision has announced that its decoder will go
        found = None
    if found is None:
        raise Unavailable(f"this torchvision decodes no JPEG files on {device}; leave --jpeg out.")


def on_device(
    pictures: Tensor | Sequence[Tensor],
    paths: Sequence[str],
    prepare_batch: Mapping[str, PrepareBatch],
    device: torch.device,
) -> tuple[dict[str, Tensor], dict[int, str]]:
    """Prepare `pictures` on the device for each encoder.

    Args:
        pictures: Images uint8 `[b, h, w, 3]`, or a list of images `[h, w, 3]` and JPEG files `[bytes]`.
        paths: Name of each, for error messages.
        prepare_batch: Name of the encoder -> its preparer for images of one size.
        device: Where to prepare them.

    Returns:
        Name of the encoder -> prepared images `[m, ...]`, and position -> reason for those that cannot be read.
    """
    lost: dict[int, str] = {}
    found: dict[str, list[Tensor]] = {name: [] for name in prepare_batch}
    for images in _groups(pictures, paths, device, lost):
        for name, prepare in prepare_batch.items():
            found[name].append(prepare(images))
    return {name: torch.cat(parts) for name, parts in found.items() if parts}, lost


def _groups(
    pictures: Tensor | Sequence[Tensor], paths: Sequence[str], device: torch.device, lost: dict[int, str]
) -> Iterator[Tensor]:
    """Runs of consecutive images of one size, uint8 `[g, h, w, 3]` on the device, in order."""
    if isinstance(pictures, Tensor) and pictures.ndim == 4:
        yield pictures.to(device, non_blocking=True)
        return
    for start in range(0, len(pictures), _FILES_AT_ONCE):
        part = list(pictures[start : start + _FILES_AT_ONCE])
        files = [place for place, picture in enumerate(part) if picture.ndim == 1]
        for place, image in zip(files, _decoded([part[place] for place in files], device), strict=True):
            if image is None:
                image = _by_pillow(part[place], paths[start + place], start + place, lost)
            part[place] = image
        kept = [image for image in part if image.numel()]
        for _, group in groupby(kept, key=lambda image: image.shape):
            yield torch.stack([image.to(device, non_blocking=True) for image in group])


def _decoded(files: Sequence[Tensor], device: torch.device) -> list[Tensor | None]:
    """Each JPEG file decoded to uint8 `[h, w, 3]` on the device; None for a file that the decoder rejects."""
    if not files:
        return []
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The image decoding", DeprecationWarning)  # `check_decoder` is for then
            from torchvision.io import ImageReadMode, decode_jpeg

            images = decode_jpeg(list(files), mode=ImageReadMode.RGB, device=device)
        return [image.permute(1, 2, 0) for image in images]
    except RuntimeError:
        if len(files) == 1:
            return [None]
        return [image for file in files for image in _decoded([file], device)]


def _by_pillow(file: Tensor, path: str, place: int, lost: dict[int, str]) -> Tensor:
    """A file that the device rejected, decoded by Pillow; empty, with the reason in `lost`, if that fails too."""
    try:
        return torch.from_numpy(decode(file.numpy().tobytes(), path))
    except UnreadableSample as error:
        lost[place] = error.reason
        return torch.empty(0)
