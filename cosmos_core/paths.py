"""Paths and hosts as people write them.

Those of a target are checked when the configuration is read: a wrong one would only show when a job uses it. On another
host a path has to be absolute: nobody here knows what it would be relative to. On this machine `~` is expanded, and a
relative path is relative to the configuration's file. Each check raises ValueError with words.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_HOST = re.compile(
    r"""(?:ssh://)? (?:[^/:]+@)? (?: \[[^\]/]+\] | [^@/:\[\]]+ ) (?: :(?P<port>[0-9]{1,5}) )? /?
        | (?:[^/:]+@)? [0-9a-f]*:[0-9a-f]*:[0-9a-f:.]* (?:%\w+)?  # an address of IPv6, which has no room for a port
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HIGHEST_PORT = 65535


def expanded(text: str | os.PathLike[str]) -> Path:
    """A path with its `~` or `~name` filled in as a shell does it: where there is no such user, it stays."""
    return Path(os.path.expanduser(text))  # noqa: PTH111  Path's own raises for an unknown user


def host(text: str) -> str:
    """What ssh can be asked for: [USER@]NAME[:PORT], also as ssh://, or a bare IPv6 address."""
    want = "wants a name from ~/.ssh/config, or [USER@]NAME[:PORT]"
    if "://" in text and not text.startswith("ssh://"):
        raise ValueError(f"is a URL; it {want}")
    if text.startswith("-") or any(character.isspace() or character == "\0" for character in text):
        raise ValueError(f"{want}; other options of ssh go to ~/.ssh/config")
    if ":" in text.removeprefix("ssh://").rpartition("@")[0]:
        raise ValueError("holds a password, which is never read; log in by a key")
    match = _HOST.fullmatch(text)
    if match is None or int(match["port"] or 1) not in range(1, _HIGHEST_PORT + 1):
        raise ValueError(f"{text!r} is no host; it {want}")
    return text


def on_target(text: str, base: Path | None) -> str:
    """A path on the target. `base` is what relative paths are relative to on this machine, None on another host."""
    _check(text)
    if base is not None:
        return on_this_machine(text, base)
    if text.startswith("~"):
        raise ValueError(f"{text!r} is not an absolute path on the host; ~ is not expanded there")
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not an absolute path on the host")
    return text


def on_this_machine(text: str, base: Path) -> str:
    """A path on this machine."""
    _check(text)
    try:
        return str(base / Path(text).expanduser())
    except RuntimeError:  # ~nobody
        raise ValueError(f"{text!r}: there is no such user on this machine") from None


def to_mount(text: str, base: Path | None) -> str:
    """A path that a container sees under the same name."""
    if ":/" in text:
        raise ValueError(f"{text!r} is two paths; give one, which is the same inside the container")
    return on_target(text, base)


def in_container(text: str) -> str:
    """A path inside a container."""
    _check(text)
    if not text.startswith("/") or ":" in text:
        raise ValueError(f"{text!r} is not an absolute path in the container")
    return text


def word(text: str, base: Path | None) -> str:
    """A word of a command: no shell reads it, so nobody else would expand a `~`."""
    if not text.startswith("~"):
        return text
    if base is None:
        raise ValueError(f"{text!r}: ~ is not expanded on the host; give the whole path")
    return on_this_machine(text, base)


def _check(text: str) -> None:
    if not text.strip():
        raise ValueError("is empty")
    if any(character in text for character in "\0\n\r"):
        raise ValueError(f"{text!r} holds a line break or a NUL character")
