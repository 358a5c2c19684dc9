"""The verdict on each request of a job: its required files are there, and the command ended well."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from attrs import evolve

from cosmos_core.values import Failure, Fetch, Job, Outputs, Request, Result


def judge(
    job: Job[object],
    fetch: Iterable[Fetch],
    result: Result,
    outputs: Iterable[Outputs],
    *,
    ended: Failure | None = None,
) -> tuple[Outputs, ...]:
    """`outputs` (one for each request), with `failure` filled in where nothing else says that it failed.

    `ended` is why the core itself ended the job, such as its time limit: it stands above what the plugin
    reads from the log. In a batch that ended badly, a request has not failed if its own required files are
    all there.
    """
    wanted = tuple(fetch)
    at_the_end = ended or _of_the_exit_code(result)
    return tuple(
        evolve(said, failure=_failure(request, job, wanted, result, said, ended, at_the_end))
        for request, said in zip(job.requests, outputs, strict=True)
    )


def _failure(
    request: Request[object],
    job: Job[object],
    fetch: tuple[Fetch, ...],
    result: Result,
    said: Outputs,
    ended: Failure | None,
    at_the_end: Failure | None,
) -> Failure | None:
    required = [f for f in fetch if f.required and f.request in (None, request.id)]
    incomplete = next((wrong for wrong in (_of_the_files(f, result) for f in required) if wrong), None)
    its_own = len(job.requests) > 1 and any(f.request == request.id for f in required)
    if at_the_end and its_own and not incomplete:
        return said.failure
    return ended or said.failure or at_the_end or incomplete


def _of_the_exit_code(result: Result) -> Failure | None:
    if result.exit_code == 0:
        return None
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
    if len(empty) < len(there):
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
    return re.compile(
        "".join(map(_translated, re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", pattern, re.DOTALL)))
    )


def _translated(piece: str) -> str:
    fixed = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if piece in fixed:
        return fixed[piece]
    if len(piece) == 1:
        return re.escape(piece)
    inside = re.escape(piece[1:-1].removeprefix("!")).replace(r"\-", "-")
    return f"(?!/)[{'^' * piece.startswith('[!')}{inside}]"
