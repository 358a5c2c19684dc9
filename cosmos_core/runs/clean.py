"""Removing from hosts what finished jobs left there: first what would go, then that, and nothing of anybody else's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from cosmos_core.config import Config, Target
from cosmos_core.errors import CosmosError
from cosmos_core.runs.collect import WANTED, is_here
from cosmos_core.runs.lease import is_dead
from cosmos_core.runs.plan import config_of
from cosmos_core.store import Store
from cosmos_core.store.records import JobRecord, RunRecord
from cosmos_core.targets import Hosts
from cosmos_core.targets.clean import CachedFile, ContainerRemains, JobRemains, Kept, Place, Remains
from cosmos_core.targets.way import named

Reason = Literal["unfinished", "needed", "young", "not here", "not wanted", "lost", "alive", "unknown", "elsewhere"]
KEPT_WORDS: dict[Reason, str] = {
    "unfinished": "not finished",
    "needed": "an output is the input of a run that is not finished",
    "young": "ended too recently",
    "not here": "outputs are not on this machine; `cosmos fetch` brings them",
    "not wanted": "made with --fetch none: their outputs are nowhere else",
    "lost": "lost: `cosmos sync` may still find out what became of them",
    "alive": "something of them still runs there",
    "unknown": "not known to this database",
    "elsewhere": "of another target's name",
}
FREED_BY_ALL: tuple[Reason, ...] = ("not here", "not wanted", "lost")
"""What `--all` removes, too."""

_STAGING_S = 3600.0  # a file that no job uses was perhaps brought for one whose folder is still to be made


@frozen(kw_only=True)
class CleanJob:
    """A job's folder that would go, and the runs that it carried."""

    job: JobRecord | None  # None: somebody who removed it was cut off
    remains: JobRemains
    runs: tuple[RunRecord, ...]


@frozen(kw_only=True)
class KeptJob:
    """A job's folder that stays, and why."""

    id: str
    runs: tuple[str, ...]
    reason: Reason


@frozen(kw_only=True)
class CleanPlan:
    """What would go from one target."""

    target: Target
    host: str
    reachable: bool = True
    words: str = ""
    hint: str = ""
    jobs: tuple[CleanJob, ...] = ()
    containers: tuple[ContainerRemains, ...] = ()
    cache: tuple[CachedFile, ...] = ()
    tickets: int = 0
    kept: tuple[KeptJob, ...] = ()
    troubles: tuple[str, ...] = field(default=())  # what could not be looked at

    @property
    def bytes(self) -> int:
        """How much room it would make."""
        return sum(job.remains.bytes for job in self.jobs) + sum(file.bytes for file in self.cache)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not (self.jobs or self.containers or self.cache or self.tickets)

    def count_kept(self) -> Counter[Reason]:
        """How many stay for which reason."""
        return Counter(job.reason for job in self.kept)


@frozen(kw_only=True)
class Cleaned:
    """What became of a plan. `words` say why the target could not be used any more, where it could not."""

    plan: CleanPlan
    gone: frozenset[tuple[str, str]] = frozenset()  # (job container cache trash, name)
    kept: tuple[Kept, ...] = ()
    tickets: int = 0
    words: str = ""
    hint: str = ""

    @property
    def bytes(self) -> int:
        """How much room was made."""
        jobs = (job.remains for job in self.plan.jobs)
        freed = sum(job.bytes for job in jobs if {("job", job.id), ("trash", job.id)} & self.gone)
        return freed + sum(file.bytes for file in self.plan.cache if ("cache", file.name) in self.gone)


class Cleaner:
    """Plans, and carries plans out, for the targets of one configuration and the jobs of one store."""

    def __init__(self, config: Config, store: Store, hosts: Hosts) -> None:
        self.config = config
        self.store = store
        self.hosts = hosts

    def targets(self, name: str | None) -> tuple[Target, ...]:
        """The one that is named, or all: the simulator, too, where it was used. Raises UnknownName."""
        if name is not None:
            return (self.config.target(name),)
        simulator = self.config.simulator
        used = (Path(simulator.work_dir) / "jobs").is_dir()
        return (*self.config.targets.values(), *([simulator] if used and not self.config.targets else []))

    def plans(self, name: str | None, *, older_s: float | None, also: Sequence[Reason]) -> tuple[CleanPlan, ...]:
        """A plan for each target, all looked at at the same time. Raises UnknownName."""
        targets = self.targets(name)
        with ThreadPoolExecutor(len(targets) or 1, "clean") as threads:
            return tuple(threads.map(lambda target: self.plan(target, older_s=older_s, also=also), targets))

    # -- what would go ---------------------------------------------------------------------------------------------

    def plan(self, target: Target, *, older_s: float | None = None, also: Sequence[Reason] = ()) -> CleanPlan:
        """What may go from a target, and what stays for which reason; a host that cannot be used is an answer, too.

        `also` names reasons that do not count this time.
        """
        try:
            seen = self._place(target).look()
        except CosmosError as error:
            where = target.host or "this machine"
            return CleanPlan(
                target=target, host=where, reachable=False, words=error.message, hint=named(error.hint, target)
            )
        ended_by = datetime.now(UTC) - timedelta(seconds=older_s) if older_s else None
        jobs, kept = self._choose(target, seen.jobs, ended_by, also)
        trash = (CleanJob(job=None, remains=one, runs=()) for one in seen.trash)
        return CleanPlan(
            target=target,
            host=seen.host,
            jobs=(*trash, *jobs),
            containers=self._containers(seen, [job.remains.id for job in jobs]),
            cache=self._unused(target, seen, jobs, max(older_s or 0.0, _STAGING_S)),
            tickets=seen.tickets,
            kept=tuple(kept),
            troubles=seen.troubles,
        )

    def _choose(
        self, target: Target, seen: Iterable[JobRemains], ended_by: datetime | None, also: Sequence[Reason]
    ) -> tuple[list[CleanJob], list[KeptJob]]:
        there = {job.id: job for job in seen}
        known = self.store.jobs_by_id(there)
        runs: dict[str, list[RunRecord]] = {}
        for run in self.store.runs_of_jobs(there):
            runs.setdefault(run.job_id or "", []).append(run)
        needed = self.store.waited_for(run.id for some in runs.values() for run in some)
        jobs, kept = [], []
        for id_, remains in there.items():
            mine = tuple(runs.get(id_, ()))
            reason = self._why_not(target, known.get(id_), mine, remains, needed, ended_by, also)
            if reason is None:
                jobs.append(CleanJob(job=known[id_], remains=remains, runs=mine))
            elif reason != "elsewhere":  # that target tells of it
                kept.append(KeptJob(id=id_, runs=tuple(run.id for run in mine), reason=reason))
        return jobs, kept

    def _why_not(
        self,
        target: Target,
        job: JobRecord | None,
        runs: Sequence[RunRecord],
        remains: JobRemains,
        needed: frozenset[str],
        ended_by: datetime | None,
        also: Sequence[Reason],
    ) -> Reason | None:
        if job is None or not runs:
            return "unknown"
        if job.target != target.name and job.target in self.config.targets:
            return "elsewhere"
        if not all(run.ended for run in runs):
            return "unfinished"
        if not remains.is_over:
            return "alive"
        if any(run.id in needed for run in runs):
            return "needed"
        if ended_by is not None and any(run.completed_at is None or run.completed_at > ended_by for run in runs):
            return "young"
        return next((reason for run in runs if (reason := _why_kept(run)) and reason not in also), None)

    def _containers(self, seen: Remains, going: Iterable[str]) -> tuple[ContainerRemains, ...]:
        """Those that have stopped, of jobs that go, or whose folder has gone and whose runs have ended."""
        going, folders = set(going), {job.id for job in seen.jobs}
        others = {one.job for one in seen.containers} - folders
        ended: dict[str, bool] = {}
        for run in self.store.runs_of_jobs(others):
            ended[run.job_id or ""] = ended.get(run.job_id or "", True) and run.ended and run.status != "lost"
        return tuple(one for one in seen.containers if one.is_over and (one.job in going or ended.get(one.job)))

    def _unused(self, target: Target, seen: Remains, jobs: Sequence[CleanJob], idle_s: float) -> tuple[CachedFile, ...]:
        """Files of the cache that no job uses once these have gone, and that no run of ours is about to use."""
        freed = Counter(inode for job in jobs for inode in job.remains.shared)
        wanted = self._about_to_be_used(target)
        return tuple(
            file
            for file in seen.cache
            if file.links - freed[file.inode] == 1
            and file.sha256 not in wanted
            and (file.inode in freed or file.idle_s > idle_s)
        )

    def _about_to_be_used(self, target: Target) -> set[str]:
        prompts = {run.prompt_id for run in self.store.unfinished() if run.target == target.name}
        records = self.store.prompts_by_id(prompts).values()
        return {record.sha256 for prompt in records for record in prompt.inputs if record.sha256}

    # -- removing --------------------------------------------------------------------------------------------------

    def carry_out(self, plan: CleanPlan) -> Cleaned:
        """Remove what a plan names, as far as it still may go; what is gone is remembered with its jobs."""
        if not plan.reachable or plan.empty:
            return Cleaned(plan=plan)
        jobs = self._still(plan.jobs)
        ids = [job.job.id for job in jobs if job.job is not None]
        things = [("job" if job.job else "trash", job.remains.id) for job in jobs]
        things += [("container", one.name) for one in plan.containers]
        things += [("cache", file.name) for file in plan.cache]
        self.store.mark_removed(ids, datetime.now(UTC))  # written first: who is cut off must not believe it is there
        try:
            done = self._place(plan.target).remove(things)
        except CosmosError as error:
            hint = f"{named(error.hint, plan.target)}; then `cosmos clean` goes on".removeprefix("; then ")
            return Cleaned(plan=plan, words=error.message, hint=hint)
        self.store.mark_removed([id_ for id_ in ids if ("job", id_) not in done.gone], None)
        return Cleaned(plan=plan, gone=done.gone, kept=done.kept, tickets=done.tickets)

    def _still(self, jobs: Sequence[CleanJob]) -> list[CleanJob]:
        """Those whose runs are as they were: a person may think long about a question."""
        ids = [job.job.id for job in jobs if job.job is not None]
        now = {run.id: run for run in self.store.runs_of_jobs(ids)}
        needed = self.store.waited_for(now)
        return [
            job
            for job in jobs
            if all(run.id in now and now[run.id].status == run.status and run.id not in needed for run in job.runs)
            and (job.job is None or self._is_let_alone(job))
        ]

    def _is_let_alone(self, job: CleanJob) -> bool:
        """Whether nobody is at it: `cosmos sync` looks again at what is lost."""
        return job.job is not None and self.store.lease_is_free(job.job.id, self.store.now(), is_dead)

    def _place(self, target: Target) -> Place:
        return Place(
            host=self.hosts.of(target),
            work_dir=target.work_dir,
            lock_dir=target.lock_dir,
            docker=target.docker if target.runtime == "docker" else None,
            store=self.store.id,
        )


def _why_kept(run: RunRecord) -> Reason | None:
    """Why the folder of a run that ended should stay; None where all that was wanted of it is here."""
    if run.status == "lost":
        return "lost"
    config = config_of(run)
    absent = {artifact.role for artifact in run.artifacts if not is_here(artifact)}
    if absent & set(WANTED[config.fetch]):
        return "not here"
    return "not wanted" if config.fetch == "none" and "result" in absent else None
