"""Several real processes at one store, started together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from store_records import at, stored_run, submitted_run

from cosmos_core.store import Store
from cosmos_core.store.records import Filter

PROCESS = Path(__file__).with_name("store_process.py")


def together(acts: Iterable[tuple[str, ...]]) -> list[str]:
    """What processes print that begin their acts in the same moment; all of them have to succeed."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, PROCESS, *act],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for act in acts
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = []
        for process in processes:
            out, err = process.communicate(timeout=60)
            assert (process.returncode, err) == (0, "")
            said.append(out.strip())
        return said


def test_eight_processes_write_at_once_and_none_of_them_fails(store: Store, url: str) -> None:
    assert together([("write", url, "25")] * 8) == ["25"] * 8
    assert store.runs(Filter(limit=1)).total == 200


def test_processes_that_open_a_fresh_database_at_once_share_one_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'cosmos.db'}"
    ids = together([("open_fresh", url)] * 4)
    with Store.open(url) as store:
        assert ids == [store.id] * 4
        assert store.prompts().total == 4


def test_one_of_the_processes_that_ask_for_a_lease_gets_it(store: Store, url: str) -> None:
    _, job = submitted_run(store)
    epochs = together(("lease", url, job.id, f"process {i}") for i in range(4))
    assert sorted(epochs) == ["2"] + ["None"] * 3
    held = store.job(job.id)
    assert (held.holder, held.epoch, held.lease_until) == (f"process {epochs.index('2')}", 2, at(70))


def test_one_of_the_processes_that_submit_a_run_has_it(store: Store, url: str) -> None:
    run = stored_run(store)
    jobs = together([("submit", url, run.id)] * 4)
    winner = str(store.run(run.id).job_id)
    assert sorted(jobs) == sorted([winner, *["refused"] * 3])
    assert store.job(winner).holder == winner


def test_a_store_that_is_up_to_date_is_opened_without_alembic_and_the_orm(url: str) -> None:
    assert together([("modules", url)]) == [""]
