"""One process of several at the same store. It says `ready`, waits for a line, acts, and prints what came of it."""

from __future__ import annotations

import sys

from store_records import a_prompt, at, stored_run

from cosmos_core.store import Store


def write(url: str, times: str) -> str:
    """Store so many runs, each in a transaction of its own."""
    with Store.open(url) as store:
        start()
        for _ in range(int(times)):
            stored_run(store)
    return times


def open_fresh(url: str) -> str:
    """Open the database that others are making, too, and use it."""
    start()
    with Store.open(url) as store:
        store.add(a_prompt(), None)
        return store.id


def lease(url: str, job_id: str, holder: str) -> str:
    """Ask for a lease that has run out; the epoch, or `None`."""
    with Store.open(url) as store:
        start()
        return str(store.take_lease(job_id, holder, seconds=10, now=at(60)))


def submit(url: str, run_id: str) -> str:
    """Submit a run that others submit, too; the job that it is now executed by, if that is ours."""
    from store_records import a_job

    from cosmos_core.errors import UsageError

    job = a_job()
    with Store.open(url) as store:
        start()
        try:
            store.submit(run_id, job, job.id, 10)
        except UsageError:
            return "refused"
    return job.id


def modules(url: str) -> str:
    """What of alembic and the ORM is imported by opening and reading a store."""
    start()
    with Store.open(url) as store:
        store.runs()
    return " ".join(sorted(m for m in sys.modules if m.split(".")[0] == "alembic" or m.startswith("sqlalchemy.orm")))


def start() -> None:
    """Wait until all are here."""
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    acts = {act.__name__: act for act in (write, open_fresh, lease, submit, modules)}
    print(acts[sys.argv[1]](*sys.argv[2:]))
