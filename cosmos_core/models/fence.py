"""Fences a plugin's failure: which package it was, in which hook, what it raised and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from traceback import walk_tb
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any

from cosmos_core.errors import PluginError

if TYPE_CHECKING:
    from cosmos_core.models.discover import Found

FENCED = (Exception, SystemExit)
"""What a plugin may raise without harm to others. KeyboardInterrupt is the user's and passes."""

_OURS = ("cosmos_core", "pluggy", "importlib")
_ENOUGH = 500  # characters of somebody else's message


class PluginFailure(PluginError):  # noqa: N818  an error by its base's name
    """A plugin that failed; `found` is the one to blame."""

    def __init__(self, found: Found, message: str, hint: str = "") -> None:
        super().__init__(message, hint=hint or remedy(found))
        self.found = found


def remedy(found: Found) -> str:
    """What a user can do about a plugin that does not work."""
    return (
        f"upgrade it (pip install --upgrade {found.package}) or remove it (pip uninstall {found.package}); "
        "the others work on"
    )


def failure(found: Found, doing: str, error: BaseException) -> PluginFailure:
    """The fenced form of what a plugin raised while `doing` something."""
    place = _place(found, error)
    words = f"{found.title} failed {doing}: {_words(error)}{f' ({place})' if place else ''}"
    return PluginFailure(found, words)


def broken(found: Found, words: str, hint: str = "") -> PluginFailure:
    """A plugin that does not keep the contract."""
    return PluginFailure(found, f"{found.title} {words}", hint)


def culprit(error: BaseException, hookimpls: Iterable[Any], owners: dict[str, Found]) -> Found | None:
    """Who raised: the innermost hook implementation in the traceback; `owners` by name of registration.

    pluggy does not say, so code objects are compared; code of the same package is the second best witness.
    """
    impls = [impl for impl in hookimpls if impl.plugin_name in owners]
    by_code = {_code(impl): owners[impl.plugin_name] for impl in impls}
    by_module = {top_module(owner): owner for owner in (owners[impl.plugin_name] for impl in impls)}
    frames = list(_frames(error.__traceback__))
    for code, _, _ in reversed(frames):
        if code in by_code:
            return by_code[code]
    for _, module, _ in reversed(frames):
        if module.partition(".")[0] in by_module:
            return by_module[module.partition(".")[0]]
    # a wrapper that yields twice or never leaves no frame behind: pluggy names its first line instead
    for code, owner in by_code.items():
        if f"{code.co_filename}:{code.co_firstlineno} " in str(error):
            return owner
    return None


def top_module(found: Found) -> str:
    """The first word of the module that an entry point names."""
    return found.entry.value.partition(":")[0].partition(".")[0]


def _code(impl: Any) -> CodeType:
    code: CodeType = getattr(impl.function, "__func__", impl.function).__code__
    return code


def _frames(trace: TracebackType | None) -> Iterator[tuple[CodeType, str, int]]:
    for frame, line in walk_tb(trace):
        yield frame.f_code, str(frame.f_globals.get("__name__", "")), line


def _place(found: Found, error: BaseException) -> str:
    """File and line: the plugin's own if they are in the traceback, else the innermost not of ours."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = list(_frames(error.__traceback__))
    own = [f for f in frames if f[1].partition(".")[0] == top_module(found)]
    others = [f for f in frames if f[1].partition(".")[0] not in _OURS and not f[0].co_filename.startswith("<")]
    return next((f"{code.co_filename}:{line}" for code, _, line in reversed(own or others)), "")


def _words(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = re.sub(r"\s+", " ", str(error)).strip()
    except Exception:  # noqa: BLE001  a plugin's exception may fail to describe itself, too
        text = ""
    return f"{name}: {text[:_ENOUGH]}" if text else name
