"""Extractions in processes of their own, killed at random and resumed, or at once on one cache: a script for the tests.

    python tests/extraction/killed_runs.py kill IMAGES SCRATCH TRIALS
    python tests/extraction/killed_runs.py share IMAGES SCRATCH TRIALS

This process only forks: it imports all and computes nothing with torch, whose threads a copy would wait for in vain. A
line of JSON at the end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._preparing import Bicubic
from divmetrics.extraction import cached, known, store
from divmetrics.extraction.loop import ExtractionSettings
from divmetrics.extraction.store import Cache
from divmetrics.sources import Source, open_source

PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT
cached.PART = known.PART = 64  # so that a few hundred images are several files
store.SMALL = 32


class Small(nn.Module):
    """Large enough that OpenVINO is worth while, small enough for a test."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 64, 5, 2), nn.ReLU(), nn.Conv2d(64, 64, 5, 2), nn.Flatten())

    def forward(self, batch: Tensor) -> tuple[Tensor]:
        return (self.layers(batch),)


def extract(images: Path, cache: Path | None, out: Path) -> None:
    """The features of `images`, in the file `out`."""
    network = Small().eval().requires_grad_(False)
    encoder = Encoder("small", "0" * 64, "bicubic-aa-48", ("pooled",), Bicubic(48), lambda: network)
    source, found = open_source(images), list[Tensor]()
    assert isinstance(source, Source)
    settings = ExtractionSettings("cpu", store=None if cache is None else Cache(cache, 10**9))
    add = lambda _encoder, _layer, rows, _places: found.append(rows)  # noqa: E731
    taken = cached.run(source, [encoder], layers={"pooled"}, add=add, settings=settings)
    np.savez(out, rows=torch.cat(found).numpy(), engine=taken.engine)


def forked(work: Callable[[], None]) -> int:
    """The id of a process that does `work`."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:  # told by the exit status; nothing may go on in the copy
            sys.stderr.write(repr(error))
            os._exit(1)
        os._exit(0)
    return child


def ended(child: int) -> bool:
    """Wait for a process; whether it ended by itself. Its own failure ends this one."""
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        return True
    assert os.WIFSIGNALED(status), "a run failed"
    return False


def same(path: Path, other: Path) -> bool:
    return np.array_equal(np.load(path)["rows"], np.load(other)["rows"])


def kill(images: Path, scratch: Path, trials: int) -> dict[str, object]:
    """Each trial: a run is killed a moment after it has kept some of its ten parts, another goes on in its cache."""
    bare, moments, parts = scratch / "bare.npz", random.Random(0), list[int]()
    begin = time.perf_counter()
    ended(forked(lambda: extract(images, None, bare)))
    whole, survived = time.perf_counter() - begin, 0
    for trial in range(trials):
        cache, out = scratch / f"cache{trial}", scratch / f"{trial}.npz"
        child = forked(lambda cache=cache, out=out: extract(images, cache, out))  # type: ignore[misc]
        wanted, late = moments.randrange(10), moments.uniform(0, whole / 10)
        while len(list(cache.rglob("*.safetensors"))) < wanted and not os.waitid(os.P_PID, child, PEEK):
            time.sleep(0.002)
        time.sleep(late)
        os.kill(child, signal.SIGKILL)
        survived += ended(child)
        parts.append(len(list(cache.rglob("*.safetensors"))))
        ended(forked(lambda cache=cache, out=out: extract(images, cache, out)))  # type: ignore[misc]
        assert same(out, bare), f"trial {trial}, {parts[-1]} parts kept"
    return {"trials": trials, "survived": survived, "parts": parts, "engine": str(np.load(bare)["engine"])}


def share(images: Path, scratch: Path, trials: int) -> dict[str, object]:
    """Each trial: two runs on one empty cache, while a third process clears and trims it."""

    def tidy(cache: Path) -> None:
        while True:
            Cache(cache, 10**4).trim()
            list(Cache(cache, 10**4).entries())
            Cache(cache, 10**4).clear()

    bare = scratch / "bare.npz"
    ended(forked(lambda: extract(images, None, bare)))
    for trial in range(trials):
        cache, outs = scratch / f"cache{trial}", [scratch / f"{trial}-{i}.npz" for i in range(2)]
        runs = [forked(lambda cache=cache, out=out: extract(images, cache, out)) for out in outs]  # type: ignore[misc]
        tidier = forked(lambda cache=cache: tidy(cache)) if trial % 2 else None  # type: ignore[misc]
        try:
            assert [ended(run) for run in runs] == [True, True]
        finally:
            if tidier is not None:
                os.kill(tidier, signal.SIGKILL)
                assert not ended(tidier), "tidying failed"
        assert all(same(out, bare) for out in outs), f"trial {trial}"
    return {"trials": trials}


if __name__ == "__main__":
    what, images, scratch, trials = sys.argv[1:]
    done = {"kill": kill, "share": share}[what](Path(images), Path(scratch), int(trials))
    sys.stdout.write(json.dumps(done))
