"""Telling what our own commands say from what login shells and their start-up files print around it.

An answer lies between two marks that nobody can guess, on standard output and on standard error alike, and the exit
code follows the second one. What comes before the first mark, and after the last, is not ours.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterator, Sequence

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Completed

# Every login shell understands this, csh and fish too: a word in single quotes without `!`, backslash or newline.
# The script is the first line of standard input, read byte by byte, so that what follows it is left for the script.
BOOTSTRAP = "exec /bin/sh -c 'IFS= read -r l && eval \"$l\"'"

# `N` is a newline for quoted names, since scripts are single lines. PATH is not what people have who log in by hand.
_PROLOGUE = (
    "N=$(printf '\\n.'); N=${N%.}; "
    'PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin${HOME:+:$HOME/.local/bin}"; '
    "export PATH; "
)
C_LOCALE = "LC_ALL=C; export LC_ALL; "
SHELL = f"{_PROLOGUE}{C_LOCALE}" + 'while IFS= read -r l; do eval "$l"; done'

_NOISE_KEPT = 2000
_MOST_NOISE = 16 << 20
MOST = 1 << 29
"""Bytes of an answer: what a few million files take."""

_CODE = re.compile(rb" ([0-9]{1,3})\s*")


def quote(text: str) -> str:
    """A word for the shell that holds no newline, whatever `text` holds."""
    if "\0" in text:
        raise ValueError("a name cannot hold NUL")
    return '"$N"'.join(shlex.quote(part) for part in text.split("\n"))


def quoted(words: Sequence[str]) -> str:
    """Many of them."""
    return " ".join(map(quote, words))


def chunks(words: Sequence[str], most: int = 100_000) -> Iterator[Sequence[str]]:
    """Few enough at a time for one command's arguments."""
    chunk: list[str] = []
    size = 0
    for word in words:
        size += len(word.encode("utf-8", "surrogateescape")) + 1
        if chunk and size > most:
            yield chunk
            chunk, size = [], len(word)
        chunk.append(word)
    if chunk:
        yield chunk


class Framed:
    """A script with marks around what it says, and what comes back told apart."""

    def __init__(self, script: str) -> None:
        self._mark = secrets.token_hex(16)
        mark = self._mark.encode()
        self.out, self.err = _Frame(mark), _Frame(mark)
        self._script = script

    @property
    def line(self) -> str:
        """What the shell is given; the script runs in a shell of its own, which it may leave and change."""
        begin = f"printf '%s\\n' {self._mark}; printf '%s\\n' {self._mark} >&2; "
        end = f"; printf '%s %s\\n' {self._mark} $?; printf '%s\\n' {self._mark} >&2"
        return f"{begin}{self._script}{end}"

    @property
    def once(self) -> bytes:
        """As the only line of a shell that then ends, whatever else comes in."""
        return f"{_PROLOGUE}{self.line}; exit\n".encode("utf-8", "surrogateescape")

    @property
    def ended(self) -> bool:
        """Whether all of the answer is here."""
        return self.out.rest is not None and self.err.rest is not None

    @property
    def begun(self) -> bool:
        """Whether the shell got as far as our script."""
        return self.out.begun

    @property
    def noise(self) -> str:
        """What was said instead."""
        return (self.err.noise + self.out.noise).decode("utf-8", "replace").strip()

    def feed(self, out: bytes, err: bytes) -> tuple[bytes, bytes]:
        """Take what came in; what of it is output and complaints of the script."""
        return self.out.feed(out), self.err.feed(err)

    @property
    def exit_code(self) -> int:
        """What the script ended with."""
        code = _CODE.fullmatch(self.out.rest or b"")
        return int(code[1]) if code else 255


class Question:
    """A short script for the shell that stays open; the whole answer comes in one piece.

    Small writes would each wait for an acknowledgement, 40 ms apiece behind a jump host: `dd` puts them together.
    """

    def __init__(self, script: str) -> None:
        mark = secrets.token_hex(16)
        self._mark = mark.encode()
        self._got = bytearray()
        self._seen = 0
        self._marks = 0
        self.line = (
            f"{{ echo {mark}; said=$( ( {script} ) 2>&1 >&3 3>&- ); "
            f"printf '%s %s\\n%s\\n%s\\n' {mark} $? \"$said\" {mark}; }} "
            "3>&1 </dev/null | dd ibs=65536 obs=65536 2>/dev/null"
        )

    @property
    def ended(self) -> bool:
        """Whether all of the answer is here."""
        return self._marks >= 3 and self._got.endswith(b"\n")

    @property
    def begun(self) -> bool:
        """Whether the shell got as far as the script."""
        return self._marks > 0

    @property
    def noise(self) -> str:
        """What was said instead."""
        return self._got[-_NOISE_KEPT:].decode("utf-8", "replace").strip()

    def feed(self, out: bytes, err: bytes) -> tuple[bytes, bytes]:
        """Take what came in. On standard error there is only noise."""
        self._got += out if self.begun or out else err[-_NOISE_KEPT:]
        if len(self._got) > (MOST if self.begun else _MOST_NOISE):
            raise TargetUnusable(
                f"the host says more than {len(self._got) >> 20} MiB where a few words were asked for",
                hint="look at the start-up files and the login shell there",
            )
        while (at := self._got.find(self._mark, self._seen)) >= 0:
            self._seen = at + len(self._mark)
            self._marks += 1
        self._seen = max(self._seen, len(self._got) - len(self._mark) + 1)
        return out, err

    @property
    def answer(self) -> Completed:
        """All of it."""
        _, content, rest, *_ = bytes(self._got).split(self._mark)
        line, _, said = rest.partition(b"\n")
        code = _CODE.fullmatch(line)
        return Completed(exit_code=int(code[1]) if code else 255, out=content[1:], err=said[:-1])


class _Frame:
    """One stream."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._held = b""
        self.begun = False
        self.noise = b""
        self.rest: bytes | None = None  # the line after the second mark, once it is there

    def feed(self, data: bytes) -> bytes:
        """What of it is content."""
        if self.rest is not None:
            return b""
        data = self._held + data
        content = b""
        if not self.begun:
            _, found, after = data.partition(self._mark + b"\n")
            if not found:
                self.noise = (self.noise + data)[-_NOISE_KEPT:]
                self._held = data[-len(self._mark) :]
                return b""
            self.begun, data = True, after
        content, found, after = data.partition(self._mark)
        if found and b"\n" in after:
            self.rest, _, _ = after.partition(b"\n")  # what follows is said by what a command left behind
            self._held = b""
        elif found:
            self._held = found + after
        else:
            # A mark may be cut in two.
            keep = min(len(content), len(self._mark) - 1)
            self._held = content[len(content) - keep :]
            content = content[: len(content) - keep]
        return content
