"""The paths of a target, checked when the configuration is read: a wrong one would only show when a job uses it.

On another host a path has to be absolute: nobody here knows what it would be relative to. On this machine `~` is
expanded, and a relative path is relative to the configuration's file. Each function raises ValueError with words.
"""

from __future__ import annotations

from pathlib import Path


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
