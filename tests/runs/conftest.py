"""Homes and clips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import empty_store
import pytest
from run_life import Home, make_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine frames of 64x64."""
    return make_clip(tmp_path_factory.mktemp("clips") / "street.mp4")


@pytest.fixture
def home(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home of this test's own, where the stand-in takes no time."""
    for name in ("COSMOS_CONFIG", "COSMOS_TARGET", "COSMOS_STORE_URL", "COSMOS_SIMULATE", "STANDIN_FAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COSMOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "0")
    empty_store.put_into(tmp_path / "home")
    home = Home(tmp_path, clip)
    yield home
    home.close()
