"""Fences a plugin's failure: which package it was, in which hook, what it raised and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from inspect import unwrap
from types import CodeType, TracebackType
from typing import Any

import cosmos_core
from cosmos_core.errors import PluginError
from cosmos_core.models.bounds import Exited, Overtime, Struck
from cosmos_core.models.discover import Found, is_editable

PASSES = (KeyboardInterrupt, Struck)
"""What passes the fence: the user's own interrupt, and the end of a call around this one. All else is a plugin's."""

UPGRADE_US = "upgrade the program (pip install --upgrade cosmos-runner)"
_OURS = ("cosmos_core", "pluggy", "importlib")
_ENOUGH = 500  # characters of somebody else's message


class PluginFailure(PluginError):  # noqa: N818  an error by its base's name
    """A plugin that failed; `found` is the one to blame."""

    def __init__(self, found: Found, message: str, hint: str = "") -> None:
        super().__init__(message, hint=hint or remedy(found))
        self.found = found


def remedy(found: Found, place: str = "") -> str:
    """What can be done about a plugin that does not work: by its author, where it is installed from their folder."""
    if is_editable(found):
        return f"it is installed from your own folder: correct {place or found.entry.value}"
    return f"{how_to_upgrade(found)}, or remove it (pip uninstall {found.package}); the others work on"


def how_to_upgrade(found: Found) -> str:
    """How to get a version of a plugin that fits."""
    if is_editable(found):
        return f"correct what the pyproject.toml of {found.package} says"
    return f"upgrade it (pip install --upgrade {found.package})"


def failure(found: Found, doing: str, error: BaseException) -> PluginFailure:
    """The fenced form of what a plugin raised while `doing` something."""
    place = _place(found, error)
    where = f" ({place})" if place else ""
    hint = remedy(found, place)
    if isinstance(error, Overtime):
        return PluginFailure(found, f"{found.title} {error} {doing}{where}", f"it may be in a loop; {hint}")
    if isinstance(error, Exited):
        return PluginFailure(found, f"{found.title} tried to end the whole program {doing}, by {error}{where}", hint)
    if _knows_more_than_we(error):
        hint = f"it may be made for a newer version than {cosmos_core.__version__}: {UPGRADE_US}; else {hint}"
    return PluginFailure(found, f"{found.title} failed {doing}: {_words(error)}{where}", hint)


def _knows_more_than_we(error: BaseException) -> bool:
    """Whether a plugin asked our front door for a name, or one of our values for a field, that it does not have."""
    words = _words(error)
    if isinstance(error, (ImportError, AttributeError)):
        return "'cosmos_core'" in words and ("cannot import name" in words or "has no attribute" in words)
    value, unexpected, _ = words.partition(".__init__() got an unexpected keyword argument")
    return bool(unexpected) and value.removeprefix("TypeError: ") in cosmos_core.__all__


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
    return None


def top_module(found: Found) -> str:
    """The first word of the module that an entry point names."""
    return found.entry.value.partition(":")[0].partition(".")[0]


def _code(impl: Any) -> CodeType:
    code: CodeType = unwrap(getattr(impl.function, "__func__", impl.function)).__code__
    return code


def _frames(trace: TracebackType | None) -> Iterator[tuple[CodeType, str, int]]:
    from traceback import walk_tb

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
