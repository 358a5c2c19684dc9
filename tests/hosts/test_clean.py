"""What ended runs left on hosts is shown and removed; what belongs to anybody else, or is still wanted, stays."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab import ENDLESS, Ended, Laptop, and_long, containers, job_folder, until, whole
from real_dockerd import IMAGE
from real_parts import GpuHost, GpuHosts, MakeDockerd, MakeSshd, SshHome

from cosmos_core import Cosmos
from cosmos_core.errors import UsageError
from cosmos_core.runs.clean import CleanPlan, Reason
from cosmos_core.store.records import RunRecord

MakeLaptop = Callable[..., Laptop]
WAYS = [
    ("sue", "docker"),
    ("bob", "process"),
    (None, "process"),
    *and_long(("ada", "docker"), ("sue", "process"), (None, "docker")),
]


def jobs_of(host: GpuHost) -> list[str]:
    """The folders that are there, hidden ones too."""
    return sorted(path.name for path in (host.work_dir / "jobs").iterdir())


def cache_of(host: GpuHost) -> list[str]:
    """The files of the cache, whatever they are."""
    return sorted(path.name for path in (host.work_dir / "inputs").rglob("*") if path.is_file())


def item(done: Ended, name: str) -> dict[str, Any]:
    """What `cosmos clean --json` says of a target."""
    found: dict[str, Any] = next(one for one in done.document["items"] if one["target"] == name)
    return found


def kept(plan: CleanPlan) -> dict[str, Reason]:
    """What stays, by job."""
    return {job.id: job.reason for job in plan.kept}


def planned(cosmos: Cosmos, **how: Any) -> CleanPlan:
    (plan,) = cosmos.clean_plans(**how)
    assert plan.reachable, plan.words
    return plan


@pytest.mark.parametrize(("account", "runtime"), WAYS)
def test_what_ended_is_shown_then_removed_and_the_run_says_so(
    gpu_host: GpuHosts, laptop: MakeLaptop, account: str | None, runtime: str
) -> None:
    host = gpu_host(account, runtime)
    mine = laptop(host)
    run = mine.run()
    whole(run, host)
    shown = mine("clean", "--json")
    assert shown.code == 0, shown.err + shown.out
    about = item(shown, host.name)
    assert [(job["job"], job["runs"], job["removed"]) for job in about["jobs"]] == [(run.job_id, [run.id], False)]
    assert about["bytes"] > 0
    assert len(about["cache"]) == 1
    assert jobs_of(host) == [run.job_id]  # it was only shown

    done = mine("clean", "--yes")
    assert done.code == 0, done.err + done.out
    assert "removed 1 job folder, 1 input" in done.out
    assert jobs_of(host) == []
    assert cache_of(host) == []
    assert not containers(host, run)

    told = mine("show", run.id)
    assert f"from {host.name} by `cosmos clean`" in told.out
    assert mine("show", run.id, "--json").document["removed_at"]
    assert Path(mine("path", run.id).out.strip()).is_file()
    assert mine("fetch", run.id).code == 0  # all of it is here
    assert mine("logs", run.id).out
    assert "nothing" in mine("clean", "--yes").out
    whole_again = mine.cosmos().execute(mine.cosmos().retry(run.id).id)
    assert whole_again.status == "completed"  # the input was brought once more


def test_another_database_of_the_same_work_dir_is_let_alone(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("sue", "docker")
    mine, other = laptop(host, name="mine"), laptop(host, name="other")
    ours, theirs = mine.run(), other.run()
    forged = host.work_dir / "jobs" / "jb_forged"  # says our name, though not where it counts
    copied(host, job_folder(host, theirs), forged)
    about = json.loads((forged / "job.json").read_text())
    (forged / "job.json").write_text(json.dumps({**about, "user": f'  "store": "{mine.cosmos().store.id}",'}, indent=2))
    strange = host.work_dir / "jobs" / "jb_strange"
    copied(host, job_folder(host, ours), strange)
    (strange / "job.json").unlink()
    done = mine("clean", "--yes", "--all", "--json")
    assert done.code == 0, done.err + done.out
    assert [job["job"] for job in item(done, host.name)["jobs"]] == [ours.job_id]
    assert jobs_of(host) == sorted([str(theirs.job_id), "jb_forged", "jb_strange"])
    assert len(cache_of(host)) == 1  # theirs uses it
    whole(other.cosmos().store.run(theirs.id), host)


def test_another_account_is_let_alone(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    sue, ada = gpu_host("sue", "process", name="sue"), gpu_host("ada", "process", name="ada")
    mine = laptop(sue, ada)
    first, second = mine.run(target="sue"), mine.run(target="ada")
    done = mine("clean", "--target", "sue", "--yes")
    assert done.code == 0, done.err + done.out
    assert jobs_of(sue) == []
    assert jobs_of(ada) == [second.job_id]
    assert mine.cosmos().removed_at(second) is None
    assert mine.cosmos().removed_at(first) is not None


def test_what_is_under_way_waits_or_is_paused_stays_and_goes_on(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker", gpus=1, **ENDLESS)
    mine = laptop(host)
    cosmos = mine.cosmos()
    works = cosmos.start(mine.store_run(cosmos).id)
    until(lambda: cosmos.mover.go_on(works.id, "now").status == "running")
    waits = cosmos.start(mine.store_run(cosmos).id)
    busy = cosmos.start(mine.store_run(cosmos, if_busy="fail").id)
    assert busy.paused is not None
    plan = planned(cosmos, everything=True)
    assert plan.empty
    assert kept(plan) == {str(run.job_id): "unfinished" for run in (works, waits, busy)}
    done = mine("clean", "--yes", "--all")
    assert done.code == 0, done.err + done.out
    assert jobs_of(host) == sorted(str(run.job_id) for run in (works, waits, busy))
    for run in (waits, works, busy):
        assert cosmos.cancel(run.id).status == "cancelled"
    mine("clean", "--yes")
    assert jobs_of(host) == []


def test_what_lives_there_stays_whatever_the_database_believes(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker", **ENDLESS)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = cosmos.start(mine.store_run(cosmos).id)
    until(lambda: cosmos.mover.go_on(run.id, "now").status == "running")
    pretend(mine, run, "completed")
    plan = planned(cosmos, everything=True)
    assert (plan.empty, kept(plan)) == (True, {run.job_id: "alive"})
    pretend(mine, run, "running")
    assert cosmos.cancel(run.id).status == "cancelled"


def test_outputs_that_are_not_here_keep_a_run_there(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("sue", "process")
    mine = laptop(host)
    here, lost, left, part = mine.run(), mine.run(), mine.run(fetch="none"), mine.run(fetch="results")
    Path(lost.outputs.files["video"]).unlink()
    cosmos = mine.cosmos()
    plan = planned(cosmos)
    assert {job.remains.id for job in plan.jobs} == {here.job_id, part.job_id}
    assert kept(plan) == {lost.job_id: "not here", left.job_id: "not wanted"}
    told = mine("clean")
    assert "made with --fetch none" in told.out
    assert "nothing was removed" in told.out
    assert mine("fetch", lost.id).code == 0
    assert mine("clean", "--yes").code == 0
    assert jobs_of(host) == [left.job_id]
    refused = mine("fetch", part.id)
    assert refused.code == 2
    assert "was removed" in refused.err
    assert "cosmos retry" in refused.err
    assert mine("clean", "--yes", "--all").code == 0
    assert jobs_of(host) == []
    gone = mine("path", left.id)
    assert gone.code == 2
    assert "was removed" in gone.err
    assert "not fetched, and removed from" in mine("show", left.id).out


def test_an_output_that_an_unfinished_run_uses_stays(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("sue", "process")
    mine = laptop(host)
    run = mine.run()
    cosmos = mine.cosmos()
    prompt = cosmos.create_prompt("transfer", "more", inputs={"video": run.id}, parameters={"weights.edge": 1})
    child = cosmos.create_run(prompt.id)
    assert kept(planned(cosmos, everything=True)) == {run.job_id: "needed"}
    assert cosmos.execute(child.id).status == "completed"
    assert {job.remains.id for job in planned(cosmos).jobs} == {run.job_id, cosmos.store.run(child.id).job_id}


def test_only_what_ended_long_ago(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host(None, "process")
    mine = laptop(host)
    old, new = mine.run(), mine.run()
    age(mine, old, timedelta(days=40))
    done = mine("clean", "--older", "30d", "--yes", "--json")
    assert done.code == 0, done.err + done.out
    assert jobs_of(host) == [new.job_id]
    assert item(done, host.name)["kept"] == [{"job": new.job_id, "runs": [new.id], "reason": "young"}]


def test_a_file_that_a_job_took_meanwhile_stays(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("sue", "process")
    mine = laptop(host)
    first = mine.run()
    cosmos = mine.cosmos()
    plans = cosmos.clean_plans()
    assert len(plans[0].cache) == 1
    second = mine.run()  # between the look and the answer to the question
    (done,) = cosmos.clean(plans)
    assert ("job", first.job_id) in done.gone
    assert [(one.kind, one.words) for one in done.kept] == [("cache", "a job uses it")]
    assert len(cache_of(host)) == 1
    assert jobs_of(host) == [second.job_id]
    whole(cosmos.store.run(second.id), host)
    assert mine.run().status == "completed"


def test_a_file_that_was_just_brought_is_for_a_job_to_come(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("sue", "process")
    mine, other = laptop(host, name="mine"), laptop(host, name="other")
    mine.run()
    theirs = other.cosmos()
    waiting = other.store_run(theirs)
    other.dies(waiting.id, "cosmos_core.targets.ssh:SshHost.lay_out", 2, "before")  # brought, and no folder yet
    brought = set(cache_of(host))
    mine("clean", "--yes")
    assert set(cache_of(host)) <= brought
    assert theirs.mover.go_on(waiting.id, "ended").status == "completed"


def test_a_run_that_changed_while_somebody_thought_stays(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("sue", "process")
    mine = laptop(host)
    run = mine.run()
    cosmos = mine.cosmos()
    plans = cosmos.clean_plans()
    pretend(mine, run, "lost")
    (done,) = cosmos.clean(plans)
    assert not done.gone & {("job", run.job_id)}
    assert jobs_of(host) == [run.job_id]
    assert cosmos.removed_at(run) is None


def test_what_cannot_be_removed_stays_whole_and_is_named(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("sue", "process")
    mine = laptop(host)
    run = mine.run()
    rooted = job_folder(host, run) / "outputs" / "rooted"
    rooted.mkdir()  # root's, as what a container leaves where nobody gives it back
    (rooted / "file").touch()
    done = mine("clean", "--yes")
    assert done.code == 0, done.err
    assert f"kept {run.job_id}: somebody else has a folder in it" in done.out
    assert "sudo chown -R" in done.out
    assert (job_folder(host, run) / "exit_code").exists()
    assert mine.cosmos().removed_at(run) is None
    shutil.rmtree(rooted)
    locked = job_folder(host, run) / "outputs" / "locked"  # ours, though a program took its rights away
    locked.mkdir(mode=0o500)
    copied(host, locked, locked.with_name("unwritable"))
    locked.rmdir()
    assert mine("clean", "--yes").code == 0
    assert jobs_of(host) == []


def test_stopped_containers_go_with_their_volumes(gpu_host: GpuHosts, laptop: MakeLaptop, dockerd: MakeDockerd) -> None:
    host = gpu_host("sue", "docker", dockerd=dockerd())
    mine = laptop(host)
    run = mine.run()
    store = mine.cosmos().store.id
    docker = [word for word in host.docker if word != "sudo"]
    for name, job in {"ours": run.job_id, "unknown": "jb_unknown"}.items():
        labels = ("--label", f"cosmos.job={job}", "--label", f"cosmos.store={store}")
        make = (*docker, "create", "--name", f"cosmos-{name}-{run.job_id}", *labels, "--volume", "/kept", IMAGE, "true")
        subprocess.run(make, check=True, capture_output=True)
    before = volumes(docker)
    done = mine("clean", "--yes", "--json")
    assert done.code == 0, done.err + done.out
    assert [one["name"] for one in item(done, host.name)["containers"]] == [f"cosmos-ours-{run.job_id}"]
    assert len(volumes(docker)) == len(before) - 1
    assert len(containers(host, run).split()) == 1  # the other's run is not known to have ended


def test_dead_tickets_of_the_account_go(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("sue", "process")
    mine = laptop(host)
    mine.run()
    assert host.account
    own, other = host.lock_dir / "ticket.000007.jb_dead", host.lock_dir / "ticket.000008.jb_others"
    for ticket in (own, other):
        ticket.write_text("user=x store=y job=jb_dead want=1 gpus=0\n")
    os.chown(own, host.account.uid, -1)
    done = mine("clean", "--yes", "--json")
    assert item(done, host.name)["tickets"] == 1
    assert (own.exists(), other.exists()) == (False, True)


def test_a_host_that_cannot_be_reached_is_named_and_the_others_are_cleaned(
    gpu_host: GpuHosts, laptop: MakeLaptop, ssh_home: SshHome, sshd: MakeSshd
) -> None:
    server = sshd()
    ssh_home.lead_to(server)
    here, away = gpu_host(None, "process", name="here"), gpu_host("eve", "process", name="away")
    mine = laptop(here, away)
    first, second = mine.run(target="here"), mine.run(target="away")
    server.stop()
    done = mine("clean", "--yes")
    assert done.code == 4
    assert "away  not usable" in done.out
    assert jobs_of(here) == []
    assert jobs_of(away) == [second.job_id]
    assert mine.cosmos().removed_at(first) is not None
    server.start()
    assert mine("clean", "--yes").code == 0
    assert jobs_of(away) == []


def test_what_somebody_was_cut_off_from_removing_goes_the_next_time(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("sue", "process")
    mine = laptop(host)
    run = mine.run()
    cosmos = mine.cosmos()
    folder = job_folder(host, run)
    trash = folder.with_name(f".trash.{cosmos.store.id}.{run.job_id}")
    folder.rename(trash)
    others = folder.with_name(".trash.another-store.jb_x")
    copied(host, trash, others)
    cosmos.store.mark_removed([str(run.job_id)], datetime.now(UTC))
    assert mine("clean", "--yes").code == 0
    assert jobs_of(host) == [others.name]
    Path(run.outputs.files["video"]).unlink()
    with pytest.raises(UsageError, match="was removed"):
        cosmos.fetch(run.id)


def test_the_simulators_jobs_go_too(laptop: MakeLaptop) -> None:
    mine = laptop()
    assert mine.run().status == "completed"
    done = mine("clean", "--yes")
    assert done.code == 0, done.err + done.out
    assert "removed 1 job folder" in done.out


def pretend(mine: Laptop, run: RunRecord, status: str) -> None:
    """Let the database believe that a run is in that state."""
    change(mine, "UPDATE runs SET status = ? WHERE id = ?", status, run.id)


def age(mine: Laptop, run: RunRecord, by: timedelta) -> None:
    """Let a run have ended so long ago."""
    assert run.completed_at
    moment = (run.completed_at - by).astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    change(mine, "UPDATE runs SET completed_at = ? WHERE id = ?", moment, run.id)


def change(mine: Laptop, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(mine.folder / "home" / "cosmos.db")) as database, database:
        assert database.execute(statement, values).rowcount == 1


def copied(host: GpuHost, folder: Path, to: Path) -> None:
    """A folder of the account's once more."""
    shutil.copytree(folder, to, symlinks=True)
    assert host.account
    subprocess.run(["chown", "-hR", host.account.user, to], check=True)


def volumes(docker: list[str]) -> list[str]:
    """The volumes that there are."""
    return subprocess.run([*docker, "volume", "ls", "-q"], check=True, capture_output=True, text=True).stdout.split()
