"""How words on the command line are read: lengths of time, moments, texts from files."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from cosmos_core.errors import UsageError
from cosmos_core.paths import expanded
from cosmos_core.texts import NotUtf8, decoded

if TYPE_CHECKING:
    from cosmos_core.values import Problem

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DAYS = {"today": 0, "yesterday": 1}
_MOST = 16 << 20  # of a text or a value from a file
_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw]?)")


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in new click only
    """`90`, `30s`, `45m`, `2h`, in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = _seconds(str(value))
        if not seconds:
            self.fail(f"{value!r} is not a duration: write 90, 30s, 45m or 2h", param, ctx)
        return seconds


class Moment(click.ParamType):  # type: ignore[type-arg]
    """A date (local), a time as RFC 3339 has it, `today`, `yesterday`, or how long ago: `2d`, `3h`."""

    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        text = str(value)
        seconds = None if text.isdigit() else _seconds(text)  # 20261124 is a date
        if seconds is not None:
            return datetime.now(UTC) - timedelta(seconds=seconds)
        try:
            if (days := _DAYS.get(text.strip().lower())) is not None:
                day = datetime.now().astimezone().date() - timedelta(days=days)
                text = day.isoformat()  # its first moment, which a change of the clocks may move
            return datetime.fromisoformat(text).astimezone(UTC)  # without a zone it is local
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is not a time: say today, yesterday, 2d, 3h, 2026-11-24 or 2026-11-24T14:05Z", param, ctx
            )


def _seconds(text: str) -> float | None:
    match = _LENGTH.fullmatch(text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else None


Complain = Callable[["Problem"], None]


def text_of(word: str, field: str, complain: Complain) -> str:
    """The prompt: as it is, from `@FILE`, from `-`; `@@` begins a text with @."""
    if word == "-":
        return _read("standard input", from_stdin(_MOST + 1), field, complain)
    return value_of(word, field, complain)


def value_of(word: str, field: str, complain: Complain) -> str:
    """A value: as it is, or from `@FILE`; `@@` begins one with @. Faults of the file are problems of `field`."""
    if word.startswith("@@"):
        return word[1:]
    if not word.startswith("@"):
        return word
    path = expanded(word[1:])
    try:
        with path.open("rb") as file:  # which may have no end
            content = file.read(_MOST + 1)
    except OSError as error:
        complain(_problem(field, f"cannot read {path}: {error.strerror}", "to begin a text with @, write @@"))
        return ""
    return _read(str(path), content, field, complain)


def from_stdin(most: int = -1) -> bytes:
    """What is on standard input, up to so many bytes."""
    return sys.stdin.buffer.read(most)


def ids_from_stdin() -> list[str]:
    """The ids on standard input, between blanks or lines. Raises UsageError where it is no text."""
    try:
        return decoded(from_stdin()).split()
    except NotUtf8 as wrong:
        raise UsageError(
            f"standard input {wrong}", hint="`cosmos list runs -q` prints ids as they are read here"
        ) from None


def _read(what: str, content: bytes, field: str, complain: Complain) -> str:
    """A text out of a file's bytes. Editors end a file with a line break that nobody means; what is before it stays."""
    if len(content) > _MOST:
        complain(_problem(field, f"{what} holds more than {_MOST >> 20} MiB", "name a file that holds only this value"))
        return ""
    try:
        text = decoded(content).replace("\r\n", "\n").replace("\r", "\n")
    except NotUtf8 as wrong:
        complain(_problem(field, f"{what} {wrong}", wrong.hint))
        return ""
    return text.removesuffix("\n")


def _problem(field: str, message: str, hint: str) -> Problem:
    from cosmos_core.values import Problem  # brings attrs with it

    return Problem(field=field, message=message, hint=hint, code="unreadable")
