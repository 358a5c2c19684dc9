"""Cancelling in every state, whoever moves the run, leaves nothing of its job alive."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_processes import HANG_S
from run_life import MOVE, NOWHERE, Home, processes, until

from cosmos_core.errors import UsageError
from cosmos_transfer.standin.repository import lay_out


def test_only_stored(home: Home) -> None:
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    assert cosmos.cancel(run.id).status == "cancelled"
    assert cosmos.cancel(run.id).status == "cancelled"
    with pytest.raises(UsageError, match="cancelled already"):
        cosmos.start(run.id)


def test_whose_host_was_never_reached(home: Home) -> None:
    """Its name is mistyped, say: nothing is there that would have to be stopped first."""
    home.configure(NOWHERE)
    cosmos = home.cosmos()
    run = cosmos.start(home.store_run(cosmos, target="lab").id)
    assert run.paused is not None
    done = cosmos.cancel(run.id)
    assert (done.status, done.paused) == ("cancelled", None)
    assert cosmos.sync() == ()


@pytest.mark.parametrize(
    ("what", "nth", "when", "state"),
    [
        ("cosmos_core.store:Store.submit", 1, "after", "pending"),
        ("cosmos_core.targets.local:LocalHost.lay_out", 1, "after", "uploading"),
        (MOVE, 2, "after", "queued"),
        ("cosmos_core.targets.jobdir:JobDir.start", 1, "after", "queued"),
        (MOVE, 3, "after", "running"),
    ],
)
def test_left_in_a_state(
    home: Home, monkeypatch: pytest.MonkeyPatch, what: str, nth: int, when: str, state: str
) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "60")
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    home.dies(run.id, what, nth, when)
    assert cosmos.store.run(run.id).status == state
    done = cosmos.cancel(run.id)
    assert done.status == "cancelled"
    assert done.error is None
    assert done.completed_at is not None
    assert done.paused is None
    folder = home.job_dir(done)
    until(lambda: not processes(folder.name))
    assert cosmos.sync() == ()
    assert cosmos.cancel(run.id) == done


def test_while_another_process_is_attached(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "60")
    cosmos = home.cosmos()
    run = home.store_run(cosmos, gpus=2)
    client = home.client("print(cosmos.execute(words[0]).status)", run.id)
    until(lambda: cosmos.store.run(run.id).status == "running")
    until(lambda: b"Generating samples" in b"".join(cosmos.logs(run.id)))
    assert cosmos.cancel(run.id).status == "cancelled"
    folder = home.job_dir(run)
    assert not processes(folder.name)
    out, err = client.communicate(timeout=HANG_S)
    assert (out, client.returncode) == ("cancelled\n", 0), err
    kept = home.folder / "home" / "outputs" / run.id / "run.log"
    assert kept.read_bytes() == (folder / "run.log").read_bytes()


def test_what_had_ended_by_itself_is_not_cancelled(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_FAIL", "crash")
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    home.dies(run.id, MOVE, 4, "before")
    done = cosmos.cancel(run.id)
    assert done.status == "failed"
    assert done.error
    assert done.error.code == "killed"


def test_a_broken_plugin_does_not_keep_a_job_alive(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "60")
    cosmos = home.cosmos()
    handle = cosmos.submit(home.store_run(cosmos).id)
    other = home.client(
        "import cosmos_transfer.plugin as p\n"
        "class Broken: pass\n"
        "p.transfer = Broken()\n"
        "run = cosmos.cancel(words[0])\n"
        "print(run.status, run.paused.reason)",
        handle.id,
    )
    out, err = other.communicate()
    assert out.startswith("running "), err
    assert not processes(home.job_dir(cosmos.store.run(handle.id)).name)
    (done,) = cosmos.sync(follow=True)
    assert done.status == "cancelled"


def test_a_keeper_that_was_killed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "60")
    cosmos = home.cosmos()
    handle = cosmos.submit(home.store_run(cosmos).id)
    folder = home.job_dir(cosmos.store.run(handle.id))
    keeper = (folder / "claim.1").readlink().name.split()[0]
    home.client("import os; os.kill(int(words[0]), 9)", keeper).communicate()
    until(lambda: not Path(f"/proc/{keeper}/cmdline").exists() or not Path(f"/proc/{keeper}/cmdline").read_bytes())
    assert handle.cancel().status == "cancelled"
    assert not processes(folder.name)


def test_who_ends_politely_when_told_to_is_cancelled_all_the_same(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A toolkit that catches TERM and exits 0, without its output."""
    repo = home.folder / "cosmos-transfer2.5"
    lay_out(repo)
    (repo / "bin" / "python").write_text("#!/bin/sh\ntrap 'exit 0' TERM\necho up\nsleep 60 &\nwait\n")
    home.configure(
        f'[targets.local]\nenv = {{ PATH = "{repo}/bin:${{PATH}}" }}\n'
        f'[targets.local.toolkits."cosmos-transfer2.5"]\nrepo = "{repo}"\n'
    )
    cosmos = home.cosmos()
    handle = cosmos.submit(home.store_run(cosmos).id)
    until(lambda: b"".join(handle.logs()) == b"up\n")
    done = handle.cancel()
    assert done.status == "cancelled"
    assert cosmos.store.job(done.job_id or "").exit_code == 0


def test_two_who_cancel_at_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "60")
    cosmos = home.cosmos()
    handle = cosmos.submit(home.store_run(cosmos).id)
    others = [home.client("print(cosmos.cancel(words[0]).status)", handle.id) for _ in range(3)]
    for other in others:
        out, err = other.communicate()
        assert out == "cancelled\n", err
    assert not processes(home.job_dir(cosmos.store.run(handle.id)).name)
