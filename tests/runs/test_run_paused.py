"""Targets and plugins that cannot be used: the run stands still, says why, and goes on after the cure."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from real_accounts import Account, Accounts
from run_life import NOWHERE, Home, whole

from cosmos_core.errors import UsageError
from cosmos_core.store.records import PAUSED, Filter


def test_a_work_dir_that_cannot_be_written(home: Home) -> None:
    blocked = home.folder / "home" / "simulator"
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    blocked.write_text("a file where the folder should be")
    paused = cosmos.execute(run.id)
    assert (paused.status, paused.ended) == ("uploading", False)
    assert paused.paused
    assert str(blocked) in paused.paused.reason
    assert "sync" in paused.paused.hint
    (again,) = cosmos.sync(follow=True)
    assert again.paused
    blocked.unlink()
    (done,) = cosmos.sync(follow=True)
    assert done.paused is None
    whole(home, done)


def test_no_space_left(home: Home, small_disk: Callable[[int, Account], Path], accounts: Accounts) -> None:
    disk = small_disk(1, accounts["eve"])
    home.configure(f'[targets.simulator]\nwork_dir = "{disk}/work"\n')
    with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
        while True:  # until the disk is full
            ballast.write(bytes(4096))
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    paused = cosmos.execute(run.id)
    assert paused.paused
    assert "no space left" in paused.paused.reason
    (disk / "ballast").unlink()
    (done,) = cosmos.sync(follow=True)
    whole(home, done)


def test_outputs_that_cannot_be_kept_here(home: Home) -> None:
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    blocked = home.folder / "home" / "outputs"
    blocked.write_text("")
    paused = cosmos.execute(run.id)
    assert paused.status == "running"
    assert paused.paused
    assert str(blocked) in paused.paused.reason
    blocked.unlink()
    (done,) = cosmos.sync(follow=True)
    whole(home, done)


def _real(home: Home, repo: Path, **more: str) -> None:
    extra = "\n".join(f"{key} = {value}" for key, value in more.items())
    home.configure(
        f"""
        [targets.local]
        work_dir = "{home.folder / "work dir's"}"
        gpus = 1
        {extra}
        env = {{ PATH = "{repo}/bin:${{PATH}}" }}
        [targets.local.toolkits."cosmos-transfer2.5"]
        repo = "{repo}"
        """
    )


def _lay_out(repo: Path) -> None:
    from cosmos_transfer.standin.repository import lay_out

    lay_out(repo)


def test_a_toolkit_that_is_installed_here(home: Home) -> None:
    repo = home.folder / "cosmos-transfer2.5"
    _lay_out(repo)
    simulated = home.cosmos()
    played = simulated.execute(home.store_run(simulated).id)
    _real(home, repo)
    cosmos = home.cosmos()
    run = cosmos.execute(home.store_run(cosmos).id)
    whole(home, run)
    assert (run.simulated, run.target) == (False, "local")
    assert run.metadata["toolkit_version"] == "1.5.0"
    assert run.metadata["request_hash"] == played.metadata["request_hash"]
    assert [(a.name, a.role) for a in run.artifacts] == [(a.name, a.role) for a in played.artifacts]
    assert cosmos.store.ever_real


def test_a_store_knows_of_its_first_real_run_before_it_is_one(home: Home) -> None:
    _real(home, home.folder / "nowhere")
    run = home.store_run()
    home.dies(run.id, "cosmos_core.store:Store.submit", 1, "after")
    assert home.cosmos().store.ever_real


def test_a_repository_that_is_not_there_yet(home: Home) -> None:
    repo = home.folder / "cosmos-transfer2.5"
    _real(home, repo)
    cosmos = home.cosmos()
    paused = cosmos.execute(home.store_run(cosmos).id)
    assert paused.paused
    assert str(repo) in paused.paused.reason
    assert 'targets.local.toolkits."cosmos-transfer2.5".repo' in paused.paused.reason
    _lay_out(repo)
    (done,) = cosmos.sync(follow=True)
    whole(home, done)


def test_secrets_are_written_nowhere(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = home.folder / "cosmos-transfer2.5"
    _lay_out(repo)
    shim = repo / "bin" / "python"
    shim.write_text(shim.read_text().replace("exec ", 'printf %s "$HF_TOKEN" | wc -c; exec ', 1))
    monkeypatch.setenv("FROM_HERE", "hunter3")
    env_file = home.folder / "secrets.env"
    _real(home, repo, env_file='"secrets.env"')
    text = home.config_file.read_text()
    home.configure(text.replace("env = { ", 'env = { OTHER = "${FROM_HERE}", '))
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    paused = cosmos.execute(run.id)
    assert paused.paused
    assert str(env_file) in paused.paused.reason
    env_file.write_text("# mine\nHF_TOKEN=hunter2\u2028' $(x)\nEMPTY=\n", encoding="utf-8")
    (done,) = cosmos.sync(follow=True)
    whole(home, done)
    assert (home.job_dir(run) / "run.log").read_text().startswith("16\n")
    files = [f for f in home.folder.rglob("*") if f.is_file() and f != env_file]
    assert any(f.name == "cosmos.db" for f in files)
    for file in files:
        assert b"hunter" not in file.read_bytes(), file


def test_a_variable_that_is_not_set_pauses(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = home.folder / "cosmos-transfer2.5"
    _lay_out(repo)
    _real(home, repo)
    home.configure(home.config_file.read_text().replace("env = { ", 'env = { TOKEN = "${NOT_SET_YET}", '))
    cosmos = home.cosmos()
    paused = cosmos.execute(home.store_run(cosmos).id)
    assert paused.paused
    assert "NOT_SET_YET" in paused.paused.reason
    monkeypatch.setenv("NOT_SET_YET", "1")
    (done,) = cosmos.sync(follow=True)
    whole(home, done)


def test_a_plugin_that_is_broken_for_a_while(home: Home) -> None:
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    broken = home.client(
        "import cosmos_transfer.plugin as p\n"
        "p.transfer = object()\n"
        "run = cosmos.execute(words[0])\n"
        "print(run.status, '|', run.paused.reason)",
        run.id,
    )
    out, err = broken.communicate()
    assert "transfer" in out.partition("|")[2], err
    (done,) = cosmos.sync(follow=True)
    whole(home, done)


def test_where_a_run_goes_was_settled_when_it_was_made(home: Home) -> None:
    """A configuration that has changed since sends only new runs elsewhere."""
    repo = home.folder / "cosmos-transfer2.5"
    _lay_out(repo)
    _real(home, repo)
    run = home.store_run()
    home.configure("")
    cosmos = home.cosmos()
    done = cosmos.execute(run.id)
    whole(home, done)
    assert home.job_dir(done).is_relative_to(home.folder / "work dir's")
    shutil.rmtree(home.folder / "work dir's")


def test_a_run_that_waits_for_a_place_its_target_has_left_says_so(home: Home) -> None:
    there = NOWHERE
    home.configure(there)
    run = home.cosmos().start(home.store_run(target="lab").id)
    assert run.paused is not None
    assert "keeps" not in run.paused.hint
    home.configure(there.replace("no-such", "another"))
    (run,) = home.cosmos().sync()
    assert run.paused is not None
    assert "keeps the host no-such-host.invalid" in run.paused.hint
    assert f"cosmos run --from {run.id}" in run.paused.hint


def test_a_simulated_run_is_not_started_where_simulation_is_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run = home.store_run()
    monkeypatch.setenv("COSMOS_SIMULATE", "never")
    with pytest.raises(UsageError, match="switched off"):
        home.cosmos().execute(run.id)


def test_a_model_that_is_not_installed_any_more_holds_up_no_other_run(home: Home) -> None:
    cosmos = home.cosmos()
    stored = [home.store_run(cosmos).id for _ in range(2)]
    blocked = home.folder / "home" / "simulator"
    blocked.write_text("a file where the folder should be")
    orphan, other = map(cosmos.execute, stored)
    assert orphan.paused
    assert other.paused
    blocked.unlink()
    with closing(sqlite3.connect(home.folder / "home" / "cosmos.db")) as database, database:
        database.execute("UPDATE runs SET model_type = 'gone' WHERE id = ?", (orphan.id,))
    looked_at = {run.id: run for run in cosmos.sync(follow=True)}
    whole(home, looked_at[other.id])
    assert (left := looked_at[orphan.id]).paused
    assert "'gone'" in left.paused.reason
    assert cosmos.cancel(orphan.id).status == "cancelled"


def test_what_stands_paused_is_found(home: Home) -> None:
    cosmos = home.cosmos()
    runs = [home.store_run(cosmos).id for _ in range(3)]
    cosmos.execute(runs[0])
    target = home.folder / "home" / "simulator"
    target.rename(home.folder / "away")
    target.write_text("a file where the folder should be")
    cosmos.execute(runs[1])
    assert [run.id for run in cosmos.list_runs(Filter(status=PAUSED)).items] == [runs[1]]
    cosmos.cancel(runs[1])
    target.unlink()
    (home.folder / "away").rename(target)
    cosmos.cancel(runs[1])
    assert cosmos.list_runs(Filter(status=PAUSED)).items == ()
