"""A client that detaches, dies or is cut off: the job goes on, and whoever looks next takes the run up."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lab import ENDLESS, SLOW, Laptop, and_long, containers, job_folder, owned, until, whole
from real_parts import GpuHost, GpuHosts, MakeSshd, SshHome
from real_processes import HANG_S

from cosmos_core.store.records import RunRecord

MakeLaptop = Callable[..., Laptop]
MOVE = "cosmos_core.store:Store.move"
SSH = "cosmos_core.targets.ssh:SshHost"


def test_detached_it_is_followed_later(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker", **SLOW)
    mine = laptop(host)
    done = mine("run", "--model", "transfer", "rain", "--video", mine.clip, "--weights.edge", "1", "--detach", "--json")
    assert done.code == 0, done.err
    assert done.document["status"] in ("queued", "running")
    waited = mine("wait", "@last", "--json")
    assert waited.code == 0, waited.err
    cosmos = mine.cosmos()
    whole(cosmos.store.run(done.document["id"]), host)


POINTS = [
    ("cosmos_core.store:Store.submit", 1, "after", "pending"),
    (f"{SSH}.put", 1, "after", "uploading"),
    ("cosmos_core.targets.jobdir:JobDir.start", 1, "after", "queued"),
    (MOVE, 4, "before", "running"),
    (f"{SSH}.get", 1, "after", "downloading"),
    *and_long(
        (f"{SSH}.put", 1, "before", "uploading"),
        (f"{SSH}.lay_out", 2, "after", "uploading"),
        (MOVE, 2, "after", "queued"),
        (MOVE, 3, "after", "running"),
        (MOVE, 4, "after", "downloading"),
        (MOVE, 5, "after", "parsing"),
    ),
]


@pytest.mark.parametrize(("what", "nth", "when", "state"), POINTS)
def test_killed_there_it_is_finished_by_sync(
    gpu_host: GpuHosts, laptop: MakeLaptop, what: str, nth: int, when: str, state: str
) -> None:
    host = gpu_host("ada", "docker")
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = mine.store_run(cosmos)
    mine.dies(run.id, what, nth, when)
    left = cosmos.store.run(run.id)
    assert (left.status, left.ended) == (state, False)
    synced = mine("sync", "--follow", "--json")
    assert synced.code == 0, synced.err + synced.out
    done = cosmos.store.run(run.id)
    whole(done, host)
    assert done.job_id == left.job_id
    assert [path.name for path in (host.work_dir / "jobs").iterdir()] == [done.job_id]
    until(lambda: not containers(host, done))


PENDING = ("cosmos_core.store:Store.submit", 1, "after", "pending")
UPLOADING = (f"{SSH}.lay_out", 1, "after", "uploading")
QUEUED = (MOVE, 2, "after", "queued")
STARTED = ("cosmos_core.targets.jobdir:JobDir.start", 1, "after", "queued")
RUNNING = (MOVE, 3, "after", "running")


@pytest.mark.parametrize(
    ("account", "what", "nth", "when", "state"),
    [
        ("eve", *PENDING),
        ("bob", *UPLOADING),
        ("eve", *QUEUED),
        ("bob", *STARTED),
        ("eve", *RUNNING),
        ("bob", *RUNNING),
        *and_long(("bob", *PENDING), ("eve", *UPLOADING), ("bob", *QUEUED), ("eve", *STARTED)),
    ],
)
def test_cancelled_in_each_state(
    gpu_host: GpuHosts, laptop: MakeLaptop, account: str, what: str, nth: int, when: str, state: str
) -> None:
    host = gpu_host(account, "docker" if account == "bob" else "process", **ENDLESS)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = mine.store_run(cosmos)
    mine.dies(run.id, what, nth, when)
    assert cosmos.store.run(run.id).status == state
    assert mine("cancel", run.id).code == 0
    done = cosmos.store.run(run.id)
    assert (done.status, done.error, done.paused) == ("cancelled", None, None)
    assert not alive(host, done)
    if job_folder(host, done).exists():
        owned(host, job_folder(host, done))
    assert list(host.lock_dir.glob("ticket.*")) == []


def alive(host: GpuHost, run: RunRecord) -> list[str]:
    """Processes and containers of a run's job."""
    found = [line for line in containers(host, run).split("\n") if line]
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and f"COSMOS_JOB={run.job_id}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_two_gpus_cancelled_every_worker_ends(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    """torchrun starts each rank in a session of its own."""
    host = gpu_host("eve", "process", **ENDLESS)
    mine, other = laptop(host), laptop(host, name="other")
    bystander = other("run", "--model", "transfer", "x", "--video", other.clip, "--weights.edge", "1", "-d", "--json")
    cosmos = mine.cosmos()
    run = cosmos.start(mine.store_run(cosmos, gpus=2).id)
    until(lambda: len(alive(host, run)) >= 3)  # torchrun and two ranks
    assert cosmos.cancel(run.id).status == "cancelled"
    assert not alive(host, run)
    theirs = other.cosmos().store.run(bystander.document["id"])
    assert alive(host, theirs)
    assert other("cancel", theirs.id).code == 0


def test_ctrl_c_detaches_and_a_second_one_cancels(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker", **ENDLESS)
    mine = laptop(host)
    client = mine.popen("run", "--model", "transfer", "rain", "--video", mine.clip, "--weights.edge", "1")
    cosmos = mine.cosmos()
    until(lambda: [r for r in cosmos.store.unfinished() if r.status == "running"])
    client.send_signal(signal.SIGINT)
    assert client.stderr
    heard = ""
    while "Ctrl-C again" not in heard:
        heard += client.stderr.readline()
    client.send_signal(signal.SIGINT)
    _, rest = client.communicate(timeout=HANG_S)
    assert client.returncode == 130
    assert "is cancelled" in rest
    run = cosmos.store.run(cosmos.resolve("@last"))
    assert run.status == "cancelled"
    assert not alive(host, run)


def test_a_dropped_connection_is_made_again(
    gpu_host: GpuHosts, laptop: MakeLaptop, sshd: MakeSshd, ssh_home: SshHome
) -> None:
    server = sshd()
    host = gpu_host("ada", "docker", **SLOW)
    ssh_home.lead_to(server)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = mine.store_run(cosmos)
    dropped: list[str] = []

    def drop(seen: RunRecord) -> None:
        if seen.status == "running" and not dropped:
            dropped.append(seen.id)
            server.drop_connections()

    whole(cosmos.execute(run.id, drop), host)
    assert dropped


def test_an_unreachable_host_pauses_the_run_and_the_job_goes_on(
    gpu_host: GpuHosts, laptop: MakeLaptop, sshd: MakeSshd, ssh_home: SshHome
) -> None:
    server = sshd()
    host = gpu_host("ada", "docker", **SLOW)
    ssh_home.lead_to(server)
    mine = laptop(host)
    client = mine.popen("run", "--model", "transfer", "rain", "--video", mine.clip, "--weights.edge", "1", "--json")
    cosmos = mine.cosmos()
    (run,) = until(lambda: [r for r in cosmos.store.unfinished() if r.status == "running"])
    server.stop()
    server.drop_connections()
    out, err = client.communicate(timeout=HANG_S)
    assert client.returncode == 4, err
    run = cosmos.store.run(run.id)
    assert (run.status, run.reachable) == ("running", False)
    assert run.paused
    assert "the job goes on" in run.paused.reason
    assert "cannot be reached" in run.paused.reason
    assert '"reachable": false' in out
    shown = mine("show", run.id)
    assert "goes on" in shown.out
    assert mine("sync").code == 4
    until(lambda: (job_folder(host, run) / "exit_code").exists())
    server.start()
    synced = mine("sync", "--json")
    assert synced.code == 0, synced.err
    whole(cosmos.store.run(run.id), host)


def test_a_wish_to_cancel_is_remembered_until_the_host_is_back(
    gpu_host: GpuHosts, laptop: MakeLaptop, sshd: MakeSshd, ssh_home: SshHome
) -> None:
    server = sshd()
    host = gpu_host("eve", "process", **ENDLESS)
    ssh_home.lead_to(server)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = cosmos.start(mine.store_run(cosmos).id)
    cosmos.close()
    server.stop()
    server.drop_connections()
    said = mine("cancel", run.id)
    assert said.code == 4, said.out + said.err
    assert "sync" in said.err
    waits = cosmos.store.run(run.id)
    assert not waits.ended
    assert waits.cancel_requested_at
    assert alive(host, run)
    server.start()
    mine("sync")
    assert cosmos.store.run(run.id).status == "cancelled"
    assert not alive(host, run)


def test_job_sh_is_killed_and_the_container_is_brought_home(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker", **SLOW)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = cosmos.start(mine.store_run(cosmos).id)
    os.kill(int((job_folder(host, run) / "claim.1").readlink().name.split()[0]), signal.SIGKILL)
    whole(cosmos.follow(run.id), host)


def test_killed_from_outside_it_failed_and_says_so(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker", **ENDLESS)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = cosmos.start(mine.store_run(cosmos).id)
    until(lambda: b"Generating samples" in b"".join(cosmos.logs(run.id)))
    _docker(host, "kill", f"cosmos-{run.job_id}")
    done = cosmos.follow(run.id)
    assert done.status == "failed"
    assert done.error
    assert done.error.code == "killed"
    assert "killed, by somebody" in done.error.message
    assert b"Found 1 hint keys" in b"".join(cosmos.logs(run.id))
    owned(host, job_folder(host, run))


def test_a_container_removed_by_somebody_is_lost_and_a_retry_is_another_run(
    gpu_host: GpuHosts, laptop: MakeLaptop
) -> None:
    host = gpu_host("ada", "docker", **SLOW)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = cosmos.start(mine.store_run(cosmos).id)
    until(lambda: (job_folder(host, run) / "started").exists())
    _docker(host, "rm", "--force", "--volumes", f"cosmos-{run.job_id}")
    done = cosmos.follow(run.id)
    assert done.status == "lost"
    assert done.error
    assert "container is gone" in done.error.message
    again = cosmos.execute(cosmos.retry(run.id).id)
    whole(again, host)
    assert again.retry_of == run.id
    assert cosmos.sync() == (done,)  # looked at again, and as lost as before


def _docker(host: GpuHost, *words: str) -> None:
    subprocess.run([*host.docker, *words], check=True, capture_output=True)


def test_a_laptop_that_slept_does_not_start_it_again(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    """Stopped in its sleep, taken over by another terminal, and woken when all is done."""
    host = gpu_host("ada", "docker", **SLOW)
    mine = laptop(host)
    sleeper = mine.popen("run", "--model", "transfer", "rain", "--video", mine.clip, "--weights.edge", "1", "--json")
    cosmos = mine.cosmos()
    (run,) = until(lambda: [r for r in cosmos.store.unfinished() if r.status == "running"])
    sleeper.send_signal(signal.SIGSTOP)
    assert run.job_id
    job_id = run.job_id
    until(lambda: cosmos.store.lease_is_free(job_id, datetime.now(UTC)), seconds=40)
    whole(cosmos.follow(run.id), host)
    sleeper.send_signal(signal.SIGCONT)
    out, err = sleeper.communicate(timeout=HANG_S)
    assert sleeper.returncode == 0, err
    assert '"completed"' in out
