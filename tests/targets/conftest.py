"""A folder for jobs, and each shell that this machine has to run them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from target_jobs import Jobs

SHELLS = [name for name in ("dash", "bash") if shutil.which(name)] or ["sh"]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """`sh` is this shell while the test runs."""
    name: str = request.param
    found = shutil.which(name)
    assert found
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to(found)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return name


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """A maker of jobs in a folder of the test's own."""
    made = Jobs(tmp_path)
    yield made
    made.end()
