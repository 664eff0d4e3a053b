"""Samples of the zoo written as files: PNG images in class folders, or arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from divmetrics.records.files import atomic
from divmetrics.zoo.draw import Draw
from divmetrics.zoo.targets import target


def write_samples(draw: Draw, path: Path, *, as_file: bool) -> Path:
    """Write samples of the zoo to a file or into a new folder.

    Args:
        draw: Which samples.
        path: The file or the folder.
        as_file: Whether `path` is a `.npy` or `.npz` file. In a folder, images become PNG files with one subfolder for
            each mode, vectors become `samples.npz`.

    Returns:
        The file or folder that was written.
    """
    owner, rows = target(draw.model.target), draw.rows()
    modes, images = owner.nearest_modes(rows)[0], owner.images(rows)
    if as_file or images is None:
        if not as_file:
            path.mkdir(parents=True, exist_ok=True)
        return _write_array(path if as_file else path / "samples.npz", rows, modes, images)
    for place, (image, mode) in enumerate(zip(images, modes, strict=True)):
        folder = path / str(mode)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{place:06}.png")
    return path


def _write_array(path: Path, rows: np.ndarray, modes: np.ndarray, images: np.ndarray | None) -> Path:
    """Write features or images to `path`; a `.npz` holds the modes as labels, too."""
    samples = rows if images is None else images
    with atomic(path) as temporary, temporary.open("wb") as file:
        if path.suffix == ".npy":
            np.save(file, samples)
        else:
            labels = modes.astype(np.int64)
            if images is None:
                np.savez_compressed(file, features=samples, labels=labels)
            else:
                np.savez_compressed(file, images=samples, labels=labels)
    return path
