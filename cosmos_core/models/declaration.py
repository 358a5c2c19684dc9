"""Whether what a model declares keeps the contract. Each check returns what is wrong, in words, or nothing."""

from __future__ import annotations

import re
from typing import Any

from cosmos_core.declared import InputSlot, ModelInfo, Toolkit
from cosmos_core.parameters import faults, keys

CONTRACT = 1
"""The newest contract that this version understands."""

OPTIONS = frozenset((
    "batch", "config", "debug", "detach", "dry-run", "enhance", "fetch", "force", "from", "gpus", "grid", "help",
    "if-busy", "input", "input-fps", "json", "model", "name", "out", "output", "page", "preset", "progress",
    "prompts", "quiet", "set", "spec", "strict", "tag", "target", "text", "timeout", "toolkit", "version",
))  # fmt: skip
"""The options of the commands that take a model's inputs and parameters as options, and those that will come.

A plugin that had one of these names would be told a value that was meant for the core, or the other way round.
"""
SITE_KEYS = ("kind", "image", "repo", "prefix", "volumes")
"""The keys of [targets.X.toolkits.Y] that every toolkit has; the others are its settings."""
KINDS = ("video", "image", "tensor", "json", "text", "any")
_TEXT = frozenset({str})
_SLOT = re.compile(r"[a-z0-9_]+(\.([a-z0-9_]+|\*))*")


def a(value: Any) -> str:
    """The type of a value, for a message."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def is_words(value: Any) -> bool:
    """Whether it is a tuple of text."""
    if type(value) is not tuple:
        return False
    return {*map(type, value)} <= _TEXT or all(isinstance(word, str) for word in value)


def another_contract(info: Any) -> str:
    """Whether an answer to `describe` follows a contract that is newer than we, in words."""
    if not isinstance(info, ModelInfo) or (type(info.contract) is int and info.contract <= CONTRACT):
        return ""
    return f"was made for contract {info.contract}; this version understands up to {CONTRACT}"


def wrong_info(info: Any) -> str:
    """What is wrong with the answer to `describe`."""
    if not isinstance(info, ModelInfo):
        return f"answered {a(info)}, not a ModelInfo"
    if not isinstance(info.title, str) or not info.title:
        return "gives no title"
    if not isinstance(info.toolkits, tuple) or not info.toolkits:
        return "names no toolkit: `toolkits` has to be a tuple of at least one Toolkit"
    if not isinstance(info.makes, tuple):
        return f"gives {a(info.makes)} as `makes`, not a tuple of words"
    for toolkit in info.toolkits:
        if wrong := _wrong_toolkit(toolkit):
            return wrong
    return _repeated("toolkit", [toolkit.name for toolkit in info.toolkits]) or _wrong_names(info)


def _wrong_names(info: ModelInfo) -> str:
    """Inputs and parameters are options of one command line, all toolkits together, beside the core's own."""
    inputs = {slot.name: toolkit.name for toolkit in info.toolkits for slot in toolkit.inputs}
    parameters = {key.name: toolkit.name for toolkit in info.toolkits for key in keys(toolkit.parameters)}
    for what, names in (("input", inputs), ("parameter", parameters)):
        for name, toolkit in names.items():
            flag = name.replace("_", "-")
            if flag in OPTIONS:
                return f"toolkit {toolkit}: the {what} {name} would be --{flag}, an option of cosmos's own; rename it"
    for name, toolkit in parameters.items():
        twin = next((i for i in inputs if i == name or (i.endswith(".*") and name.startswith(i[:-1]))), None)
        if twin is not None:
            both = f"the input {twin} (toolkit {inputs[twin]}) and the parameter {name} (toolkit {toolkit})"
            return f"{both} would be the same option; rename one"
    for one in info.toolkits:
        for key in keys(one.settings):
            if key.name.partition(".")[0] in SITE_KEYS:
                own = "a key of [targets.NAME.toolkits.NAME] that is cosmos's own"
                return f"toolkit {one.name}: the setting {key.name} would be {own}; rename it"
    return ""


def _wrong_toolkit(toolkit: Any) -> str:
    if not isinstance(toolkit, Toolkit):
        return f"gives {a(toolkit)} as a toolkit"
    if not isinstance(toolkit.name, str) or not toolkit.name:
        return "gives a toolkit without a name"
    where = f"toolkit {toolkit.name}"
    if not isinstance(toolkit.inputs, tuple) or not all(isinstance(s, InputSlot) for s in toolkit.inputs):
        return f"{where}: `inputs` has to be a tuple of InputSlot"
    for slot in toolkit.inputs:
        if not isinstance(slot.name, str) or not _SLOT.fullmatch(slot.name):
            return f"{where}: {slot.name!r} is no name for an input: [a-z0-9_], dots, `.*` for a family"
        if not isinstance(slot.kinds, tuple) or not slot.kinds or not set(slot.kinds) <= set(KINDS):
            return f"{where}: input {slot.name} takes {slot.kinds!r}, which has to be a tuple out of {KINDS}"
    if wrong := _repeated(f"{where}: input", [slot.name for slot in toolkit.inputs]):
        return wrong
    for field in ("parameters", "settings"):
        if wrong := "; ".join(faults(getattr(toolkit, field))):
            return f"{where}: {field}: {wrong}"
    for field in ("prefix", "volumes"):
        if not is_words(getattr(toolkit, field)):
            return f"{where}: `{field}` has to be a tuple of text"
    if toolkit.stand_in is not None and not re.fullmatch(r"[\w.]+:[\w.]+", str(toolkit.stand_in)):
        return f'{where}: the stand-in {toolkit.stand_in!r} has to look like "package:module"'
    return ""


def _repeated(what: str, names: list[str]) -> str:
    twice = sorted({name for name in names if names.count(name) > 1})
    return f"names {what} {', '.join(twice)} twice" if twice else ""
