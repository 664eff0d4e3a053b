"""The house as it is drawn in docs/architecture.md: imports go to a lower or equal floor, leaves know no other leaf."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "divmetrics"
LEAF_ROOMS = {"metrics", "extractors", "zoo"}
HEAVY = {"torch", "torchvision", "timm", "numpy", "scipy", "sklearn", "ot", "PIL", "safetensors", "openvino"}


def drawn_floors() -> dict[str, int]:
    """Room -> floor, read from the drawing: lines such as `3  metrics/ extractors/   text`."""
    drawing = (ROOT / "docs" / "architecture.md").read_text().split("<!-- rooms -->")[1].split("```")[1]
    floors: dict[str, int] = {}
    for line in drawing.strip().splitlines():
        floor, rooms, *_ = re.split(r"\s{2,}", line.strip())
        floors |= {room.strip("/").removesuffix(".py"): int(floor) for room in rooms.split()}
    return floors


FLOORS = drawn_floors()
FILES = sorted(HOUSE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def house_imports(path: Path, *, only_top_level: bool = False) -> set[tuple[str, ...]]:
    """What `path` imports of the house, as parts below `divmetrics`; type-checking blocks are no imports."""
    tree = ast.parse(path.read_text())
    found: set[tuple[str, ...]] = set()
    for node in tree.body if only_top_level else ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "divmetrics":
            parts = tuple(node.module.split(".")[1:])
            found |= {parts} if parts else {(alias.name,) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")[1:]) for alias in node.names if alias.name.startswith("divmetrics.")}
    return found


def test_every_room_is_drawn() -> None:
    rooms = {room_of(path) for path in FILES} - {"__init__"}
    assert rooms == set(FLOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_imports_go_down(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    upward = {parts[0] for parts in house_imports(path) if FLOORS[parts[0]] > FLOORS[room]}
    assert not upward, f"{room} on floor {FLOORS[room]} imports {upward} from above"


@pytest.mark.parametrize("room", sorted(LEAF_ROOMS))
def test_leaves_know_no_other_leaf(room: str) -> None:
    for path in (HOUSE / room).glob("*.py"):
        others = {parts for parts in house_imports(path) if parts[0] in LEAF_ROOMS and len(parts) > 1}
        assert path.name == "__init__.py" or not others, f"{path.name} imports {others}"


def light_files() -> list[Path]:
    drawing = (ROOT / "docs" / "architecture.md").read_text().split("<!-- rooms -->")[1].split("```")[1]
    rooms = {room.strip("/").removesuffix(".py") for line in drawing.splitlines() if "(light)" in line
             for room in re.split(r"\s{2,}", line.strip())[1].split()}  # fmt: skip
    return [path for path in FILES if room_of(path) in rooms]


@pytest.mark.parametrize("path", light_files(), ids=lambda path: str(path.relative_to(HOUSE)))
def test_light_rooms_import_nothing_heavy(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    assert not names & HEAVY
    rooms = {parts[0] for parts in house_imports(path, only_top_level=True)}
    light = {room_of(other) for other in light_files()}
    assert rooms <= light, f"{path.name} imports {rooms - light}, which load torch"


def test_only_dist_knows_the_process_group() -> None:
    speakers = [
        path.name
        for path in FILES
        if "torch.distributed" in path.read_text() or "import distributed" in path.read_text()
    ]
    assert speakers == ["dist.py"]
