import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images


@pytest.fixture(scope="session")
def photo():
    """A real photograph, uint8 [107, 160, 3]."""
    return np.asarray(Image.fromarray(load_sample_images().images[0]).resize((160, 107)))


@pytest.fixture
def encode():
    """An image as the content of a file: encode(image, "PNG", **options of save)."""

    def encode(image, form="PNG", **options):
        file = io.BytesIO()
        image.save(file, form, **options)
        return file.getvalue()

    return encode


@pytest.fixture
def gray(encode):
    """A 4 x 4 PNG of one gray value, as bytes."""
    return lambda value: encode(Image.new("RGB", (4, 4), (value, value, value)))


@pytest.fixture
def build(tmp_path):
    """Write {relative name: bytes} as a folder, a zip or a tar: build(files, "set.zip") -> path as text."""

    def build(files, name="set"):
        target = tmp_path / name
        if name.endswith(".zip"):
            with zipfile.ZipFile(target, "w") as archive:
                for file, content in files.items():
                    archive.writestr(file, content, zipfile.ZIP_DEFLATED)
        elif ".tar" in name or name.endswith(".tgz"):
            with tarfile.open(target, "w" if name.endswith(".tar") else "w:gz") as archive:
                for file, content in files.items():
                    member = tarfile.TarInfo(file)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
        else:
            target.mkdir()
            for file, content in files.items():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                (target / file).write_bytes(content)
        return str(target)

    return build


@pytest.fixture
def values():
    """The gray value of each sample, for sources made of `gray` images."""
    return lambda source: [int(image[0, 0, 0]) for image in source.read(range(len(source)))]


@pytest.fixture
def touch_all():
    """Give every file below a folder another time stamp."""

    def touch(folder):
        for file in Path(folder).rglob("*"):
            file.touch()

    return touch
