"""Arrays in memory and in files: layouts, types, labels, digests, and what is refused."""

import io
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchvision.utils import save_image

from divmetrics.errors import SourceError
from divmetrics.sources import open_source

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
FEATURES = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)


def all_of(source):
    return np.stack(source.read(range(len(source))))


@pytest.fixture
def save(tmp_path):
    """save(array) -> path of an .npy; save(images=..., labels=...) -> path of an .npz."""

    def save(*positional, **named):
        if len(positional) == 1 and not named:
            np.save(tmp_path / "set.npy", positional[0])
            return str(tmp_path / "set.npy")
        np.savez(tmp_path / "set.npz", *positional, **named)
        return str(tmp_path / "set.npz")

    return save


@pytest.mark.parametrize(
    ("given_images", "wanted"),
    [
        (IMAGES, IMAGES),
        (np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2)), IMAGES),
        (IMAGES[:, :3], IMAGES[:, :3]),  # 3 rows and 3 channels: the last axis wins
        (np.concatenate([IMAGES, IMAGES[..., :1]], 3), IMAGES),  # RGBA: alpha is dropped
        (IMAGES[..., 0], np.repeat(IMAGES[..., :1], 3, 3)),
        (IMAGES[..., :1], np.repeat(IMAGES[..., :1], 3, 3)),
        (IMAGES[:, None, ..., 0], np.repeat(IMAGES[..., :1], 3, 3)),
        (np.concatenate([IMAGES, IMAGES[..., :1]], 3).transpose(0, 3, 1, 2), IMAGES),  # RGBA, channels first
        (torch.from_numpy(IMAGES).permute(0, 3, 1, 2), IMAGES),
        (torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255, IMAGES),
        (IMAGES / 255, IMAGES),
        ((IMAGES / 255).astype(np.float16), IMAGES),
    ],
)
def test_layouts_and_types_of_images(given_images, wanted):
    source = open_source(given_images)
    assert source.kind == "image"
    assert source.labels is None
    found = source.read([3, 0])
    np.testing.assert_array_equal(np.stack(found), wanted[[3, 0]])
    assert all(image.flags.writeable and image.flags.c_contiguous and image.dtype == np.uint8 for image in found)
    assert source.path(3) == "#3"


@pytest.mark.parametrize("shape", [(3, 8, 9), (4, 8, 9), (8, 9, 3), (8, 9, 4), (8, 9, 1), (3, 3, 3)])
@pytest.mark.parametrize("kind", [np.zeros, torch.zeros])
def test_one_image_is_no_set_of_grey_images(save, shape, kind):
    for value in (kind(shape), save(np.zeros(shape, np.uint8))):
        with pytest.raises(SourceError, match=r"may be one image with channels or .* give one image as \[1,c,h,w\]"):
            open_source(value)


@pytest.mark.parametrize("shape", [(1, 8, 9), (2, 8, 9), (5, 8, 9), (60, 8, 8)])
def test_grey_images_are_a_set(shape):
    assert len(open_source(np.zeros(shape))) == shape[0]


def test_labels_tell_three_grey_images_from_one_of_three_channels(save):
    assert len(open_source(save(images=np.zeros((3, 8, 9)), labels=np.arange(3)))) == 3
    assert len(open_source((np.zeros((3, 8, 9)), [0, 1, 2]))) == 3


def test_bfloat16_and_gradients_are_taken():
    assert open_source(torch.rand(2, 3, 8, 8, dtype=torch.bfloat16)).kind == "image"
    rows = torch.randn(4, 2, requires_grad=True)
    np.testing.assert_array_equal(all_of(open_source(rows)), rows.detach().numpy())


@settings(deadline=None, derandomize=True, max_examples=30)
@given(arrays(np.float32, (1, 3, 2, 4), elements=st.floats(0, 1, width=32)))
def test_floats_are_rounded_as_torchvision_saves_them(tmp_path_factory, images):
    path = tmp_path_factory.mktemp("saved") / "1.png"
    save_image(torch.from_numpy(images[0]), path)
    np.testing.assert_array_equal(all_of(open_source(images)), all_of(open_source(path.parent)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (IMAGES / 127.5 - 1, r"run from -1 to 1, as of \[-1, 1\]: give \(x \+ 1\) / 2, or uint8"),
        (IMAGES.astype(np.float32), r"run from 0 to 255, as of 0\.\.255: give x / 255, or uint8"),
        (IMAGES / 255 + 0.01, r"run from 0.01 to 1.01: clip what overshoots, x\.clip\(0, 1\)"),
        ((IMAGES / 255 - 0.45) / 0.22, r"run from -2.04545 to 2.5: undo their normalisation, x \* std \+ mean"),
        (np.full((2, 4, 4, 3), np.nan), "hold NaN or Inf"),
    ],
)
def test_floats_beyond_the_unit_interval_are_ambiguous(values, message):
    with pytest.raises(SourceError, match=rf"fake: float images must lie in \[0, 1\], these {message}"):
        open_source(values, side="fake")


def test_floats_that_overshoot_by_less_than_half_a_grey_level_are_read():
    values = np.clip(IMAGES / 255, 0, 1)
    for noise in (1e-6, -1e-6, 1 / 600, -1 / 600):
        np.testing.assert_array_equal(all_of(open_source(values + noise)), IMAGES)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_features(dtype):
    source = open_source(FEATURES.astype(dtype))
    assert source.kind == "features"
    np.testing.assert_array_equal(all_of(source), FEATURES.astype(dtype))
    assert all_of(source).dtype == dtype


def test_foreign_byte_order_becomes_native(save):
    source = open_source(save(FEATURES.astype(">f4")))
    np.testing.assert_array_equal(all_of(source), FEATURES)
    assert all(torch.from_numpy(row).dtype == torch.float32 for row in source.read([0]))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(5), r"shape \[5\]; wanted images"),
        (np.zeros((1, 2, 3, 4, 5)), "wanted images"),
        (np.zeros((0, 8)), r"shape \[0, 8\]: no samples"),
        (np.zeros((5, 0)), "no samples"),
        (np.zeros((0, 8, 8, 3), np.uint8), "no samples"),
        (np.zeros((5, 8), np.int64), "may be features or flattened images"),
        (np.zeros((5, 8), np.uint8), "may be features or flattened images"),
        (np.zeros((5, 8, 8, 2), np.uint8), r"images of shape \[8, 8, 2\]; wanted \[h, w, c\]"),
        (np.zeros((5, 8, 8, 3), np.int32), "images of type int32; wanted uint8"),
        (np.zeros((5, 8, 8, 3), complex), "complex numbers"),
    ],
)
def test_other_shapes_and_types_are_clear_errors(value, message):
    with pytest.raises(SourceError, match=f"real: .*{message}"):
        open_source(value, side="real")


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the system does not say what a process holds")
def test_what_was_read_of_a_mapped_file_is_not_held(save):
    """The features of a run would be in memory twice."""
    path = save(np.random.default_rng(0).normal(size=(5000, 64)).astype(np.float32))
    source = open_source(path)

    def held() -> int:
        entries = re.split(r"\n(?=[0-9a-f]+-)", Path("/proc/self/smaps").read_text())
        return sum(int(re.search(r"Rss: +(\d+) kB", entry)[1]) for entry in entries if path in entry.splitlines()[0])

    assert source.rows[::10].sum()
    assert held() > 1000
    for use in (lambda: all_of(source), source.digest, lambda: source.fingerprints(range(5000))):
        use()
        assert held() < 100
    np.testing.assert_array_equal(all_of(source), np.load(path))


def test_npy_is_mapped_and_travels_as_a_path(save):
    images = np.repeat(IMAGES, 100, axis=0)
    source = open_source(save(images))
    assert isinstance(source.rows, np.memmap)
    np.testing.assert_array_equal(all_of(source), images)
    assert len(pickle.dumps(source)) < 2000
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301
    np.testing.assert_array_equal(all_of(copy), images)
    assert source.read([0])[0].flags.writeable


@pytest.mark.parametrize("value", [IMAGES, FEATURES, np.asfortranarray(FEATURES)])
def test_digest_is_that_of_the_values(save, value):
    digest = open_source(value).digest()
    assert digest.startswith("sha256:")
    assert open_source(save(value)).digest() == open_source(save(images=value)).digest() == digest
    assert open_source(torch.from_numpy(value)).digest() == digest
    changed = np.array(value)
    changed.flat[-1] += 1
    assert open_source(changed).digest() != digest
    assert open_source(value[:, ::-1]).digest() != digest
    assert open_source(value[:-1]).digest() != digest


def test_digest_takes_type_and_labels_in(save):
    assert open_source(FEATURES).digest() != open_source(FEATURES.view(">f4")).digest()
    unlabelled, labelled = (
        open_source(FEATURES).digest(),
        open_source(save(features=FEATURES, labels=np.arange(5))).digest(),
    )
    assert unlabelled != labelled


def test_a_long_digest_is_that_of_all_rows():
    rows = np.random.default_rng(0).normal(size=(3000, 2))
    changed = rows.copy()
    changed[2500, 1] = 0
    assert open_source(rows).digest() != open_source(changed).digest()


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ({"arr_0": IMAGES}, None),
        ({"anything": IMAGES}, None),
        ({"arr_0": IMAGES, "arr_1": np.array([3, 1, 3, 0, 2])}, ("3", "1", "3", "0", "2")),  # ADM's sample files
        ({"arr_0": IMAGES, "mu": np.zeros(8), "sigma": np.eye(8)}, None),  # ADM's reference files
        ({"images": IMAGES, "labels": np.array(["a", "b", "a", "c", "c"])}, ("a", "b", "a", "c", "c")),
        ({"images": IMAGES, "noise": FEATURES}, None),
        ({"anything": IMAGES, "labels": np.arange(5, dtype=np.int32)}, ("0", "1", "2", "3", "4")),
    ],
)
def test_npz_keys(save, content, labels):
    source = open_source(save(**content))
    np.testing.assert_array_equal(all_of(source), IMAGES)
    assert source.labels == labels


def test_npz_features_and_compressed(tmp_path):
    np.savez_compressed(tmp_path / "set.npz", features=FEATURES)
    np.testing.assert_array_equal(all_of(open_source(tmp_path / "set.npz")), FEATURES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"mu": np.zeros(8), "sigma": np.eye(8)}, r"holds statistics \(mu, sigma\), no samples"),
        ({"a": IMAGES, "b": IMAGES}, "holds a, b; wanted one array"),
        ({"labels": np.arange(5)}, "holds labels; wanted one array"),
        ({"images": IMAGES, "labels": np.arange(4)}, r"labels is int64 \[4\]; wanted .* each of 5 samples"),
        ({"arr_0": IMAGES, "arr_1": FEATURES}, r"arr_1 is float32 \[5, 8\]; wanted"),
        ({"images": np.zeros(3)}, r"shape \[3\]"),
        ({"images": np.array([{}, {}], dtype=object)}, "no plain array .*; write numbers"),
    ],
)
def test_npz_without_samples_is_a_clear_error(save, content, message):
    with pytest.raises(SourceError, match=f"real: .*set.npz.*{message}"):
        open_source(save(**content), side="real")


def test_an_empty_npz_is_a_clear_error(save):
    with pytest.raises(SourceError, match="holds nothing; wanted one array"):
        open_source(save())


def test_a_damaged_compressed_npz_is_a_clear_error(tmp_path):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, np.random.default_rng(0).normal(size=(100, 100)))
    data = bytearray(path.read_bytes())
    for place in (100, 1000):  # the head of the deflated stream, and its data
        damaged = data.copy()
        damaged[place : place + 50] = b"\xff" * 50
        path.write_bytes(damaged)
        with pytest.raises(SourceError, match="no plain array"):
            open_source(path)


def test_damaged_and_object_files_are_clear_errors(save, tmp_path):
    with pytest.raises(SourceError, match="no plain array"):
        open_source(save(np.array([{"a": 1}], dtype=object)))
    whole = (tmp_path / "good.npy", tmp_path / "good.npz")
    np.save(whole[0], IMAGES)
    np.savez(whole[1], IMAGES)
    for file in whole:
        for content in (b"", b"junk", pickle.dumps([1]), file.read_bytes()[: file.stat().st_size // 2]):
            damaged = file.with_stem("bad")
            damaged.write_bytes(content)
            with pytest.raises(SourceError, match="no plain array"):
                open_source(damaged)


def test_samples_and_labels_in_a_pt_file(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 4)).astype(np.uint8)
    torch.save(torch.from_numpy(images), tmp_path / "images.pt")
    torch.save({"features": torch.ones(5, 7), "labels": torch.arange(5)}, tmp_path / "features.pth")
    torch.save({"layer1.weight": torch.ones(2), "layer1.bias": torch.ones(2)}, tmp_path / "weights.pt")
    np.testing.assert_array_equal(open_source(tmp_path / "images.pt").read([4])[0], images[4].transpose(1, 2, 0))
    source = open_source(tmp_path / "features.pth")
    assert (source.kind, len(source), source.labels) == ("features", 5, ("0", "1", "2", "3", "4"))
    with pytest.raises(SourceError, match=r"holds layer1\.weight, layer1\.bias; wanted one array"):
        open_source(tmp_path / "weights.pt")


def test_a_large_npz_is_mapped_where_it_is_stored_and_refused_where_it_is_compressed(tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3)).astype(np.uint8)
    np.savez(tmp_path / "stored.npz", a=np.zeros(3), arr_0=images, arr_1=np.arange(50))
    np.savez_compressed(tmp_path / "packed.npz", arr_0=images)
    whole = open_source(tmp_path / "stored.npz")
    monkeypatch.setattr("divmetrics.sources._array_files.MOST_LOADED", 2000)
    mapped = open_source(tmp_path / "stored.npz")
    assert isinstance(mapped.rows, np.memmap)
    np.testing.assert_array_equal(mapped.rows, images)
    assert mapped.digest() == whole.digest()
    copy = pickle.loads(pickle.dumps(mapped))  # noqa: S301
    np.testing.assert_array_equal(copy.rows, images)
    assert len(pickle.dumps(mapped)) < 2000
    with pytest.raises(SourceError, match=r"arr_0 takes .* GiB when it is decompressed; write it with numpy\.savez"):
        open_source(tmp_path / "packed.npz")


def test_a_compressed_array_of_terabytes_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as file:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": (2**20, 2**10, 2**10, 3)}
        )
        file.writestr("arr_0.npy", header.getvalue() + bytes(2**20))
    with pytest.raises(SourceError, match=r"takes 3072\.0 GiB when it is decompressed"):
        open_source(tmp_path / "bomb.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize(
    "header",
    [
        "{" * 60, "(" * 5000, "1", "", "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}",
    ],
)  # fmt: skip
def test_damaged_headers_are_clear_errors(tmp_path, header, suffix):
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(100)
    if suffix == ".npz":
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
            file.writestr("arr_0.npy", content)
    else:
        (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(SourceError, match="holds no plain array"):
        open_source(tmp_path / f"x{suffix}")


def test_a_header_of_gigabytes_is_not_read(tmp_path):
    with (tmp_path / "x.npy").open("wb") as file:
        file.write(b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little"))
        file.truncate(2**33)
    with pytest.raises(SourceError, match="a header of 2147483648 bytes"):
        open_source(tmp_path / "x.npy")
