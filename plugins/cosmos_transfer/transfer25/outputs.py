"""The verdict on each request, from its files, the log and the exit code together.

None of the three is enough: a blocked prompt ends with exit 0 and no file, a crash in a batch leaves the good
files of the requests before it.
"""

from __future__ import annotations

import re
from typing import Any

from cosmos_core import Failure, Job, Outputs, Request, Result
from cosmos_transfer.transfer25.asked import chunks_of, frames_read, makes_picture
from cosmos_transfer.transfer25.log import BLOCKED, SAMPLE, SAVED, lines_of
from cosmos_transfer.transfer25.parameters import Parameters
from cosmos_transfer.transfer25.signatures import known_failure, last_words

_REASON = re.compile(
    r"GUARDRAIL BLOCKED: (?P<by>[^:\n]+): (?P<why>.+)|Prompt blocked by (?P<model>\S+?)\. (?P<words>.+)"
)
_VIDEO_BLOCKED = re.compile(r"GUARDRAIL BLOCKED: VIDEOCONTENTSAFETYFILTER: (?P<why>.+)|Guardrail blocked video2world")
_CHECKING_VIDEO = "Running guardrail check on video"
_VIDEO_PASSED = "Passed guardrail on generated video"
_SECONDS = re.compile(r"Average time per chunk: (?P<seconds>\d+(?:\.\d+)?)")

_KILLED = (137, -9)
_STOPPED = (143, -15)
_USAGE = 2


def parse_outputs(job: Job[Parameters], result: Result) -> tuple[Outputs, ...]:
    """One verdict for each request of the job."""
    log = _by_sample(job, result.text())
    debug = _by_sample(job, result.text("debug.log"))
    return tuple(_outputs(request, result, log, debug) for request in job.requests)


def _by_sample(job: Job[Parameters], text: str) -> dict[str, str]:
    """The log cut at the lines that begin a sample; under "" what belongs to none."""
    if len(job.requests) == 1:
        return {"": "", job.requests[0].id: text}
    parts: dict[str, list[str]] = {"": []}
    current = parts[""]
    for line in lines_of(text):
        if sample := SAMPLE.match(line):
            current = parts.setdefault(sample["name"], [])
        current.append(line)
    return {name: "\n".join(lines) for name, lines in parts.items()}


def _outputs(request: Request[Parameters], result: Result, log: dict[str, str], debug: dict[str, str]) -> Outputs:
    said, details = log.get(request.id, ""), debug.get(request.id, "")
    name = f"{request.id}.{'jpg' if makes_picture(request) else 'mp4'}"
    size = result.files.get(name)
    if size and _is_whole(request, result, said):
        return Outputs(values=_values(request, details))
    failure = (
        _blocked(said, details, went_on=result.exit_code == 0 or request.id != list(log)[-1])
        or known_failure(said)
        or known_failure(details)
        or _never_reached(request, result, log)
        or _of_the_exit_code(result.exit_code, said)
        or _of_the_file(name, size, said)
    )
    return Outputs(values=_values(request, details), failure=failure)


def _is_whole(request: Request[Parameters], result: Result, said: str) -> bool:
    """Whether the file was written to its end: the program says so afterwards, or ends well."""
    saved = any(SAVED.match(line) for line in lines_of(said))
    return saved or result.exit_code == 0


def _values(request: Request[Parameters], details: str) -> dict[str, Any]:
    values: dict[str, Any] = {"seed": request.parameters.seed}
    if (frames := frames_read(request)) is not None:
        values["frames"] = 1 if makes_picture(request) else frames
        values["chunks"] = chunks_of(request)
    if seconds := _SECONDS.search(details):
        values["seconds_per_chunk"] = float(seconds["seconds"])
    return values


def _blocked(said: str, details: str, *, went_on: bool) -> Failure | None:
    """What NVIDIA's safety checks stopped; with exit 0 there is no other sign of it than these lines.

    A blocked video leaves its line in debug.log only; in the log its check begins, and the program goes on.
    """
    for line in lines_of(said):
        if text := BLOCKED.match(line):
            which = "negative prompt" if text["which"].startswith("Neg") else "prompt"
            return Failure(
                code="prompt_blocked",
                message=f"NVIDIA's safety check blocked the {which}{_because(said, details)}",
                hint=f"say the {which} in other words",
            )
    video = _VIDEO_BLOCKED.search(details) or _VIDEO_BLOCKED.search(said)
    if video or (went_on and _CHECKING_VIDEO in said and _VIDEO_PASSED not in said):
        why = f": {video['why'].strip()}" if video and video["why"] else ""
        return Failure(
            code="video_blocked",
            message=f"the video was made, and NVIDIA's safety check blocked it{why}",
            hint="another seed or other words may come out acceptable",
        )
    return None


def _because(said: str, details: str) -> str:
    reason = _REASON.search(said) or _REASON.search(details)
    if reason is None:
        return ""
    if reason["model"]:
        return f" ({reason['model']}: {reason['words'].strip()})"
    return f" ({reason['by'].strip()}: {reason['why'].strip()})"


def _never_reached(request: Request[Parameters], result: Result, log: dict[str, str]) -> Failure | None:
    """For a request whose batch ended before its turn came: what ended it, and that it may be tried again."""
    begun = [name for name in log if name]
    if request.id in begun:
        return None
    if not begun:
        return known_failure(log[""]) or _of_the_exit_code(result.exit_code, log[""])
    said = log[begun[-1]]
    cause = _blocked(said, "", went_on=False) or known_failure(said)
    if result.exit_code == 0 and cause is None:
        return None
    words = cause.message if cause else last_words(said) or f"exit code {result.exit_code}"
    return Failure(
        code="not_reached",
        message=f"the job ended before its turn came: {words}",
        hint="run it again; what ended the job was another run in it",
        transient=True,
    )


def _of_the_exit_code(code: int | None, said: str) -> Failure | None:
    if code == 0:
        return None
    if code in _KILLED:
        return Failure(
            code="killed",
            message="the toolkit was killed, by somebody or because the host's memory (not the GPU's) ran out",
            hint="make memory free on the target, or use fewer or shorter videos",
        )
    if code in _STOPPED:
        return Failure(
            code="stopped",
            message="the toolkit was told to stop before it was done",
            hint="run it again, unless you stopped it yourself",
        )
    words = last_words(said)
    if words:
        return Failure(
            code="crashed",
            message=f"the toolkit crashed: {words}",
            hint="the log has the lines above it; `cosmos logs` shows them",
        )
    if code == _USAGE:
        return Failure(
            code="command_refused",
            message="the toolkit did not understand its command line",
            hint="look whether the repository on the target is version 1.5 of Cosmos-Transfer2.5",
        )
    if code is None:
        return Failure(
            code="no_exit_code",
            message="the toolkit ended, and how is not known",
            hint="look at the end of the log with `cosmos logs`",
        )
    return Failure(
        code="exit_code",
        message=f"the toolkit ended with exit code {code} and said nothing that is known",
        hint="look at the end of the log with `cosmos logs`",
    )


def _of_the_file(name: str, size: int | None, said: str) -> Failure:
    if size is None:
        return Failure(
            code="output_missing",
            message=f"the toolkit ended as if all was well, and {name} is not there",
            hint="look at the end of the log with `cosmos logs`, and whether the target's disk is full",
        )
    return Failure(
        code="output_cut",
        message=f"{name} is there, and it is empty",
        hint="look whether the target's disk is full, then try again",
        transient=True,
    )
