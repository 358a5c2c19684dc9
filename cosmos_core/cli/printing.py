"""The last words of commands that make or follow runs: what it is, where the result is, what to type next."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from cosmos_core.cli.screen import (
    SIMULATED,
    STATUS_STYLES,
    one_line,
    print_facts,
    print_json,
    put,
    say,
    span,
    styled,
    whole,
    width_of,
    wrapped,
)
from cosmos_core.documents import prompt_document, run_document
from cosmos_core.runs.copying import copy_of, lacks_its_copy

if TYPE_CHECKING:
    from cosmos_core.store.records import PromptRecord, RunRecord

_SAYS_WHY = re.compile(r"error|exception|fatal|killed|out of memory|no space", re.IGNORECASE)


def print_new_prompt(prompt: PromptRecord, *, as_json: bool, quiet: bool) -> None:
    """A prompt that was stored just now."""
    if as_json:
        print_json(prompt_document(prompt))
    elif quiet:
        say(prompt.id)
    else:
        say(f"stored the prompt {prompt.id} for {prompt.model_type}")
        print_facts(
            [("execute it", f"cosmos run --from {prompt.id}"), ("look at it", f"cosmos show {prompt.id}")], indent="  "
        )


def print_new_run(run: RunRecord, *, as_json: bool, quiet: bool) -> None:
    """A run that was stored just now and not started."""
    for warning in run.warnings:
        say(f"warning: {warning}", sys.stderr)
    if as_json:
        print_json(run_document(run))
    elif quiet:
        say(run.id)
    else:
        say(f"stored the run {run.id} of {run.prompt_id} for {run.target}{', simulated' if run.simulated else ''}")
        print_facts([("start it", f"cosmos inference {run.id}"), ("look at it", f"cosmos show {run.id}")], indent="  ")


def print_end(run: RunRecord, tail: Sequence[str] = ()) -> None:
    """How a run ended, where its result is, and where its history; `tail` is the end of its log."""
    took = (run.completed_at - run.started_at).total_seconds() if run.completed_at and run.started_at else None
    status = styled(run.status, STATUS_STYLES.get(run.status, ""), sys.stdout)
    lasted = f", {span(took)}" if took is not None else ""
    say(f"{status}  {run.id}  {run.model_type} on {run.target}{lasted}")
    results = [a for a in run.artifacts if a.role == "result"]
    fetched = [a.path for a in results if a.path]
    facts = [("result", whole(shlex.quote(path))) for path in fetched[:3]]
    if len(fetched) > 3:
        facts.append(("", f"and {len(fetched) - 3} more"))
    if results and not fetched:
        facts.append(("result", f"still on {run.target}; `cosmos fetch {run.id}` brings it here"))
    if copy := copy_of(run):
        facts.append(("copy", whole(shlex.quote(copy))))
    if run.text:
        facts.append(("text", one_line(run.text)))
    facts.append(("history", f"cosmos show {run.id}"))
    if run.simulated:
        facts.append(("note", SIMULATED))
    print_facts(facts, indent="  ")
    sys.stdout.flush()
    if run.error is not None:
        _say_error(run.error.message)
    elif lacks_its_copy(run):
        _say_error(
            next((w.removeprefix("output: ") for w in run.warnings if w.startswith("output: ")), "no copy was made")
        )
        say(f'next: cp "$(cosmos path {run.id})" ELSEWHERE', sys.stderr)
    if run.status in ("failed", "lost") and tail:
        _say_log_end(tail)
    if run.status in ("failed", "lost"):
        hint = run.error.hint if run.error and run.error.hint else f"`cosmos retry {run.id}` runs it again"
        words = hint if f"cosmos logs {run.id}" in hint else f"{hint}; `cosmos logs {run.id}` prints the whole log"
        put(wrapped(words, before="next: ", to=sys.stderr), sys.stderr)


def print_cancelled(old: RunRecord, new: RunRecord, to: TextIO) -> None:
    """What a run came to that was cancelled, and what of it stays where it is."""
    was = "was already" if old.ended else "is"
    say(f"{new.id} {was} {new.status}{', simulated' if new.simulated else ''}", to)
    for words in new.warnings if old.status == "downloading" else ():
        if words not in old.warnings:
            put(wrapped(words, before="  ", to=to), to)


def _say_log_end(tail: Sequence[str]) -> None:
    """The lines that may say why are shown whole, the others as far as they fit."""
    say("  the last lines of its log:", sys.stderr)
    room = (width_of(sys.stderr) or 1000) - 4
    for number, line in enumerate(map(one_line, tail), 1):
        if number == len(tail) or _SAYS_WHY.search(line):
            put(wrapped(line, before="    ", to=sys.stderr), sys.stderr)
        else:
            say(f"    {line if len(line) <= room else line[: room - 1] + '…'}", sys.stderr)


def _say_error(message: str) -> None:
    before = f"{styled('error:', 'red', sys.stderr)} "
    put(wrapped(message, before=before, to=sys.stderr), sys.stderr)


def print_paused(runs: Sequence[RunRecord]) -> None:
    """Runs that stand still: why, and how they go on. What stops several of them is told once."""
    for (reason, hint), stopped in _by_trouble(runs).items():
        for run in stopped:
            say(f"{styled('paused', 'yellow', sys.stdout)}  {run.id}  {run.model_type} on {run.target}")
        if all(run.simulated for run in stopped):
            say(f"  note  {SIMULATED}")
        sys.stdout.flush()
        _say_error(reason)
        if hint:
            put(wrapped(hint, before="  ", to=sys.stderr), sys.stderr)
        if len(stopped) == 1:
            on = f"the run is kept; `cosmos attach {stopped[0].id}` or `cosmos sync` goes on with it"
        else:
            on = f"the {len(stopped)} runs are kept; `cosmos sync` goes on with them"
        put(wrapped(on, before="next: ", to=sys.stderr), sys.stderr)


def _by_trouble(runs: Sequence[RunRecord]) -> dict[tuple[str, str], list[RunRecord]]:
    found: dict[tuple[str, str], list[RunRecord]] = {}
    for run in runs:
        if run.paused is not None:
            found.setdefault((run.paused.reason, run.paused.hint), []).append(run)
    return found
