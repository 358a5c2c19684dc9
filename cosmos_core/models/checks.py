"""Whether what a hook answered keeps the contract. Each check returns what is wrong, in words, or nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from cosmos_core.models.declaration import a, is_words
from cosmos_core.values import Bundle, Command, Draft, Fetch, FileToWrite, Job, Outputs, Place, Problem, Resources

ROLES = ("result", "control", "log", "data")
_OF_THE_CORE = frozenset(
    {
        "job.json",
        "job.sh",
        "stand_in.pyz",
        "claim",
        "started",
        "run.log",
        "exit_code",
        "outputs",
        "tmp",
    }
)
_NO_NAMES = frozenset({"", ".", ".."})


def wrong_problems(problems: Any) -> str:
    """What is wrong with a tuple of problems."""
    for problem in problems:
        if not isinstance(problem, Problem):
            return f"answered {a(problem)} among its problems, not a Problem"
        if problem.severity not in ("error", "warning"):
            return f"answered a Problem of severity {problem.severity!r}, which is neither error nor warning"
        if not all(isinstance(t, str) for t in (problem.field, problem.message, problem.hint, problem.code)):
            return "answered a Problem whose field, message, hint and code are not all text"
    return ""


def wrong_bundle(bundle: Any, job: Job[Any]) -> str:
    """What is wrong with the answer to `convert_inputs`."""
    if type(bundle) is not Bundle:
        return f"answered {a(bundle)}, not a Bundle"
    taken: set[str] = set()
    for file in bundle.files:
        if not isinstance(file, FileToWrite) or not isinstance(file.content, bytes):
            return "gives a file that is not a FileToWrite with bytes"
        if wrong := _wrong_path(file.path, taken):
            return wrong
    for place in bundle.places:
        if not isinstance(place, Place):
            return f"gives {a(place)} among its places"
        if not any(place.input is i or place.input == i for r in job.requests for i in r.inputs):
            return f"places an input that is not of this job, at {place.to!r}"
        if wrong := _wrong_path(place.to, taken):
            return wrong
    for fetch in bundle.fetch:
        if wrong := _wrong_fetch(fetch, job):
            return wrong
    for need in bundle.needs:
        if not (isinstance(need, tuple) and len(need) == 2 and is_words(need)):
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
    if "\0" in path or not _NO_NAMES.isdisjoint(path.split("/")):
        return "which is not a plain path inside the job's folder"
    return ""


def _wrong_fetch(fetch: Any, job: Job[Any]) -> str:
    if not isinstance(fetch, Fetch):
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
    if type(command) is not Command:
        return f"answered {a(command)}, not a Command"
    argv = command.argv
    try:
        text = "".join(argv) if type(argv) is tuple and argv else None
    except TypeError:  # they are not all text
        text = None
    if text is None:
        return f"gives {a(argv)} as argv, not a tuple of arguments (and never a shell string)"
    if "\0" in text:
        return "gives an argument with a zero byte in it"
    if command.env != {} and not _is_environment(command.env):
        return "gives an environment that is not text by name"
    if command.secrets != () and not is_words(command.secrets):
        return "gives secrets that are not a tuple of names"
    if command.cwd is not None and not isinstance(command.cwd, str):
        return f"gives {a(command.cwd)} as cwd, not text"
    if not isinstance(command.resources, Resources):
        return f"gives {a(command.resources)} as resources, not Resources"
    return ""


def _is_environment(env: Any) -> bool:
    return isinstance(env, Mapping) and all(
        isinstance(k, str) and (v is None or isinstance(v, str)) for k, v in env.items()
    )


def wrong_outputs(outputs: tuple[Any, ...], job: Job[Any]) -> str:
    """What is wrong with the answer to `parse_outputs`, already a tuple."""
    if len(outputs) != len(job.requests):
        return f"answered {len(outputs)} outputs for {len(job.requests)} requests, not one each, in order"
    for one in outputs:
        if not isinstance(one, Outputs):
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
        if not all(type(pair) is tuple and len(pair) == 2 and is_words(pair) for pair in draft.inputs):
            return "answered a Draft whose inputs are not pairs (slot, path)"
    return ""
