"""More jobs than GPUs, from several people with databases of their own: never two on one GPU, in order, all done."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import Laptop, and_long, job_folder, until, whole
from real_parts import Accounts, GpuHost, GpuHosts, MakeDockerd
from real_processes import HANG_S

from cosmos_core.store.records import Queue, RunRecord

MakeLaptop = Callable[..., Laptop]
STEPS_OF_A_SECOND = {"STANDIN_STEP_SECONDS": "1"}

# Before the toolkit: who has which GPU, as the job itself sees it, into a ledger that all may append to.
LEDGER = """#!/bin/sh
echo "begin $HOSTS_GPUS $TMPDIR" >> "$(dirname "$0")/../ledger"
"$(dirname "$0")/played" "$@"
code=$?
echo "end $HOSTS_GPUS $TMPDIR" >> "$(dirname "$0")/../ledger"
exit $code
"""


def keep_ledger(repo: Path) -> Path:
    """Let every job write down when it has its GPUs, and where."""
    ledger = repo / "ledger"
    ledger.touch()
    ledger.chmod(0o666)
    for program in ("python", "torchrun"):
        played = repo / "bin" / program
        played.rename(repo / "bin" / f"played-{program}")
        seen = "${CUDA_VISIBLE_DEVICES:-$NVIDIA_VISIBLE_DEVICES}"
        played.write_text(LEDGER.replace("$HOSTS_GPUS", seen).replace('/played"', f'/played-{program}"'))
        played.chmod(0o755)
    return ledger


def held(ledger: Path) -> list[tuple[str, frozenset[str]]]:
    """Jobs in the order in which they got GPUs, each with its own; asserts that no GPU had two at a time."""
    order: list[tuple[str, frozenset[str]]] = []
    taken: dict[str, str] = {}
    for line in ledger.read_text().splitlines():
        word, gpus, folder = line.split()
        job = Path(folder).parent.name
        for gpu in gpus.split(","):
            if word == "begin":
                assert gpu not in taken, line
                taken[gpu] = job
            else:
                assert taken.pop(gpu) == job, line
        if word == "begin":
            order.append((job, frozenset(gpus.split(","))))
    assert not taken
    return order


@pytest.mark.parametrize(("runtime", "runs"), [("docker", 6), *and_long(("docker", 10), ("process", 10))])
def test_many_runs_for_two_gpus_from_two_people(
    gpu_host: GpuHosts, laptop: MakeLaptop, toolkit_repo: Path, runtime: str, runs: int
) -> None:
    ledger = keep_ledger(toolkit_repo)
    quick = {"env": {"STANDIN_STEP_SECONDS": "0.02"}, "gpus": (4, 5)}  # indexes that no other test uses
    hosts = [gpu_host("ada", runtime, **quick), gpu_host("bob", runtime, **quick)]
    laptops = [laptop(host, name=f"of-{host.name}") for host in hosts]
    asked: list[tuple[Laptop, GpuHost, RunRecord]] = []
    for number in range(runs):
        mine, host = laptops[number % 2], hosts[number % 2]
        cosmos = mine.cosmos()
        run = cosmos.start(mine.store_run(cosmos, gpus=2 if number == 3 else None).id)
        asked.append((mine, host, run))
    followers = [mine.popen("sync", "--follow") for mine in laptops]
    for follower in followers:
        _, err = follower.communicate(timeout=HANG_S)
        assert follower.returncode == 0, err
    for mine, host, run in asked:
        done = mine.cosmos().store.run(run.id)
        whole(done, host)
        assert set(done.metadata["gpus"]) <= {4, 5}
    order = held(ledger)
    assert [job for job, _ in order] == [run.job_id for _, _, run in asked]
    assert order[3][1] == {"4", "5"}
    until(lambda: list(hosts[0].lock_dir.glob("ticket.*")) == [])


def test_the_place_in_line_is_seen(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", gpus=(6,), env={"STANDIN_STEP_SECONDS": "60"})
    mine = laptop(host)
    asked = ("run", "--model", "transfer", "rain", "--video", mine.clip, "--weights.edge", "1")
    first = mine(*asked, "--detach", "--json").document
    second = mine(*asked, "--detach")
    assert second.code == 0
    assert "next for a GPU" in second.out
    third = mine(*asked, "--detach", "--json").document
    assert (third["status"], third["queue"]) == ("queued", {"position": 2, "ahead": 1})
    assert first["queue"] is None
    assert "number 2 in the line for GPUs" in mine("show", third["id"]).out
    follower = mine.popen("attach", third["id"], "--progress", "jsonl")
    assert follower.stderr
    seen = [json.loads(follower.stderr.readline())]
    while seen[-1]["queue"] != {"position": 2, "ahead": 1}:
        seen.append(json.loads(follower.stderr.readline()))
    waiting = mine("list", "runs", "--status", "queued", "-q").out.split()
    assert mine("cancel", waiting[-1]).code == 0  # the one ahead
    while seen[-1]["queue"] != {"position": 1, "ahead": 0}:
        seen.append(json.loads(follower.stderr.readline()))
    assert mine("cancel", first["id"]).code == 0
    while seen[-1]["status"] != "running":
        seen.append(json.loads(follower.stderr.readline()))
    assert seen[-1]["queue"] is None
    assert mine("cancel", third["id"]).code == 0
    follower.communicate(timeout=HANG_S)
    assert follower.returncode == 1


def test_a_waiter_whose_keeper_was_killed_joins_the_line_again(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    """As after a restart of the host: it never ran, so nothing of it is lost."""
    host = gpu_host("eve", "process", gpus=(6,), env=STEPS_OF_A_SECOND)
    mine = laptop(host)
    cosmos = mine.cosmos()
    first = cosmos.start(mine.store_run(cosmos, parameters={"num_steps": 500}).id)
    second = cosmos.start(mine.store_run(cosmos, parameters={"num_steps": 1}).id)
    assert second.queue
    os.kill(int((job_folder(host, second) / "claim.1").readlink().name.split()[0]), 9)
    assert cosmos.sync()
    until(lambda: (job_folder(host, second) / "claim.2").is_symlink())
    until(lambda: len(list(host.lock_dir.glob("ticket.*"))) == 2)
    cosmos.cancel(first.id)
    whole(cosmos.follow(second.id), host)


def test_a_waiter_that_loses_its_keeper_while_somebody_watches(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    """Who watches starts it again at once, and does not leave it to the next `cosmos sync`."""
    host = gpu_host("eve", "process", gpus=(6,), env=STEPS_OF_A_SECOND)
    mine = laptop(host)
    cosmos = mine.cosmos()
    first = cosmos.start(mine.store_run(cosmos, parameters={"num_steps": 500}).id)
    second = mine.store_run(cosmos, parameters={"num_steps": 1})
    watcher = mine.popen("inference", second.id)
    waiting = until(lambda: run if (run := cosmos.store.run(second.id)).queue else None)
    os.kill(int((job_folder(host, waiting) / "claim.1").readlink().name.split()[0]), 9)
    until(lambda: (job_folder(host, waiting) / "claim.2").is_symlink())
    cosmos.cancel(first.id)
    _, err = watcher.communicate(timeout=HANG_S)
    assert watcher.returncode == 0, err
    whole(cosmos.store.run(second.id), host)


def test_a_container_that_lost_its_keeper_and_its_daemon_for_a_while_keeps_its_gpu(
    gpu_host: GpuHosts, laptop: MakeLaptop, dockerd: MakeDockerd, accounts: Accounts
) -> None:
    """Those who run plain processes cannot ask Docker: they only see the line."""
    daemon, ada = dockerd(live_restore=True), accounts["ada"]
    endless = {"env": {"STANDIN_STEP_SECONDS": "60"}, "gpus": (6,)}
    host, other = gpu_host("ada", "docker", dockerd=daemon, **endless), gpu_host("eve", "process", **endless)
    mine, theirs = laptop(host), laptop(other, name="theirs")
    cosmos = mine.cosmos()
    first = cosmos.start(mine.store_run(cosmos).id)
    folder = job_folder(host, first)
    os.kill(int((folder / "claim.1").readlink().name.split()[0]), 9)
    daemon.stop()
    again = ["sh", str(folder / "job.sh"), "start"]  # as one starts it who saw the daemon a moment before it went
    subprocess.run(
        again, check=True, stdin=subprocess.DEVNULL, user=ada.user, group=ada.user, extra_groups=[daemon.group]
    )
    until(lambda: any("holds 6" in file.read_text() for file in host.lock_dir.glob(f"ticket.*.{first.job_id}")))
    second = theirs.cosmos().start(theirs.store_run(theirs.cosmos()).id)
    assert (second.status, second.queue) == ("queued", Queue(position=1, ahead=0))
    assert mine("cancel", first.id).code == 4  # nobody can stop it now, so it goes on, and its GPU is not free
    daemon.start()
    assert not (job_folder(other, second) / "started").exists()
    assert theirs("cancel", second.id).code == 0
    assert mine("cancel", first.id).code == 0
    assert (folder / "claim.2").is_symlink()
    assert not (folder / "claim.3").is_symlink()
    until(lambda: list(host.lock_dir.glob("ticket.*")) == [])
