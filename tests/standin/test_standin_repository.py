"""The stand-in laid out as NVIDIA's repository, its bin/ first on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playing import SCRIPT, Make, environment
from real_processes import HANG_S

from cosmos_transfer.standin.repository import lay_out

SPEC = ("-i", "spec.json", "-o", "outputs")


@pytest.fixture
def repository(tmp_path: Path, clip: Path) -> Path:
    folder = tmp_path / "with space" / "cosmos-transfer2.5"
    lay_out(folder)
    shutil.copy(clip, folder / "in.mp4")
    return folder


def call(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = f"{repository / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = environment({"PATH": path})
    program = shutil.which(words[0], path=path)
    assert program is not None
    return subprocess.run(
        [program, *words[1:]], cwd=repository, env=env, capture_output=True, text=True, timeout=HANG_S
    )


@pytest.mark.parametrize(
    "head", [("python",), ("torchrun", "--nproc_per_node=2"), ("uv", "run", "python"), ("uv", "run", "torchrun")]
)
def test_its_programs_play_the_script(repository: Path, sample: Make, head: tuple[str, ...]) -> None:
    import json

    (repository / "spec.json").write_text(json.dumps(sample()))
    done = call(repository, *head, SCRIPT, *SPEC)
    assert done.returncode == 0, done.stderr
    assert (repository / "outputs" / "a.mp4").is_file()


def test_a_script_that_is_not_there(repository: Path) -> None:
    (repository / SCRIPT).unlink()
    done = call(repository, "python", SCRIPT, *SPEC)
    assert done.returncode == 2
    assert f"can't open file '{repository / SCRIPT}': [Errno 2] No such file or directory" in done.stderr
    done = call(repository, "torchrun", SCRIPT, *SPEC)
    assert done.returncode == 1
    assert "can't open file" in done.stderr
    assert "exitcode  : 2 (pid: " in done.stderr


def test_other_scripts_get_the_real_python(repository: Path) -> None:
    (repository / "other.py").write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    done = call(repository, "python", "-u", "other.py", "x y")
    assert (done.returncode, done.stdout) == (3, "['x y']\n")
    assert call(repository, "python", "-c", "print(6 * 7)").stdout == "42\n"


def test_the_version_can_be_read(repository: Path) -> None:
    assert '__version__ = "1.5.0"' in (repository / "cosmos_transfer2" / "__about__.py").read_text()
