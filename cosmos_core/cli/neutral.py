"""What reaches a terminal: characters that would steer it are shown, not obeyed. Only our own styling passes.

Prompts, names, logs and what hosts say come from others. Whatever a command writes goes through here, whoever wrote it.
"""

from __future__ import annotations

import codecs
import os
import re
from io import TextIOWrapper
from typing import TextIO, cast

# Escapes, C1, and what turns the direction of text around. Tabs and newlines stay; a lone \r hides what it follows.
_STEERS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
_OURS = os.urandom(8).hex()  # no prompt and no log can hold what begins our own styling
_STYLE = re.compile(rf"\x1b{_OURS}([0-9]+)m|[\r{_STEERS}]")
_PAINTED = re.compile(rf"(\x1b\[[0-9;?]*[A-Za-z])|[{_STEERS}]")
_COLOURED = re.compile(rf"(\x1b\[[0-9;:]{{0,40}}m)|[{_STEERS}]")
_CUT = re.compile(r"\x1b(\[[0-9;:]{0,40})?\Z")
_IN_JSON = re.compile(rf"[{_STEERS}]")


def styling(code: str) -> str:
    """The beginning of a style of ours, which becomes one where text reaches a terminal."""
    return f"\x1b{_OURS}{code}m"


def unstyled(text: str) -> str:
    """Text without our styling: what takes room."""
    return _STYLE.sub(lambda found: "" if found[1] else found[0], text)


def neutral(text: str) -> str:
    """Text for a terminal: our styling made real, all else that would steer it as `\\x1b` and the like."""
    return _STYLE.sub(lambda found: f"\x1b[{found[1]}m" if found[1] else _shown(found), text)


def neutral_json(text: str) -> str:
    """JSON for a terminal, and still the same JSON."""
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _but_first_group(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda found: found[1] or _shown(found), text)


class Screen(TextIOWrapper):
    """A terminal as a stream that cannot be steered by what is written to it."""

    @classmethod
    def instead_of(cls, stream: TextIOWrapper) -> Screen:
        """What takes the place of a terminal's plain stream, which is of no use after that."""
        encoding = stream.encoding
        stream.flush()
        return cls(stream.detach(), encoding=encoding, errors="backslashreplace", line_buffering=True)

    def write(self, text: str, /) -> int:
        super().write(neutral(text))
        return len(text)

    def write_harmless(self, text: str) -> None:
        """Write text that was looked through before."""
        super().write(text)


class _Painted:
    """A terminal for rich, which moves the cursor and colours; no other sequences pass."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def __getattr__(self, name: str) -> object:
        return getattr(self._screen, name)

    def write(self, text: str) -> int:
        self._screen.write_harmless(_but_first_group(_PAINTED, text))
        return len(text)


def painted(stream: TextIO) -> TextIO:
    """`stream` as rich may have it."""
    return cast("TextIO", _Painted(stream)) if isinstance(stream, Screen) else stream


class LogText:
    """A log as a terminal may have it: its colours and its `\\r` stay. Fed as it comes, escapes cut in two included."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""

    def feed(self, data: bytes, *, last: bool = False) -> str:
        """What can be shown by now."""
        text = self._held + self._decoder.decode(data, last)
        cut = None if last else _CUT.search(text)
        self._held = cut[0] if cut else ""
        shown = _but_first_group(_COLOURED, text[: len(text) - len(self._held)])
        return shown + ("\x1b[0m" if last else "")
