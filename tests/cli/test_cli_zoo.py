"""`divmetrics zoo`."""

import json

import numpy as np
import pytest
from PIL import Image

ENTRY = {"name", "family", "target", "knob", "trained", "oracle", "size", "untreated"}


def test_list(call):
    done = call("zoo", "list", "--json")
    entries = {entry["name"]: entry for entry in json.loads(done.out)}
    assert done.code == 0
    assert set(entries["ring-8-drop"]) >= ENTRY
    assert entries["ring-8-drop"]["oracle"]["severity"] == pytest.approx(0.62, abs=0.03)
    assert entries["ring-8"]["oracle"]["modes_found"] == entries["ring-8"]["oracle"]["modes_total"] == 8
    assert json.loads(call("list", "zoo", "--json").out) == list(entries.values())


def test_list_as_a_table(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    done = call("zoo", "list")
    assert "0.62, 3 of 8" in " ".join(done.out.split())


@pytest.fixture
def unrecorded(monkeypatch):
    """An entry, available here, of which nothing is recorded and which counts how often it is sampled."""
    from divmetrics.records.generator import ZOO, ZooModel

    calls = []

    def sample(n, seed):
        calls.append(n)
        return np.zeros((n, 2), np.float32)

    model = ZooModel("ring-8-new", function=sample, family="oracle", target="ring-8", knob="a test", cite="none")
    ZOO.load()
    monkeypatch.setitem(ZOO._records, model.name, model)
    return calls


@pytest.mark.parametrize("command", [("zoo", "list"), ("list", "zoo")])
def test_a_listing_never_computes(call, unrecorded, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    entries = {entry["name"]: entry for entry in json.loads(call(*command, "--json").out)}
    assert entries["ring-8-new"]["oracle"] is None
    assert entries["ring-8-drop"]["oracle"] is not None
    (line,) = [line for line in call(*command).out.splitlines() if line.startswith("ring-8-new ")]
    assert " of 8" not in line
    assert unrecorded == []


def test_images_go_into_class_folders(call, tmp_path):
    done = call("zoo", "sample", "digits-drop?level=0.8", "-n", 20, "--seed", 5, "-o", tmp_path / "new")
    assert (done.code, done.out) == (0, f"{tmp_path / 'new'}: 20 samples of digits-drop, seed 5.\n")
    files = list((tmp_path / "new").glob("*/*.png"))
    assert len(files) == 20
    assert np.asarray(Image.open(files[0])).shape == (32, 32, 3)


def test_vectors_go_into_an_array(call, tmp_path):
    assert call("zoo", "sample", "ring-8", "-n", 20, "-o", tmp_path / "new").code == 0
    with np.load(tmp_path / "new" / "samples.npz") as file:
        assert file["features"].shape == (20, 2)
        assert file["labels"].shape == (20,)


def test_a_file_of_any_kind(call, tmp_path):
    assert call("zoo", "sample", "digits", "-n", 5, "-o", tmp_path / "a.npz").code == 0
    assert call("zoo", "sample", "ring-8", "-n", 5, "-o", tmp_path / "a.npy").code == 0
    assert np.load(tmp_path / "a.npz")["images"].dtype == np.uint8
    assert np.load(tmp_path / "a.npy").shape == (5, 2)


def test_a_folder_in_use(call, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").touch()
    done = call("zoo", "sample", "ring-8", "-o", tmp_path / "there")
    assert (done.code, done.err) == (2, f"error: {tmp_path / 'there'} is not an empty folder; name a new one.\n")


def test_what_was_sampled_can_be_scored(call, tmp_path):
    call("zoo", "sample", "modes-64d", "-n", 60, "-o", tmp_path / "real.npz")
    done = call(
        "score", tmp_path / "real.npz", "zoo:modes-64d-drop?n=60&seed=1", "-m", "modes_found,fid", "--json", "-"
    )
    report = json.loads(done.out)
    assert report["metrics"]["modes_found@labels"]["value"] == 4


def test_check(call):
    done = call("zoo", "check", "ring-8", "ring-8-drop")
    assert (done.code, done.err.strip()) == (0, "2 entries, 0 changed.")
    assert done.out.count("same ") == 2


def test_check_finds_what_moved(call, monkeypatch):
    from divmetrics.records.generator import ZOO
    from divmetrics.zoo import record

    moved = {**record.recorded(ZOO["ring-8"]), "severity": 0.5}
    monkeypatch.setattr(record, "recorded", lambda _: moved)
    done = call("zoo", "check", "ring-8")
    assert done.code == 1
    assert "changed" in done.out
    assert "severity 0.5 -> 0.01" in done.out


def test_check_of_one_target(call):
    done = call("zoo", "check", "--target", "ring-8", "--quiet")
    assert {line.split()[1].startswith("ring-8") for line in done.out.splitlines()} == {True}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sample", "rign-8", "-o", "x"), "unknown zoo entry 'rign-8'. Did you mean 'ring-8'?"),
        (("sample", "ring-8?level=1", "-o", "x"), "unknown option of ring-8 'level'"),
        (("train", "ring-8", "-o", "x"), "ring-8 is not a trained model; trained models: "),
        (("check", "--target", "rign-8"), "unknown target 'rign-8'. Did you mean 'ring-8'?"),
    ],
)
def test_bad_requests(call, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call("zoo", *arguments)
    assert done.code == 2
    assert message in done.err
    assert not list(tmp_path.iterdir())
