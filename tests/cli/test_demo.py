"""The demo: what its three folders hold, and that its sentences quote what was measured."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from divmetrics.cli._demo import _pages
from divmetrics.cli.demo import explain, without_folder, write_images
from divmetrics.errors import UsageError
from divmetrics.records.results import Mode, Report, Result, Side
from divmetrics.records.signature import Signature


def images(folder: Path) -> dict[str, list[bytes]]:
    """Class -> the pixels of its images."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    return {path.name: [Image.open(file).tobytes() for file in sorted(path.iterdir())] for path in classes}


def test_folders(tmp_path: Path) -> None:
    folders = {name: images(path) for name, path in write_images(tmp_path / "new").items()}
    sizes = {name: sum(map(len, digits.values())) for name, digits in folders.items()}
    assert sizes == {"real": 400, "healthy": 400, "collapsed": 400}
    everything = {name: [image for digits in folder.values() for image in digits] for name, folder in folders.items()}
    assert not set(everything["real"]) & set(everything["healthy"])
    assert len(folders["real"]) == len(folders["healthy"]) == 10


def test_images_are_the_digits(tmp_path: Path) -> None:
    first = next(iter(sorted((write_images(tmp_path)["real"] / "0").iterdir())))
    image = np.asarray(Image.open(first).convert("L"))
    assert image.shape == (32, 32)
    assert image[14:18, 14:18].mean() < 90, "a zero is dark in its middle"
    assert image.max() > 200


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    for wrong in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(UsageError, match="not an empty folder"):
            write_images(wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def report(lost: tuple[str, ...], **values: float | None) -> Report:
    def result(name: str, value: float | None) -> Result:
        signature = Signature(name, "pixels#1", "pooled", "none", "", "9/9", "0", "0.1.0")
        return Result(name, "pixels", value, "higher", (0, None), {}, 9, 9, signature)

    shares = {"9": 0.01, **dict.fromkeys(lost, 0.0)} if lost else {}
    state = dict.fromkeys(shares.values(), "thinned")
    modes = tuple(
        Mode(int(d), d, 0.1, shares.get(d, 0.1), None, state.get(shares.get(d), "present")) for d in "0123456789"
    )
    metrics = {f"{name}@pixels": result(name, value) for name, value in values.items()}
    return Report("0.1.0", "2026", Side("r", 9, None), Side("f", 9, None), metrics, modes)


def test_three_sentences_quote_the_numbers() -> None:
    healthy = report((), modes_found=10.0, recall=0.75, vendi=5.5, precision=0.8, inception_score=1.5)
    collapsed = report(("2", "5"), modes_found=8.0, recall=0.25, vendi=3.25, precision=0.9, inception_score=2.5)
    modes, diversity, fidelity = explain(healthy, collapsed)
    assert "modes_found falls from 10 to 8; it never draws 2, 5 and draws 9 too rarely." in modes
    assert "falls from 0.7500 to 0.2500" in diversity
    assert "falls from 5.500 to 3.250" in diversity
    assert "rises from 0.8000 to 0.9000" in fidelity
    assert "inception_score rises from 1.500 to 2.500: it does not use the real samples" in fidelity
    assert "modes_found stays at 10." in explain(healthy, healthy)[0]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    from divmetrics.cli._main import run

    return lambda *arguments: (run([str(argument) for argument in arguments]), capsys.readouterr().out)


@pytest.mark.slow
def test_the_command_end_to_end(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, out = run("demo", "-o", tmp_path / "d", "--quiet")
    assert code == 0
    assert "it never draws " in out
    assert "Missing modes, " in out
    for name in ("healthy", "collapsed"):
        assert re.search(rf"^the {name} generator\nverdict  \w", out, re.MULTILINE), "the verdict stands first"
    assert f"divmetrics score {tmp_path / 'd' / 'real'} {tmp_path / 'd' / 'collapsed'}" in out
    assert (tmp_path / "d" / "healthy" / "9").is_dir()
    for name, verdict in (("healthy", ">Healthy</h2>"), ("collapsed", ">Collapsed</h2>")):
        assert verdict in (tmp_path / "d" / f"{name}.html").read_text()
        assert f"page of the {name} generator, for a browser: {tmp_path / 'd' / name}.html" in out


def test_the_demo_writes_its_page_here_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _pages(None) == {"collapsed": Path("divmetrics-demo.html")}
    Path("divmetrics-demo.html").mkdir()
    assert _pages(None) == {}
    assert "warning: no page is written; cannot write divmetrics-demo.html: it is a folder" in capsys.readouterr().err


def test_a_page_does_not_name_a_folder_that_is_gone() -> None:
    found = without_folder(report((), recall=0.5), "collapsed")
    assert (found.real.source, found.fake.source, found.real.n) == ("real", "collapsed", 9)
