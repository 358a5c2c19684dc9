"""Lays the stand-in out as NVIDIA's repository, for tests that mount or enter one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

VERSION = "1.5.0"
# $0 is the shim's own path when it is found on PATH, and python3 is never shadowed by ours
_SHIM = """\
#!/bin/sh
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd) || exit 127
STANDIN_REPOSITORY=$here exec python3 "$here/.standin/run.py" {program} "$@"
"""
_RUN = """\
import sys

from standin.transfer25 import main

sys.exit(main(sys.argv[1:]))
"""
_SCRIPT = '''\
"""Placeholder: in this repository bin/python and bin/torchrun play this script and look only whether it is here."""

raise SystemExit("this is the stand-in's placeholder: put this repository's bin/ first on PATH")
'''


def lay_out(folder: Path) -> None:
    """Write the repository into `folder`: its bin/ belongs first on PATH; needs a python3 behind it.

    The version stands in cosmos_transfer2/__about__.py alone, as in the real repository since 1.3.1.
    """
    for program in ("python", "torchrun", "uv"):
        shim = _write(folder / "bin" / program, _SHIM.format(program=program))
        shim.chmod(0o755)
    _write(folder / "examples" / "inference.py", _SCRIPT)
    _write(folder / "pyproject.toml", '[project]\nname = "cosmos-transfer2"\ndynamic = ["version"]\n')
    _write(folder / "cosmos_transfer2" / "__about__.py", f'__version__ = "{VERSION}"\n')
    _write(folder / ".standin" / "run.py", _RUN)
    for source in resources.files(__package__).iterdir():
        if source.name.endswith(".py"):
            _write(folder / ".standin" / "standin" / source.name, source.read_text(encoding="utf-8"))


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
