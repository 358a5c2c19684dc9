"""The store: what every other room asks to remember and to find again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from cosmos_core.convert import from_json, to_json
from cosmos_core.errors import UsageError
from cosmos_core.store import faults, queries, refs
from cosmos_core.store import tables as t
from cosmos_core.store.database import Database
from cosmos_core.store.records import (
    STATES,
    TERMINAL,
    Artifact,
    Filter,
    JobRecord,
    Page,
    ProgressRecord,
    PromptRecord,
    RunRecord,
)
from cosmos_core.store.rows import (
    artifact_of,
    artifact_row,
    job_of,
    job_row,
    progress_of,
    progress_row,
    prompt_row,
    run_changes,
    run_row,
)
from cosmos_core.store.writing import holds, insert_all, locked, put
from cosmos_core.values import Media

_Record = TypeVar("_Record")
_LONGEST = timedelta(minutes=5)  # more than any lease is given for


class Store:
    """One database of prompts and runs. A context manager; safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @classmethod
    def open(cls, url: str) -> Store:
        """Open a database, made and migrated if need be. Raises ConfigError where that cannot be."""
        return cls(Database(url))

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._db.close()

    @cached_property
    def id(self) -> str:
        """The UUID of this store: what names its jobs on hosts that several stores share."""
        with self._db.reading() as c:
            return str(c.execute(select(t.store.c.id)).scalar_one())

    @property
    def ever_real(self) -> bool:
        """Whether a run of it ever went to a real target."""
        with self._db.reading() as c:
            return bool(c.execute(select(t.store.c.ever_real)).scalar_one())

    def mark_real(self) -> None:
        """Remember that a run went to a real target."""
        with self._db.writing() as c:
            c.execute(update(t.store).values(ever_real=True))

    # -- prompts and runs --------------------------------------------------------------------------------------

    def add(self, prompt: PromptRecord | None, run: RunRecord | None, job: JobRecord | None = None) -> None:
        """Store a prompt, a run, or both: all of it or nothing. A run that is submitted brings its job."""
        with faults.all_or_nothing(), self._db.writing(durably=True) as c:
            _insert(c, prompt, run, job)

    def add_group(
        self,
        group_id: str,
        name: str,
        created_at: datetime,
        members: Iterable[tuple[PromptRecord | None, RunRecord, JobRecord | None]],
    ) -> None:
        """Store a group and its runs, with the prompts and jobs that are new: all of it or nothing."""
        with faults.all_or_nothing(), self._db.writing(durably=True) as c:
            c.execute(insert(t.groups).values(id=group_id, name=name, created_at=created_at))
            for prompt, run, job in members:
                _insert(c, prompt, run, job)

    def prompt(self, id: str) -> PromptRecord:  # noqa: A002  what it is
        """A prompt. Raises NotFound."""
        with self._db.reading() as c:
            found = queries.prompts(c, select(t.prompts).where(t.prompts.c.id == id))
        return _the_one(found, id)

    def run(self, id: str) -> RunRecord:  # noqa: A002  what it is
        """A run with its tags, artifacts, parents and latest progress. Raises NotFound."""
        with self._db.reading() as c:
            found = queries.runs(c, select(t.runs).where(t.runs.c.id == id))
        return _the_one(found, id)

    def prompts(self, where: Filter | None = None) -> Page[PromptRecord]:
        """A page of prompts, newest first."""
        with self._db.reading() as c:
            return queries.page(c, t.prompts, where or Filter(), queries.prompts)

    def runs(self, where: Filter | None = None) -> Page[RunRecord]:
        """A page of runs, newest first."""
        with self._db.reading() as c:
            return queries.page(c, t.runs, where or Filter(), queries.runs)

    def runs_of_group(self, group_id: str) -> tuple[RunRecord, ...]:
        """All runs of a group, newest first."""
        r = t.runs.c
        with self._db.reading() as c:
            wanted = select(t.runs).where(r.group_id == group_id).order_by(r.created_at.desc(), r.id.desc())
            return tuple(queries.runs(c, wanted))

    def prompts_by_id(self, ids: Iterable[str]) -> Mapping[str, PromptRecord]:
        """Several prompts in one query, by id."""
        with self._db.reading() as c:
            found = queries.prompts(c, select(t.prompts).where(t.prompts.c.id.in_(list(ids))))
        return {prompt.id: prompt for prompt in found}

    def unfinished(self) -> tuple[RunRecord, ...]:
        """Runs that were submitted and have not ended, oldest first."""
        r = t.runs.c
        under_way = [state for state in STATES if state not in TERMINAL]  # named one by one the index finds them
        wanted = select(t.runs).where(r.submitted_at.is_not(None), r.status.in_(under_way))
        with self._db.reading() as c:
            return tuple(queries.runs(c, wanted.order_by(r.created_at, r.id)))

    def children(self, run_id: str) -> tuple[RunRecord, ...]:
        """The runs that used an output of this one, or tried it again."""
        r = t.runs.c
        users = select(t.links.c.run_id).where(t.links.c.parent_id == run_id)
        with self._db.reading() as c:
            return tuple(
                queries.runs(
                    c, select(t.runs).where(or_(r.id.in_(users), r.retry_of == run_id)).order_by(r.created_at, r.id)
                )
            )

    # -- a run's life ------------------------------------------------------------------------------------------

    def submit(self, run_id: str, job: JobRecord, holder: str, lease_seconds: float, *, now: datetime) -> int:
        """Write down that a run is to be executed by `job`, with its lease taken; the lease's epoch.

        Raises UsageError if somebody submitted or cancelled it before.
        """
        values = job_row(job) | {
            "epoch": 1,
            "holder": holder,
            "lease_until": now + timedelta(seconds=lease_seconds),
        }
        r = t.runs.c
        with self._db.writing(durably=True) as c:  # the job may outlive a power cut of this machine
            c.execute(insert(t.jobs).values(values))
            untouched = and_(r.id == run_id, r.submitted_at.is_(None), r.status == "pending")
            changes = {"job_id": job.id, "submitted_at": job.created_at}
            if not c.execute(update(t.runs).where(untouched).values(changes)).rowcount:
                raise UsageError(
                    f"{run_id} was started or cancelled by another process", hint=f"`cosmos attach {run_id}`"
                )
        return 1

    def move(self, run_id: str, *, job_epoch: int, state: str, to: str, **changes: Any) -> bool:
        """Move a run from `state` to `to`; False if it is not there any more, or the epoch is another's."""
        return self._change(run_id, job_epoch, state, {"status": to, **changes})

    def note(self, run_id: str, *, job_epoch: int, **changes: Any) -> bool:
        """Change fields of a run in whatever state it is; False if the epoch is another's."""
        return self._change(run_id, job_epoch, None, changes)

    def _change(self, run_id: str, epoch: int, state: str | None, changes: Mapping[str, Any]) -> bool:
        r = t.runs.c
        where = r.id == run_id if state is None else and_(r.id == run_id, r.status == state)
        with self._db.writing() as c:
            if not holds(c, run_id, epoch):
                return False
            before = (
                c.execute(select(r.outputs).where(r.id == run_id)).scalar()
                if {"values", "text"} & set(changes)
                else None
            )
            return bool(c.execute(update(t.runs).where(where).values(run_changes(changes, before))).rowcount)

    def request_cancel(self, run_id: str, at: datetime) -> None:
        """Remember the wish to cancel. A run that nobody ever submitted is cancelled by it."""
        r = t.runs.c
        with self._db.writing() as c:
            c.execute(
                update(t.runs)
                .where(r.id == run_id, r.cancel_requested_at.is_(None), r.status.not_in(TERMINAL))
                .values(cancel_requested_at=at)
            )
            stored = and_(r.id == run_id, r.submitted_at.is_(None), r.status == "pending")
            c.execute(update(t.runs).where(stored).values(status="cancelled", completed_at=at))

    # -- jobs and leases ---------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time that leases go by: one clock for all who use the database, whatever their own clocks say."""
        return self._db.now()

    def job(self, id: str) -> JobRecord:  # noqa: A002  what it is
        """A job. Raises NotFound."""
        with self._db.reading() as c:
            return _job(c, id)

    def update_job(self, job_id: str, *, epoch: int, **changes: Any) -> bool:
        """Change fields of a job; False if the epoch is another's."""
        with self._db.writing() as c:
            where = and_(t.jobs.c.id == job_id, t.jobs.c.epoch == epoch)
            return bool(c.execute(update(t.jobs).where(where).values(changes)).rowcount)

    def take_lease(
        self,
        job_id: str,
        holder: str,
        *,
        seconds: float,
        now: datetime,
        steal: bool = False,
        dead: Callable[[str], bool] | None = None,
    ) -> int | None:
        """Become the job's mover; the new epoch, or None while another one lives.

        A lease is free when nobody holds it, it has run out, or `dead(holder)` says so; `steal` asks nobody. One that
        lasts longer than any is from before a clock was set back, and free as well.
        """
        with self._db.writing() as c:
            job = _job(c, job_id, alone=True)
            if not steal and not _is_free(job, now, dead):
                return None
            values = {
                "holder": holder,
                "epoch": job.epoch + 1,
                "lease_until": now + timedelta(seconds=seconds),
            }
            c.execute(update(t.jobs).where(t.jobs.c.id == job_id).values(values))
            return job.epoch + 1

    def lease_is_free(self, job_id: str, now: datetime, dead: Callable[[str], bool] | None = None) -> bool:
        """Whether `take_lease` would succeed."""
        return _is_free(self.job(job_id), now, dead)

    def renew_lease(self, job_id: str, holder: str, epoch: int, seconds: float, now: datetime) -> bool:
        """Keep the lease a while longer; False if it is another's now."""
        return self.update_job(job_id, epoch=epoch, holder=holder, lease_until=now + timedelta(seconds=seconds))

    def release_lease(self, job_id: str, epoch: int) -> None:
        """Let the lease go, if it is still ours."""
        self.update_job(job_id, epoch=epoch, holder=None, lease_until=None)

    def jobs_by_id(self, ids: Iterable[str]) -> Mapping[str, JobRecord]:
        """Those of several jobs that there are, by id."""
        with self._db.reading() as c:
            return {job.id: job for job in queries.jobs(c, list(ids))}

    def runs_of_jobs(self, ids: Iterable[str]) -> tuple[RunRecord, ...]:
        """The runs that several jobs carry."""
        with self._db.reading() as c:
            return tuple(queries.runs_of_jobs(c, list(ids)))

    def waited_for(self, run_ids: Iterable[str]) -> frozenset[str]:
        """Those of several runs whose outputs are inputs of a run that has not ended."""
        with self._db.reading() as c:
            return queries.waited_for(c, list(run_ids))

    def mark_removed(self, job_ids: Iterable[str], at: datetime | None) -> None:
        """Remember when the folders of jobs were removed from their hosts; None: they were not."""
        with self._db.writing(durably=True) as c:
            for some in queries.portions(list(job_ids)):
                c.execute(update(t.jobs).where(t.jobs.c.id.in_(some)).values(removed_at=at))

    # -- artifacts, progress, digests --------------------------------------------------------------------------

    def put_artifacts(self, run_id: str, artifacts: Sequence[Artifact], *, job_epoch: int | None = None) -> bool:
        """Make these the run's artifacts; False if `job_epoch` is given and is another's by now."""
        with self._db.writing() as c:
            if job_epoch is not None and not holds(c, run_id, job_epoch):
                return False
            c.execute(delete(t.artifacts).where(t.artifacts.c.run_id == run_id))
            insert_all(c, t.artifacts, (artifact_row(run_id, i, a) for i, a in enumerate(artifacts)))
            return True

    def artifact_by_digest(self, sha256: str) -> tuple[tuple[str, Artifact], ...]:
        """The runs that made a file of this content, and as what."""
        with self._db.reading() as c:
            rows = c.execute(select(t.artifacts).where(t.artifacts.c.sha256 == sha256)).all()
        return tuple((row.run_id, artifact_of(row)) for row in rows)

    def inputs_by_digest(self, sha256: str) -> tuple[PromptRecord, ...]:
        """The prompts that use a file of this content."""
        users = select(t.input_digests.c.prompt_id).where(t.input_digests.c.sha256 == sha256)
        with self._db.reading() as c:
            return tuple(queries.prompts(c, select(t.prompts).where(t.prompts.c.id.in_(users))))

    def add_progress(self, run_id: str, row: ProgressRecord) -> None:
        """Remember progress of a run."""
        with self._db.writing() as c:
            c.execute(insert(t.progress), progress_row(run_id, row))

    def progress(self, run_id: str) -> tuple[ProgressRecord, ...]:
        """All progress of a run, oldest first."""
        p = t.progress.c
        with self._db.reading() as c:
            return tuple(map(progress_of, c.execute(select(t.progress).where(p.run_id == run_id).order_by(p.id))))

    def digest(self, path: str, size: int, mtime_ns: int, inode: int) -> tuple[str, Media | None] | None:
        """What was remembered of a file, if it is still the one that was looked at."""
        d = t.digests.c
        same = and_(d.path == path, d.bytes == size, d.mtime_ns == _signed(mtime_ns), d.inode == _signed(inode))
        with self._db.reading() as c:
            row = c.execute(select(d.sha256, d.media).where(same)).one_or_none()
        return None if row is None else (row.sha256, from_json(Media, row.media) if row.media else None)

    def remember_digest(
        self, path: str, size: int, mtime_ns: int, inode: int, *, sha256: str, media: Media | None
    ) -> None:
        """Remember digest and media of a file."""
        row = {
            "path": path,
            "bytes": size,
            "mtime_ns": _signed(mtime_ns),
            "inode": _signed(inode),
            "sha256": sha256,
        }
        with self._db.writing() as c:
            put(c, t.digests, row | {"media": to_json(media) if media else None})

    # -- ids ---------------------------------------------------------------------------------------------------

    def resolve(self, ref: str, kinds: Sequence[str] = refs.KINDS) -> str:
        """The id that a unique prefix, `@last` or `@last~2` names.

        Raises NotFound, UsageError for what names several or is of the wrong kind.
        """
        with self._db.reading() as c:
            return refs.resolve(c, ref, kinds)


def _the_one(found: Sequence[_Record], id_: str) -> _Record:
    if not found:
        raise refs.not_found(id_)
    return found[0]


def _job(c: Connection, id_: str, *, alone: bool = False) -> JobRecord:
    query = select(t.jobs).where(t.jobs.c.id == id_)
    return job_of(_the_one(c.execute(locked(query, t.jobs) if alone else query).all(), id_))


def _is_free(job: JobRecord, now: datetime, dead: Callable[[str], bool] | None) -> bool:
    if job.holder is None or job.lease_until is None or not now < job.lease_until <= now + _LONGEST:
        return True
    return dead is not None and dead(job.holder)


def _signed(number: int) -> int:
    """A number of 64 bits as the database's signed integers hold it: FUSE and overlays use the upper bit of inodes."""
    return (number + 2**63) % 2**64 - 2**63


def _insert(c: Connection, prompt: PromptRecord | None, run: RunRecord | None, job: JobRecord | None) -> None:
    if prompt is not None:
        c.execute(insert(t.prompts).values(prompt_row(prompt)))
        seen = {(i.slot, i.sha256) for i in prompt.inputs if i.sha256}
        insert_all(c, t.input_digests, ({"prompt_id": prompt.id, "slot": s, "sha256": d} for s, d in seen))
        insert_all(c, t.tags, ({"owner_id": prompt.id, "tag": tag} for tag in dict.fromkeys(prompt.tags)))
    if job is not None:
        c.execute(insert(t.jobs).values(job_row(job)))
    if run is not None:
        c.execute(insert(t.runs).values(run_row(run)))
        insert_all(c, t.tags, ({"owner_id": run.id, "tag": tag} for tag in dict.fromkeys(run.tags)))
        links = (
            {"run_id": run.id, "slot": p.slot, "parent_id": p.parent_id, "artifact": p.artifact}
            for p in dict.fromkeys(run.parents)  # one output may be used twice, in a slot for many
        )
        insert_all(c, t.links, links)
