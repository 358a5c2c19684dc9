"""Writing rows where others write, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Select, Table, insert, select

from cosmos_core.store import tables as t


def holds(c: Connection, run_id: str, epoch: int) -> bool:
    """Whether the epoch of the run's job is still this one; nobody changes that before the transaction ends.

    A condition of the UPDATE would not do in PostgreSQL: a new mover could take the lease, and read the run, between
    the look at the job and the commit. All that moves a run comes by here, so its other columns are safe by it, too.
    """
    r, j = t.runs.c, t.jobs.c
    held = select(j.id).where(j.id == r.job_id, r.id == run_id, j.epoch == epoch)
    return c.execute(locked(held, t.jobs)).first() is not None


def locked(query: Select[Any], table: Table) -> Select[Any]:
    """`query`, with the rows of `table` kept from other writers. SQLite's writers are alone and need no such words.

    Rows that only name them may still be stored: FOR NO KEY UPDATE.
    """
    return query.with_for_update(of=table, key_share=True)


def put(c: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Store a row, in place of the one with the same key; several may do so at once."""
    from sqlalchemy.dialects import postgresql, sqlite  # SQLAlchemy loads the one that is used; both take longer

    values = (postgresql if c.dialect.name == "postgresql" else sqlite).insert(table).values(row)
    keys = table.primary_key.columns
    changed = {name: values.excluded[name] for name in row if name not in keys}
    c.execute(values.on_conflict_do_update(index_elements=list(keys), set_=changed))


def insert_all(c: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    many = list(rows)
    if many:
        c.execute(insert(table), many)
