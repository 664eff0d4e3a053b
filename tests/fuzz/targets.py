"""What is damaged, and what is done with it: a `Target` makes sound files, and says what a command may answer.

Each target damages one file of a sound input. `Target.run` does what a user would do with it, in this process, and
returns how it ended; `Ended.value` is compared with that of the sound input where damage must not change a number.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np
from mutations import WORDS, damaged, damaged_json, damaged_text
from PIL import Image

import divmetrics as dm
from divmetrics.cli._main import run
from divmetrics.cli._output import sentence_and_code
from divmetrics.records.results import Report
from divmetrics.sources import Source, UnreadableSample, labels_from_csv, open_source, with_labels

Damage = Callable[[Path, Random], None]
Guard = Literal["number", "count", "told", "none"]
"""What damage may not change where the input is accepted: a number; the count of samples; that count without a warning;
nothing that can be known."""


@dataclass(frozen=True)
class Ended:
    """How one try ended."""

    code: int
    """Exit code."""
    out: str
    """What was printed to stdout."""
    err: str
    """What was printed to stderr."""
    value: Any = None
    """The number, or the count of samples, that damage may not change."""


@dataclass(frozen=True)
class Target:
    """One kind of file."""

    make: Callable[[Path], list[Path]]
    """Writes a sound input into an empty folder; returns the files to damage, one of which is chosen for each try."""
    damage: Damage
    """Gives a file another content or another name."""
    run: Callable[[Path], Ended]
    """Does what a user would do with that folder."""
    guard: Guard = "none"


def command(*arguments: object) -> Ended:
    """A command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Ended(code, out.getvalue(), err.getvalue())


def _refused(error: Exception) -> Ended:
    """As the command line reports an error."""
    sentence, code = sentence_and_code(error)
    return Ended(code, "", f"error: {sentence}\n")


def _images(n: int = 6) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (12, 10, 3), dtype=np.uint8)) for _ in range(n)]


def _encoded(image: Image.Image, suffix: str) -> bytes:
    file = io.BytesIO()
    image.save(file, suffix)
    return file.getvalue()


def read_all(path: Path) -> Ended:
    """Open, list, hash and decode all samples; the value is the number of samples, read or listed as skipped."""
    try:
        source = open_source(str(path))
        if not isinstance(source, Source):
            return Ended(0, "", "", sum(1 for _ in source))
        source.digest(), source.labels
        source.fingerprints(range(len(source)))
        for index in range(len(source)):
            source.path(index)
            try:
                source.jpeg(index)
                source.read([index])
            except UnreadableSample as error:
                str(error)
        return Ended(0, "", "", len(source) + len(source.skipped))
    except Exception as error:
        return _refused(error)


def _folder(root: Path) -> list[Path]:
    made = []
    for image, suffix in zip(_images(), ("png", "jpeg", "gif", "webp", "bmp", "tiff"), strict=True):
        made.append(root / "in" / f"image.{suffix}")
        made[-1].parent.mkdir(exist_ok=True)
        made[-1].write_bytes(_encoded(image, suffix))
    return made


def _zip(root: Path) -> list[Path]:
    with zipfile.ZipFile(root / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, image in enumerate(_images()):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", _encoded(image, "png"))
    return [root / "in.zip"]


def _tar(suffix: str) -> Callable[[Path], list[Path]]:
    def make(root: Path) -> list[Path]:
        with tarfile.open(root / f"in{suffix}", "w:gz" if suffix != ".tar" else "w") as archive:
            for number, image in enumerate(_images()):
                content = _encoded(image, "png")
                member = tarfile.TarInfo(f"{'ab'[number % 2]}/{number}.png")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return [root / f"in{suffix}"]

    return make


def _rows(n: int = 24, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


def _npy(root: Path) -> list[Path]:
    np.save(root / "in.npy", _rows())
    return [root / "in.npy"]


def _npz(root: Path) -> list[Path]:
    np.savez_compressed(root / "in.npz", arr_0=np.stack([np.asarray(image) for image in _images()]))
    return [root / "in.npz"]


def _statistics(root: Path) -> list[Path]:
    np.savez(root / "in.npz", mu=np.zeros(48), sigma=np.eye(48))
    np.save(root / "fake.npy", np.stack([np.asarray(image) for image in _images()]))
    return [root / "in.npz"]


def _labels(root: Path) -> list[Path]:
    _npy(root)
    lines = [f"#{number},{'ab'[number % 2]}\n" for number in range(24)]
    (root / "labels.csv").write_text("path,label\n" + "".join(lines))
    return [root / "labels.csv"]


def _read_labels(root: Path) -> Ended:
    try:
        source = open_source(str(root / "in.npy"))
        assert isinstance(source, Source)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            (labelled,) = labels_from_csv([source], str(root / "labels.csv"))
        said = "".join(f"warning: {one.message}\n" for one in caught)
        return Ended(0, "", said, sum(label is not None for label in labelled.labels or ()))
    except Exception as error:
        return _refused(error)


def _features(root: Path) -> list[Path]:
    """Two `.dms` files, one to damage."""
    dm.extract(_rows(), root / "in.dms")
    dm.extract(_rows(seed=1), root / "fake.dms")
    return [root / "in.dms"]


SCORE = ("-m", "fid", "--ci-level", "0", "--no-null", "--quiet", "--json", "-")
"""Options of a score that takes no longer than it must."""


def _score(*given: str) -> Callable[[Path], Ended]:
    """`score` on two inputs, with options; the value is the number it finds."""

    def score(root: Path) -> Ended:
        ended = command("score", *(root / side for side in given[:2]), *given[2:], *SCORE, "--no-cache")
        if ended.code:
            return ended
        (result,) = json.loads(ended.out)["metrics"].values()
        return Ended(ended.code, ended.out, ended.err, result["value"])

    return score


def _cached(root: Path) -> list[Path]:
    for side in ("real", "fake"):
        (root / side).mkdir()
        for number, image in enumerate(_images(8)):
            turned = image.rotate(90 if side == "fake" else 0)
            (root / side / f"{number}.png").write_bytes(_encoded(turned, "png"))
    _score_cached(root)
    return sorted(path for path in (root / "cache").rglob("*") if path.is_file() and "CACHEDIR" not in path.name)


def _score_cached(root: Path) -> Ended:
    ended = command("score", root / "real", root / "fake", *SCORE, "-e", "pixels?size=4", "--cache", root / "cache")
    if ended.code:
        return ended
    (result,) = json.loads(ended.out)["metrics"].values()
    return Ended(ended.code, ended.out, ended.err, result["value"])


RULES = """
[gate]
baseline = "baseline.json"
seed = 0
num = 24
[gate.rules.fid]
max_regression = "10%"
level = "error"
[gate.rules.recall]
min = 0.1
use = "ci_low"
"""


def _report(root: Path) -> list[Path]:
    labelled = [
        with_labels(open_source(_rows(seed=seed)), ["ab"[number % 2] for number in range(24)]) for seed in (0, 1)
    ]
    report = dm.score(*labelled, metrics=["fid", "recall", "modes_found", "rarity"])
    report.save(root / "report.json")
    shutil.copy(root / "report.json", root / "baseline.json")
    (root / "divmetrics.toml").write_text(RULES)
    return [root / "report.json"]


def _gate(root: Path) -> Ended:
    outputs = ("--md", root / "out.md", "--junit", root / "out.xml", "--json", root / "out.json")
    return command("gate", root / "report.json", "--config", root / "divmetrics.toml", *outputs)


def _rules(root: Path) -> list[Path]:
    _report(root)
    return [root / "divmetrics.toml"]


def _baseline(root: Path) -> list[Path]:
    _report(root)
    return [root / "baseline.json"]


def _load_report(root: Path) -> Ended:
    try:
        report = Report.load(root / "report.json")
        return Ended(0, f"{report}{report!r}{report.to_json()}{report.scalars()}", "")
    except Exception as error:
        return _refused(error)


NAMES = (
    "\x1b[31mred.png", "\x1b]0;title\x07.png", "a\nb.png", "a\rb.png", "tab\t.png", " .png", "-rf.png",
    "ü\u202e.png", "|a|b|.png",
    "<img src=x onerror=alert(1)>.png", "]]>.png", "'\"`$(true).png", "\udcff\udcfe.png", "a,b;c.png", "#1.png",
    "=1+1.png", "x" * 240 + ".png",
    "%00.png", "a+b.png", "zoo:x.png", "*.png", "\x7f\x9b31m.png", "\u2028.png", "CON.png", "..png", "{x}.png",
    "[1].png",
)  # fmt: skip
"""Names of files that a terminal, a shell, Markdown, HTML, XML or csv could take for something else."""


def _sides(root: Path) -> list[Path]:
    """Two folders of images, one in a class folder."""
    made = []
    for side in ("real", "fake"):
        for number, image in enumerate(_images(8)):
            made.append(root / side / "ab"[number % 2] / f"{number}.png")
            made[-1].parent.mkdir(parents=True, exist_ok=True)
            made[-1].write_bytes(_encoded(image.rotate(90 if side == "fake" else 0), "png"))
    return made


def _renamed(path: Path, random: Random) -> None:
    """A hostile name for the file, or for its folder; now and then the content is no image, so that it is listed."""
    name = random.choice(NAMES)
    if random.random() < 0.5:
        path = path.rename(path.with_name(name))
        if random.random() < 0.5:
            path.write_bytes(b"no image")
    else:
        path.parent.rename(path.parent.with_name(name.removesuffix(".png").strip(".") or "x"))


def _score_names(root: Path) -> Ended:
    ended = command(
        "score", root / "real", root / "fake", "-m", "fid,precision,modes_found", "-e", "pixels?size=4",
        "--ci-level", "0", "--no-null",
        "--max-skipped", ".5", "--no-cache", "--md", root / "out.md", "--json", root / "out.json", "--samples",
        root / "out.csv",
    )  # fmt: skip
    if ended.code == 0:
        shown = (root / "out.md").read_text(encoding="utf-8")
        (root / "out.json").read_text(encoding="utf-8")
        ended = Ended(0, ended.out + shown, ended.err)
    return ended


VALUED = (
    "--metrics", "--extractor", "--weights", "--seed", "--num", "--labels", "--held-out", "--ci-level", "--modes",
    "--confusion", "--device",
    "--batch-size", "--workers", "--max-skipped", "--precision", "--jpeg",
)  # fmt: skip
"""Options of `score` that take a value and write nothing."""


def _options(root: Path) -> list[Path]:
    np.save(root / "real.npy", _rows())
    np.save(root / "fake.npy", _rows(seed=1))
    (root / "options.json").write_text("[]")
    return [root / "options.json"]


def _odd_option(path: Path, random: Random) -> None:
    word = random.choice(
        (
            *WORDS,
            "fid:",
            "fid:k=",
            "recall:k=-1",
            "recall:k=1e9",
            ":",
            ",",
            "?",
            "pixels?size=0",
            "auto",
            ".",
            "/",
            "nul\x1b[1m",
        )
    )
    path.write_text(json.dumps([random.choice(VALUED), word[:5000]]))


def _score_options(root: Path) -> Ended:
    odd = json.loads((root / "options.json").read_text())
    return command(
        "score", root / "real.npy", root / "fake.npy", "-m", "fid,recall", "--ci-level", "0", "--no-null", *odd
    )


def _as_bytes(path: Path, random: Random) -> None:
    path.write_bytes(damaged(path.read_bytes(), random))


def _as_json(path: Path, random: Random) -> None:
    path.write_bytes(damaged_json(path.read_text(), random))


def _as_text(path: Path, random: Random) -> None:
    path.write_bytes(damaged_text(path.read_text(), random))


def _reading(name: str) -> Callable[[Path], Ended]:
    return lambda root: read_all(root / name)


TARGETS: dict[str, Target] = {
    "folder": Target(_folder, _as_bytes, _reading("in"), "count"),
    "zip": Target(_zip, _as_bytes, _reading("in.zip"), "count"),
    "tar": Target(_tar(".tar"), _as_bytes, _reading("in.tar"), "count"),
    "tar.gz": Target(_tar(".tar.gz"), _as_bytes, _reading("in.tar.gz"), "count"),
    "npy": Target(_npy, _as_bytes, _reading("in.npy")),
    "npz": Target(_npz, _as_bytes, _reading("in.npz"), "count"),
    "statistics": Target(_statistics, _as_bytes, _score("in.npz", "fake.npy", "-e", "pixels?size=4"), "number"),
    "labels": Target(_labels, _as_text, _read_labels, "told"),
    "dms": Target(_features, _as_bytes, _score("in.dms", "fake.dms"), "number"),
    "cache": Target(_cached, _as_bytes, _score_cached, "number"),
    "report": Target(_report, _as_json, _load_report),
    "gate-report": Target(_report, _as_json, _gate),
    "gate-baseline": Target(_baseline, _as_json, _gate),
    "gate-rules": Target(_rules, _as_text, _gate),
    "names": Target(_sides, _renamed, _score_names),
    "options": Target(_options, _odd_option, _score_options),
}
"""Name -> target."""
