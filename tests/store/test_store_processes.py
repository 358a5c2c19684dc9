"""Several real processes at one store, started together."""

from __future__ import annotations

from store_records import at, stored_run, submitted_run
from store_together import together

from cosmos_core.store import Store
from cosmos_core.store.records import Filter


def test_eight_processes_write_at_once_and_none_of_them_fails(store: Store, url: str) -> None:
    assert together([("write", url, "25")] * 8) == ["25"] * 8
    assert store.runs(Filter(limit=1)).total == 200


def test_processes_that_open_a_fresh_database_at_once_share_one_store(nowhere: str) -> None:
    ids = together([("open_fresh", nowhere)] * 4)
    with Store.open(nowhere) as store:
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
