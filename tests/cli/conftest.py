"""A `cosmos` of one's own: real processes, a data folder and a working folder that nobody else has."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import empty_store
import pytest
import warm_cosmos

from cosmos_core.demo import make_clip


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


@dataclass
class Shell:
    """Runs `cosmos` as a user would, in `cwd`."""

    home: Path
    cwd: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of its commands."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("COSMOS_", "STANDIN_"))}
        return {**plain, "COSMOS_HOME": str(self.home), "STANDIN_STEP_SECONDS": "0", "TZ": "UTC", **self.env}

    def argv(self, *args: str | Path) -> list[str]:
        """The command line of a command."""
        return [sys.executable, "-m", "cosmos_core", *map(str, args)]

    def __call__(self, *args: str | Path, stdin: str = "", **env: str) -> Ended:
        done = warm_cosmos.run(list(map(str, args)), cwd=self.cwd, env={**self.environ, **env}, stdin=stdin)
        return Ended(done.returncode, done.stdout, done.stderr)

    def json(self, *args: str | Path, **env: str) -> Any:
        """The document of a command that has to succeed."""
        ended = self(*args, "--json", **env)
        assert ended.code == 0, ended.err + ended.out
        return ended.document

    def forget(self) -> None:
        """Remove the data folder, as before the first command."""
        shutil.rmtree(self.home)

    def stored(self) -> tuple[int, int]:
        """How many prompts and runs are stored, by the database itself."""
        file = self.home / "cosmos.db"
        if not file.exists():
            return 0, 0
        with closing(sqlite3.connect(file)) as database:
            return tuple(
                database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("prompts", "runs")
            )


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short real video."""
    return make_clip(tmp_path_factory.mktemp("clips") / "street.mp4", frames=12, width=160, height=96)


@pytest.fixture
def cosmos(tmp_path: Path, clip: Path) -> Shell:
    """A `cosmos` with an empty store, in a folder that holds `street.mp4`."""
    return _shell(tmp_path, clip)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Shell:
    """A `cosmos` that completed one run, for tests that only look."""
    shell = _shell(tmp_path_factory.mktemp("used"), clip)
    shell.json("run", *TRANSFER, "--name", "first", "--tag", "wet")
    return shell


def _shell(folder: Path, clip: Path) -> Shell:
    cwd = folder / "work"
    cwd.mkdir()
    (cwd / "street.mp4").hardlink_to(clip)
    empty_store.put_into(folder / "home")
    return Shell(home=folder / "home", cwd=cwd)


TRANSFER = ("--model", "transfer", "heavy rain", "--video", "street.mp4", "--weights.edge", "0.5")


@pytest.fixture
def transfer() -> tuple[str, ...]:
    """Arguments of a request that holds."""
    return TRANSFER
