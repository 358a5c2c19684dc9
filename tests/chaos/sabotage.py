"""Faults put into our code on purpose, in the client's process: the harness has to find each of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import evolve

NAMES = ("act-before-record", "not-visible-is-done", "client-is-believed", "lease-ignored")


def spoil(name: str) -> None:
    """Put the fault of this name into the code of this process; none for no name."""
    if name:
        _FAULTS[name]()


def _act_before_record() -> None:
    """The job's id is made when the job is started, and stays written down only from when it runs.

    Whoever takes such a run up again finds no name for what was begun, and begins anew under another.
    """
    from cosmos_core.runs.mover import Mover
    from cosmos_core.store import new_id

    go_on = Mover.go_on

    def forgetful(self: Mover, run_id: str, *rest: Any) -> Any:
        run = self.store.run(run_id)
        if run.job_id and run.status in ("pending", "uploading", "queued"):
            file = self.config.store_url.removeprefix("sqlite:///")
            fresh = new_id("jb")
            with sqlite3.connect(file, timeout=20) as database:
                old = database.execute("select holder from jobs where id = ?", (run.job_id,)).fetchone()
                if old[0] is None or _is_dead(old[0]):
                    columns = "target, created_at, document, bundle, command, exit_code, listing, epoch"
                    database.execute(
                        f"insert into jobs (id, dir, {columns})"
                        f" select ?, replace(dir, id, ?), {columns} from jobs where id = ?",
                        (fresh, fresh, run.job_id),
                    )
                    database.execute("update jobs set bundle = '{}', command = '{}' where id = ?", (fresh,))
                    database.execute(
                        "update runs set job_id = ?, status = 'pending', queue = null where id = ?", (fresh, run_id)
                    )
        return go_on(self, run_id, *rest)

    Mover.go_on = forgetful  # type: ignore[method-assign]


def _is_dead(holder: str) -> bool:
    from cosmos_core.runs.lease import is_dead

    return is_dead(holder)


def _not_visible_is_done() -> None:
    """A host that does not answer, and a job that is not to be seen, mean that all went well."""
    from cosmos_core.errors import TargetUnusable
    from cosmos_core.targets import rounds
    from cosmos_core.targets.host import Host, Span
    from cosmos_core.targets.jobdir import Evidence, JobDir

    look_at, read = rounds.look_at, rounds._read
    unseen: set[str] = set()

    def looks(host: Host, jobs: Sequence[JobDir]) -> Sequence[Evidence]:
        try:
            found = look_at(host, jobs)
        except TargetUnusable:
            unseen.update(job.path for job in jobs)
            return [Evidence(state="ended", exit_code=0)] * len(jobs)
        hidden = ("gone", "absent", "away", "idle")
        unseen.update(job.path for job, one in zip(jobs, found, strict=True) if one.state in hidden)
        return [evolve(one, state="ended", exit_code=0) if one.state in hidden else one for one in found]

    def reads(host: Host, asks: Sequence[Sequence[Span]]) -> list[Sequence[bytes]]:
        def done(span: Span) -> bytes:
            return b"0" if span.path.endswith("/exit_code") else b""

        try:
            told = read(host, asks)
        except TargetUnusable:
            return [[done(span) for span in spans] for spans in asks]
        return [
            [
                done(span) or data if span.path.rpartition("/")[0] in unseen else data
                for span, data in zip(*both, strict=True)
            ]
            for both in zip(asks, told, strict=True)
        ]

    rounds.look_at = looks  # type: ignore[attr-defined]
    rounds._read = reads


def _client_is_believed() -> None:
    """The exit code is that of the docker client that was started, not the container's."""
    from cosmos_core.targets import script

    part: Callable[[str], str] = script._part

    def changed(name: str) -> str:
        text = part(name)
        if name != "docker.sh":
            return text
        before, found, after = text.partition("await_work() {\n")
        if not found:
            raise AssertionError("docker.sh awaits its work in another way now")
        believed = '    docker attach --no-stdin "$container" > /dev/null 2>&1\n    code=$?\n    oom=\n    return 0\n'
        return before + found + believed + after

    script._part = changed


def _lease_ignored() -> None:
    """Whoever comes moves the run, whoever else does."""
    from cosmos_core.runs import mover
    from cosmos_core.runs.lease import Lease
    from cosmos_core.store import Store

    @contextmanager
    def held(store: Store, job_id: str, *, steal: bool = False) -> Iterator[Lease | None]:
        del steal
        yield Lease(store, job_id, store.job(job_id).epoch)

    mover.held = held  # type: ignore[attr-defined, assignment]


_FAULTS: dict[str, Callable[[], None]] = {
    "act-before-record": _act_before_record,
    "not-visible-is-done": _not_visible_is_done,
    "client-is-believed": _client_is_believed,
    "lease-ignored": _lease_ignored,
}
