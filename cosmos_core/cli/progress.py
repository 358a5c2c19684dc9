"""Showing progress on stderr: a bar on a terminal, plain lines elsewhere, JSON lines for programs, or nothing."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from attrs import define

from cosmos_core.cli.neutral import painted
from cosmos_core.cli.screen import one_line, say, span
from cosmos_core.documents import eta_s, progress_document, queue_document, rfc3339

if TYPE_CHECKING:
    from cosmos_core.store.records import ProgressRecord, RunRecord

_LINE_EVERY_S = 10.0
_LINE_EVERY_PERCENT = 10


def stage_of(run: RunRecord) -> str:
    """In one word what is being done: the stage while it is under way, else the state."""
    told = _under_way(run)
    return told.stage if told else run.status


def _under_way(run: RunRecord) -> ProgressRecord | None:
    """The latest progress, unless the run is done with what that told of."""
    over = run.ended or run.status == "parsing"
    if run.progress is None or over or (run.status == "downloading" and run.progress.stage != run.status):
        return None
    return run.progress


class Progress:
    """Shows nothing. A context manager around runs that are moved; `update` takes one as it is now."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def update(self, run: RunRecord) -> None:
        """The run has changed. May be called from several threads."""

    def done(self, run: RunRecord) -> None:
        """Nothing more will be told of the run."""


@define
class _Line:
    """What the last line on a run said, and when."""

    stage: str
    percentage: float
    message: str
    at: float


class Plain(Progress):
    """A line whenever the stage of a run changes, and now and then within one."""

    def __init__(self) -> None:
        self._said: dict[str, _Line] = {}
        self._one_at_a_time = threading.Lock()

    def update(self, run: RunRecord) -> None:
        stage = stage_of(run)
        percentage = (run.progress.percentage if run.progress else None) or 0.0
        message = run.progress.message if run.progress else ""
        now = time.monotonic()
        with self._one_at_a_time:
            said = self._said.get(run.id)
            if said is not None and said.stage == stage:
                further = percentage - said.percentage >= _LINE_EVERY_PERCENT
                news = (percentage, message) != (said.percentage, said.message)
                if not further and (now - said.at < _LINE_EVERY_S or not news):
                    return
            self._said[run.id] = _Line(stage, percentage, message, now)
            say(_words(run), sys.stderr)
            sys.stderr.flush()


def _words(run: RunRecord) -> str:
    words = [run.id, stage_of(run)]
    if (told := _under_way(run)) is not None:
        if told.percentage is not None:
            words.append(f"{told.percentage:.0f}%")
        if told.message:
            words.append(one_line(told.message))
        left = eta_s(run)
        if left:
            words.append(f"({span(left)} left)")
    if run.simulated:
        words.append("[simulated]")
    return "  ".join(words)


class JsonLines(Progress):
    """One JSON object a line for every change."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, Any]] = {}
        self._one_at_a_time = threading.Lock()

    def update(self, run: RunRecord) -> None:
        line = {
            "id": run.id,
            "status": run.status,
            "simulated": run.simulated,
            **(progress_document(run) or {"stage": None, "percentage": None, "message": "", "eta_s": None}),
            "queue": queue_document(run),
            "timestamp": rfc3339(run.progress.timestamp if run.progress else run.created_at),
        }
        with self._one_at_a_time:
            if line == self._last.get(run.id):
                return
            self._last[run.id] = line
            say(json.dumps(line, allow_nan=False), sys.stderr)
            sys.stderr.flush()


class Bar(Progress):
    """A line that says which run, and a bar below them that moves in place, for each; gone at the end."""

    def __init__(self) -> None:
        from rich.console import Console  # for terminals only
        from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
        from rich.progress import Progress as Rich
        from rich.table import Column
        from rich.text import Text

        class Clock(ProgressColumn):
            """Time spent and time left, going on between two rows of progress."""

            def render(self, task: Task) -> Text:
                now = time.time()
                words = span(max(0.0, now - task.fields["since"]))
                ends = task.fields["ends"]
                return Text(f"{words}, {span(ends - now)} left" if ends and ends > now else words)

        self._console = Console(file=painted(sys.stderr), highlight=False)
        one_row = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        self._make: Callable[[], Any] = lambda: Rich(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[share]:>4}", markup=False),
            Clock(),
            TextColumn("{task.fields[message]}", markup=False, table_column=one_row),
            console=self._console,
            transient=True,
            expand=True,
            refresh_per_second=8,
        )
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._named: set[str] = set()

    def __enter__(self) -> Progress:
        self._bar = self._make()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._tasks.clear()

    def update(self, run: RunRecord) -> None:
        if run.id not in self._named:
            self._named.add(run.id)
            simulated = " (simulated)" if run.simulated else ""
            self._bar.console.print(f"{run.id}  {run.model_type} on {one_line(run.target)}{simulated}", markup=False)
        if run.id not in self._tasks:
            self._tasks[run.id] = self._bar.add_task("", total=None, share="", since=time.time(), ends=None, message="")
        told = _under_way(run)
        percentage = told.percentage if told else None
        left = eta_s(run)
        self._bar.update(
            self._tasks[run.id],
            description=stage_of(run) if len(self._tasks) == 1 else f"{run.id} {stage_of(run)}",
            total=None if percentage is None else 100,
            completed=percentage or 0,
            share="" if percentage is None else f"{percentage:.0f}%",
            since=(run.started_at or run.submitted_at or run.created_at).timestamp(),
            ends=run.progress.timestamp.timestamp() + left if run.progress and left else None,
            message=one_line(told.message) if told else "",
        )

    def done(self, run: RunRecord) -> None:
        if run.id in self._tasks:
            self._bar.remove_task(self._tasks.pop(run.id))


def progress_of(kind: str | None) -> Progress:
    """The display asked for; by itself a bar on a terminal, else plain lines."""
    if kind is None:
        kind = "bar" if sys.stderr.isatty() else "plain"
    return {"bar": Bar, "plain": Plain, "jsonl": JsonLines, "none": Progress}[kind]()
