"""What `import divmetrics` promises, and what it must not do."""

import subprocess
import sys

import pytest

import divmetrics


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    return set(done.stdout.split())


def test_every_exported_name_is_there() -> None:
    for name in divmetrics.__all__:
        assert getattr(divmetrics, name) is not None
    assert sorted(dir(divmetrics)) == sorted(divmetrics.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="scored"):
        divmetrics.scored  # noqa: B018


@pytest.mark.parametrize(
    "statement",
    [
        "import divmetrics",
        "from divmetrics.records.results import Report",
        "import divmetrics.cli",
        "import divmetrics.report.gate.judge",
        "import divmetrics.records.metric",
    ],
)
def test_light_imports_load_nothing_heavy(statement: str) -> None:
    heavy = {"torch", "numpy", "scipy", "sklearn", "timm", "PIL", "torchvision", "ot"}
    assert not heavy & modules_after(statement)


def test_score_does_not_load_networks_before_they_are_needed() -> None:
    assert not {"timm", "openvino", "torchvision"} & modules_after("from divmetrics import score, Meter, metrics")
