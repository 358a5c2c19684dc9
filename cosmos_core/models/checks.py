"""Whether what a hook answered keeps the contract. Each check returns what is wrong, in words, or nothing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import cosmos_core
from cosmos_core.declared import Draft, InputSlot, ModelInfo, Toolkit
from cosmos_core.parameters import faults, keys

if TYPE_CHECKING:
    from cosmos_core.values import Job

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
ROLES = ("result", "control", "log", "data")
_OF_THE_CORE = (
    "job.json",
    "job.sh",
    "stand_in.pyz",
    "claim",
    "started",
    "run.log",
    "exit_code",
    "outputs",
    "tmp",
)
_TEXT = frozenset({str})
_NO_NAMES = frozenset({"", ".", ".."})
_SLOT = re.compile(r"[a-z0-9_]+(\.([a-z0-9_]+|\*))*")


def a(value: Any) -> str:
    """The type of a value, for a message."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


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
        if not _is_words(getattr(toolkit, field)):
            return f"{where}: `{field}` has to be a tuple of text"
    if toolkit.stand_in is not None and not re.fullmatch(r"[\w.]+:[\w.]+", str(toolkit.stand_in)):
        return f'{where}: the stand-in {toolkit.stand_in!r} has to look like "package:module"'
    return ""


def _repeated(what: str, names: list[str]) -> str:
    twice = sorted({name for name in names if names.count(name) > 1})
    return f"names {what} {', '.join(twice)} twice" if twice else ""


def wrong_problems(problems: Any) -> str:
    """What is wrong with a tuple of problems."""
    for problem in problems:
        if not isinstance(problem, cosmos_core.Problem):
            return f"answered {a(problem)} among its problems, not a Problem"
        if problem.severity not in ("error", "warning"):
            return f"answered a Problem of severity {problem.severity!r}, which is neither error nor warning"
        if not all(isinstance(t, str) for t in (problem.field, problem.message, problem.hint, problem.code)):
            return "answered a Problem whose field, message, hint and code are not all text"
    return ""


def wrong_bundle(bundle: Any, job: Job[Any]) -> str:
    """What is wrong with the answer to `convert_inputs`."""
    if type(bundle) is not cosmos_core.Bundle:
        return f"answered {a(bundle)}, not a Bundle"
    taken: set[str] = set()
    for file in bundle.files:
        if not isinstance(file, cosmos_core.FileToWrite) or not isinstance(file.content, bytes):
            return "gives a file that is not a FileToWrite with bytes"
        if wrong := _wrong_path(file.path, taken):
            return wrong
    for place in bundle.places:
        if not isinstance(place, cosmos_core.Place):
            return f"gives {a(place)} among its places"
        if not any(place.input is i or place.input == i for r in job.requests for i in r.inputs):
            return f"places an input that is not of this job, at {place.to!r}"
        if wrong := _wrong_path(place.to, taken):
            return wrong
    for fetch in bundle.fetch:
        if wrong := _wrong_fetch(fetch, job):
            return wrong
    for need in bundle.needs:
        if not (isinstance(need, tuple) and len(need) == 2 and _is_words(need)):
            return "gives `needs` that are not pairs (path on the host, what to do)"
    if bundle.batch_key is not None and not isinstance(bundle.batch_key, str):
        return f"gives {a(bundle.batch_key)} as batch key, not text"
    return ""


def _wrong_path(path: Any, taken: set[str]) -> str:
    wrong = _outside(path)
    if wrong:
        return f"would write {path!r}, {wrong}"
    if path.partition("/")[0] in _OF_THE_CORE:
        return f"would write {path!r}, which belongs to the core"
    if path in taken:
        return f"would write {path!r} twice"
    taken.add(path)
    return ""


def _outside(path: Any) -> str:
    if not isinstance(path, str) or not path:
        return "which is not a path"
    if path[0] == "/" or "\0" in path or not _NO_NAMES.isdisjoint(path.split("/")):
        return "which is not a plain path inside the job's folder"
    return ""


def _wrong_fetch(fetch: Any, job: Job[Any]) -> str:
    if not isinstance(fetch, cosmos_core.Fetch):
        return f"gives {a(fetch)} among what to fetch"
    if wrong := _outside(fetch.pattern):
        return f"would fetch {fetch.pattern!r}, {wrong}"
    if fetch.role not in ROLES:
        return f"would fetch {fetch.pattern!r} as {fetch.role!r}, which is none of {', '.join(ROLES)}"
    if fetch.request is not None and all(fetch.request != request.id for request in job.requests):
        return f"would fetch {fetch.pattern!r} for {fetch.request!r}, which is not a request of this job"
    return ""


def wrong_command(command: Any) -> str:
    """What is wrong with the answer to `choose_script`."""
    if type(command) is not cosmos_core.Command:
        return f"answered {a(command)}, not a Command"
    if not _is_words(command.argv) or not command.argv:
        return f"gives {a(command.argv)} as argv, not a tuple of arguments (and never a shell string)"
    if "\0" in "".join(command.argv):
        return "gives an argument with a zero byte in it"
    if command.env != {} and not _is_environment(command.env):
        return "gives an environment that is not text by name"
    if command.secrets != () and not _is_words(command.secrets):
        return "gives secrets that are not a tuple of names"
    if command.cwd is not None and not isinstance(command.cwd, str):
        return f"gives {a(command.cwd)} as cwd, not text"
    if not isinstance(command.resources, cosmos_core.Resources):
        return f"gives {a(command.resources)} as resources, not Resources"
    return ""


def _is_environment(env: Any) -> bool:
    return isinstance(env, Mapping) and all(
        isinstance(k, str) and (v is None or isinstance(v, str)) for k, v in env.items()
    )


def _is_words(value: Any) -> bool:
    if type(value) is not tuple:
        return False
    return {*map(type, value)} <= _TEXT or all(isinstance(word, str) for word in value)


def wrong_outputs(outputs: tuple[Any, ...], job: Job[Any]) -> str:
    """What is wrong with the answer to `parse_outputs`, already a tuple."""
    if len(outputs) != len(job.requests):
        return f"answered {len(outputs)} outputs for {len(job.requests)} requests, not one each, in order"
    for one in outputs:
        if not isinstance(one, cosmos_core.Outputs):
            return f"answered {a(one)}, not Outputs"
        try:
            json.dumps(dict(one.values), allow_nan=False)
        except (TypeError, ValueError) as error:
            return f"answered values that JSON cannot hold: {error}"
        for name, score in one.scores.items():
            if isinstance(score, bool) or not isinstance(score, (int, float)) or not math.isfinite(score):
                return f"answered the score {name}={score!r}, which is not a finite number"
    return ""


def wrong_drafts(drafts: Iterable[Any]) -> str:
    """What is wrong with the answer to `read_spec`, already a tuple."""
    for draft in drafts:
        if not isinstance(draft, Draft):
            return f"answered {a(draft)} among its drafts, not a Draft"
        if not all(type(pair) is tuple and len(pair) == 2 and _is_words(pair) for pair in draft.inputs):
            return "answered a Draft whose inputs are not pairs (slot, path)"
    return ""
