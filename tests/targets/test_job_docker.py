"""job.sh with a real Docker daemon: the container is the truth, whoever dies beside it."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from real_dockerd import IMAGE, Dockerd
from real_parts import MakeDockerd
from target_jobs import Jobs, exit_code, has, keeper, keepers, processes, until

from cosmos_core.targets.docker import Container, Mount, container
from cosmos_core.targets.jobdir import Evidence, JobDir
from cosmos_core.targets.script import GpuWish

COUNT = "i=0; while [ $i -lt 200 ]; do echo line $i; echo err $i >&2; i=$((i + 1)); sleep 0.02; done"
COUNTED = [word for i in range(200) for word in (f"line {i}", f"err {i}")]


@pytest.fixture(autouse=True)
def _shells(shell: str) -> None:
    """Every test here is run by every shell."""


def dockerized(
    jobs: Jobs,
    daemon: Dockerd,
    *argv: str,
    docker: Sequence[str] = (),
    image: str = IMAGE,
    limit: float | None = None,
    gpus: GpuWish | None = None,
    env: dict[str, str | None] | None = None,
    more: Sequence[Mount] = (),
) -> JobDir:
    """A staged job that runs `argv` in a container."""
    name = f"jb_{os.urandom(5).hex()}"
    folder = str(jobs.folder / "jobs" / name)
    runtime = container(
        Container(
            docker=docker or daemon.docker,
            image=image,
            entrypoint=json.loads(daemon("image", "inspect", "-f", "{{json .Config.Entrypoint}}", IMAGE).stdout),
            log=f"{folder}/run.log",
            argv=argv,
            env=env or {},
            cwd=folder,
            mounts=[
                Mount(source=folder, to=folder),
                Mount(source=f"{folder}/inputs", to=f"{folder}/inputs", read_only=True),
                *more,
            ],
            labels={"cosmos.job": name},
        )
    )
    return jobs.stage(runtime, name=name, limit=limit, gpus=gpus)


def ended(job: JobDir) -> int:
    """Its exit code, waited for, with all that its keeper has left to do."""
    until(lambda: exit_code(job) is not None, seconds=40)
    until(lambda: not keepers(job.path))
    code = exit_code(job)
    assert code is not None
    return code


def log(job: JobDir) -> list[str]:
    """The lines of its log, without the entrypoint's banner."""
    lines = Path(job.at("run.log")).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("==", "Container image "))]


def left(daemon: Dockerd, job: JobDir) -> str:
    """What Docker still has of it."""
    return daemon("ps", "--all", "--quiet", "--filter", f"name={job.job_id}").stdout


def state(daemon: Dockerd, job: JobDir) -> str:
    return daemon("inspect", "--format", "{{.State.Status}}", f"cosmos-{job.job_id}").stdout.strip()


@pytest.mark.parametrize("code", [0, 3, 125])
def test_the_exit_code_is_the_programs(jobs: Jobs, shared_dockerd: Dockerd, code: int) -> None:
    job = dockerized(jobs, shared_dockerd, "sh", "-c", f"echo out; echo err >&2; exit {code}")
    assert job.look() == Evidence(state="idle")
    job.start({})
    assert ended(job) == code
    assert job.look() == Evidence(state="ended", exit_code=code)
    assert sorted(log(job)) == ["err", "out"]
    assert not left(shared_dockerd, job)


def test_a_progress_bar_is_seen_while_it_moves(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    """It is one line for as long as it moves, and Docker's own log would keep it back until its end."""
    bar = 'printf "\\r 10%%"; while [ ! -e go ]; do sleep 0.05; done; printf "\\r100%%\\n"'
    job = dockerized(jobs, shared_dockerd, "sh", "-c", bar)
    job.start({})
    until(lambda: has(job, "run.log") and Path(job.at("run.log")).read_bytes().endswith(b"\r 10%"))
    Path(job.at("go")).touch()
    assert ended(job) == 0
    assert Path(job.at("run.log")).read_bytes().endswith(b"\r 10%\r100%\n")


def test_what_it_wrote_is_the_folders_owners(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    job = dockerized(jobs, shared_dockerd, "sh", "-c", "echo a > outputs/a; mkdir -p tmp/b; echo > 'odd name'; id -u")
    (Path(job.at("inputs")) / "in").write_text("input")
    for path in (Path(job.path), *Path(job.path).rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)  # a folder that is not root's
    (Path(job.at("inputs")) / "roots").write_text("the cache's own")
    job.start({})
    assert ended(job) == 0
    assert log(job) == ["0"]
    owners = {str(p.relative_to(job.path)): p.lstat().st_uid for p in Path(job.path).rglob("*")}
    assert {name for name, uid in owners.items() if uid == 0} == {"inputs/roots", "claim.1"}  # a link
    assert {"outputs/a", "tmp/b", "odd name"} <= set(owners)


def test_an_image_with_a_user_of_its_own(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    """Who could neither write into the job's folder nor give what it wrote to that folder's owner."""
    named = f"with-a-user:{jobs.folder.name.lower()}"
    made = shared_dockerd("create", IMAGE, "true").stdout.strip()
    shared_dockerd("commit", "--change", "USER 4711:4711", made, named)
    shared_dockerd("rm", made)
    try:
        job = dockerized(jobs, shared_dockerd, "sh", "-c", "echo a > outputs/a; id -u", image=named)
        for path in (Path(job.path), *Path(job.path).rglob("*")):
            os.chown(path, 12345, 12345, follow_symlinks=False)
        job.start({})
        assert ended(job) == 0
        assert log(job) == ["0"]
        assert Path(job.at("outputs/a")).stat().st_uid == 12345
    finally:
        shared_dockerd("rmi", named)


def test_inputs_cannot_be_written(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    job = dockerized(jobs, shared_dockerd, "sh", "-c", "echo x > inputs/in")
    (Path(job.at("inputs")) / "in").write_text("input")
    job.start({})
    assert ended(job) != 0
    assert (Path(job.at("inputs")) / "in").read_text() == "input"


def test_secrets_reach_the_program_and_nothing_else(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    secret = "hunter2 with 'quotes' $(dollars) and = signs \\n"
    job = dockerized(
        jobs, shared_dockerd, "sh", "-c", 'printf %s "$HF_TOKEN" | wc -c; echo "[$empty]"; sleep 0.5', env={"A": "b c"}
    )
    job.start({"HF_TOKEN": secret, "empty": ""})
    until(lambda: has(job, "started"))
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                assert b"hunter2" not in (folder / "cmdline").read_bytes()
            except OSError:
                continue
    assert ended(job) == 0
    assert log(job) == [str(len(secret)), "[]"]
    for file in Path(job.path).rglob("*"):
        assert not file.is_file() or b"hunter2" not in file.read_bytes()


def test_variables_arrive_or_are_unset(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    env = {"A": "b 'c' $(d)\ne", "PATH": "/bin:/usr/bin", "HOSTNAME": None}
    job = dockerized(jobs, shared_dockerd, "sh", "-c", 'echo "$A"; echo "${HOSTNAME-none}"', env=env)
    job.start({})
    assert ended(job) == 0
    assert log(job) == ["b 'c' $(d)", "e", "none"]


def test_a_mount_that_is_missing_is_refused_and_made_by_nobody(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    absent = jobs.folder / "absent, with a comma"
    job = dockerized(jobs, shared_dockerd, "true", more=[Mount(source=str(absent), to="/there")])
    job.start({})
    until(lambda: job.refusal()[0] == "refused")
    assert str(absent) in job.refusal()[1]
    assert not absent.exists()
    assert job.look() == Evidence(state="idle")
    assert not left(shared_dockerd, job)
    absent.mkdir()
    job.start({})  # put right, it runs
    assert ended(job) == 0


@pytest.mark.parametrize(
    ("image", "argv", "words"),
    [("no-such-image:1", ["true"], "no-such-image:1"), (IMAGE, ["/no/such/program"], "")],
)
def test_what_docker_refuses_never_ran(
    jobs: Jobs, shared_dockerd: Dockerd, image: str, argv: list[str], words: str
) -> None:
    job = dockerized(jobs, shared_dockerd, *argv, image=image)
    job.start({})
    if image == IMAGE:  # it is the entrypoint that does not find the program
        assert ended(job) == 127
        return
    until(lambda: job.refusal()[0] == "refused")
    assert words in job.refusal()[1]
    assert not has(job, "started")
    assert job.look() == Evidence(state="idle")
    job.stop()
    assert job.look() == Evidence(state="ended", exit_code=143)


def test_started_by_several_it_runs_once(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    job = dockerized(jobs, shared_dockerd, "sh", "-c", "echo here; sleep 0.2")
    threads = [threading.Thread(target=job.start, args=({},)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended(job) == 0
    job.start({})
    until(lambda: not keepers(job.path))
    assert log(job) == ["here"]


def test_stopping_ends_the_container_and_keeps_what_it_said(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    job = dockerized(jobs, shared_dockerd, "sh", "-c", "echo up; (setsid sleep 300 &); exec sleep 300")
    other = dockerized(jobs, shared_dockerd, "sleep", "300")
    for each in (job, other):
        each.start({})
    until(lambda: has(job, "run.log") and "up" in log(job) and state(shared_dockerd, other) == "running")
    job.stop()
    assert exit_code(job) is not None
    assert exit_code(job) != 0
    assert has(job, "stopped")
    assert log(job) == ["up"]
    until(lambda: not left(shared_dockerd, job))
    assert other.look().state == "alive"
    other.stop()


def test_python_as_the_first_process_hears_that_it_is_to_end(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    code = "import time\nprint('up', flush=True)\ntry: time.sleep(300)\nexcept KeyboardInterrupt: print('bye')"
    job = dockerized(jobs, shared_dockerd, "python3", "-c", code)
    job.start({})
    until(lambda: has(job, "run.log") and "up" in Path(job.at("run.log")).read_text())
    job.stop()
    assert log(job) == ["up", "bye"]
    assert exit_code(job) == 0


def test_the_time_limit(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    job = dockerized(jobs, shared_dockerd, "sleep", "300", limit=1)
    job.start({})
    assert ended(job) != 0
    assert has(job, "timed_out")


def test_killed_from_outside(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    job = dockerized(jobs, shared_dockerd, "sleep", "300")
    job.start({})
    until(lambda: state(shared_dockerd, job) == "running")
    shared_dockerd("kill", f"cosmos-{job.job_id}")
    assert ended(job) == 137
    assert not has(job, "out_of_memory")


def test_removed_from_outside_it_is_gone(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    job = dockerized(jobs, shared_dockerd, "sleep", "300")
    job.start({})
    until(lambda: has(job, "started"))
    shared_dockerd("rm", "--force", "--volumes", f"cosmos-{job.job_id}")
    until(lambda: job.look() == Evidence(state="gone"))
    assert exit_code(job) is None


def test_the_keeper_is_killed_and_another_collects_all_of_it(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    job = dockerized(jobs, shared_dockerd, "sh", "-c", f"{COUNT}; exit 4", limit=600)
    job.start({})
    until(lambda: has(job, "run.log") and len(Path(job.at("run.log")).read_text().splitlines()) > 40)
    os.kill(keeper(job), signal.SIGKILL)
    until(lambda: job.look().state == "untended")
    for pid in processes(job.job_id):
        os.kill(pid, signal.SIGKILL)  # and what copied the log
    job.start({})
    until(lambda: job.look().state in ("alive", "ended"))
    assert ended(job) == 4
    assert sorted(log(job)) == sorted(COUNTED)
    assert [line for line in log(job) if line.startswith("line")] == COUNTED[::2]
    assert not left(shared_dockerd, job)


def test_the_keeper_is_killed_its_copy_of_the_log_goes_on_and_nothing_is_doubled(
    jobs: Jobs, shared_dockerd: Dockerd
) -> None:
    job = dockerized(jobs, shared_dockerd, "sh", "-c", COUNT)
    job.start({})
    until(lambda: has(job, "run.log") and len(Path(job.at("run.log")).read_text().splitlines()) > 40)
    os.kill(keeper(job), signal.SIGKILL)
    until(lambda: job.look().state == "untended")
    job.start({})
    assert ended(job) == 0
    assert sorted(log(job)) == sorted(COUNTED)


def test_it_ended_while_nobody_kept_it(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    job = dockerized(jobs, shared_dockerd, "sh", "-c", "echo first; sleep 0.5; echo last > outputs/last; exit 6")
    job.start({})
    until(lambda: has(job, "started"))
    os.kill(keeper(job), signal.SIGKILL)
    until(lambda: state(shared_dockerd, job) == "exited")
    assert job.look() == Evidence(state="untended")
    job.start({})
    assert ended(job) == 6
    assert log(job) == ["first"]
    assert not left(shared_dockerd, job)


def test_stopped_while_nobody_kept_it(jobs: Jobs, shared_dockerd: Dockerd) -> None:
    job = dockerized(jobs, shared_dockerd, "sh", "-c", "echo up; exec sleep 300")
    job.start({})
    until(lambda: has(job, "started"))
    os.kill(keeper(job), signal.SIGKILL)
    job.stop()
    assert exit_code(job) not in (None, 0)
    assert log(job) == ["up"]
    until(lambda: not left(shared_dockerd, job))


def test_the_daemon_restarts_and_the_container_lives_on(jobs: Jobs, dockerd: MakeDockerd) -> None:
    daemon = dockerd(live_restore=True)
    job = dockerized(jobs, daemon, "sh", "-c", f"{COUNT}; echo done > outputs/done; exit 2")
    job.start({})
    until(lambda: has(job, "run.log") and "line 20" in Path(job.at("run.log")).read_text())
    daemon.stop()
    assert job.look().state == "alive"
    daemon.start()
    assert ended(job) == 2
    assert sorted(log(job)) == sorted(COUNTED)
    assert not left(daemon, job)


def test_the_daemon_restarts_and_takes_the_container_with_it(jobs: Jobs, dockerd: MakeDockerd) -> None:
    daemon = dockerd()
    job = dockerized(jobs, daemon, "sh", "-c", "echo up; exec sleep 300")
    job.start({})
    until(lambda: has(job, "run.log") and "up" in Path(job.at("run.log")).read_text())
    daemon.stop()
    assert job.look().state == "alive"  # its keeper waits for an answer
    daemon.start()
    assert ended(job) not in (0, None)
    assert log(job) == ["up"]


def test_the_daemon_is_away_for_a_moment_when_the_container_is_to_go(
    jobs: Jobs, dockerd: MakeDockerd, tmp_path: Path
) -> None:
    daemon = dockerd()
    asked, go = tmp_path / "asked", tmp_path / "go"
    slow = tmp_path / "slow-docker"  # Docker's own client, held up until the daemon is away
    held = f": > {asked}; while [ ! -e {go} ]; do sleep 0.05; done"
    slow.write_text(
        f'#!/bin/sh\n[ "$1" != rm ] || [ ! -e works ] || {{ {held}; }}\nexec {" ".join(daemon.docker)} "$@"\n'
    )
    slow.chmod(0o755)
    job = dockerized(jobs, daemon, "sh", "-c", "while [ ! -e works ]; do sleep 0.05; done; exit 3", docker=[str(slow)])
    job.start({})
    until(lambda: has(job, "started"))
    Path(job.at("works")).touch()  # before it began, what might have been left of an earlier one was removed
    until(asked.exists)
    daemon.stop()
    go.touch()
    until(lambda: exit_code(job) == 3)
    daemon.start()
    until(lambda: not left(daemon, job))
    until(lambda: not keepers(job.path))


def test_the_daemon_is_away(jobs: Jobs, dockerd: MakeDockerd) -> None:
    daemon = dockerd()
    job = dockerized(jobs, daemon, "sh", "-c", "echo up; sleep 0.2")
    daemon.stop()
    job.start({})
    until(lambda: job.refusal()[0] == "refused")
    assert "annot connect" in job.refusal()[1]
    assert job.look().state == "away"
    daemon.start()
    assert job.look() == Evidence(state="idle")
    job.start({})
    assert ended(job) == 0
    assert log(job) == ["up"]
