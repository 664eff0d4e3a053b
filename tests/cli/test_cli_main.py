"""What holds for every command: help, did-you-mean, exit codes, one sentence on stderr, light imports."""

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import divmetrics
from divmetrics.cli._main import commands, main
from divmetrics.errors import MeasureError, UsageError


def python(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, **options)  # noqa: S603


def test_help_names_every_command(call: Callable[..., object]) -> None:
    done = call("--help")
    assert done.code == 0
    assert {"score", "gate", "extract", "list", "demo"} <= set(commands.commands)
    assert all(f"  {name} " in done.out for name in commands.commands)


@pytest.mark.parametrize("name", list(commands.commands))
def test_every_option_has_a_help_sentence(name: str, call: Callable[..., object]) -> None:
    command = commands.commands[name]
    assert all(option.help for option in command.params if option.param_type_name == "option")
    assert command.help
    assert call(name, "--help").code == 0


def test_version(call: Callable[..., object]) -> None:
    assert call("--version").out == f"divmetrics {divmetrics.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scroe", "a", "b"], "unknown command 'scroe'. Did you mean 'score'?"),
        (["score", "a", "b", "--devise", "cpu"], "'--device'"),
        (["--vresion"], "Did you mean '--version'?"),
        (["score", "a"], "Missing argument 'FAKE'."),
        (["score", "a", "b", "c"], "unexpected extra argument"),
        (["score", "a", "b", "--num", "0"], "num is 0; give a whole number of at least 1 or None."),
        (["score", "a", "b", "--batch-size", "0"], "batch-size is 0; give a whole number of at least 1 or auto."),
        (["score", "a", "b", "--workers", "-1"], "workers is -1; give a whole number of at least 0 or auto."),
        (["score", "a", "b", "--max-skipped", "2"], "max-skipped is 2.0; give a number of at least 0 and at most 1."),
        (
            ["score", "a", "b", "--ci-level", "x"],
            "ci-level is 'x'; give 0 or a number of at least 0.01 and at most 0.999999.",
        ),
        (["score", "a", "b", "--precision", "half"], "unknown precision 'half'."),
        (["score", "a", "b", "-m", "recal"], "unknown metric or preset 'recal'. Did you mean 'recall'?"),
        (["score", "a", "b", "-m", "recall:kk=3"], "unknown option of recall 'kk'. Did you mean 'k'?"),
        (["score", "a", "b", "-e", "pixel"], "unknown extractor 'pixel'. Did you mean 'pixels'?"),
        (["list", "metric"], "unknown kind 'metric'. Did you mean 'metrics'?"),
        (["gate"], "Missing argument"),
    ],
)
def test_usage_errors_are_one_sentence_and_exit_2(
    arguments: list[str], message: str, call: Callable[..., object]
) -> None:
    done = call(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_no_command_is_a_usage_error_that_shows_the_help(call: Callable[..., object]) -> None:
    done = call()
    assert (done.code, done.out) == (2, "")
    assert "Commands:" in done.err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("wrong."), 2, "error: wrong.\n"),
        (MeasureError("broken."), 3, "error: broken.\n"),
        (OSError(28, "No space left on device", "out.json"), 3, "error: out.json: No space left on device.\n"),
        (KeyError("x"), 3, "error: this is a bug in divmetrics (KeyError: 'x'); run it again with --debug"),
        (KeyboardInterrupt(), 130, "\nerror: interrupted.\n"),
    ],
)
def test_errors_become_a_sentence_and_a_code(
    error: BaseException, code: int, message: str, call: Callable[..., object], engine: object, tmp_path: Path
) -> None:
    engine.error = error
    done = call("score", "a", "b", "--json", tmp_path / "r.json")
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(message)
    assert list(tmp_path.iterdir()) == [], "no half-written file"
    if code != 130:
        again = call("score", "a", "b", "--debug")
        assert again.code == code
        assert "Traceback" in again.err
        assert again.err.endswith(done.err)


def test_main_exits_with_the_code() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["scroe"])
    assert caught.value.code == 2


def test_python_m() -> None:
    assert python("-m", "divmetrics", "--version").stdout == f"divmetrics {divmetrics.__version__}\n"


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("quiet", [False, True])
def test_warnings_are_one_short_line(quiet: bool, call: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    import divmetrics.scoring.score  # noqa: F401  so that there is a module to patch

    def score(*sources: str, **keywords: object) -> None:
        warnings.warn("first line\nsecond line", stacklevel=1)
        raise MeasureError("done.")

    monkeypatch.setattr(sys.modules["divmetrics.scoring.score"], "score", score)
    done = call("score", "a", "b", *(["--quiet"] if quiet else []))
    assert done.err == ("" if quiet else "warning: first line\n") + "error: done.\n"


LIGHT = """
import sys
from divmetrics.cli._main import run
run(sys.argv[1:])
print("HEAVY", sorted({"torch", "numpy", "scipy", "sklearn", "PIL", "timm"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["gate", "r.json"], ["gate", "r.json", "--md", "m", "--junit", "j"]])
def test_help_and_gate_load_nothing_heavy(
    arguments: list[str], tmp_path: Path, make_report: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_report().save(tmp_path / "r.json")
    (tmp_path / "divmetrics.toml").write_text("[gate.rules.recall]\nmin = 0.4\n")
    here = str(Path(divmetrics.__file__).parents[1])
    done = python("-c", LIGHT, *arguments, cwd=tmp_path, env={**os.environ, "PYTHONPATH": here})
    assert done.stderr == "HEAVY []\n"
    assert done.stdout


COSTLY = """
import sys
from divmetrics.cli._main import run
code = run(sys.argv[1:])
print("COSTLY", sorted({"scipy.stats", "scipy.optimize", "sklearn", "timm", "torchvision"} & set(sys.modules)))
sys.exit(code)
"""


def test_a_score_without_verdict_loads_no_package_that_it_does_not_call(tmp_path: Path) -> None:
    for place, name in enumerate(("real.npy", "fake.npy")):
        np.save(tmp_path / name, np.random.default_rng(place).normal(size=(60, 4)).astype(np.float32))
    here = str(Path(divmetrics.__file__).parents[1])
    arguments = [
        "score",
        "real.npy",
        "fake.npy",
        "--metrics",
        "fid,recall",
        "--no-null",
        "--json",
        "report.json",
        "--quiet",
    ]
    done = python("-c", COSTLY, *arguments, cwd=tmp_path, env={**os.environ, "PYTHONPATH": here})
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("COSTLY []\n")


class Gone(Exception):
    """In place of the end of the process."""


@pytest.mark.parametrize("busy", [False, True])
def test_the_process_ends_at_once_unless_others_are_at_work(busy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(code: int) -> None:
        raise Gone(code)

    monkeypatch.setattr(sys, "argv", ["divmetrics", "scroe"])
    monkeypatch.setattr(os, "_exit", gone)
    monkeypatch.setattr("multiprocessing.active_children", lambda: [object()] if busy else [])
    with pytest.raises(SystemExit if busy else Gone) as left:
        main()
    assert left.value.args == (2,)


def test_a_reader_who_leaves_early_changes_nothing(tmp_path: Path, make_report: Callable[..., object]) -> None:
    """The exit code stays the gate's own and the files are written, though nobody reads the table."""
    make_report().save(tmp_path / "r.json")
    (tmp_path / "rules.toml").write_text("[gate.rules.recall]\nmin = 0.4\n")
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "divmetrics", "gate", "r.json", "--config", "rules.toml", "--junit", "j.xml"]
    here = str(Path(divmetrics.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": here}
    environment.pop("PYTHONUNBUFFERED", None)  # what is left in the buffer would meet the broken pipe again at exit
    done = subprocess.run(  # noqa: S603
        command, stdout=write, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "j.xml").exists()


@pytest.mark.parametrize(
    "named", [{"WORLD_SIZE": "abc"}, {"WORLD_SIZE": "2", "RANK": "x"}, {"WORLD_SIZE": "-2", "RANK": "0"}]
)
def test_an_environment_that_no_launcher_makes_is_one_sentence(
    named: dict[str, str], call: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    done = call("score", "a", "b")
    assert (done.code, done.out) == (2, "")
    assert "a launcher sets a whole number: unset it." in done.err
    assert call("--version").code == 0


@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
def test_an_interrupt_ends_the_process_with_130(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, types\n"
        "interrupted = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.modules['divmetrics.scoring.score'] = types.SimpleNamespace(score=interrupted)\n"
        "from divmetrics.cli import main\n"
        f"main(['score', 'a', 'b', '--json', {str(tmp_path / 'r.json')!r}])"
    )
    here = str(Path(divmetrics.__file__).parents[1])
    done = python("-c", code, env={**os.environ, "PYTHONPATH": here}, preexec_fn=_default_interrupt)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip() == "error: interrupted."
    assert list(tmp_path.iterdir()) == []


def _default_interrupt() -> None:
    """A parent that ignores Ctrl-C, as a background job's shell does, would pass that on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
