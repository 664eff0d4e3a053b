"""What `import divmetrics` promises, and what it must not do."""

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import divmetrics
from divmetrics import errors, plugins

FACE = [
    "Collected",
    "Comparison",
    "DivmetricsError",
    "Encoder",
    "FeatureError",
    "ForeignError",
    "MeasureError",
    "Meter",
    "MissingLayer",
    "Report",
    "Result",
    "Signature",
    "SourceError",
    "TooFewSamples",
    "Unavailable",
    "UnknownName",
    "UsageError",
    "__version__",
    "compare",
    "extract",
    "extractor",
    "gate",
    "metric",
    "metrics",
    "score",
]


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    return set(done.stdout.split())


def test_the_public_names_are_these() -> None:
    assert divmetrics.__all__ == FACE
    assert dir(divmetrics) == FACE
    for name in FACE:
        assert getattr(divmetrics, name) is not None


@pytest.mark.parametrize("module", [divmetrics, plugins], ids=lambda module: module.__name__)
def test_what_a_type_checker_sees_is_what_is_there(module) -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    seen = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert sorted(seen | {"__version__"} & set(module.__all__)) == sorted(module.__all__) == dir(module)
    for node in block.body:
        for alias in node.names:
            home = __import__(node.module, fromlist=[alias.name])
            assert getattr(module, alias.name) is getattr(home, alias.name)


def test_no_public_name_ever_becomes_a_module() -> None:
    """A submodule of the same name would take the place of a function as soon as something imports it."""
    code = """
import importlib, pkgutil
import numpy as np
import divmetrics as dm

def face():
    return {name: getattr(dm, name) for name in dm.__all__} | {"fid": dm.metrics.fid, "recall": dm.metrics.recall}

before = face()
rows = np.arange(20.0).reshape(10, 2)
dm.score(rows, rows, metrics="fid", ci_level=0, null=False)
for module in pkgutil.walk_packages(dm.__path__, "divmetrics."):
    if not module.name.endswith("__main__") and not module.name.startswith("divmetrics.integrations."):
        importlib.import_module(module.name)
after = face()
assert all(after[name] is before[name] for name in before), [n for n in before if after[n] is not before[n]]
assert all(type(value).__name__ != "module" for name, value in after.items() if name != "metrics")
assert dm.extract.__module__ == dm.score.__module__ == "divmetrics.scoring.score"
assert type(dm.metrics.fid).__name__ == "Metric"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="scored"):
        divmetrics.scored  # noqa: B018


@pytest.mark.parametrize(
    "statement",
    [
        "import divmetrics",
        "from divmetrics import Report, UsageError, metric, extractor, gate",
        "from divmetrics.plugins import Laws, UncertaintySpec, metric",
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


def test_the_api_reference_holds_every_public_name() -> None:
    docs = Path(__file__).parent.parent / "docs" / "api"
    for module, page in ((divmetrics, "index.md"), (plugins, "plugins.md")):
        text = (docs / page).read_text()
        described = set(re.findall(rf"^::: {module.__name__}\.(\w+)$", text, re.MULTILINE))
        elsewhere = {name for name in module.__all__ if hasattr(errors, name)} | {"__version__"}
        if module is divmetrics:
            elsewhere |= {"metrics", "metric", "extractor", "Encoder"}
        for path in re.findall(r"^::: (\S+)$", text, re.MULTILINE):
            assert pkgutil.resolve_name(path) is not None
        assert described - {"errors"} == set(module.__all__) - elsewhere
