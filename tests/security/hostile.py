"""What somebody who means harm would write: texts and names, made from a seed, and how to see what came of them."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

CANARY = "COSMOS-CANARY"
"""The file that appears, wherever a text is executed."""

# What shells, templates, terminals, formats, databases and path joins make something of.
PIECES = (
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"; touch {CANARY};",
    f"\ntouch {CANARY}\n",
    f"| touch {CANARY} #",
    f"&& touch {CANARY} ||",
    f"'; touch {CANARY}; '",
    f'"; touch {CANARY}; "',
    f"'\"'\"'; touch {CANARY}; '",
    f"\\'; touch {CANARY}; \\'",
    f"$'\\x27'; touch {CANARY}; $'\\x27'",
    f"\nEOF\ntouch {CANARY}\n",
    f"\nEND\ntouch {CANARY}\n",
    f"@RUNTIME@'; touch {CANARY}; '",
    f"@LINE@'; touch {CANARY}; '",
    "@SETTINGS@",
    "${HOME}",
    "${IFS}",
    "$PATH",
    "{python}",
    "{dir}",
    "{{.ID}}",
    "%s%n%d",
    "%(x)s",
    "-rf",
    "--help",
    "--",
    "-",
    "@",
    "@@",
    "@/etc/passwd",
    "~root",
    "*",
    "[a-z]?",
    "!!",
    "^a^b",
    "\\",
    "\\n",
    "\\0",
    "'",
    '"',
    "`",
    "../../../../etc/passwd",
    "/etc/passwd",
    "..",
    "/",
    "\t",
    " ",
    "\r",
    "\x1b[35mpink\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b[2J",
    "\x9b35m",
    "\x07",
    "\x08",
    "\x7f",
    "\u202egnp.exe",
    "\u2028",
    "\ufeff",
    "\u200b",
    "e\u0301",
    "\U0001f600",
    "'; DROP TABLE runs; --",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "nul",
    "rain at night",
)

STEERING = ("\x1b[5m", "\x1b]0;", "\x07", "\x9b", "\x1b[2J", "\u202e", "\x08", "\u2028", "\x85", "\x1bP", "\x1b_")
"""None of this may reach a terminal from a text; nothing of ours uses it."""

POISON = "".join(f"a{steering}b" for steering in STEERING) + "\x1b[5mblink\x1b[0m"
"""All of it in one text."""


def texts(seed: int, count: int) -> Iterator[str]:
    """Hostile texts: pieces put together; every piece comes alone before any is mixed."""
    draw = random.Random(seed)
    for number in range(count):
        if number < len(PIECES):
            yield PIECES[number]
        else:
            yield "".join(draw.choice(PIECES) for _ in range(draw.randint(2, 6)))


def file_name(text: str, suffix: str = ".mp4") -> str:
    """The text as far as it can be a file's name."""
    name = text.replace("/", "_").encode("utf-8", "surrogateescape")[:200].decode("utf-8", "ignore")
    return f"{name}{suffix}"


def canaries(*folders: Path) -> list[Path]:
    """Where something was executed; looked for below `folders` and where programs usually are."""
    found = [place / CANARY for place in (Path.cwd(), Path.home(), Path("/tmp"), Path("/"), Path("/root"))]
    there = [path for path in found if path.exists()]
    return there + [path for folder in folders for path in folder.rglob(CANARY)]


_OF_A_TEST = re.compile(r"t[0-9a-f]{8}.*")  # as the parts name the folder of each test in people's homes


def listing(*folders: Path, keep: Collection[Path] = ()) -> dict[str, tuple[int, int]]:
    """Everything below, with mode and size: what must be the same afterwards. Other tests' folders are left out."""
    seen: dict[str, tuple[int, int]] = {}
    for folder in folders:
        for root, below, files in os.walk(folder):
            below[:] = [name for name in below if not _OF_A_TEST.fullmatch(name) or Path(root, name) in keep]
            for name in (*below, *files):
                path = os.path.join(root, name)  # noqa: PTH118  names that pathlib would tidy up
                try:
                    there = os.lstat(path)
                except FileNotFoundError:
                    continue  # others work there, too
                seen[path] = (there.st_mode, there.st_size if not os.path.isdir(path) else 0)  # noqa: PTH112
    return seen


def open_to_others(folder: Path) -> Mapping[str, str]:
    """What below (and with) a folder others may read, write or enter: path and mode."""
    return {
        str(path): oct(path.lstat().st_mode & 0o777)
        for path in (folder, *folder.rglob("*"))
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    }


def most_memory(pid: int) -> int:
    """The most memory that a process ever had at once, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10
