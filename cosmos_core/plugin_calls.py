"""Calls of a plugin's code, as the stack has them: a call costs nothing for it, only who asks has to look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])

_codes: dict[int, CodeType] = {}  # by identity: to hash a code object takes longer than to run it


def calls_plugin(function: F) -> F:
    """Mark a function that calls a plugin's code. What it looks at is the plugin's for as long as it runs."""
    code: CodeType = function.__code__
    _codes[id(code)] = code
    return function


def plugin_calls(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of marked functions on a stack, the innermost first."""
    while frame is not None:
        if id(frame.f_code) in _codes:
            yield frame
        frame = frame.f_back
