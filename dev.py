#!/usr/bin/env python3
"""The two commands of a fresh checkout: `python3 dev.py demo` and `python3 dev.py test`.

Each makes an environment of its own in .venv and needs nothing but Python (3.11 or newer) and the package index.
The tests also want programs of the system, for a real sshd, Docker daemon and PostgreSQL server; see PARTS.
"""

import contextlib
import json
import os
import shutil
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

PARTS = {
    "busybox": "busybox",
    "docker": "docker.io",
    "dockerd": "docker.io",
    "faketime": "faketime",
    "flock": "util-linux",
    "mmdebstrap": "mmdebstrap",
    "pg_ctlcluster": "postgresql",
    "ps": "procps",
    "setsid": "util-linux",
    "shellcheck": "shellcheck",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "sudo": "sudo",
    "tcsh": "tcsh",
}
"""The programs of the checks and of the tests' real parts, and the packages of Debian and Ubuntu that have them."""
TESTS_FAILED = 1  # of pytest's exit codes
FLAKY_MOST = 2  # tests that may fail among the others and pass alone; more is a fault
POLICY = Path("/usr/sbin/policy-rc.d")


def call(*argv):
    """Run a program, shown first; its exit code."""
    print("+", " ".join(str(word) for word in argv), file=sys.stderr, flush=True)
    return subprocess.run([str(word) for word in argv], cwd=str(ROOT), check=False).returncode


def run(*argv):
    """Run a program, shown first; end with its exit code if it fails."""
    if code := call(*argv):
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


def real_parts():
    """Install what the real parts of the tests lack; where that cannot be, say what will be left out."""
    if os.geteuid() != 0:
        print("note: tests with a real sshd and Docker are left out: they need root on Linux", file=sys.stderr)
        return
    if (missing := lacking()) and shutil.which("apt-get"):
        with no_services_started():
            apt("update", "--quiet=2")
            apt("install", "--yes", "--quiet=2", "--no-install-recommends", *sorted(set(missing.values())))
            if "docker" in lacking():  # newer releases have the client in a package of its own
                apt("install", "--yes", "--quiet=2", "--no-install-recommends", "docker-cli")
    if missing := lacking():
        print("note: not here, and tests that need it are left out:", ", ".join(sorted(missing)), file=sys.stderr)


def lacking():
    """The programs of PARTS that are not here, with their packages."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/sbin"  # where daemons live
    return {program: package for program, package in PARTS.items() if not shutil.which(program, path=path)}


def apt(*words):
    """Call apt-get without questions; that it failed is seen by what is still lacking."""
    print("+ apt-get", *words, file=sys.stderr, flush=True)
    environ = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    subprocess.run(["apt-get", *words], env=environ, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)


@contextlib.contextmanager
def no_services_started():
    """Packages that are installed meanwhile start no service: the tests start daemons of their own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def demo(arguments):
    """Install and do the main job once: a small clip through `transfer`, on the simulator."""
    environment(".")
    run(BIN / "cosmos", "demo", *arguments)
    print("\nThe command lives in .venv; in this terminal, type first:\n  . .venv/bin/activate")


def test(arguments):
    """Install what the checks and tests need, and run them all; arguments go to pytest."""
    # The tests start hundreds of processes, and one that finds no bytecode compiles all it loads: twice its start-up.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    real_parts()
    environment(".[test]")
    if arguments:
        run(BIN / "python", "-m", "pytest", *arguments)
        return
    for check in CHECKS:
        run(BIN / check[0], *check[1:])
    all_tests()


def all_tests():
    """Run the whole suite; ends with pytest's exit code if that is not 0."""
    # Much of a test is waiting for a process: as many workers as cores leave them idle, twice as many crowd them.
    workers = (os.cpu_count() or 1) * 3 // 2
    # loadgroup: tests that share a module's fixture go to one worker, which makes it once
    code = call(BIN / "python", "-m", "pytest", "-n", workers, "--dist", "loadgroup")
    if code == TESTS_FAILED:
        again()
    elif code:
        sys.exit(code)


def again():
    """Run tests that failed once more, one after the other, if they are few and on real parts; ends with 1 if not.

    A crowded machine can hold up a real server for longer than a test waits. What passes now is named as flaky.
    """
    failed = json.loads((ROOT / ".pytest_cache" / "v" / "cosmos" / "failed").read_text(encoding="utf-8"))
    if len(failed) > FLAKY_MOST or not all(failed.values()):
        sys.exit(TESTS_FAILED)
    print(f"\n{len(failed)} failed on real parts; once more, alone:", file=sys.stderr)
    run(BIN / "python", "-m", "pytest", *failed)
    for name in failed:
        print(f"flaky: {name} failed among the others and passed alone")


if __name__ == "__main__":
    commands = {"demo": demo, "test": test}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit("usage: python3 dev.py demo | test [PYTEST ARGUMENT ...]")
    commands[sys.argv[1]](sys.argv[2:])
