"""The standard streams of the `cosmos` command: they may be closed, their disk full, their reader gone.

Standard output takes the command's answer alone; what plugins print goes to standard error. File descriptor 1 itself
becomes standard error, so that native code and child processes cannot write between the lines of a JSON document.
"""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any

from cosmos_core.cli.neutral import Screen
from cosmos_core.plugin_calls import plugin_calls

_IN, _OUT, _ERR = 0, 1, 2

ours: ContextVar[bool] = ContextVar("ours", default=False)
"""Whether a command runs in this thread. Threads that a plugin starts are never taken for ours."""


class _Outlet(FileIO):
    """A descriptor that may fail: the run that is followed matters more than words about it. `lost` says why."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.lost: OSError | None = None

    def write(self, data: Any, /) -> int | None:  # type: ignore[override]  # None: it would block
        if self.lost is None:
            try:
                return super().write(data)
            except BrokenPipeError:
                if self.fileno() != _ERR:
                    raise  # nobody reads the answer: the command ends
                self.lost = BrokenPipeError()
            except OSError as error:
                self.lost = error
        return memoryview(data).nbytes


class _Answer(TextIOWrapper):
    """Standard output as our own code sees it; to all others, loggers included, it is standard error."""

    def write(self, text: str, /) -> int:
        if _is_ours():
            return super().write(text)
        return sys.stderr.write(text)

    @property
    def buffer(self) -> Any:
        return super().buffer if _is_ours() else sys.stderr.buffer


class _AnswerOnScreen(_Answer, Screen):
    """The same on a terminal."""


def _is_ours() -> bool:
    """Whether the caller of our caller writes a part of the answer. A handler may log for anybody, at any time."""
    frame = sys._getframe(2)
    return ours.get() and frame.f_globals.get("__name__") != "logging" and not any(plugin_calls(frame))


def settle(*, own: bool) -> None:
    """Make the streams safe to write to. `own`: this process is the command, and its descriptors are ours."""
    if own:
        _fill_gaps()
        answers = os.dup(_OUT)
        os.dup2(_ERR, _OUT)
        _replace("stderr", _ERR, TextIOWrapper, Screen)
        _replace("stdout", answers, _Answer, _AnswerOnScreen)
        return
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            if stream.isatty() and not isinstance(stream, Screen):
                _put(name, Screen.instead_of(stream))


def why_lost() -> str | None:
    """Why the answer, or a part of it, could not be written; None where it was."""
    outlet = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    lost = outlet.lost if isinstance(outlet, _Outlet) else None
    return None if lost is None else (lost.strerror or type(lost).__name__).lower()


def _fill_gaps() -> None:
    """What cron and services leave closed is /dev/null: else the next file that is opened would take its number."""
    for descriptor, name in ((_IN, "stdin"), (_OUT, "stdout"), (_ERR, "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free is this one
        if getattr(sys, name) is None:
            _put(name, open(descriptor, "r" if descriptor == _IN else "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _replace(name: str, descriptor: int, plain: type[TextIOWrapper], screen: type[TextIOWrapper]) -> None:
    old = getattr(sys, name)
    old.flush()
    outlet = _Outlet(descriptor)
    new = (screen if outlet.isatty() else plain)(
        BufferedWriter(outlet),
        encoding=old.encoding,
        errors="backslashreplace",  # file names that are no UTF-8, and terminals that know few characters
        line_buffering=old.line_buffering or old.write_through or outlet.isatty(),  # PYTHONUNBUFFERED
    )
    _put(name, new)


def _put(name: str, stream: object) -> None:
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)  # which is asked how wide the terminal is
