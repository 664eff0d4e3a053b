"""`divmetrics zoo train`, and what becomes of its checkpoints."""

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from divmetrics.records.generator import ZOO
from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

TINY = Gan(Data("ring-8", 200), 20, width=8, critic_width=8, batch=24)


@pytest.fixture
def declare(tmp_path):
    """Declares the entry `made-up`, as a file in the folder of the zoo would; it is taken out again."""
    ZOO.load()
    folder = tmp_path / "bundle"
    folder.mkdir()

    def again():
        ZOO._records.pop("made-up", None)
        trained("made-up", TINY, family="gan", knob="a test", cite="none", folder=folder)
        return folder

    yield again
    ZOO._records.pop("made-up", None)


def test_training_again_and_drawing_from_it(call, declare, tmp_path):
    declare()
    done = call("zoo", "train", "made-up", "-o", tmp_path / "own", "--seed", 3)
    path = tmp_path / "own" / "made-up.safetensors"
    assert (done.code, done.out) == (0, f"{path}: made-up, seed 3.\n")
    assert [file.name for file in (tmp_path / "own").iterdir()] == ["made-up.safetensors"]
    query = f"made-up?checkpoint={path}"
    assert call("zoo", "sample", query, "-n", 9, "-o", tmp_path / "a.npy").code == 0
    assert np.array_equal(np.load(tmp_path / "a.npy"), ZOO["made-up"].function(9, 0, checkpoint=str(path)))
    first = load_file(path)
    assert call("zoo", "train", "made-up", "-o", tmp_path / "own", "--seed", 3, "--quiet").code == 0
    assert all((load_file(path)[name] == tensor).all() for name, tensor in first.items())


def test_a_seed_that_is_none_is_a_wrong_request(call, declare, tmp_path):
    declare()
    done = call("zoo", "train", "made-up", "-o", tmp_path, "--seed", -3)
    assert done.code == 2
    assert "--seed" in done.err


def test_without_a_checkpoint(call, declare, tmp_path):
    declare()
    done = call("zoo", "sample", "made-up", "-o", tmp_path / "a.npy")
    assert done.code == 3
    assert "made-up has no checkpoint at" in done.err
    assert "divmetrics zoo train made-up -o DIR" in done.err


def test_a_new_entry_is_checked_once_it_has_a_checkpoint(call, declare):
    folder = declare()
    assert call("zoo", "train", "made-up", "-o", folder, "--quiet").code == 0
    declare()
    done = call("zoo", "check", "made-up")
    assert (done.code, done.out.split()[:2]) == (0, ["same", "made-up"])
    assert '"trained": true' in call("zoo", "list", "--json").out


def test_a_wrong_digest_is_refused(call, declare):
    folder = declare()
    call("zoo", "train", "made-up", "-o", folder, "--quiet")
    declare()
    path = folder / "made-up.safetensors"
    with safe_open(path, "pt") as file:
        header = file.metadata()
    tensors = load_file(path)
    save_file({name: tensor * 2 for name, tensor in tensors.items()}, path, header)
    done = call("zoo", "check", "made-up")
    assert (done.code, done.out) == (3, "")
    assert "its digest is wrong; train it again: divmetrics zoo train made-up -o DIR." in done.err
