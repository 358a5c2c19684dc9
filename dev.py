#!/usr/bin/env python3
"""The two commands of a fresh checkout: `python3 dev.py demo` and `python3 dev.py test`.

Each makes an environment of its own in .venv and needs nothing but Python (3.11 or newer) and the package index.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports", "--no-logo"),
)


def run(*argv):
    """Run a program, shown first; end with its exit code if it fails."""
    print("+", " ".join(str(word) for word in argv), file=sys.stderr, flush=True)
    code = subprocess.run([str(word) for word in argv], cwd=str(ROOT), check=False).returncode
    if code:
        sys.exit(code)


def environment(what):
    """Make .venv where it is missing, and install the project (`.` or `.[test]`) into it."""
    if sys.version_info < (3, 11):  # noqa: UP036  the one file that an older Python may meet
        sys.exit("error: Python 3.11 or newer is needed; this is " + sys.version.split()[0])
    have_pip_inside = subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True, check=False)
    if not (BIN / "python").exists():
        run(sys.executable, "-m", "venv", *([] if have_pip_inside.returncode == 0 else ["--without-pip"]), VENV)
    if (BIN / "pip").exists():
        pip = [BIN / "python", "-m", "pip"]
    elif subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        pip = [sys.executable, "-m", "pip", "--python", BIN / "python"]
    else:
        sys.exit("error: this Python has neither ensurepip nor pip; on Debian: apt install python3-venv, then again")
    run(*pip, "install", "--quiet", "--disable-pip-version-check", "--editable", what)


def demo(arguments):
    """Install and do the main job once: a small clip through `transfer`, on the simulator."""
    environment(".")
    run(BIN / "cosmos", "demo", *arguments)
    print("\nThe command lives in .venv; in this terminal, type first:\n  . .venv/bin/activate")


def test(arguments):
    """Install what the checks and tests need, and run them all; arguments go to pytest."""
    environment(".[test]")
    if not arguments:
        for check in CHECKS:
            run(BIN / check[0], *check[1:])
    run(BIN / "python", "-m", "pytest", *(arguments or ["-n", "2"]))


if __name__ == "__main__":
    commands = {"demo": demo, "test": test}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit("usage: python3 dev.py demo | test [PYTEST ARGUMENT ...]")
    commands[sys.argv[1]](sys.argv[2:])
