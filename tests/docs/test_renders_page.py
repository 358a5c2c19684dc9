"""docs/renders.md: its commands and its program work on rendered pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pictures import write_sequence
from test_commands import blocks, shell

from cosmos_core.demo import make_clip

PAGE = "docs/renders.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Renders, and a clip of as many frames."""
    monkeypatch.setenv("COSMOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "0")
    make_clip(tmp_path / "street.mp4", frames=3, width=64, height=36)
    for below, name in (("beauty", "beauty"), ("depth", "depth"), ("all", "beauty"), ("all", "depth")):
        write_sequence(tmp_path / "renders" / below, 1, 2, 3, name=f"{name}.%04d.png", size=(64, 36))
    return tmp_path


def test_the_commands_work(folder: Path) -> None:
    commands = [line[2:] for block in blocks(PAGE, "console") for line in block.splitlines()]
    assert len(commands) == 5
    for command in commands:
        done = shell(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert len(list((folder / "home" / "sequences").iterdir())) == 2


def test_the_program_works(folder: Path) -> None:
    (program,) = blocks(PAGE, "python")
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[3, 3]\n"), done.stderr
