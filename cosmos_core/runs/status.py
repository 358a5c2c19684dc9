"""What is going on: every target at the same time, looked at and left as it is."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from attrs import evolve, frozen

from cosmos_core.config import Config, Target
from cosmos_core.errors import CosmosError, NotFound
from cosmos_core.store import Store
from cosmos_core.store.records import UNBEGUN, JobRecord, RunRecord
from cosmos_core.targets import Hosts
from cosmos_core.targets.jobdir import JobDir, look_at
from cosmos_core.targets.overview import GpuUse, Overview, SeenJob, Ticket, look_over
from cosmos_core.targets.way import named

_A_LITTLE_S = 0.1  # over a target's connect_timeout, for it to say itself that it was reached in vain
_A_CHANCE_S = 1.0
_OVER = ("ended", "gone", "absent")


@frozen(kw_only=True)
class JobStatus:
    """A job on a target, and the run that it is of where this store has it."""

    seen: SeenJob
    ours: bool  # of this store
    run: RunRecord | None = None
    ahead: int | None = None  # how many wait before it, where it waits


@frozen(kw_only=True)
class Waiting:
    """A place in a target's line."""

    place: int
    ticket: Ticket
    ours: bool  # of this store
    run: RunRecord | None = None


@frozen(kw_only=True)
class Unaccounted:
    """Something of ours that nobody moves on: what it is, and the command that deals with it."""

    kind: str  # job container paused
    job: str | None
    run: str | None
    message: str
    hint: str


@frozen(kw_only=True)
class TargetStatus:
    """A target: whether it can be used, who uses it, and the runs of this store that are there."""

    name: str
    host: str
    simulated: bool
    reachable: bool
    words: str
    hint: str = ""
    gpus: int | None  # that are ours
    running: tuple[RunRecord, ...]
    waiting: tuple[RunRecord, ...]
    gpu_list: tuple[GpuUse, ...] = ()  # ours and those that the configuration leaves to others
    our_gpus: tuple[int, ...] = ()  # indexes
    jobs: tuple[JobStatus, ...] = ()
    line: tuple[Waiting, ...] = ()
    unaccounted: tuple[Unaccounted, ...] = ()
    troubles: tuple[str, ...] = ()  # what could not be looked at


def status_of(config: Config, store: Store, hosts: Hosts, since: float) -> tuple[TargetStatus, ...]:
    """Every configured target. None holds up the others for longer than its own connect_timeout, from `since` on."""
    targets = tuple(config.targets.values()) or (config.simulator,)
    began = datetime.now(UTC)
    unfinished = store.unfinished()
    return _all_at_once([_Look(target, config, store, hosts, unfinished, began) for target in targets], since)


def _all_at_once(looks: Sequence[_Look], started: float) -> tuple[TargetStatus, ...]:
    found: dict[str, TargetStatus | BaseException] = {}
    done = {look.target.name: threading.Event() for look in looks}

    def work(look: _Look) -> None:
        try:
            found[look.target.name] = look.status()
        except BaseException as error:  # noqa: BLE001  it is raised where the answer is waited for
            found[look.target.name] = error
        done[look.target.name].set()

    for look in looks:
        threading.Thread(target=work, args=(look,), name=f"status {look.target.name}", daemon=True).start()
    answers, asked = [], time.monotonic()
    for look in looks:
        patience = look.target.connect_timeout
        # our own start counts, though not so much that a host with a short timeout could not answer at all
        until = max(started + patience + _A_LITTLE_S, asked + min(patience, _A_CHANCE_S))
        done[look.target.name].wait(max(0.0, until - time.monotonic()))
        answer = found.get(look.target.name) or look.unanswered()
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return tuple(answers)


class _Look:
    """One look at one target."""

    def __init__(
        self,
        target: Target,
        config: Config,
        store: Store,
        hosts: Hosts,
        unfinished: Sequence[RunRecord],
        began: datetime,
    ) -> None:
        self.target = target
        self.targets = config.targets
        self.store = store
        self.hosts = hosts
        self.unfinished = [run for run in unfinished if run.target == target.name]
        self.began = began
        # of all targets: two may well be on one machine
        self.by_job = {run.job_id: run for run in unfinished if run.job_id}

    def status(self) -> TargetStatus:
        """What was seen; a host that cannot be used is an answer, too."""
        try:
            seen = self._own_jobs() if self.target.simulated else self._overview()
        except CosmosError as error:
            return self._unusable(error.message, named(error.hint, self.target))
        return self._tell(seen)

    def unanswered(self) -> TargetStatus:
        """What is said of a host that is still silent."""
        self.hosts.abandon(self.target)
        return self._unusable(
            f"no answer within {self.target.connect_timeout:g} s",
            f"check the network and that the machine is up (`cosmos targets check {self.target.name}`);"
            " a longer connect_timeout waits longer",
        )

    def _overview(self) -> Overview:
        target = self.target
        return look_over(
            self.hosts.of(target),
            work_dir=target.work_dir,
            lock_dir=target.lock_dir,
            docker=target.docker if target.runtime == "docker" else None,
            folders=[self.store.job(run.job_id).dir for run in self.unfinished if run.job_id],
            patience=target.connect_timeout * 0.7,
        )

    def _own_jobs(self) -> Overview:
        """The jobs of the simulator: nobody else's are there, and this machine's GPUs are not used."""
        host = self.hosts.of(self.target)
        runs = [run for run in self.unfinished if run.job_id]
        folders = [
            JobDir(host=host, path=self.store.job(run.job_id or "").dir, job_id=run.job_id or "") for run in runs
        ]
        found = look_at(host, folders) if folders else ()
        jobs = (
            SeenJob(
                id=folder.job_id,
                state=seen.state,
                dir=folder.path,
                store=self.store.id,
                since=run.started_at,
                runs=(run.id,),
            )
            for run, folder, seen in zip(runs, folders, found, strict=True)
        )
        return Overview(host=host.name, skew_s=0.0, jobs=tuple(jobs))

    def _unusable(self, words: str, hint: str) -> TargetStatus:
        host = self.target.host or "this machine"
        return evolve(self._status(host), reachable=False, words=words, hint=hint)

    def _status(self, host: str, states: Mapping[str, str] | None = None) -> TargetStatus:
        def place(run: RunRecord) -> str:
            state = (states or {}).get(run.job_id or "", "unknown")
            if state in _OVER and not (state == "absent" and run.status in UNBEGUN):
                return "over"  # what is stored is as old as the last look
            works = run.status not in UNBEGUN if state == "unknown" else state in ("alive", "untended", "away")
            return "running" if works else "waiting"

        return TargetStatus(
            name=self.target.name,
            host=host,
            simulated=self.target.simulated,
            reachable=True,
            words="",
            gpus=self.target.gpu_count,
            running=tuple(run for run in self.unfinished if place(run) == "running"),
            waiting=tuple(run for run in self.unfinished if place(run) == "waiting"),
            unaccounted=tuple(map(_paused, (run for run in self.unfinished if run.paused is not None))),
        )

    # -- what was seen, beside what is stored ----------------------------------------------------------------------

    def _tell(self, seen: Overview) -> TargetStatus:
        runs = {job.id: run for job in seen.jobs if (run := self._run_of(job.id, job.store, job.runs)) is not None}
        states = {job.id: job.state for job in seen.jobs}
        ours = {job.id for job in seen.jobs if job.store == self.store.id or job.id in runs}
        ahead = {ticket.job: at for at, ticket in enumerate(seen.waiting)}
        told = self._status(seen.host, states)
        jobs = [
            JobStatus(seen=job, ours=job.id in ours, run=runs.get(job.id), ahead=ahead.get(job.id))
            for job in seen.jobs
            if job.works or job.id in self.by_job or job.state in ("waiting", "starting", "away", "unknown")
        ]
        indexes = tuple(use.gpu.index for use in seen.gpus)
        configured = self.target.gpus if isinstance(self.target.gpus, tuple) else indexes[: self.target.gpus]
        return evolve(
            told,
            gpus=told.gpus if told.gpus is not None else len(seen.gpus) or None,
            gpu_list=seen.gpus,
            our_gpus=configured,
            jobs=tuple(sorted(jobs, key=lambda job: (not job.seen.works, job.ahead or 0, job.seen.id))),
            line=tuple(
                Waiting(place=place, ticket=ticket, ours=ticket.job in ours, run=runs.get(ticket.job))
                for place, ticket in enumerate(seen.waiting, 1)
            ),
            unaccounted=(*self._strays(seen.jobs, runs), *told.unaccounted),
            troubles=seen.troubles,
        )

    def _run_of(self, job_id: str, store: str | None, named: Sequence[str]) -> RunRecord | None:
        if run := self.by_job.get(job_id):
            return run
        if store != self.store.id:
            return None
        record = self._record(job_id)
        requests = record.document.get("requests") if record else None
        names = (*named, *(request["id"] for request in requests or ()))
        try:
            return self.store.run(names[0]) if names else None
        except NotFound:
            return None

    def _strays(self, jobs: Iterable[SeenJob], runs: Mapping[str, RunRecord]) -> list[Unaccounted]:
        """What of ours is alive, though the database knew before we looked that it has ended, or never heard of it."""
        found = []
        for job in jobs:
            run = runs.get(job.id)
            lives = job.works or job.state in ("waiting", "starting")
            if not lives or job.store != self.store.id or (run and not run.ended):
                continue
            if run and run.completed_at and run.completed_at > self.began:
                continue  # it was brought to its end while we looked
            stored = f"its run {run.id} is {run.status}" if run else "this database does not know its run"
            what = f"container {job.container}" if job.container else f"job {job.id}"
            found.append(
                Unaccounted(
                    kind="container" if job.container else "job",
                    job=job.id,
                    run=run.id if run else None,
                    message=f"{what} is {'running' if job.works else job.state}, and {stored}",
                    hint="`cosmos sync` takes it up again" if run and run.status == "lost" else self._end(job),
                )
            )
        return found

    def _end(self, job: SeenJob) -> str:
        """The command that ends a job that no run is left to cancel by."""
        record = self._record(job.id)
        folder = job.dir or (record.dir if record else None)
        if folder:
            command = shlex.join(("sh", f"{folder}/job.sh", "stop"))
        elif job.container:
            command = shlex.join((*self.target.docker, "rm", "--force", "--volumes", job.container))
        else:
            return f"it is not in {self.target.work_dir}: look for its folder, and call `sh job.sh stop` there"
        target = self.targets.get(record.target, self.target) if record else self.target
        return f"`{shlex.join(('ssh', target.host, command)) if target.host else command}` ends it"

    def _record(self, job_id: str) -> JobRecord | None:
        try:
            return self.store.job(job_id)
        except NotFound:
            return None


def _paused(run: RunRecord) -> Unaccounted:
    if run.paused is None:
        raise AssertionError("it is paused")
    return Unaccounted(
        kind="paused",
        job=run.job_id,
        run=run.id,
        message=f"{run.id} is paused: {run.paused.reason}",
        hint=run.paused.hint or "`cosmos sync` goes on with it",
    )
