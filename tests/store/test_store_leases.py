"""Who may move a run: epochs, leases, submitting once, and wishes to cancel."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from store_records import a_job, a_prompt, a_run, at, stored_run, submitted_run

from cosmos_core.errors import NotFound, UsageError
from cosmos_core.store import Store
from cosmos_core.store.records import Artifact
from cosmos_core.values import Failure


def dead(*holders: str) -> Callable[[str], bool]:
    """A judge who knows that these are dead."""
    return lambda holder: holder in holders


# -- moving ----------------------------------------------------------------------------------------------------


def test_a_run_is_moved_from_the_state_it_is_in_and_no_other(store: Store) -> None:
    run, _ = submitted_run(store)
    assert store.move(run.id, job_epoch=1, state="pending", to="uploading", metadata={"host": "h"})
    assert not store.move(run.id, job_epoch=1, state="pending", to="failed", metadata={})
    found = store.run(run.id)
    assert (found.status, found.metadata) == ("uploading", {"host": "h"})


def test_a_stale_epoch_changes_nothing(store: Store) -> None:
    run, job = submitted_run(store)
    assert store.take_lease(job.id, "second", seconds=10, now=at(0), steal=True) == 2
    before = store.run(run.id), store.job(job.id)
    assert not store.move(run.id, job_epoch=1, state="pending", to="failed")
    assert not store.note(run.id, job_epoch=1, reachable=False, values={"a": 1}, text="late")
    assert not store.update_job(job.id, epoch=1, exit_code=1)
    assert not store.renew_lease(job.id, "first", 1, 10, at(1))
    store.release_lease(job.id, 1)
    assert (store.run(run.id), store.job(job.id)) == before
    assert store.note(run.id, job_epoch=2, reachable=False)
    assert store.update_job(job.id, epoch=2, exit_code=1, listing={"a.mp4": 3})
    assert (store.job(job.id).exit_code, store.job(job.id).listing) == (1, {"a.mp4": 3})


def test_a_run_without_a_job_is_moved_by_nobody(store: Store) -> None:
    run = stored_run(store)
    assert not store.move(run.id, job_epoch=0, state="pending", to="failed")
    assert store.run(run.id) == run


def test_what_was_noted_can_be_taken_back(store: Store) -> None:
    run, _ = submitted_run(store)
    store.note(run.id, job_epoch=1, error=Failure(code="lost", message="gone"), completed_at=at(1))
    store.note(run.id, job_epoch=1, error=None, completed_at=None)
    assert (store.run(run.id).error, store.run(run.id).completed_at) == (None, None)


# -- leases ----------------------------------------------------------------------------------------------------


def test_a_living_holder_keeps_its_lease_until_it_runs_out(store: Store) -> None:
    _, job = submitted_run(store)
    alive = dead()
    assert not store.lease_is_free(job.id, at(9.9), alive)
    assert store.take_lease(job.id, "second", seconds=10, now=at(9.9), dead=alive) is None
    assert store.job(job.id) == job
    assert store.lease_is_free(job.id, at(10))
    assert store.take_lease(job.id, "second", seconds=10, now=at(10)) == 2


def test_a_renewed_lease_is_kept_longer(store: Store) -> None:
    _, job = submitted_run(store)
    assert store.renew_lease(job.id, "first", 1, 10, at(9))
    assert store.take_lease(job.id, "second", seconds=10, now=at(18)) is None
    assert store.take_lease(job.id, "second", seconds=10, now=at(19)) == 2


def test_a_clock_that_was_set_back_holds_up_nobody(store: Store) -> None:
    """The holder renewed its lease when the clock was a day ahead, and nobody can say whether it lives."""
    _, job = submitted_run(store)
    assert store.renew_lease(job.id, "first", 1, 10, at(86_400))
    assert store.lease_is_free(job.id, at(20), dead())
    assert store.take_lease(job.id, "second", seconds=10, now=at(20), dead=dead()) == 2
    assert not store.renew_lease(job.id, "first", 1, 10, at(21))


def test_a_dead_holder_is_replaced_at_once(store: Store) -> None:
    _, job = submitted_run(store)
    gone = dead("first")
    assert store.lease_is_free(job.id, at(1), gone)
    assert store.take_lease(job.id, "second", seconds=10, now=at(1), dead=gone) == 2
    assert store.take_lease(job.id, "third", seconds=10, now=at(2), dead=gone) is None


def test_stealing_asks_nobody(store: Store) -> None:
    _, job = submitted_run(store)
    assert store.take_lease(job.id, "thief", seconds=10, now=at(1), steal=True) == 2
    held = store.job(job.id)
    assert (held.holder, held.lease_until) == ("thief", at(11))


def test_a_released_lease_is_free_and_its_epoch_is_not_used_again(store: Store) -> None:
    _, job = submitted_run(store)
    store.release_lease(job.id, 1)
    assert store.job(job.id).holder is None
    assert store.take_lease(job.id, "second", seconds=10, now=at(0)) == 2


# -- submitting and cancelling ---------------------------------------------------------------------------------


def test_a_run_is_submitted_once(store: Store) -> None:
    run, job = submitted_run(store)
    again = a_job()
    with pytest.raises(UsageError, match=run.id) as raised:
        store.submit(run.id, again, "second", 10, now=at(0))
    assert raised.value.exit_code == 2
    assert raised.value.hint == f"`cosmos attach {run.id}`"
    with pytest.raises(NotFound):
        store.job(again.id)
    assert store.run(run.id).job_id == job.id


def test_to_cancel_a_stored_run_ends_it(store: Store) -> None:
    run = stored_run(store)
    store.request_cancel(run.id, at(5))
    found = store.run(run.id)
    assert (found.status, found.cancel_requested_at, found.completed_at) == ("cancelled", at(5), at(5))
    with pytest.raises(UsageError, match="cancelled"):
        store.submit(run.id, a_job(), "me", 10, now=at(0))


def test_to_cancel_a_submitted_run_is_a_wish_for_its_mover(store: Store) -> None:
    run, _ = submitted_run(store)
    store.request_cancel(run.id, at(5))
    store.request_cancel(run.id, at(6))
    found = store.run(run.id)
    assert (found.status, found.cancel_requested_at, found.completed_at) == ("pending", at(5), None)


def test_unfinished_runs_are_those_submitted_and_not_ended_oldest_first(store: Store) -> None:
    new, _ = submitted_run(store, created_at=at(3))
    lost, _ = submitted_run(store, created_at=at(2))
    old, _ = submitted_run(store, created_at=at(1))
    stored_run(store)
    for state in ("completed", "failed", "cancelled"):
        ended, _ = submitted_run(store)
        store.move(ended.id, job_epoch=1, state="pending", to=state)
    store.move(lost.id, job_epoch=1, state="pending", to="lost")
    store.move(old.id, job_epoch=1, state="pending", to="running")
    assert [run.id for run in store.unfinished()] == [old.id, new.id]


def test_a_store_remembers_that_it_ran_something_for_real(store: Store, url: str) -> None:
    assert not store.ever_real
    store.mark_real()
    store.mark_real()
    assert store.ever_real
    with Store.open(url) as other:
        assert other.ever_real
        assert other.id == store.id


def test_what_names_something_that_is_not_there_is_not_stored(store: Store) -> None:
    with pytest.raises(NotFound):
        store.add(a_prompt(), a_run("ps_gone"))
    assert store.prompts().total == 0


def test_a_stale_mover_cannot_put_artifacts(store: Store) -> None:
    run, job = submitted_run(store)
    assert store.take_lease(job.id, "second", seconds=10, now=at(0), steal=True) == 2
    artifact = Artifact(name="video", role="result", remote="/there/a.mp4")
    assert not store.put_artifacts(run.id, [artifact], job_epoch=1)
    assert store.run(run.id).artifacts == ()
    assert store.put_artifacts(run.id, [artifact], job_epoch=2)
    assert store.run(run.id).artifacts == (artifact,)


def test_the_wish_to_cancel_comes_too_late_for_a_run_that_ended(store: Store) -> None:
    run, _ = submitted_run(store)
    assert store.move(run.id, job_epoch=1, state="pending", to="failed")
    store.request_cancel(run.id, at(5))
    assert store.run(run.id).cancel_requested_at is None
