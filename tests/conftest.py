"""No test touches the caches of the person who runs it; processes that share the cores take one each."""

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # threads of two processes spin at each other's barriers
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_CACHE", str(tmp_path_factory.mktemp("cache")))
