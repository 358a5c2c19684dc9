"""What `cosmos status` sees of hosts that several people use, and that it leaves everything as it was."""

from __future__ import annotations

import shlex
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lab import Laptop, job_folder, until
from real_parts import GpuHosts, Gpus, SshHome
from real_processes import patient

from cosmos_core import Cosmos
from cosmos_core.store.records import RunRecord

MakeLaptop = Callable[..., Laptop]
SLOW = {"STANDIN_STEP_SECONDS": "60"}


@pytest.fixture
def silent(ssh_home: SshHome) -> Iterator[str]:
    """The name of a host that takes the connection and then says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=20) as server:
        config = ssh_home.folder / ".ssh" / "config.d" / "silent.conf"
        config.write_text(f"Host silent\n    HostName 127.0.0.1\n    Port {server.getsockname()[1]}\n")
        yield "silent"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process of somebody's that has nothing to do with us."""
    process = subprocess.Popen(["sleep", "300"])
    yield process
    process.kill()
    process.wait()


def target(of: Laptop, name: str) -> dict[str, Any]:
    """A target as `cosmos status --json` tells of it."""
    done = of("status", "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = next(item for item in done.document["items"] if item["name"] == name)
    return found


def under_way(cosmos: Cosmos, mine: Laptop, **wish: Any) -> RunRecord:
    """A run whose work has begun, and which nobody watches."""
    run = cosmos.start(mine.store_run(cosmos, **wish).id)
    until(lambda: cosmos.mover.go_on(run.id, "now").status == "running")
    return cosmos.store.run(run.id)


def stored(mine: Laptop) -> list[tuple[Any, ...]]:
    """Every run as the database has it."""
    with closing(sqlite3.connect(mine.folder / "home" / "cosmos.db")) as database:
        return database.execute("SELECT * FROM runs ORDER BY id").fetchall()


def pretend(mine: Laptop, run: RunRecord, status: str) -> None:
    """Let the database believe that a run has ended."""
    with closing(sqlite3.connect(mine.folder / "home" / "cosmos.db")) as database, database:
        database.execute("UPDATE runs SET status = ? WHERE id = ?", (status, run.id))


def test_who_uses_which_gpu_and_who_waits(
    gpu_host: GpuHosts, gpus: Gpus, laptop: MakeLaptop, sleeper: subprocess.Popen[bytes]
) -> None:
    ada = gpu_host("ada", "docker", name="lab", gpus=(0, 1), env=SLOW)
    eve = gpu_host("eve", "process", name="lab", gpus=(0, 1), env=SLOW)
    first, second = laptop(ada, name="first"), laptop(eve, name="second")
    one, two = first.cosmos(), second.cosmos()
    big = under_way(one, first, gpus=2)
    waits = two.start(second.store_run(two, gpus=1).id)
    later = one.start(first.store_run(one, gpus=2).id)
    until(lambda: one.mover.go_on(later.id, "now").queue)
    gpus.occupy(3, sleeper.pid, 70000)
    before = stored(first), stored(second)

    seen = target(first, "lab")

    assert (seen["reachable"], seen["message"], seen["gpus"]) == (True, "", 2)
    assert [gpu["run"] for gpu in seen["gpu_list"]] == [big.id, big.id, None, None]
    assert [gpu["ours"] for gpu in seen["gpu_list"]] == [True, True, False, False]
    assert [gpu["used_by_others"] for gpu in seen["gpu_list"]] == [False, False, False, True]
    assert seen["gpu_list"][3]["processes"] == [
        {"pid": sleeper.pid, "user": "root", "memory_mib": 70000, "job": None},
    ]
    assert (seen["gpu_list"][3]["used_mib"], seen["gpu_list"][3]["load"]) == (70004, 97)
    assert (seen["running"], seen["waiting"]) == ([big.id], [later.id])
    assert [(one["place"], one["run"], one["wants"], one["ours"]) for one in seen["line"]] == [
        (1, None, 1, False),
        (2, later.id, 2, True),
    ]
    job = next(job for job in seen["jobs"] if job["run"] == big.id)
    assert (job["state"], job["gpus"], job["stored"]) == ("alive", [0, 1], "running")
    assert seen["unaccounted"] == []

    seen = target(second, "lab")

    assert [gpu["run"] for gpu in seen["gpu_list"]] == [None] * 4
    assert [gpu["job"] for gpu in seen["gpu_list"]] == [big.job_id, big.job_id, None, None]
    assert (seen["running"], seen["waiting"]) == ([], [waits.id])
    assert [one["run"] for one in seen["line"]] == [waits.id, None]
    assert {job["job"] for job in seen["jobs"] if not job["ours"]} == {big.job_id, later.job_id}
    assert seen["unaccounted"] == []
    assert (stored(first), stored(second)) == before

    words = first("status").out
    assert f"others: pid {sleeper.pid} (root)" in words
    assert f"running  {big.id}" in words
    assert "other store" in words
    for cosmos, run in ((one, later), (two, waits), (one, big)):
        cosmos.cancel(run.id)


def test_processes_of_our_own_jobs_are_known(gpu_host: GpuHosts, gpus: Gpus, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", name="lab", gpus=(0,), env=SLOW)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = under_way(cosmos, mine)
    carries = f"COSMOS_JOB={run.job_id}".encode()
    pid = until(lambda: next((p for p in _processes() if carries in _environ(p)), None))
    assert pid
    gpus.occupy(0, pid, 60000)

    (process,) = target(mine, "lab")["gpu_list"][0]["processes"]

    assert host.account
    assert process == {"pid": pid, "user": host.account.user, "memory_mib": 60000, "job": run.job_id}
    cosmos.cancel(run.id)


def _processes() -> Iterator[int]:
    return (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit())


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def test_a_run_is_told_as_it_is_now_and_not_as_it_was_last_seen(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", name="lab", gpus=(0,))
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = cosmos.start(mine.store_run(cosmos).id)
    until((job_folder(host, run) / "exit_code").exists)

    (job,) = target(mine, "lab")["jobs"]

    assert (job["run"], job["state"]) == (run.id, "ended")
    assert job["stored"] in ("queued", "running")
    assert cosmos.store.run(run.id).status == job["stored"]
    assert "`cosmos sync` moves it on" in mine("status").out


@pytest.mark.parametrize(("account", "runtime"), [("ada", "docker"), ("eve", "process"), (None, "process")])
def test_what_is_alive_though_its_run_has_ended(
    gpu_host: GpuHosts, laptop: MakeLaptop, account: str | None, runtime: str, ssh_home: SshHome
) -> None:
    host = gpu_host(account, runtime, name="lab", env=SLOW)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = under_way(cosmos, mine)
    assert target(mine, "lab")["unaccounted"] == []
    pretend(mine, run, "failed")

    (stray,) = target(mine, "lab")["unaccounted"]

    assert (stray["run"], stray["job"]) == (run.id, run.job_id)
    assert f"its run {run.id} is failed" in stray["message"]
    command = stray["hint"].split("`")[1]
    words = shlex.split(command)
    if account:
        assert words[:2] == ["ssh", account]
        ended = ssh_home.ssh(account, words[2])
    else:
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    until((job_folder(host, run) / "exit_code").exists)
    assert target(mine, "lab")["unaccounted"] == []


def test_a_lost_run_that_is_alive_is_taken_up_by_sync(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", name="lab", env=SLOW)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = under_way(cosmos, mine)
    pretend(mine, run, "lost")

    (stray,) = target(mine, "lab")["unaccounted"]

    assert "cosmos sync" in stray["hint"]
    assert f"{run.id} is lost" in mine("status").out
    mine("sync")
    assert cosmos.store.run(run.id).status == "running"
    assert target(mine, "lab")["unaccounted"] == []
    cosmos.cancel(run.id)


def test_a_container_whose_folder_tells_nothing(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker", name="lab", env=SLOW)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = under_way(cosmos, mine)
    (job_folder(host, run) / "job.json").unlink()
    pretend(mine, run, "cancelled")

    (stray,) = target(mine, "lab")["unaccounted"]

    assert (stray["kind"], stray["run"]) == ("container", run.id)
    pretend(mine, run, "running")
    cosmos.cancel(run.id)


def test_a_paused_run_is_among_what_wants_attention(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", name="lab")
    mine = laptop(host)
    host.repo.rename(host.repo.with_name("elsewhere"))
    cosmos = mine.cosmos()
    run = cosmos.start(mine.store_run(cosmos).id)

    lab = target(mine, "lab")
    (paused,) = lab["unaccounted"]

    assert run.status == "uploading"
    assert (lab["running"], lab["waiting"]) == ([], [run.id])  # nothing of it is there yet
    assert (paused["kind"], paused["run"]) == ("paused", run.id)
    assert str(host.repo) in paused["message"]
    assert "cosmos sync" in paused["hint"]


def test_a_silent_host_holds_up_nobody(gpu_host: GpuHosts, laptop: MakeLaptop, silent: str) -> None:
    host = gpu_host("eve", "process", name="lab", connect_timeout=1.5)
    mine = laptop(host)
    dead = f'\n[targets.dead]\nhost = "{silent}"\nwork_dir = "/nowhere"\nconnect_timeout = 1.5\n'
    mine.config.write_text(mine.config.read_text() + dead)
    cosmos = mine.cosmos()
    assert cosmos.store.id  # the database is made
    began = time.monotonic()

    lab, silent_one = cosmos.status()
    cosmos.close()

    assert time.monotonic() - began < patient(2 * 1.5)  # waited for once; benchmarks/ measure how much more it takes
    assert lab.reachable
    assert not silent_one.reachable
    assert "no answer" in silent_one.words or "did not finish the SSH handshake" in silent_one.words
    assert silent_one.hint


def test_an_unknown_host_key_is_told_with_the_targets_own_name(
    gpu_host: GpuHosts, laptop: MakeLaptop, ssh_home: SshHome
) -> None:
    mine = laptop(gpu_host("ada", "docker", name="lab"))
    ssh_home.lead_to(ssh_home.sshd, known=False)

    seen = target(mine, "lab")

    assert not seen["reachable"]
    assert "is not known" in seen["message"]
    assert "cosmos targets trust lab" in seen["hint"]


def test_docker_that_does_not_answer_is_said_and_the_rest_is_told(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("sue", "docker", name="lab")
    without_sudo = laptop(host)
    without_sudo.config.write_text(without_sudo.config.read_text().replace('"sudo", ', ""))

    seen = target(without_sudo, "lab")

    assert seen["reachable"]
    assert len(seen["gpu_list"]) == 4
    assert any("Docker failed" in words and "permission denied" in words for words in seen["not_seen"])
    assert "not seen" in without_sudo("status").out
