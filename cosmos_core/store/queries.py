"""Reading records over a connection: whole prompts and runs, and pages of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table, and_, func, or_, select

from cosmos_core.convert import time_of, time_text
from cosmos_core.errors import UsageError
from cosmos_core.store import tables as t
from cosmos_core.store.records import (
    PAUSED,
    TERMINAL,
    UNFINISHED,
    Artifact,
    Filter,
    JobRecord,
    Link,
    Page,
    PromptRecord,
    RunRecord,
)
from cosmos_core.store.rows import artifact_of, job_of, progress_of, prompt_of, run_of

R = TypeVar("R", PromptRecord, RunRecord)
_COUNTED = 100_000  # counting further costs more than the number is worth
_MOST = 10_000  # rows of a page; what belongs to them is asked for by their ids, and SQLite takes 32,766 of those


def prompts(c: Connection, query: Select[Any]) -> list[PromptRecord]:
    """The prompts that a query of their table finds, in its order."""
    rows = c.execute(query).all()
    tags = _tags(c, [row.id for row in rows])
    return [prompt_of(row, tags.get(row.id, ())) for row in rows]


def runs(c: Connection, query: Select[Any]) -> list[RunRecord]:
    """The runs that a query of their table finds, in its order, each with all that belongs to it."""
    rows = c.execute(query).all()
    ids = [row.id for row in rows]
    tags = _tags(c, ids)
    a, k, p = t.artifacts.c, t.links.c, t.progress.c
    artifacts: dict[str, list[Artifact]] = {}
    for row in c.execute(select(t.artifacts).where(a.run_id.in_(ids)).order_by(a.run_id, a.position)):
        artifacts.setdefault(row.run_id, []).append(artifact_of(row))
    parents: dict[str, list[Link]] = {}
    for row in c.execute(select(t.links).where(k.run_id.in_(ids)).order_by(k.slot, k.parent_id, k.artifact)):
        link = Link(parent_id=row.parent_id, artifact=row.artifact, slot=row.slot)
        parents.setdefault(row.run_id, []).append(link)
    newest = select(func.max(p.id)).where(p.run_id.in_(ids)).group_by(p.run_id)
    progress = {row.run_id: progress_of(row) for row in c.execute(select(t.progress).where(p.id.in_(newest)))}
    running = [row.id for row in rows if row.status == "running"]
    steps = and_(p.run_id.in_(running), p.stage == "inference", p.percentage > 0)
    oldest = select(func.min(p.id)).where(steps).group_by(p.run_id)
    first = c.execute(select(t.progress).where(p.id.in_(oldest))) if running else ()
    first_steps = {row.run_id: progress_of(row) for row in first}
    return [
        run_of(
            row,
            tags=tags.get(row.id, ()),
            artifacts=artifacts.get(row.id, ()),
            parents=parents.get(row.id, ()),
            progress=progress.get(row.id),
            first_step=first_steps.get(row.id),
        )
        for row in rows
    ]


def portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many at a time as a question may hold."""
    return (ids[at : at + _MOST] for at in range(0, len(ids), _MOST))


def jobs(c: Connection, ids: Sequence[str]) -> Iterator[JobRecord]:
    """Those of several jobs that there are."""
    for some in portions(ids):
        yield from map(job_of, c.execute(select(t.jobs).where(t.jobs.c.id.in_(some))))


def runs_of_jobs(c: Connection, ids: Sequence[str]) -> Iterator[RunRecord]:
    """The runs that several jobs carry."""
    for some in portions(ids):
        yield from runs(c, select(t.runs).where(t.runs.c.job_id.in_(some)))


def waited_for(c: Connection, run_ids: Sequence[str]) -> frozenset[str]:
    """Those of several runs whose outputs are inputs of a run that has not ended."""
    k, r = t.links.c, t.runs.c
    found: set[str] = set()
    for some in portions(run_ids):
        users = select(k.parent_id).join(t.runs, r.id == k.run_id).where(k.parent_id.in_(some))
        found.update(c.execute(users.where(r.status.not_in(TERMINAL)).distinct()).scalars())
    return frozenset(found)


def page(c: Connection, table: Table, where: Filter, read: Callable[[Connection, Select[Any]], Sequence[R]]) -> Page[R]:
    """The newest rows of `table` that match, after the cursor. Raises UsageError for a filter that cannot be."""
    if where.limit < 1:
        raise UsageError(f"a page of {where.limit} rows holds nothing", hint="ask for 1 or more")
    if where.limit > _MOST:
        raise UsageError(f"a page of {where.limit} rows is too long", hint=f'ask for {_MOST}, then go on at "next"')
    conditions = _conditions(table, where)
    query = select(table).where(*conditions)
    if where.after:
        moment, id_ = _position(c, table, where.after)
        earlier_by_id = and_(table.c.created_at == moment, table.c.id < id_)
        query = query.where(or_(table.c.created_at < moment, earlier_by_id))
    query = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(where.limit + 1)
    items = read(c, query)
    counted = select(table.c.id).where(*conditions).limit(_COUNTED + 1).subquery()
    total = c.execute(select(func.count()).select_from(counted)).scalar_one()
    more = len(items) > where.limit
    items = items[: where.limit]
    return Page(
        items=tuple(items),
        total=total if total <= _COUNTED else None,
        limit=where.limit,
        next=f"{time_text(items[-1].created_at)}_{items[-1].id}" if more else None,
    )


def _conditions(table: Table, where: Filter) -> list[Any]:
    columns = {
        "model": "model_type",
        "status": "status",
        "target": "target",
        "group": "group_id",
        "prompt": "prompt_id" if table is t.runs else "parent_id",
    }
    found: list[Any] = []
    for name, column in columns.items():
        value = getattr(where, name)
        if value is None:
            continue
        if value == PAUSED and name == "status" and table is t.runs:
            found += [t.runs.c.paused.is_not(None), t.runs.c.status.not_in(TERMINAL)]
            continue
        if value == UNFINISHED and name == "status" and table is t.runs:
            found.append(t.runs.c.status.not_in(TERMINAL))
            continue
        if column not in table.c:
            raise UsageError(f"{table.name} have no {name} to choose by", hint="leave that option out")
        found.append(table.c[column] == value)
    if where.tag is not None:
        owners = select(t.tags.c.owner_id).where(t.tags.c.tag == where.tag)
        own = table.c.id.in_(owners)
        found.append(or_(own, t.runs.c.prompt_id.in_(owners)) if table is t.runs else own)
    for name in ("since", "until"):
        moment = getattr(where, name)
        if moment is not None and moment.tzinfo is None:
            raise UsageError(f"{name}: {moment} has no time zone", hint="give one, such as UTC")
    if where.since is not None:
        found.append(table.c.created_at >= where.since)
    if where.until is not None:
        found.append(table.c.created_at < where.until)
    return found


def _position(c: Connection, table: Table, cursor: str) -> tuple[datetime, str]:
    """Where a page begins: after a cursor, or after the row of that id."""
    if row := c.execute(select(table.c.created_at, table.c.id).where(table.c.id == cursor)).first():
        return row.created_at, row.id
    text, _, id_ = cursor.partition("_")
    try:
        moment = time_of(text)
        known = time_text(moment) == text
    except (ValueError, OverflowError):  # at the ends of the calendar other zones have no time in UTC
        known = False
    if not known:
        raise UsageError(f"{cursor!r} is not a cursor", hint='give what "next" said, or the last id of the page before')
    return moment, id_


def _tags(c: Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    tags: dict[str, list[str]] = {}
    for row in c.execute(select(t.tags).where(t.tags.c.owner_id.in_(ids)).order_by(t.tags.c.tag)):
        tags.setdefault(row.owner_id, []).append(row.tag)
    return tags
