"""The verdict on a run: the command ended well, and the required files are there and hold something."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from attrs import evolve

from cosmos_core.values import Bundle, Failure, Fetch, Outputs, Result

_SIGNALS = {9: "SIGKILL", 15: "SIGTERM"}  # a shell and Docker say 128 more


def verdict(bundle: Bundle, result: Result, outputs: Outputs) -> Outputs:
    """`outputs` with `failure` filled in, where it has none yet and the exit code or the files tell of one.

    A failure that is already there stays: whoever set it knew more than that.
    """
    if outputs.failure:
        return outputs
    failure = _of_the_exit_code(result)
    for fetch in bundle.fetch:
        if fetch.required and not failure:
            failure = _of_the_files(fetch, result)
    return evolve(outputs, failure=failure)


def _of_the_exit_code(result: Result) -> Failure | None:
    if result.exit_code == 0:
        return None
    if result.exit_code is not None and (name := _SIGNALS.get(result.exit_code - 128)):
        return Failure(
            code="killed",
            message=f"the command was ended from outside, by {name}",
            hint=f"whoever did that, or the machine when memory ran out; the end of the log: {result.log}",
        )
    code = "an unknown exit code" if result.exit_code is None else f"exit code {result.exit_code}"
    return Failure(
        code="exit_code",
        message=f"the command ended with {code}",
        hint=f"read the end of the log: {result.log}",
    )


def _of_the_files(fetch: Fetch, result: Result) -> Failure | None:
    there = matching(fetch.pattern, result.files)
    hint = f"the log may say why: {result.log}"
    if not there:
        message = f"the command ended without writing outputs/{fetch.pattern}"
        return Failure(code="missing_output", message=message, hint=hint)
    empty = [path for path in there if not result.files[path]]
    if not empty:
        return None
    return Failure(code="empty_output", message=f"outputs/{empty[0]} is empty", hint=hint)


def matching(pattern: str, paths: Iterable[str]) -> tuple[str, ...]:
    """The paths below outputs/ that a `Fetch.pattern` means, sorted.

    `*`, `?` and `[...]` stay within one folder; `**` stands for any number of folders.
    """
    expression = _expression(pattern)
    return tuple(sorted(path for path in paths if expression.fullmatch(path)))


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(map(_translated, re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", pattern, re.DOTALL))))


def _translated(piece: str) -> str:
    fixed = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if piece in fixed:
        return fixed[piece]
    if len(piece) == 1:
        return re.escape(piece)
    inside = re.escape(piece[1:-1].removeprefix("!")).replace(r"\-", "-")
    return f"(?!/)[{'^' * piece.startswith('[!')}{inside}]"
