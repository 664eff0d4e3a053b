"""Zip and tar: the same samples as the folder they were made of, read in place, in any process."""

import io
import json
import multiprocessing
import os
import pickle
import tarfile
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from divmetrics.errors import SourceError
from divmetrics.sources import UnreadableSample, open_source
from divmetrics.sources._files import Container

ARCHIVES = ["set.zip", "set.tar", "set.tar.gz", "set.tgz"]


@pytest.fixture
def files(gray):
    return {
        "cat/1.png": gray(1),
        "dog/2.PNG": gray(2),
        "cat/3.png": gray(3),
        "readme.txt": b"x",
        "__MACOSX/4.png": b"x",
    }


@pytest.mark.parametrize("archive", ARCHIVES)
def test_an_archive_is_its_folder(build, files, values, archive):
    folder, packed = open_source(build(files)), open_source(build(files, archive))
    assert packed.files == folder.files
    assert packed.labels == folder.labels == ("cat", "cat", "dog")
    assert values(packed) == values(folder) == [1, 3, 2]
    assert packed.digest() == folder.digest()
    assert packed.path(2) == "dog/2.PNG"


@pytest.mark.parametrize("archive", ["set.zip", "set.tar"])
def test_leading_dots_and_slashes_do_not_matter(build, gray, archive):
    source = open_source(build({"./cat/1.png": gray(1), "/dog/2.png": gray(2), "../out.png": gray(3)}, archive))
    assert source.files == ("cat/1.png", "dog/2.png")
    assert source.labels == ("cat", "dog")
    assert len(source.read([0, 1])) == 2


def test_stored_zip(tmp_path, gray, values):
    with zipfile.ZipFile(tmp_path / "SET.ZIP", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("1.png", gray(5))
        archive.writestr("folder/", b"")
    assert values(open_source(tmp_path / "SET.ZIP")) == [5]


def test_a_damaged_member_is_one_unreadable_sample(build, gray, values):
    path = Path(build({"1.png": gray(1), "2.png": gray(2)}, "set.zip"))
    damaged = bytearray(path.read_bytes())
    damaged[60] ^= 255
    path.write_bytes(damaged)
    source = open_source(path)
    with pytest.raises(UnreadableSample, match=r"1\.png: damaged in the zip"):
        source.read([0])
    assert source.read([1])[0][0, 0, 0] == 2
    assert source.digest() == source.digest()


def test_an_encrypted_member_is_one_unreadable_sample(build, gray):
    path = Path(build({"1.png": gray(1)}, "set.zip"))
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag in the local header ...
    data[data.index(b"PK\x01\x02") + 8] |= 1  # ... and in the directory
    path.write_bytes(data)
    with pytest.raises(UnreadableSample, match="encrypted"):
        open_source(path).read([0])


@pytest.mark.parametrize("archive", ARCHIVES)
def test_empty_damaged_and_foreign_archives_are_clear_errors(tmp_path, build, files, archive):
    with pytest.raises(SourceError, match="is empty; wanted images"):
        open_source(build({}, archive))
    with pytest.raises(SourceError, match=r"holds no images, but 1 other file\(s\): 1 \.txt"):
        open_source(build({"a.txt": b"x"}, archive))
    whole = Path(build(files, archive)).read_bytes()
    cut = 700 if archive == "set.tar" else len(whole) // 2  # inside the second header, for a tar
    for content in (b"", b"not an archive", whole[:cut]):
        (tmp_path / archive).write_bytes(content)
        with pytest.raises(SourceError, match=f"real: .*{archive} is damaged or no (zip|tar)"):
            open_source(tmp_path / archive, side="real")


def test_webdataset_labels(build, gray):
    files = {
        "000.jpg": gray(1), "000.cls": b"7\n",
        "001.jpg": gray(2), "001.json": json.dumps({"label": "dog"}).encode(),
        "002.left.png": gray(3), "002.cls": b"7",
        "003.png": gray(4), "003.json": json.dumps({"cls": 3, "caption": "x"}).encode(),
    }  # fmt: skip
    assert open_source(build(files, "set.tar")).labels == ("7", "dog", "7", "3")
    assert open_source(build(files, "set.tar.gz")).labels == ("7", "dog", "7", "3")


def test_webdataset_labels_are_all_or_nothing(build, gray):
    assert open_source(build({"0.jpg": gray(1), "0.cls": b"7", "1.jpg": gray(2)}, "some.tar")).labels is None
    assert open_source(build({"0.jpg": gray(1), "0.json": b'{"caption": "x"}'}, "none.tar")).labels is None
    folders = {"cat/0.jpg": gray(1), "cat/0.json": b"[1]"}
    assert open_source(build(folders, "folders.tar")).labels == ("cat",)
    sided = {"a/0.jpg": gray(1), "a/0.cls": b"7", "b/0.jpg": gray(2), "b/0.cls": b"8"}
    assert open_source(build(sided, "sided.tar")).labels == ("7", "8")  # what is said beats where it lies


def test_broken_json_beside_an_image_is_a_clear_error(build, gray):
    with pytest.raises(SourceError, match=r"0\.json is not JSON"):
        open_source(build({"0.jpg": gray(1), "0.json": b"{"}, "set.tar"))


def test_damaged_or_endless_labels_in_a_tar_are_clear_errors(build, gray, monkeypatch):
    with pytest.raises(SourceError, match=r"0\.cls is not text"):
        open_source(build({"0.jpg": gray(1), "0.cls": b"\xff"}, "bytes.tar"))
    with pytest.raises(SourceError, match=r"0\.json is not JSON"):
        open_source(build({"0.jpg": gray(1), "0.json": b"[" * 100_000}, "deep.tar"))
    monkeypatch.setattr("divmetrics.sources._files.Container.content", _with_most(1000))
    with pytest.raises(SourceError, match=r"0\.json: a file of 2000 bytes"):
        open_source(build({"0.jpg": gray(1), "0.json": b" " * 2000}, "long.tar"))


def _with_most(most):
    content = Container.content
    return lambda self, name: content(self, name, most)


def test_labels_in_a_tar_count_in_its_digest(build, gray):
    one = open_source(build({"0.jpg": gray(1), "0.cls": b"7"}, "one.tar"))
    other = open_source(build({"0.jpg": gray(1), "0.cls": b"8"}, "other.tar"))
    assert one.digest() != other.digest()


def test_hard_links_in_a_tar_are_samples(tmp_path, gray, values):
    (tmp_path / "1.png").write_bytes(gray(1))
    os.link(tmp_path / "1.png", tmp_path / "2.png")
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(tmp_path / "1.png", "./1.png")
        archive.add(tmp_path / "2.png", "./2.png")
    assert values(open_source(tmp_path / "set.tar")) == [1, 1]


@pytest.mark.parametrize("archive", ["set.tar", "set.zip"])
def test_links_in_an_archive_lead_to_its_files_or_are_listed(tmp_path, gray, values, archive):
    links = {"b/2.png": "../a/1.png", "b/3.png": "2.png", "4.png": "/etc/passwd", "5.png": "6.png", "6.png": "5.png"}
    if archive == "set.tar":
        with tarfile.open(tmp_path / archive, "w") as file:
            for name, target in links.items():
                member = tarfile.TarInfo(name)
                member.type, member.linkname = tarfile.SYMTYPE, target
                file.addfile(member)
            pipe = tarfile.TarInfo("7.png")
            pipe.type = tarfile.FIFOTYPE
            file.addfile(pipe)
            member = tarfile.TarInfo("a/1.png")
            member.size = len(gray(1))
            file.addfile(member, io.BytesIO(gray(1)))
    else:
        with zipfile.ZipFile(tmp_path / archive, "w") as file:
            file.writestr("a/1.png", gray(1))
            for name, target in links.items():
                member = zipfile.ZipInfo(name)
                member.create_system, member.external_attr = 3, 0o120777 << 16
                file.writestr(member, target)
    source = open_source(tmp_path / archive)
    assert source.files == ("a/1.png", "b/2.png", "b/3.png")
    assert values(source) == [1, 1, 1]
    assert [sample.path for sample in source.skipped][:3] == ["4.png", "5.png", "6.png"]
    assert "which is no file in the archive" in source.skipped[0].reason


@pytest.mark.parametrize("archive", ["set", *ARCHIVES])
def test_a_copy_by_pickle_reads_the_same(build, files, archive):
    source = open_source(build(files, archive))
    source.read([0])  # so that a handle is open
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert copy.labels == source.labels
    np.testing.assert_array_equal(copy.read([2, 0]), source.read([2, 0]))


def test_a_pickled_tar_gz_does_not_carry_its_bytes(build, gray):
    noise = np.random.default_rng(0).bytes(1_000_000)
    source = open_source(build({"1.png": gray(1), "noise.bin": noise}, "set.tar.gz"))
    source.read([0])
    assert len(pickle.dumps(source)) < 10_000


@pytest.mark.parametrize("archive", ARCHIVES[:3])
def test_forked_workers_do_not_share_a_handle(build, gray, archive):
    source = open_source(build({f"{value:03}.png": gray(value) for value in range(100)}, archive))
    source.read([0])
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        found = pool.map(source.read, [[index] for index in range(100)])
        assert [int(image[0, 0, 0]) for [image] in found] == list(range(100))


def test_a_forked_process_leaves_the_handle_of_its_parent_alone(build, gray):
    """A DataLoader's worker inherits the source; a shared handle would move under the other process's hands."""
    source = open_source(build({f"{value:03}.png": gray(value) for value in range(200)}, "set.zip"))
    source.read([0])
    handle = next(iter(source.container._archives.values())).fp.fileno()
    before = os.lseek(handle, 0, os.SEEK_CUR)
    worker = multiprocessing.get_context("fork").Process(target=source.read, args=(range(200),))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert os.lseek(handle, 0, os.SEEK_CUR) == before


@pytest.mark.slow  # each spawned worker imports torch
def test_spawned_workers_read_every_kind_of_source(build, gray, tmp_path):
    files = {f"{value:03}.png": gray(value) for value in range(6)}
    np.save(tmp_path / "set.npy", np.stack([np.full((4, 4, 3), value, np.uint8) for value in range(6)]))
    sources = [open_source(build(files, name)) for name in ("set", *ARCHIVES[:3])] + [open_source(tmp_path / "set.npy")]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for source in sources:
            found = pool.map(source.read, [[index] for index in range(6)])
            assert [int(image[0, 0, 0]) for [image] in found] == list(range(6))


@pytest.fixture
def forty(build, gray):
    return Path(build({f"{i:02}.png": gray(i) for i in range(40)}, "set.tar")).read_bytes()


def reads_the_same_or_says_so(path, whole):
    """Whether `path` gives the samples of `whole`, apart from those that are listed as skipped; else it is refused."""
    try:
        source = open_source(path)
    except SourceError:
        return True
    return len(source) + len(source.skipped) >= whole


def test_a_tar_with_a_flipped_bit_never_gives_fewer_samples(forty, tmp_path):
    """Every byte of the header of the 11th member, and some bytes of others."""
    flips = [(10 * 1024 + place, place % 8) for place in range(512)]
    flips += [(i * 1024 + place, bit) for i in range(40) for place, bit in ((0, 1), (124, 0), (150, 2), (156, 1))]
    for place, bit in flips:
        damaged = bytearray(forty)
        damaged[place] ^= 1 << bit
        (tmp_path / "damaged.tar").write_bytes(damaged)
        assert reads_the_same_or_says_so(tmp_path / "damaged.tar", 40), (place, bit)


@pytest.mark.parametrize("members", [0, 1, 10, 39, 40])
def test_a_tar_that_is_cut_between_members_is_refused(forty, tmp_path, members):
    (tmp_path / "cut.tar").write_bytes(forty[: members * 1024])
    with pytest.raises(SourceError, match=r"cut\.tar is damaged or no tar"):
        open_source(tmp_path / "cut.tar")


def test_a_tar_that_goes_on_after_its_end_is_refused(forty, tmp_path):
    hole = forty[: 10 * 1024] + bytes(1024) + forty[11 * 1024 :]
    for content in (forty + forty, hole, forty + bytes(2**24)):
        (tmp_path / "joined.tar").write_bytes(content)
        with pytest.raises(SourceError, match="it goes on after its end mark at byte"):
            open_source(tmp_path / "joined.tar")


def test_a_tar_with_one_block_of_zeros_or_many_at_its_end_is_read(forty, tmp_path):
    for padding in (512, 1024, 10240, 2**20):
        (tmp_path / "set.tar").write_bytes(forty[: 40 * 1024] + bytes(padding))
        assert len(open_source(tmp_path / "set.tar")) == 40


def test_a_header_of_gigabytes_is_refused(forty, tmp_path):
    member = tarfile.TarInfo("pax")
    member.type, member.size = tarfile.XHDTYPE, 2**33
    with (tmp_path / "sparse.tar").open("wb") as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        file.truncate(2**34)
    with pytest.raises(SourceError, match="a header of 8589934592 bytes"):
        open_source(tmp_path / "sparse.tar")


@pytest.mark.parametrize("bits", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_a_zip_with_a_flipped_bit_in_its_directory_never_gives_fewer_samples(build, gray, tmp_path, bits):
    names = [f"{i}.png" for i in range(6)] + ["n.png", "photos", ".hidden.png"]
    whole = Path(build({name: gray(3) for name in names}, "set.zip")).read_bytes()
    for place in range(whole.index(b"PK\x01\x02"), len(whole)):
        for bit in [6] if bits == 1 else range(8):  # the sixth makes a dot of n and a slash of o
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            (tmp_path / "damaged.zip").write_bytes(damaged)
            assert reads_the_same_or_says_so(tmp_path / "damaged.zip", 8), (place, bit)


def test_joined_and_split_zips_are_refused(build, gray, tmp_path):
    one, two = (Path(build({name: gray(1)}, f"{name}.zip")).read_bytes() for name in ("1.png", "2.png"))
    (tmp_path / "joined.zip").write_bytes(one + two)
    with pytest.raises(SourceError, match="several zips joined"):
        open_source(tmp_path / "joined.zip")
    part = bytearray(one)
    part[-22 + 4] = 1
    (tmp_path / "part.zip").write_bytes(part)
    with pytest.raises(SourceError, match="one part of several"):
        open_source(tmp_path / "part.zip")


@pytest.mark.slow  # 4 seconds to write it
def test_a_zip_with_a_comment_or_many_entries_is_read(tmp_path, gray):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.comment = b"a comment"
        file.writestr("1.png", gray(1))
        for i in range(2**16):
            file.writestr(f"{i}.txt", b"")
    assert open_source(tmp_path / "set.zip").files == ("1.png",)


def test_a_member_twice_in_a_zip_is_listed(tmp_path, gray, values):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.writestr("1.png", gray(1))
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("1.png", gray(2))
    source = open_source(tmp_path / "set.zip")
    assert values(source) == [2]
    assert [sample.reason for sample in source.skipped] == ["several times in the zip, of which the last is read"]


def test_a_tar_gz_of_more_than_its_bound_is_refused(build, gray, monkeypatch):
    path = build({"1.png": gray(1), "noise.txt": bytes(2**22)}, "set.tar.gz")
    assert len(open_source(path)) == 1
    monkeypatch.setattr("divmetrics.sources._tar.MOST_DECOMPRESSED", 2**21)
    with pytest.raises(SourceError, match=r"holds more than .* GiB, which would have to lie in memory"):
        open_source(path)
