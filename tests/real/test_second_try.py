"""The whole suite runs a failed test of real parts once more, alone, and names it; nothing else is forgiven."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from real_processes import HANG_S

ROOT = Path(__file__).resolve().parents[2]
PYTEST_INI = f"""
[tool.pytest.ini_options]
pythonpath = ["{ROOT / "tests" / "real"}"]
markers = ["real: x"]
"""
TESTS = """
from pathlib import Path
import pytest

@pytest.fixture
def {fixture}():
    pass

@pytest.mark.parametrize("number", range({count}))
def test_a_crowded_machine({fixture}, number):
    told = Path(__file__).with_name(f"told{{number}}")
    told.touch() if (first := not told.exists()) else None
    assert not first or number >= {failing}

def test_always():
    assert {always}
"""


def suite(folder: Path, *, fixture: str = "cosmos", failing: int = 1, always: bool = True) -> tuple[int, str]:
    """A suite whose first so many tests fail the first time: exit code and what was said."""
    (folder / "pyproject.toml").write_text(PYTEST_INI, encoding="utf-8")
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text("utf-8"), encoding="utf-8")
    tests = TESTS.format(fixture=fixture, count=4, failing=failing, always=always)
    (folder / "test_it.py").write_text(tests, encoding="utf-8")
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import dev;"
        "dev.ROOT, dev.BIN = Path(sys.argv[2]), Path(sys.executable).parent; dev.all_tests()"
    )
    argv = [sys.executable, "-c", program, ROOT, folder]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=HANG_S)
    return done.returncode, done.stdout + done.stderr


def test_one_that_passes_alone_is_named(tmp_path: Path) -> None:
    code, said = suite(tmp_path)
    assert code == 0, said
    assert said.splitlines().count(
        "flaky: test_it.py::test_a_crowded_machine[0] failed among the others and passed alone"
    )


@pytest.mark.parametrize(
    "what", [{"failing": 3}, {"fixture": "something"}, {"always": False}], ids=["three", "not on real parts", "another"]
)
def test_nothing_else_is_forgiven(tmp_path: Path, what: dict[str, object]) -> None:
    code, said = suite(tmp_path, **what)  # type: ignore[arg-type]
    assert code == 1, said
    assert "flaky:" not in said
