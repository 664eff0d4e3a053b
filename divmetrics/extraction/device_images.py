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
from divmetrics.extraction.sizes import check_size
from divmetrics.sources import UnreadableSample, decode

PrepareBatch = Callable[[Tensor], Tensor]
"""Images of one size, uint8 `[b, h, w, 3]` on the device -> input of the network, float32 `[b, ...]`."""

Picture = Tensor | Mapping[str, Tensor]
"""An image uint8 `[h, w, 3]`, a JPEG file `[bytes]`, or what a worker has prepared for each encoder, `[...]` each."""

_FILES_AT_ONCE = 16
_PIXELS_AT_ONCE = 2**24
"""Pixels of the files that are decoded together, where they are more than one."""
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
    pictures: Tensor | Sequence[Picture],
    paths: Sequence[str],
    prepare_batch: Mapping[str, PrepareBatch],
    device: torch.device,
) -> tuple[dict[str, Tensor], dict[int, str]]:
    """Prepare `pictures` on the device for each encoder.

    Args:
        pictures: Images uint8 `[b, h, w, 3]`, or a list of images `[h, w, 3]`, of JPEG files `[bytes]`, and of what is
            prepared already, by encoder.
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
            rows = prepare(images) if isinstance(images, Tensor) else images[name][None].to(device)
            check_size(name, (found[name] or [rows])[0].shape[1:], rows.shape[1:])
            found[name].append(rows)
    return {name: torch.cat(parts) for name, parts in found.items() if parts}, lost


def _groups(
    pictures: Tensor | Sequence[Picture], paths: Sequence[str], device: torch.device, lost: dict[int, str]
) -> Iterator[Picture]:
    """Runs of consecutive images of one size, uint8 `[g, h, w, 3]` on the device, and what is prepared, in order."""
    if isinstance(pictures, Tensor) and pictures.ndim == 4:
        yield pictures.to(device, non_blocking=True)
        return
    for cut in _cuts(pictures):
        part = list(pictures[cut])
        files = {at: found for at, found in enumerate(part) if isinstance(found, Tensor) and found.ndim == 1}
        for place, image in zip(files, _decoded(list(files.values()), device), strict=True):
            if image is None:
                image = _by_pillow(files[place], paths[cut.start + place], cut.start + place, lost)
            part[place] = image
        kept = [image for image in part if not isinstance(image, Tensor) or image.numel()]
        for shape, group in groupby(kept, key=lambda image: image.shape if isinstance(image, Tensor) else None):
            if shape is None:
                yield from group
            else:
                yield torch.stack([image.to(device, non_blocking=True) for image in group if isinstance(image, Tensor)])


def _cuts(pictures: Tensor | Sequence[Picture]) -> list[slice]:
    """`pictures` cut into slices of at most 16, whose decoded pixels fit into the memory."""
    cuts, pixels = [slice(0, 0)], 0
    for place, picture in enumerate(pictures):
        more = pixels_of(picture)
        if place and (place - cuts[-1].start == _FILES_AT_ONCE or pixels + more > _PIXELS_AT_ONCE):
            cuts.append(slice(place, place))
            pixels = 0
        cuts[-1], pixels = slice(cuts[-1].start, place + 1), pixels + more
    return cuts


def pixels_of(picture: Picture) -> int:
    """Pixels of a decoded image, or those that a JPEG file has once it is decoded; 0 where its header is damaged."""
    if not isinstance(picture, Tensor):
        return 0
    if picture.ndim == 3:
        return picture.shape[0] * picture.shape[1]
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture.numpy().tobytes()), formats=["JPEG"]) as image:
            return image.width * image.height
    except Exception:  # as in `sendable`
        return 0


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
