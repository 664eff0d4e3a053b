"""The architecture of docs/architecture.md: which room imports which, what loads nothing heavy, sizes of modules."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "divmetrics"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
HEAVY = {"torch", "torchvision", "timm", "numpy", "scipy", "sklearn", "ot", "PIL", "safetensors", "openvino"}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def diagram() -> list[tuple[int, list[str], bool]]:
    """Lines of the diagram such as `3  metrics/ sources/  (light) text`: floor, rooms, whether they are light."""
    lines = (ROOT / "docs" / "architecture.md").read_text().split("<!-- rooms -->")[1].split("```")[1]
    found = []
    for line in lines.strip().splitlines():
        floor, rooms, text = re.split(r"\s{2,}", line.strip(), maxsplit=2)
        found.append((int(floor), [room.strip("/").removesuffix(".py") for room in rooms.split()], "(light)" in text))
    return found


FLOORS = {room: floor for floor, rooms, _ in diagram() for room in rooms}
LIGHT = {room for _, rooms, light in diagram() for room in rooms if light}


def label(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def file_of(parts: tuple[str, ...]) -> Path | None:
    """The file of the module `divmetrics.a.b`; None where the last part is a name inside a module."""
    place = PACKAGE.joinpath(*parts)
    if (place / "__init__.py").is_file():
        return place / "__init__.py"
    return place.with_suffix(".py") if place.with_suffix(".py").is_file() else None


def imported(nodes: Iterator[ast.AST]) -> set[Path]:
    """The files of this package that the import statements among `nodes` name."""
    found: set[Path | None] = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "divmetrics":
            parts = tuple(node.module.split(".")[1:])
            inner = {file_of((*parts, alias.name)) for alias in node.names}
            found |= inner
            if parts and None in inner:
                found.add(file_of(parts))
        elif isinstance(node, ast.Import):
            found |= {file_of(tuple(a.name.split(".")[1:])) for a in node.names if a.name.startswith("divmetrics.")}
    return {path for path in found if path is not None} - {PACKAGE / "__init__.py"}


@cache
def imports_of(path: Path) -> frozenset[Path]:
    return frozenset(imported(ast.walk(tree_of(path))))


def is_leaf(path: Path) -> bool:
    """Whether the file declares a part: a public file of metrics/, encoders/ or zoo/entries/."""
    parts = path.relative_to(PACKAGE).parts
    leafy = parts[0] in ("metrics", "encoders") or parts[:2] == ("zoo", "entries")
    return leafy and not parts[-1].startswith("_") and parts != ("encoders", "weights.py")


def family_of(path: Path) -> str | None:
    """The family of metrics that a file belongs to."""
    parts = path.relative_to(PACKAGE).parts
    return parts[1] if parts[0] == "metrics" and len(parts) > 2 else None


def test_every_room_is_in_the_diagram() -> None:
    assert {room_of(path) for path in FILES} == set(FLOORS)


def test_there_are_few_rooms_and_floors() -> None:
    assert len(FLOORS) <= 18
    assert len(set(FLOORS.values())) <= 10


@pytest.mark.parametrize("path", FILES, ids=label)
def test_imports_go_to_strictly_lower_floors(path: Path) -> None:
    room = room_of(path)
    wrong = {
        label(other)
        for other in imports_of(path)
        if room_of(other) != room and FLOORS[room_of(other)] >= FLOORS[room]
    }  # fmt: skip
    assert not wrong, f"{room} on floor {FLOORS[room]} imports {sorted(wrong)}, which is not below"


def test_modules_and_functions_are_short() -> None:
    lengths = {label(path): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: n for name, n in lengths.items() if n > 400} == {}
    assert median(lengths.values()) < 150
    functions = [(path, node) for path in FILES for node in ast.walk(tree_of(path)) if isinstance(node, FUNCTIONS)]
    lines = {f"{label(path)}: {node.name}": node.end_lineno - node.lineno + 1 for path, node in functions}
    assert len(lines) > 1000
    assert {name: n for name, n in lines.items() if n > 60} == {}  # docstrings included


def test_no_file_names_a_module_that_is_gone() -> None:
    gone = "divmetrics." + "declare"
    with pytest.raises(ModuleNotFoundError):
        import_module(gone)
    folders = [ROOT / name for name in ("divmetrics", "tests", "docs", "benchmarks", ".ci", ".github")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".md", ".yml", ".json"}]
    files += [path for path in ROOT.iterdir() if path.suffix in {".md", ".toml", ".yml"}]
    assert len(files) > 300
    assert [str(path) for path in files if gone in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=label)
def test_a_room_has_the_names_that_it_lists(path: Path) -> None:
    package = import_module(".".join(path.parent.relative_to(ROOT).parts))
    names = getattr(package, "__all__", [])
    assert len(set(names)) == len(names)
    assert all(getattr(package, name) is not None for name in names)


def test_no_circular_imports() -> None:
    packages = {path for path in FILES if path.name == "__init__.py"}
    graph = {path: {other for other in imports_of(path) if other not in packages} for path in FILES}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_no_leaf_imports_a_leaf() -> None:
    leaves = {path for path in FILES if is_leaf(path)}
    assert len(leaves) > 100
    wrong = {label(path): label(other) for path in leaves for other in imports_of(path) & leaves}
    assert wrong == {}


def test_no_family_of_metrics_imports_another() -> None:
    wrong = {
        label(path): label(other)
        for path in FILES
        for other in imports_of(path)
        if (family := family_of(path)) and family_of(other) not in (None, family)
    }
    assert wrong == {}


def test_metrics_know_arithmetic_only() -> None:
    rooms = {room_of(other) for path in FILES if room_of(path) == "metrics" for other in imports_of(path)}
    assert rooms <= {"metrics", "arrays", "records", "errors"}


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) in LIGHT], ids=label)
def test_light_rooms_import_nothing_heavy(path: Path) -> None:
    names = set()
    for node in tree_of(path).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    assert not names & HEAVY
    heavy = {label(other) for other in imported(iter(tree_of(path).body)) if room_of(other) not in LIGHT}
    assert not heavy, f"a light file imports {heavy} when it is loaded"


def test_libraries_with_training_loops_are_imported_by_one_file_each() -> None:
    """A user of Lightning needs no transformers: `integrations/NAME.py` imports NAME, and nothing else does."""
    libraries = {"accelerate", "lightning", "pytorch_lightning", "tensorboard", "torchmetrics", "transformers", "wandb"}
    found: dict[str, set[str]] = {}
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for library in {name.partition(".")[0] for name in names} & libraries:
                found.setdefault(library, set()).add(label(path))
    assert found == {
        library: {f"integrations/{library}.py"} for library in ("lightning", "torchmetrics", "transformers")
    }


def test_results_are_kept_in_one_place() -> None:
    """Whatever is remembered beside a sample set goes through `arrays/memo.py`, which forgets it with the set."""
    users = {
        label(path)
        for path in FILES
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Import) and any(name.name == "weakref" for name in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "weakref")
    }
    assert users == {"arrays/memo.py"}
