"""The pytest plugin, run by pytest on small test files."""

import importlib
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.errors import UnknownName, UsageError
from divmetrics.pytest_plugin import NotDiverse, assert_diverse
from divmetrics.records.verdict import Verdict

pytest_plugins = ("pytester",)
ROOT = Path(__file__).parent.parent
PLUGIN = ("-p", "divmetrics.pytest_plugin", "-p", "no:cacheprovider")


@pytest.fixture(scope="module")
def report() -> dm.Report:
    """A generator that makes one of two modes."""
    rows = np.random.default_rng(0).normal(size=(120, 2)) + np.repeat([[0.0, 0.0], [9.0, 0.0]], 60, 0)
    found = dm.score(rows[::2], rows[1:61:2], metrics="precision,recall", null=False)
    return replace(found, verdict=Verdict("collapsed", 0.01, text="collapsed, at a false-alarm rate of 0.01: modes"))


@pytest.fixture
def tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, report: dm.Report) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    report.save(pytester.path / "report.json")
    return pytester


def test_the_failure_is_the_conditions_and_the_table(tests: pytest.Pytester) -> None:
    tests.makepyfile("""
        from divmetrics import Report
        from divmetrics.pytest_plugin import assert_diverse

        def test_holds(divmetrics):
            report = Report.load("report.json")
            assert divmetrics.assert_diverse(report, precision=">= 0.5", verdict=None) is report

        def test_does_not_hold(divmetrics):
            divmetrics.assert_diverse(Report.load("report.json"), recall=">= 0.9", precision=">= 0.5")

        def test_wrong():
            assert_diverse(Report.load("report.json"), recal=">= 0.9")
    """)
    ran = tests.runpytest_inprocess(*PLUGIN)
    ran.assert_outcomes(passed=1, failed=2)
    ran.stdout.fnmatch_lines(
        [
            "E *NotDiverse: 2 of 3 conditions do not hold: verdict, recall",
            "E *verdict healthy or poor_fidelity or inconclusive: collapsed, at a false-alarm rate of 0.01: *",
            "E *recall >= 0.9: * is below 0.9 (ci_low; value *, interval [[]*])",
            "E *divmetrics score",
            "E *recall *",
            "E *UnknownName: unknown condition or option of assert_diverse 'recal'. Did you mean 'recall'?",
        ]
    )
    assert "report/gate" not in ran.stdout.str()  # no traceback through the insides


def test_each_test_that_fails_leaves_its_page(tests: pytest.Pytester) -> None:
    tests.makepyfile("""
        import pytest
        from divmetrics import Report
        from divmetrics.pytest_plugin import NotDiverse

        @pytest.mark.parametrize("bound", ["<= 0/1", "<= 0.1", "<= 1"])
        def test_bound(divmetrics, bound):
            divmetrics.assert_diverse(Report.load("report.json"), recall=bound, verdict=None)

        def test_plain(divmetrics):
            divmetrics.assert_diverse(Report.load("report.json"), recall="> 0.9", verdict=None)

        @pytest.mark.xfail
        def test_expected(divmetrics):
            divmetrics.assert_diverse(Report.load("report.json"), recall="> 0.9", verdict=None)

        def test_caught(divmetrics):
            with pytest.raises(NotDiverse):
                divmetrics.assert_diverse(Report.load("report.json"), recall="> 0.9", verdict=None)
    """)
    ran = tests.runpytest_inprocess(*PLUGIN, "--divmetrics-html", "new/pages")
    ran.assert_outcomes(failed=3, passed=2, xfailed=1)
    names = sorted(path.name for path in (tests.path / "new/pages").iterdir())
    assert len(names) == 2
    file = "test_each_test_that_fails_leaves_its_page.py"
    assert names[1] == f"{file}-test_plain.html"
    assert names[0].startswith(f"{file}-test_bound_0.1_-")
    ran.stdout.fnmatch_lines(["*divmetrics page*", f"*new/pages/{names[0]}"])
    page = (tests.path / "new/pages" / names[1]).read_text()
    assert page.startswith("<!doctype html>")
    assert "collapsed" in page


def test_each_failure_of_one_test_leaves_its_own_page(tests: pytest.Pytester) -> None:
    tests.makepyfile("""
        import unittest
        import pytest
        from divmetrics import Report
        from divmetrics.pytest_plugin import assert_diverse

        def wanted(bound):
            assert_diverse(Report.load("report.json"), recall=bound, verdict=None)

        @pytest.fixture
        def teardown():
            yield
            wanted("> 0.93")

        def test_twice(teardown):
            wanted("> 0.91")

        def test_parts(subtests):
            for bound in ("> 0.95", "<= 1", "> 0.97"):
                with subtests.test(bound):
                    wanted(bound)

        class TestParts(unittest.TestCase):
            def test_parts(self):
                for bound in ("> 0.96", "> 0.98"):
                    with self.subTest(bound=bound):
                        wanted(bound)
    """)
    ran = tests.runpytest_inprocess(*PLUGIN, "--divmetrics-html", "pages")
    file = "test_each_failure_of_one_test_leaves_its_own_page.py"
    names = [
        "TestParts-test_parts.2",
        "TestParts-test_parts",
        "test_parts.2",
        "test_parts",
        "test_twice.2",
        "test_twice",
    ]
    assert sorted(path.name for path in (tests.path / "pages").iterdir()) == [f"{file}-{name}.html" for name in names]
    said = [line.rpartition("/")[2] for line in ran.outlines if "/pages/" in line]
    assert sorted(said) == [f"{file}-{name}.html" for name in names]


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("report.json", "report.json is a file; name a folder."),
        ("report.json/pages", "report.json/pages cannot be made, for *report.json is a file; name a folder."),
        ("x" * 300, "no folder can be made there (File name too long)."),
    ],
)
def test_pages_go_into_a_folder(folder: str, words: str, tests: pytest.Pytester) -> None:
    tests.makepyfile("def test_nothing(): pass")
    ran = tests.runpytest_inprocess(*PLUGIN, "--divmetrics-html", folder)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines([f"*--divmetrics-html*{words}"])


def test_it_measures_what_is_named_and_takes_options_of_score() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 2))
    conditions = {"recall:k=3": ">= 0.1", "verdict": None}
    report = assert_diverse(rows, rows, metrics="fid", seed=3, ci_level=0, null=False, **conditions)
    assert set(report.metrics) == {"recall@features", "fid@features"}
    assert report["recall"].params["k"] == 3
    assert report.meta["seed"] == 3
    with pytest.raises(NotDiverse, match="1 of 1 conditions does not hold: fid") as failed:
        assert_diverse(rows, rows + 1, fid="<= 0.5", ci_level=0, null=False)
    assert failed.value.report["fid"].value == pytest.approx(2)
    assert [result.status for result in failed.value.conditions] == ["fail"]


@pytest.mark.parametrize(
    ("arguments", "given", "error", "words"),
    [
        (2, {"recal": ">= 1"}, UnknownName, "Did you mean 'recall'"),
        (2, {"sed": 1}, UnknownName, "Did you mean 'seed'"),
        (2, {"vrdict": "healthy"}, UnknownName, "Did you mean 'verdict'"),
        (2, {"recall": ">= 1", "seed": -1}, UsageError, "seed is -1"),
        (2, {"precision": 0.5}, UsageError, "precision=0.5 is no condition"),
        (2, {"precision": "fas"}, UsageError, "precision='fas' is no condition"),
        (2, {"recall": ">= 1", "jpeg": "turbo"}, UnknownName, "unknown jpeg 'turbo'"),
        (2, {"null": False, "verdict": "healthy", "metrics": "recall"}, UsageError, "has no verdict"),
        (1, {"recall": ">= 1"}, UsageError, "give real and fake"),
    ],
)
def test_a_wrong_request_is_an_error_and_no_failure(arguments: int, given: dict, error: type, words: str) -> None:
    with pytest.raises(error) as refused:
        assert_diverse(*[np.eye(9)] * arguments, **given)
    assert words in str(refused.value)
    assert len(refused.traceback) == 2  # the call, and the sentence


def test_modes_of_features_and_of_samples_that_are_too_few() -> None:
    clusters = [np.random.default_rng(i).normal((20 * i, 0), 1, (40, 2)) for i in range(3)]
    options = {"metrics": "recall", "ci_level": 0, "null": False, "modes": 3}
    real, fake = np.concatenate(clusters), np.concatenate(clusters[:2])
    assert_diverse(real, real + 0.1, missing_modes="<= 0", **options)
    with pytest.raises(NotDiverse, match=r"missing_modes <= 0: 1 is above 0; missing modes: cluster"):
        assert_diverse(real, fake, missing_modes="<= 0", **options)
    with pytest.warns(UserWarning, match="missing_modes <= 0: too few samples to tell"):
        assert_diverse(real, fake[:80:20], missing_modes="<= 0", **{**options, "metrics": "fid"})


def test_a_report_is_not_measured_again(report: dm.Report) -> None:
    for extra in ({"fake": np.eye(9)}, {"seed": 1}):
        with pytest.raises(UsageError, match=f"leave out {next(iter(extra))}"):
            assert_diverse(report, recall=">= 0", **extra)


def test_the_entry_point_names_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"divmetrics": "divmetrics.pytest_plugin"}
    assert importlib.import_module("divmetrics.pytest_plugin").divmetrics


def test_a_run_that_does_not_use_it_loads_nothing(tests: pytest.Pytester) -> None:
    tests.makepyfile("""
        import sys

        def test_light():
            loaded = {name.partition(".")[0] for name in sys.modules}
            assert not loaded & {"torch", "numpy", "scipy", "sklearn", "rich", "msgspec"}
            assert {name for name in sys.modules if name.startswith("divmetrics")} <= {
                "divmetrics", "divmetrics.pytest_plugin", "divmetrics._version", "divmetrics.records",
                "divmetrics.records.lazy",
            }
    """)
    command = [sys.executable, "-m", "pytest", "-q", *PLUGIN]
    done = subprocess.run(command, cwd=tests.path, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_images_are_shown_to_the_network_once_whatever_the_number_of_workers(tests: pytest.Pytester) -> None:
    """Also the fixture as an installed distribution brings it: by its entry point."""
    info = tests.path / "divmetrics_installed-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: divmetrics-installed\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pytest11]\ndivmetrics_plugin = divmetrics.pytest_plugin\n")
    rng = np.random.default_rng(0)
    for side in ("real", "fake"):
        np.save(tests.path / f"{side}.npy", rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8))
    tests.makepyfile("""
        import pytest

        @pytest.mark.parametrize("most", [0, 1000, 1001, 0.1])
        def test_fid(divmetrics, most):
            options = {"extractor": "pixels?size=4", "ci_level": 0, "null": False}
            divmetrics.assert_diverse("real.npy", "fake.npy", fid=f"<= {most}", **options)
    """)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-p", "divmetrics_plugin", "-n", "2"]
    command += ["--divmetrics-html", "pages"]
    done = subprocess.run(command, cwd=tests.path, capture_output=True, text=True, check=False)  # noqa: S603
    assert "2 failed, 2 passed" in done.stdout
    assert done.stdout.count("NotDiverse: 1 of 1 conditions does not hold: fid") >= 2
    assert len(list((tests.path / "pages").iterdir())) == 2
    kept = [path for path in Path(os.environ["DIVMETRICS_CACHE"]).rglob("*") if path.is_file()]
    assert 2 <= sum(path.stat().st_size > 40 * 48 for path in kept) <= 4  # one for each side, by one or both workers
