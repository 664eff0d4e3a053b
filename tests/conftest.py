"""No test touches the caches of the person who runs it, or sees chance that depends on the tests before it; processes
that share the cores take one each.

And exhibits of every kind, for the tests of records and of pages.
"""

import os
import random
import sys

import pytest

from divmetrics.records.exhibits import (
    Curve,
    Exhibits,
    Gallery,
    GalleryRow,
    Map,
    ModeDetail,
    Points,
    Series,
    Shown,
    ShownSide,
)

if "PYTEST_XDIST_WORKER" in os.environ:  # threads of two processes spin at each other's barriers
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def _same_chance_in_any_order() -> None:
    random.seed(0)
    if numpy := sys.modules.get("numpy"):  # pages and rules are tested without either
        numpy.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.default_generator.manual_seed(0)


def _shown(side: ShownSide, *numbers: int, caption: str = "") -> tuple[Shown, ...]:
    return tuple(Shown(side, number, f"{side}-{number}.png", 0.5, caption) for number in numbers)


def _points(n: int) -> Points:
    """A point for each of `n` samples of both sides."""
    sides: tuple[ShownSide, ...] = ("real",) * n + ("fake",) * n
    numbers = tuple(range(n)) * 2
    modes = tuple("cat" if i % 3 else "dog" for i in range(2 * n))
    return Points(
        tuple(float(i % 9) for i in range(2 * n)),
        tuple(i / 7 for i in range(2 * n)),
        sides,
        numbers,
        tuple(f"{side}-{number}.png" for side, number in zip(sides, numbers, strict=True)),
        modes,
        tuple("dropped_modes" if i < 5 else None for i in range(2 * n)),
    )


@pytest.fixture
def exhibits() -> Exhibits:
    """Galleries, maps, curves, modes and notes of 40 samples a side."""
    rows = (GalleryRow("cat", _shown("real", 0, 1, caption="far"), _shown("fake", 2)),)
    points = _points(40)
    return Exhibits(
        (
            Gallery("dropped_modes", "Missing: cat", "Those farthest from all fakes.", rows),
            Gallery("best", "The best fakes", "Nearest to real samples.", (GalleryRow("", (), _shown("fake", 3, 4)),)),
            Gallery("grid", "Samples", "By the seed.", (GalleryRow("", _shown("real", 5), _shown("fake", 99)),)),
        ),
        (
            Map("pca", "component 1", "component 2", "All samples.", points),
            Map("tsne", "t-SNE 1", "t-SNE 2", "All samples.", points),
        ),
        (
            Curve("prd", "Precision and recall", "recall", "precision", False,
                  (Series("this generator", (0.0, 0.5, 1.0), (0.9, 0.7, None)),), "The trade-off."),
            Curve("convergence:recall", "recall", "samples a side", "recall", True,
                  (Series("fake", (10, 100, 1000), (0.2, 0.3, 0.35), (0.1, 0.25, None), (0.4, 0.35, None)),
                   Series("real samples", (10, 100), (0.8, 0.9)))),
        ),
        (ModeDetail("cat", 45, 0, None, 0.8, 12.5, 0.7, "missing", 1e-9),),
        ("labels of 3 samples were left out",),
        {"real": {"3": "00ff"}},
    )  # fmt: skip
