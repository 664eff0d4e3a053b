"""`weights`: what there is, where it lies, whether it is whole."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from divmetrics.encoders import weights as store

CONTENT = bytes(range(256)) * 400


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, and `inception` a small file with no one to send it."""
    monkeypatch.setenv("DIVMETRICS_HOME", str(tmp_path / "home"))
    for name in ("DIVMETRICS_MIRROR", "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(store, "PAUSE", 0.0)
    small = replace(
        store.WEIGHTS["inception"],
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        url="http://127.0.0.1:1/inception.pth",
    )
    monkeypatch.setitem(store.WEIGHTS, "inception", small)
    return tmp_path / "home"


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("DIVMETRICS_MIRROR", f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()


def test_fetch_then_list_path_and_verify(call: Callable[..., object], home: Path, mirror: Path) -> None:
    (mirror / "inception.pth").write_bytes(CONTENT)
    place = home / "weights" / store.WEIGHTS["inception"].file
    assert call("weights", "path", "inception").out == f"{place}\n"
    assert call("weights", "path").out == f"{place.parent}\n"
    before = {entry["name"]: entry["state"] for entry in json.loads(call("weights", "list", "--json").out)}
    assert before == {"efficientnet-lite0": "embedded", "inception": "not here"}

    done = call("weights", "fetch", "inception")
    assert (done.code, done.out) == (0, f"inception: {place}\n")
    assert place.read_bytes() == CONTENT
    assert call("weights", "fetch").out.splitlines()[1] == f"inception: {place}"
    assert call("weights", "verify").out.splitlines()[1] == f"inception: whole, {place}"
    rows = [line.split() for line in call("weights", "list").out.splitlines()]
    assert any(row[:2] == ["inception", "here"] for row in rows)
    assert any(row[:2] == ["efficientnet-lite0", "embedded"] for row in rows)


def test_verify_finds_a_damaged_file(call: Callable[..., object], home: Path) -> None:
    place = store.WEIGHTS["inception"].path
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT[:-1])
    done = call("weights", "verify")
    assert done.code == 3
    assert f"inception: damaged, {place}" in done.out
    assert "efficientnet-lite0: whole" in done.out
    assert "divmetrics weights fetch" in done.err


def test_verify_of_what_is_not_here(call: Callable[..., object]) -> None:
    assert call("weights", "verify").code == 0  # checks what is here
    done = call("weights", "verify", "inception")
    assert done.code == 3
    assert "divmetrics weights fetch inception" in done.err


def test_offline_is_one_sentence_with_the_manual_way(call: Callable[..., object]) -> None:
    done = call("weights", "fetch", "inception")
    place = store.WEIGHTS["inception"].path
    assert (done.code, done.out) == (3, "")
    assert done.err.count("\n") == 1
    assert f"by hand: put http://127.0.0.1:1/inception.pth at {place}" in done.err


def test_unknown_names(call: Callable[..., object]) -> None:
    for command in ("fetch", "verify", "path"):
        done = call("weights", command, "inceptoin")
        assert done.code == 2
        assert "Did you mean 'inception'?" in done.err


def test_scoring_without_weights_says_both_ways_out(call: Callable[..., object], tmp_path: Path) -> None:
    import numpy as np

    np.save(tmp_path / "images.npy", np.zeros((4, 8, 8, 3), np.uint8))
    done = call("score", tmp_path / "images.npy", tmp_path / "images.npy", "-m", "fid", "-e", "inception?layer=768")
    assert done.code == 3
    assert "divmetrics weights fetch inception" in done.err
    assert "--weights PATH" in done.err
