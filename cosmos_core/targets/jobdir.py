"""A job's directory on its host: started once, looked at as often as one likes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from attrs import frozen

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Host, Span

State = Literal["absent", "idle", "starting", "waiting", "alive", "untended", "ended", "gone", "away"]
_STATES: dict[str, State] = {
    "absent": "absent",  # there is no such folder, or it is not complete
    "idle": "idle",  # nothing of it ever ran: it may be started
    "starting": "starting",
    "waiting": "waiting",  # in the line for GPUs
    "alive": "alive",
    "untended": "untended",  # its keeper is dead: started again, it gets a new one that collects its end
    "ended": "ended",
    "gone": "gone",  # it ran and left no exit code
    "away": "away",  # Docker does not answer
}
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_LOOK = 'for job; do if [ -f "$job/job.sh" ]; then sh "$job/job.sh" look || echo "?"; else echo absent; fi; done'


@frozen(kw_only=True)
class Evidence:
    """What a host tells of a job. Only "ended" has an exit code, only "waiting" knows how many are ahead."""

    state: State
    exit_code: int | None = None
    ahead: int | None = None


@frozen(kw_only=True)
class JobDir:
    """`<work_dir>/jobs/<job id>/` on a host."""

    host: Host
    path: str
    job_id: str

    def at(self, rel: str) -> str:
        """A path below it."""
        return f"{self.path}/{rel}"

    def start(self, secrets: Mapping[str, str]) -> None:
        """Start the job unless somebody has; secrets travel on standard input and stay in memory."""
        lines = "".join(f"{name}={value}\n" for name, value in secrets.items())
        done = self.host.run(("sh", self.at("job.sh"), "start"), stdin=lines.encode(), detached=True)
        if done.exit_code:
            raise TargetUnusable(
                f"job.sh did not start on {self.host.name}: {done.words}",
                hint="put that right there, then `cosmos sync` goes on with the run",
            )

    def look(self) -> Evidence:
        """What became of it."""
        return look_at(self.host, (self,))[0]

    def is_complete(self) -> bool:
        """Whether the folder is there with all that belongs into it: job.sh is written last."""
        script = self.at("job.sh")
        return script in self.host.stat([script])

    def refusal(self) -> tuple[str, str]:
        """Why a job that is idle was not started: ("busy" or "refused", words), or two empty texts."""
        names = ("refused", "busy")
        found = self.host.read([Span(self.at(name)) for name in names])
        told = (
            (name, data.decode("utf-8", "replace").strip()) for name, data in zip(names, found, strict=True) if data
        )
        return next(told, ("", ""))

    def started_at(self) -> datetime | None:
        """When the command began, by the host's clock; None if it has not."""
        return self._written_at("started")

    def ended_at(self) -> datetime | None:
        """When its end was written down, by the host's clock; None if it was not."""
        return self._written_at("exit_code")

    def _written_at(self, name: str) -> datetime | None:
        path = self.at(name)
        found = self.host.stat([path]).get(path)
        return datetime.fromtimestamp(found.mtime_ns / 1e9, UTC) if found else None

    def marks(self) -> frozenset[str]:
        """Those of the marks that job.sh may leave that are there."""
        names = {self.at(name): name for name in ("stopped", "timed_out", "out_of_memory", "outputs")}
        return frozenset(names[path] for path in self.host.stat(list(names)))

    def stop(self) -> None:
        """End the whole job and only that job: TERM, wait, KILL. Nothing that never started ever will."""
        done = self.host.run(("sh", self.at("job.sh"), "stop"))
        if done.exit_code:
            raise TargetUnusable(
                f"the job could not be stopped on {self.host.name}: {done.words}",
                hint="`cosmos sync` tries again",
                transient=True,
            )


def look_at(host: Host, jobs: Sequence[JobDir]) -> Sequence[Evidence]:
    """What became of several jobs of one host, by one command."""
    done = host.run(("sh", "-c", _LOOK, "sh", *(job.path for job in jobs)))
    lines = done.text.split("\n")
    if len(lines) != len(jobs):
        raise _unanswered(host, done.words)
    return [_evidence(host, line, done.words) for line in lines]


def _evidence(host: Host, line: str, words: str) -> Evidence:
    word, _, rest = line.partition(" ")
    number = int(rest) if _NUMBER.fullmatch(rest.strip()) else None
    state = _STATES.get(word)
    if state is None or (state in ("ended", "waiting") and number is None):
        raise _unanswered(host, words)
    return Evidence(
        state=state,
        exit_code=number if state == "ended" else None,
        ahead=number if state == "waiting" else None,
    )


def _unanswered(host: Host, words: str) -> TargetUnusable:
    return TargetUnusable(f"job.sh on {host.name} gave no answer that makes sense: {words[:200]!r}", transient=True)
