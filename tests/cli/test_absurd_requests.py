"""Absurd options, damaged rule files and arrays, code that ends the process: one sentence and the right exit code."""

import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from divmetrics.cli._main import run
from divmetrics.cli._output import MOST_CHARACTERS, sentence_and_code
from divmetrics.errors import UsageError
from divmetrics.records.foreign import foreign, guarded

HUGE = "1" + "0" * 400


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = np.random.default_rng(0).normal(size=(2, 20, 3)).astype(np.float32)
    np.save(tmp_path / "r.npy", rows[0])
    np.save(tmp_path / "f.npy", rows[1])
    np.save(tmp_path / "i.npy", np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], codes: tuple[int, ...] = (2,)) -> str:
    """The only line on stderr of a command that ends with one of `codes`."""
    assert run(arguments) in codes
    (line,) = [text for text in capsys.readouterr().err.splitlines() if not text.startswith("warning: ")]
    assert line.startswith("error: ")
    assert "bug" not in line
    assert len(line) <= MOST_CHARACTERS + len("error: ")
    return line


@pytest.mark.parametrize(
    "option",
    [
        ["--seed", HUGE],
        ["--seed", "99999999999999999999"],
        ["--num", HUGE],
        ["--workers", HUGE],
        ["--batch-size", "9" * 5000],
        ["--modes", HUGE],
        ["--ci-level", "nan"],
        ["-m", f"recall:k={HUGE}"],
        ["-m", "c2st:seed=-1"],
        ["-m", f"alpha_precision:levels={HUGE}"],
        ["-m", "kid:degree=99999999999999999999"],
        ["-m", "mmd_rbf:sigma=1e-320"],
        ["-m", "mmd_rbf:sigma=nan"],
        ["-m", "prd_f8:angles=-1"],
        ["-m", "x" * 5000],
        ["-e", f"pixels?size={HUGE}"],
        ["--device", "a\nb"],
    ],
)
def test_absurd_values_of_options(option: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--no-null", "--ci-level", "0", "-m", "fid", *option]
    assert refused(["score", "r.npy", "f.npy", *options], capsys, (2, 3)).startswith("error: ")
    assert "option n=1" in refused(["score", f"zoo:ring-8?n={HUGE}", "zoo:ring-8", "-m", "fid"], capsys)


def test_large_seeds_are_seeds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", "r.npy", "f.npy", "-m", "kid,prd_f8,sliced_wasserstein", "--seed", str(2**63 - 1)]) == 0
    assert "bug" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        "a=" + "[" * 5000 + "]" * 5000,
        "[gate]\nseed=" + "1" * 5000,
        f"[gate.rules.fid]\nmax = {HUGE}",
        f"[gate]\nseed = {HUGE}\n[gate.rules.fid]\nmax = 1",
        "[gate.rules.fid]\nmax = nan",
        "gate = 3",
    ],
)
def test_absurd_rule_files(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules.toml").write_text(text)
    assert "rules.toml" in refused(["gate", "r.npy", "f.npy", "--config", "rules.toml"], capsys)


@pytest.mark.parametrize(
    "header",
    [
        f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({'9' * 20}, 4)}}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3.5, 4)}",
        f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(2,) * 70}}}",
        "(" * 200,
        "",
    ],
)
def test_damaged_headers_of_arrays(header: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = header.encode().ljust(1022) + b"\n"
    whole = b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content
    (folder / "x.npy").write_bytes(whole)
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        archive.writestr("arr_0.npy", whole)
    for name in ("x.npy", "x.npz"):
        assert name in refused(["score", "r.npy", name, "-m", "fid"], capsys, (3,))
    refused(["score", "r.npy", "f.npy", "-m", "fid", "--confusion", "x.npy"], capsys)


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nsys.exit(0)",
        "raise EOFError",
        "def net(x):\n    raise SystemExit(0)",
        "def net(x):\n    raise GeneratorExit",
        "def net(x):\n    return x.mean((2, 3))[:-1]",
        "def net(x):\n    return x.mean((2, 3)) + 1j",
    ],
)
def test_no_gate_passes_by_code_that_ends_the_process(
    code: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"own_{abs(hash(code))}"
    (folder / f"{name}.py").write_text(code)
    (folder / "divmetrics.toml").write_text("[gate.rules.fid]\nmax = 1e9\n")
    line = refused(["gate", "i.npy", "i.npy", "-e", f"python:{name}:net?size=8"], capsys, (2, 3))
    assert name in line


@pytest.mark.parametrize("code", ["raise KeyboardInterrupt", "def net(x):\n    raise KeyboardInterrupt"])
def test_an_interrupt_stays_one_whoever_raises_it(code: str, folder: Path) -> None:
    """Libraries raise it again when they have cleaned up after Ctrl-C; the command ends with 130 then."""
    name = f"own_{abs(hash(code))}"
    (folder / f"{name}.py").write_text(code)
    assert run(["score", "i.npy", "i.npy", "-m", "fid", "-e", f"python:{name}:net?size=8"]) == 130


@pytest.mark.parametrize("mirror", ["http://[::1", f"http://{'a' * 300}/", "http://x:99999/", "http://é.☃/", "htp:x"])
def test_mirrors_that_are_no_addresses(
    mirror: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIVMETRICS_MIRROR", mirror)
    monkeypatch.setenv("DIVMETRICS_HOME", str(folder))
    assert "DIVMETRICS_MIRROR is" in refused(["weights", "fetch", "inception"], capsys, (2, 3))


def test_sentences_are_one_short_line_and_say_whose_fault_it_is() -> None:
    sentence, code = sentence_and_code(UsageError("where: " + "x\n" * 500 + " way out."))
    assert (len(sentence) <= MOST_CHARACTERS, "\n" in sentence, code) == (True, False, 2)
    assert sentence.startswith("where: x")
    assert sentence.endswith("way out.")
    assert sentence_and_code(ValueError("a"))[0].startswith("this is a bug in divmetrics (ValueError: a)")
    assert sentence_and_code(MemoryError())[0].startswith("there is too little memory")


def test_ctrl_c_and_the_end_of_a_generator_go_through() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with pytest.raises(KeyboardInterrupt), foreign("it"):
        signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    with pytest.raises(KeyboardInterrupt), foreign("it"):
        raise KeyboardInterrupt

    def elements() -> Iterator[int]:
        with foreign("it"):
            yield 1

    started = elements()
    assert next(started) == 1
    started.close()  # raises nothing
    with pytest.raises(UserWarning), guarded("a metric", run):
        raise UserWarning("a filter made an error of it")
