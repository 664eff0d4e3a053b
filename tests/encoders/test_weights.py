"""Fetching weights from a server of this machine that misbehaves in every way: never a bad file in place."""

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from divmetrics.encoders import weights as store
from divmetrics.encoders.efficientnet_lite0 import SHA256 as SHA256_OF_LITE0
from divmetrics.encoders.weights import WEIGHTS, Weights, fetch, find, is_whole, named
from divmetrics.errors import Unavailable, UnknownName, UsageError

CONTENT = np.random.default_rng(0).bytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Answer(BaseHTTPRequestHandler):
    """One request; what happens is decided by the next of `server.behaviours`, the last of which stays."""

    def do_GET(self) -> None:
        self.first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.server.seen.append((self.path, self.first))
        behaviours = self.server.behaviours
        (behaviours.pop(0) if len(behaviours) > 1 else behaviours[0])(self)

    def log_message(self, *_: object) -> None:
        pass

    def say(self, content: bytes, length: int | None, status: int = 206, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


Behaviour = Callable[[Answer], None]


def whole(answer: Answer) -> None:
    rest = CONTENT[answer.first :]
    answer.say(rest, len(rest))


def without_ranges(answer: Answer) -> None:
    answer.say(CONTENT, len(CONTENT), status=200)


def without_length(answer: Answer) -> None:
    answer.say(CONTENT[answer.first :], None)


def cut_after(n: int) -> Behaviour:
    def cut(answer: Answer) -> None:
        rest = CONTENT[answer.first :]
        answer.say(rest[:n], len(rest))

    return cut


def slowly(answer: Answer) -> None:
    time.sleep(0.5)
    whole(answer)


def silent(answer: Answer) -> None:
    answer.say(CONTENT[:1000], len(CONTENT))
    time.sleep(1)


def status(code: int) -> Behaviour:
    return lambda answer: answer.say(b"", 0, status=code)


def damaged(answer: Answer) -> None:
    wrong = bytearray(CONTENT)
    wrong[500_000] ^= 1
    answer.say(bytes(wrong[answer.first :]), len(CONTENT) - answer.first)


def a_page(answer: Answer) -> None:
    answer.say(b"<html>please log in</html>", 26, status=200)


def elsewhere(answer: Answer) -> None:
    if answer.path == "/elsewhere":
        whole(answer)
    else:
        answer.say(b"", 0, status=302, Location="/elsewhere")


class Server(ThreadingHTTPServer):
    behaviours: list[Behaviour]
    seen: list[tuple[str, int]]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as server:
        server.behaviours, server.seen = [whole], []
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def a_home_and_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_HOME", str(tmp_path / "home"))
    for name in ("DIVMETRICS_MIRROR", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(store, "PAUSE", 0.0)


@pytest.fixture
def tiny(server: Server) -> Weights:
    return Weights("tiny", "tiny.pth", SHA256, len(CONTENT), "none", f"{server.address}/releases/tiny.pth")


def part(weights: Weights) -> Path:
    return weights.path.with_name("tiny.pth.part")


def assert_only_the_file(weights: Weights) -> None:
    assert weights.path.read_bytes() == CONTENT
    assert {path.name for path in weights.path.parent.iterdir()} <= {"tiny.pth", "tiny.pth.lock"}


def test_fetch_brings_the_file_once(server: Server, tiny: Weights) -> None:
    done: list[int] = []
    assert fetch(tiny, done.append) == tiny.path
    assert fetch(tiny) == tiny.path
    assert_only_the_file(tiny)
    assert server.seen == [("/releases/tiny.pth", 0)]
    assert done == sorted(done)
    assert done[-1] == len(CONTENT)


def test_a_cut_connection_is_resumed(server: Server, tiny: Weights) -> None:
    server.behaviours = [cut_after(300_000), cut_after(0), status(503), cut_after(500_000), whole]
    fetch(tiny)
    assert_only_the_file(tiny)
    assert [first for _, first in server.seen] == [0, 300_000, 300_000, 300_000, 800_000]


def test_a_connection_that_keeps_breaking_ends_in_a_sentence_and_the_next_call_goes_on(
    server: Server, tiny: Weights
) -> None:
    server.behaviours = [cut_after(400_000), cut_after(0)]
    with pytest.raises(Unavailable) as raised:
        fetch(tiny)
    for words in ("tiny: 0 of 1 MB are here", "the connection was cut", "goes on from there", f"put {tiny.url} at"):
        assert words in str(raised.value)
    assert not tiny.path.exists()
    assert len(server.seen) == store.TRIES
    server.behaviours = [whole]
    fetch(tiny)
    assert_only_the_file(tiny)
    assert server.seen[-1][1] == 400_000


def test_a_server_that_falls_silent(server: Server, tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "TIMEOUT", 0.2)
    server.behaviours = [silent, whole]
    fetch(tiny)
    assert_only_the_file(tiny)


@pytest.mark.parametrize("behaviour", [without_ranges, without_length, elsewhere])
def test_servers_of_other_habits(server: Server, tiny: Weights, behaviour: Behaviour) -> None:
    server.behaviours = [cut_after(300_000), behaviour]
    fetch(tiny)
    assert_only_the_file(tiny)
    assert server.seen[-1] == ("/elsewhere" if behaviour is elsewhere else "/releases/tiny.pth", 300_000)


def test_a_wrong_digest_is_removed_and_said(server: Server, tiny: Weights) -> None:
    server.behaviours = [damaged]
    with pytest.raises(Unavailable, match=rf"its sha256 begins with .*, not with {SHA256[:8]}\. It was removed"):
        fetch(tiny)
    assert not tiny.path.exists()
    assert not part(tiny).exists()


def test_a_wrong_length_is_refused_at_once(server: Server, tiny: Weights) -> None:
    server.behaviours = [a_page]
    with pytest.raises(Unavailable, match="has 26 bytes, tiny has 1,000,000: that is another file"):
        fetch(tiny)
    assert len(server.seen) == 1
    assert not tiny.path.exists()
    assert not part(tiny).exists()


def test_a_file_that_is_longer_than_it_should_be_is_refused(server: Server, tiny: Weights) -> None:
    server.behaviours = [lambda answer: answer.say(CONTENT + b"more", None)]
    with pytest.raises(Unavailable, match=r"is not tiny\.pth"):
        fetch(tiny)
    assert not tiny.path.exists()


@pytest.mark.parametrize("left", [CONTENT + b"more", CONTENT[:1000], b"wrong" * 1000])
def test_what_an_earlier_run_left(tiny: Weights, left: bytes) -> None:
    tiny.path.parent.mkdir(parents=True)
    part(tiny).write_bytes(left)
    if left.startswith(b"wrong"):
        with pytest.raises(Unavailable, match="It was removed; try again"):
            fetch(tiny)
    fetch(tiny)
    assert_only_the_file(tiny)


def test_a_damaged_file_in_place_is_replaced(tiny: Weights) -> None:
    tiny.path.parent.mkdir(parents=True)
    tiny.path.write_bytes(CONTENT[:1000])
    fetch(tiny)
    assert_only_the_file(tiny)


def test_no_such_file_on_the_server(server: Server, tiny: Weights) -> None:
    server.behaviours = [status(404)]
    with pytest.raises(Unavailable, match="answers 404 Not Found"):
        fetch(tiny)
    assert len(server.seen) == 1


def test_offline(tiny: Weights) -> None:
    away = replace(tiny, url="http://127.0.0.1:1/tiny.pth")
    with pytest.raises(Unavailable) as raised:
        fetch(away)
    for words in ("0 of 1 MB are here", "127.0.0.1:1 failed (Connection refused)", f"at {tiny.path}"):
        assert words in str(raised.value)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is always full")
def test_no_space(tiny: Weights) -> None:
    tiny.path.parent.mkdir(parents=True)
    part(tiny).symlink_to("/dev/full")
    with pytest.raises(Unavailable, match=r"cannot write .*No space left on device; make room there, or set DIVMET"):
        fetch(tiny)
    assert not tiny.path.exists()


def test_a_place_that_cannot_be_written(tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DIVMETRICS_HOME", str(tmp_path / "file"))
    with pytest.raises(Unavailable, match=r"cannot write .*Not a directory.*set DIVMETRICS_HOME"):
        fetch(tiny)


TWO = """
import sys
from divmetrics.encoders.weights import Weights, fetch
print(fetch(Weights("tiny", "tiny.pth", sys.argv[1], int(sys.argv[2]), "none", sys.argv[3])))
"""


def test_two_processes_fetch_it_once(server: Server, tiny: Weights) -> None:
    server.behaviours = [slowly]
    command = [sys.executable, "-c", TWO, SHA256, str(len(CONTENT)), str(tiny.url)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]  # noqa: S603
    assert [run.communicate()[0].strip() for run in runs] == [str(tiny.path)] * 2
    assert len(server.seen) == 1
    assert_only_the_file(tiny)


def test_who_waits_too_long_is_told(tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    monkeypatch.setattr(store, "PATIENCE", 0.1)
    tiny.path.parent.mkdir(parents=True)
    with FileLock(f"{tiny.path}.lock"), pytest.raises(Unavailable, match="another process has been fetching tiny"):
        fetch(tiny)


def test_a_mirror_takes_the_place_of_the_host(server: Server, tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_MIRROR", f"{server.address}/github/")
    fetch(replace(tiny, url="https://nowhere.invalid/releases/tiny.pth"))
    assert server.seen == [("/github/releases/tiny.pth", 0)]


def test_a_mirror_is_an_address(tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_MIRROR", "mirror.example")
    with pytest.raises(UsageError, match="wanted an address"):
        fetch(tiny)


def test_a_proxy_is_asked(server: Server, tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.address)
    fetch(replace(tiny, url="http://nowhere.invalid/tiny.pth"))
    assert server.seen == [("http://nowhere.invalid/tiny.pth", 0)]


def test_what_is_known() -> None:
    inception = named("inception")
    assert inception.file == f"weights-inception-2015-12-05-{inception.sha256[:8]}.pth"
    assert inception.path.parts[-3:-1] == ("home", "weights")
    with pytest.raises(UnknownName, match=r"weights .incepton.. Did you mean .inception"):
        named("incepton")
    with pytest.raises(Unavailable, match=r"fetch them once .96 MB. with divmetrics weights fetch inception"):
        find(inception)


def test_the_embedded_weights_are_those_of_the_extractor_and_never_fetched() -> None:
    embedded = WEIGHTS["efficientnet-lite0"]
    assert fetch(embedded) == embedded.path
    assert embedded.path.stat().st_size == embedded.size
    assert is_whole(embedded)
    assert embedded.sha256 == SHA256_OF_LITE0
