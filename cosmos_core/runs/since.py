"""What has happened to the inputs of a stored prompt since: nobody gets a run of old pictures without knowing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from attrs import evolve

from cosmos_core.errors import Refused
from cosmos_core.runs.frames import Change
from cosmos_core.runs.inputs import Refs
from cosmos_core.sequences import is_pattern
from cosmos_core.store import Store
from cosmos_core.store.records import InputRecord, RunRecord
from cosmos_core.values import Problem


def problem_of(
    record: InputRecord, change: Change, source: str | None, is_on_target: Callable[[InputRecord], bool]
) -> Problem | None:
    """What to say of a change. `source`: the prompt or run whose input it is.

    Other content in its place is always refused, also where the target still has the old one: who rendered again wants
    to see that. What is gone can mean nothing else than it did, so what is left of it will do.
    """
    what = _called(record)
    new = f"`cosmos run --from {source} --input {record.slot}="
    problem = Problem(field=record.slot, message=f"{what} {change.words}", hint="", code="input_changed")
    if change.kind == "changed":
        plural = "them as they are" if record.frames else "it as it is"
        return evolve(problem, hint=f"{new}{shlex.quote(_ref(record))}` takes {plural} now")
    if not (change.kept or is_on_target(record)):
        return evolve(problem, hint=f"put it back; or {new}...` takes another")
    if change.kind == "lost" or record.run_id:
        return None
    words = "the video that was made of it is used" if record.frames else "the copy on the target is used"
    hint = f"{new}...` takes another"
    return evolve(problem, message=f"{what} {change.words}: {words}", hint=hint, code="input_gone", severity="warning")


def refuse_changed(runs: Iterable[RunRecord], store: Store, refs: Refs) -> None:
    """Raise Refused if inputs of runs that are about to start are not what they were when the runs were stored."""
    problems = []
    for run in runs:
        if run.submitted_at is None and not run.ended:
            for record in store.prompt(run.prompt_id).inputs:
                change = refs.changed(record)
                if change and change.kind == "changed":
                    problems.append(problem_of(record, change, run.id, lambda _: True))
    if found := [problem for problem in problems if problem]:
        words = f"{len(found)} problem{'s' * (len(found) > 1)}; nothing was started"
        raise Refused(words, problems=list(dict.fromkeys(found)))


def _called(record: InputRecord) -> str:
    return record.frames.pattern if record.frames else record.path or record.ref


def _ref(record: InputRecord) -> str:
    """What means the same files now: the folder, where that was what the user gave."""
    if record.frames and not is_pattern(record.ref):
        return f"{Path(record.frames.pattern).parent}/"
    return _called(record)
