"""Processes at the same store: reads a list of acts, forks one process for each, and prints what came of them.

Forks, because fifty processes that each load the program take half a minute to do so.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import time
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from itertools import pairwise
from multiprocessing.synchronize import Barrier

from store_records import a_job, a_prompt, at, stored_run

from cosmos_core.errors import UsageError
from cosmos_core.store import Store
from cosmos_core.store.records import Artifact, ProgressRecord


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
    job = a_job()
    with Store.open(url) as store:
        start()
        try:
            store.submit(run_id, job, job.id, 10, now=at(0))
        except UsageError:
            return "refused"
    return job.id


def crowd(url: str, number: str, jobs: str, runs: str) -> str:
    """One of many that write runs of their own, and want the same jobs and runs; what came of it."""
    start()
    with Store.open(url) as store:
        own = _live(store)
        claims = [(job, _count_up(store, job, f"p{number}")) for job in jobs.split(",")]
        won = [run for run in runs.split(",") if _submits(store, run)]
        return json.dumps({"own": own, "claims": claims, "won": won, "store": store.id})


def _live(store: Store) -> str:
    """Store a run, submit it and move it to its end, as a mover does."""
    run = stored_run(store)
    epoch = store.submit(run.id, job := a_job(), "me", 10, now=at(0))
    for state, to in pairwise(("pending", "uploading", "running", "downloading", "completed")):
        assert store.move(run.id, job_epoch=epoch, state=state, to=to, values={to: True})
        store.add_progress(run.id, ProgressRecord(timestamp=at(0), stage="inference", percentage=1.0, message=to))
        assert store.renew_lease(job.id, "me", epoch, 10, at(1))
    store.remember_digest("/shared/street.mp4", 1, 2, 3, sha256=run.id, media=None)
    assert store.put_artifacts(run.id, [Artifact(name="video", role="result", remote="/o/v.mp4")], job_epoch=epoch)
    store.release_lease(job.id, epoch)
    return run.id


def _count_up(store: Store, job_id: str, holder: str) -> int:
    """Become the mover of a job that all want, and add one to what its run has counted: read, then written."""
    run_id = store.job(job_id).document["run"]
    while (epoch := store.take_lease(job_id, holder, seconds=60, now=at(0))) is None:
        while not store.lease_is_free(job_id, at(0)):  # as an onlooker does; what is free for one is free for all
            time.sleep(random.uniform(0.01, 0.05))
    counted = store.run(run_id).values.get("count", 0)
    assert store.note(run_id, job_epoch=epoch, values={"count": counted + 1})
    store.release_lease(job_id, epoch)
    return epoch


def _submits(store: Store, run_id: str) -> bool:
    try:
        store.submit(run_id, a_job(), "me", 10, now=at(0))
    except UsageError:
        return False
    return True


def modules(url: str) -> str:
    """What of alembic and the ORM is imported by opening and reading a store."""
    start()
    with Store.open(url) as store:
        store.runs()
    return " ".join(sorted(m for m in sys.modules if m.split(".")[0] == "alembic" or m.startswith("sqlalchemy.orm")))


_gathered: list[Barrier] = []


def start() -> None:
    """Wait until all are here."""
    _gathered[0].wait(timeout=120)


def perform(act: list[str]) -> str:
    """What came of an act: the name of one of the above, and what it is told."""
    acts = {each.__name__: each for each in (write, open_fresh, lease, submit, crowd, modules)}
    return acts[act[0]](*act[1:])


def all_together(acts: list[list[str]]) -> list[str]:
    """What came of each act; of the first that fails its error, without waiting for the others."""
    fork = multiprocessing.get_context("fork")
    _gathered.append(fork.Barrier(len(acts)))
    with ProcessPoolExecutor(len(acts), mp_context=fork) as processes:
        futures = [processes.submit(perform, act) for act in acts]
        failed = [one.exception() for one in wait(futures, return_when=FIRST_EXCEPTION).done if one.exception()]
        if failed:
            for process in multiprocessing.active_children():
                process.kill()
            raise next(filter(None, failed))
    return [one.result() for one in futures]


if __name__ == "__main__":
    print(json.dumps(all_together(json.load(sys.stdin))))
