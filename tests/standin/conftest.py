"""Fixtures: the zipped stand-in, a small video, and a player in a fresh working directory."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from playing import Make, Player, make_clip

import cosmos_transfer.standin

MAIN = "import sys\nfrom standin.transfer25 import main\nsys.exit(main(sys.argv[1:]))\n"


@pytest.fixture(scope="session")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package in a zip with a __main__, and nothing else of ours."""
    path = tmp_path_factory.mktemp("zip") / "stand_in.pyz"
    source = Path(cosmos_transfer.standin.__file__).parent
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", MAIN)
        for file in source.glob("*.py"):
            archive.write(file, f"standin/{file.name}")
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of 96x64 at 24 per second."""
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4")


@pytest.fixture
def player(pyz: Path, clip: Path, tmp_path: Path) -> Player:
    (tmp_path / "in.mp4").write_bytes(clip.read_bytes())
    return Player(pyz, tmp_path)


@pytest.fixture
def sample() -> Make:
    """A good sample; keywords change it, `...` takes a key away."""

    def make(**changes: Any) -> dict[str, Any]:
        data = {"name": "a", "prompt": "a robot", "video_path": "in.mp4", "edge": {}, "num_steps": 4} | changes
        return {key: value for key, value in data.items() if value is not ...}

    return make
