"""Clients that are killed at every point of a run's life, and who finishes the run after them."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from run_life import MOVE, Home, processes, until, whole

from cosmos_core.runs.lease import this_process
from cosmos_core.runs.wish import Wish
from cosmos_core.store.records import RunRecord

POINTS = [
    ("cosmos_core.store:Store.submit", 1, "after", "pending"),
    (MOVE, 1, "before", "pending"),
    (MOVE, 1, "after", "uploading"),
    ("cosmos_core.targets.local:LocalHost.put", 1, "after", "uploading"),  # the input
    ("cosmos_core.targets.local:LocalHost.lay_out", 1, "after", "uploading"),
    ("cosmos_core.targets.local:LocalHost.lay_out", 2, "before", "uploading"),  # the job's folder
    ("cosmos_core.targets.local:LocalHost.lay_out", 2, "after", "uploading"),
    (MOVE, 2, "before", "uploading"),
    (MOVE, 2, "after", "queued"),
    ("cosmos_core.targets.jobdir:JobDir.start", 1, "after", "queued"),
    (MOVE, 3, "before", "queued"),
    (MOVE, 3, "after", "running"),
    ("cosmos_core.store:Store.add_progress", 6, "after", "running"),
    (MOVE, 4, "before", "running"),
    (MOVE, 4, "after", "downloading"),
    ("cosmos_core.targets.local:LocalHost.get", 1, "after", "downloading"),
    (MOVE, 5, "before", "downloading"),
    (MOVE, 5, "after", "parsing"),
    (MOVE, 6, "before", "parsing"),
]


@pytest.mark.parametrize(("what", "nth", "when", "state"), POINTS)
def test_killed_there_it_is_finished_by_another(home: Home, what: str, nth: int, when: str, state: str) -> None:
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    home.dies(run.id, what, nth, when)
    left = cosmos.store.run(run.id)
    assert left.status == state
    assert not left.ended
    (done,) = cosmos.sync(follow=True)
    whole(home, done)
    assert (done.id, done.job_id) == (run.id, left.job_id)
    assert cosmos.sync() == ()
    rows = [row.stage for row in cosmos.store.progress(run.id)]
    assert rows[-1] == "downloading"


def test_killed_before_it_was_submitted_it_was_only_stored(home: Home) -> None:
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    home.dies(run.id, "cosmos_core.store:Store.submit", 1, "before")
    assert cosmos.sync(follow=True) == ()
    assert cosmos.store.run(run.id).submitted_at is None
    whole(home, cosmos.execute(run.id))


@pytest.mark.parametrize("how", ["cosmos.run(words[0])", "cosmos.retry(words[0], submit=True)"])
def test_killed_as_soon_as_it_was_stored_it_is_finished_by_another(home: Home, how: str) -> None:
    """Who says `run` wants it to run: nothing comes between storing and submitting."""
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    source = run.prompt_id
    if "retry" in how:
        source = cosmos.cancel(run.id).id
    home.dies(source, "cosmos_core.store:Store.add", 1, "after", how)
    stored = next(one for one in cosmos.list_runs().items if one.id != run.id)
    assert (stored.status, stored.progress) == ("pending", None)
    (done,) = cosmos.sync(follow=True)
    assert done.id == stored.id
    whole(home, done)


def test_what_is_submitted_and_has_no_place_yet_is_cancelled_without_its_host(home: Home) -> None:
    home.configure('[targets.far]\nhost = "nowhere.invalid"\nwork_dir = "/data"\ngpus = 1\n')
    cosmos = home.cosmos()
    prompt = cosmos.create_prompt("transfer", "x", inputs={"video": home.clip}, parameters={"weights": {"edge": 1}})
    repo = "[targets.far.toolkits.'cosmos-transfer2.5']\nrepo = '/opt/t'\nimage = 'x'\n"
    home.configure(home.config_file.read_text() + repo)
    cosmos = home.cosmos()
    run = cosmos.store_run(Wish(source=prompt.id), submit=True)
    assert cosmos.cancel(run.id).status == "cancelled"


def test_killed_after_the_end_nothing_is_left_to_do(home: Home) -> None:
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    home.dies(run.id, MOVE, 6, "after")
    assert cosmos.sync() == ()
    whole(home, cosmos.store.run(run.id))


def test_killed_between_seeing_that_it_is_doomed_and_stopping_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_FAIL", "blocked_prompt")
    cosmos = home.cosmos()
    run = home.store_run(cosmos, gpus=2, parameters={"weights": {"edge": 0.5}})
    home.dies(run.id, "cosmos_core.targets.jobdir:JobDir.stop", 1, "before")
    assert cosmos.store.run(run.id).error is not None
    (done,) = cosmos.sync(follow=True)
    assert (done.status, done.error and done.error.code) == ("failed", "prompt_blocked")
    assert not processes(home.job_dir(done).name)


def test_a_living_mover_is_left_alone_and_a_dead_one_replaced_at_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "0.3")
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    client = home.client("cosmos.execute(words[0])", run.id)
    until(lambda: cosmos.store.run(run.id).status == "running")
    job_id = cosmos.store.run(run.id).job_id
    assert job_id is not None
    held = cosmos.store.job(job_id)
    assert held.holder != this_process()
    (seen,) = cosmos.sync()
    assert seen.status == "running"
    assert cosmos.store.job(job_id).epoch == held.epoch
    client.send_signal(signal.SIGKILL)
    client.wait()
    cosmos.sync()
    assert cosmos.store.job(job_id).epoch == held.epoch + 1
    whole(home, cosmos.follow(run.id))


def test_sync_that_follows_ends_when_another_process_ends_the_run(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "0.2")
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    client = home.client("cosmos.execute(words[0])", run.id)
    until(lambda: cosmos.store.run(run.id).status == "running")
    (done,) = cosmos.sync(follow=True)
    assert client.wait() == 0
    whole(home, done)


def test_the_log_survives_the_folder(home: Home) -> None:
    cosmos = home.cosmos()
    run = cosmos.execute(home.store_run(cosmos).id)
    log = b"".join(cosmos.logs(run.id))
    assert log == Path(home.job_dir(run) / "run.log").read_bytes()
    (home.job_dir(run) / "run.log").unlink()
    assert b"".join(cosmos.logs(run.id)) == log


def test_a_mover_elsewhere_is_left_alone_until_its_lease_runs_out(home: Home) -> None:
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    home.dies(run.id, MOVE, 2, "after")
    job_id = cosmos.store.run(run.id).job_id
    assert job_id is not None
    now = datetime.now(UTC)
    epoch = cosmos.store.take_lease(job_id, "elsewhere/boot:1:1", seconds=60, now=now, steal=True)
    assert epoch
    (seen,) = cosmos.sync()
    assert (seen.status, cosmos.store.job(job_id).epoch) == ("queued", epoch)
    assert cosmos.store.renew_lease(job_id, "elsewhere/boot:1:1", epoch, 60, now - timedelta(seconds=61))
    (done,) = cosmos.sync(follow=True)
    whole(home, done)


def test_an_interrupt_leaves_the_run_to_whoever_comes_next(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "0.05")
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    for state in ("uploading", "running", "downloading"):

        def interrupt(seen: RunRecord, state: str = state) -> None:
            if seen.status == state:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            cosmos.execute(run.id, interrupt)
        left = cosmos.store.run(run.id)
        assert left.status == state
        assert cosmos.store.job(left.job_id or "").holder is None
    whole(home, cosmos.follow(run.id))


def test_a_folder_removed_when_it_may_have_been_started_is_never_started_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "60")
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    home.dies(run.id, "cosmos_core.targets.jobdir:JobDir.start", 1, "after")
    folder = home.job_dir(run)
    until(lambda: processes(folder.name))
    folder.rename(folder.with_name("removed"))  # in one step: its processes still write there
    (lost,) = cosmos.sync(follow=True)
    assert lost.status == "lost"
    assert lost.error
    assert "is gone" in lost.error.message
    assert not folder.exists()
