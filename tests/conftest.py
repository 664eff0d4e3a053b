"""No test touches the caches of the person who runs it."""

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_CACHE", str(tmp_path_factory.mktemp("cache")))
