"""Executing and following runs in the foreground: progress, Ctrl-C, the last words, the exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cosmos_core.cli.printing import print_cancelled, print_end, print_paused
from cosmos_core.cli.progress import Progress, progress_of
from cosmos_core.cli.screen import place_of, print_json, put, say, wrapped
from cosmos_core.documents import Document, items_document, run_document
from cosmos_core.runs.copying import lacks_its_copy
from cosmos_core.runs.many import each

if TYPE_CHECKING:
    from cosmos_core.app import Cosmos
    from cosmos_core.store.records import RunRecord

DONE, ENDED_BADLY, UNUSABLE, INTERRUPTED = 0, 1, 4, 130
_SECOND_THOUGHTS_S = 2.0
_DONE_THERE = ("downloading", "parsing")

Move = Callable[["RunRecord", Progress], "RunRecord"]


def carry_out(cosmos: Cosmos, runs: Sequence[RunRecord], *, detach: bool, progress: str | None, as_json: bool) -> int:
    """Start runs (or go on with them), follow them unless `detach`, and answer the exit code."""
    for run in runs:
        for warning in run.warnings:
            say(f"warning: {warning}", sys.stderr)
    if detach:
        return _launch(cosmos, runs, as_json=as_json)
    return foreground(
        cosmos,
        runs,
        # a run that was started once goes on; one that ended already is told by `execute`, as a mistake
        lambda run, bar: (cosmos.follow if run.submitted_at and not run.ended else cosmos.execute)(run.id, bar.update),
        progress=progress,
        as_json=as_json,
    )


def foreground(cosmos: Cosmos, runs: Sequence[RunRecord], move: Move, *, progress: str | None, as_json: bool) -> int:
    """Move runs to their ends, with progress, and answer the exit code.

    All go at the same time: it is the targets' GPUs that they wait for.
    """
    ended: dict[str, RunRecord] = {}
    shown = progress_of(progress)
    try:
        with shown:
            for run in runs if len(runs) > 1 else ():  # in order: who was asked for first waits first for a GPU
                if run.status == "pending":
                    cosmos.start(run.id, shown.update)
            for run in each(runs, lambda run: move(cosmos.store.run(run.id), shown)):
                ended[run.id] = run
                shown.done(run)
                if not as_json and len(runs) > 1 and run.ended:
                    tell_end(cosmos, run)
    except KeyboardInterrupt:
        code = _interrupted(cosmos, [run for run in runs if run.id not in ended])
        if as_json:
            print_json(documents([ended.get(run.id) or cosmos.store.run(run.id) for run in runs]))
        return code
    done = [ended[run.id] for run in runs]
    if as_json:
        print_json(documents(done))
        return exit_code(done)
    if len(done) == 1 and done[0].ended:  # the bar is gone by now
        tell_end(cosmos, done[0])
    print_paused([run for run in done if not run.ended])
    return exit_code(done)


def tell_end(cosmos: Cosmos, run: RunRecord) -> None:
    """The last words on a run that was followed to its end."""
    print_end(run, tail=() if run.status == "completed" else _tail(cosmos, run))


def documents(runs: Sequence[RunRecord]) -> Document:
    """One run as its document, several as a list."""
    return run_document(runs[0]) if len(runs) == 1 else items_document([run_document(run) for run in runs])


def exit_code(runs: Sequence[RunRecord]) -> int:
    """What runs that were executed or awaited make a command end with."""
    if any(run.ended and run.status != "completed" for run in runs):
        return ENDED_BADLY
    stands_still = any(run.paused is not None and not run.ended for run in runs)
    return UNUSABLE if stands_still or any(map(lacks_its_copy, runs)) else DONE


def _launch(cosmos: Cosmos, runs: Sequence[RunRecord], *, as_json: bool) -> int:
    started = []
    for run in runs:  # in order: who was asked for first waits first for a GPU
        started.append(cosmos.start(run.id))
        if not as_json:
            _tell_launched(started[-1])
    if as_json:
        print_json(documents(started))
    else:
        print_paused([run for run in started if not run.ended])
    return exit_code(started)


def _tell_launched(run: RunRecord) -> None:
    if run.paused is not None:
        return
    simulated = ", simulated" if run.simulated else ""
    waits = "" if run.queue is None else f", {place_of(run.queue)}"
    say(f"{run.id}  {run.status} on {run.target}{waits}{simulated}")
    say(f"  cosmos attach {run.id}   follow it")
    say(f"  cosmos wait {run.id}     wait for its end")


def _tail(cosmos: Cosmos, run: RunRecord, lines: int = 6) -> tuple[str, ...]:
    """The last lines of a run's log, where the cause often stands."""
    if run.job_id is None:
        return ()
    kept = b""
    for chunk in cosmos.logs(run.id):
        kept = (kept + chunk)[-8192:]
    text = kept.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return tuple(line for line in text.split("\n") if line.strip())[-lines:]


def _interrupted(cosmos: Cosmos, going: Sequence[RunRecord]) -> int:
    """The first Ctrl-C lets go of the runs; a second one within two seconds cancels, as soon as it may come."""
    going = [cosmos.store.run(run.id) for run in going]
    try:
        for run in going:
            _tell_detached(run)
        say(f"Ctrl-C again within two seconds cancels {_what(going)}.", sys.stderr)
        time.sleep(_SECOND_THOUGHTS_S)
    except KeyboardInterrupt:
        say(f"\ncancelling {' '.join(run.id for run in going)} ...", sys.stderr)
        before = {run.id: run for run in going}
        for ended in each(going, lambda run: cosmos.cancel(run.id)):
            print_cancelled(before[ended.id], ended, sys.stderr)
    return INTERRUPTED


def _what(going: Sequence[RunRecord]) -> str:
    if len(going) > 1:
        return "them"
    return "the download" if going and going[0].status in _DONE_THERE else "it"


def _tell_detached(run: RunRecord) -> None:
    if run.status in ("pending", "uploading"):
        say(f"\nnothing was started: {run.id} is stored, and nothing runs until", sys.stderr)
        say(f"  cosmos {f'inference {run.id}' if run.submitted_at is None else 'sync'}", sys.stderr)
    elif run.status in _DONE_THERE:
        words = f"the job of {run.id} on {run.target} is done; to fetch its outputs:"
        put(wrapped(words, before="\nleft: ", to=sys.stderr), sys.stderr)
        say(f"  cosmos attach {run.id}", sys.stderr)
    else:
        say(f"\ndetached: {run.id} goes on without this terminal. To come back:", sys.stderr)
        say(f"  cosmos attach {run.id}", sys.stderr)
