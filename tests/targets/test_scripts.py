"""The shell scripts that go to hosts, as shellcheck sees them put together."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from real_parts import real
from real_session import program

import cosmos_core.targets
from cosmos_core.targets.docker import Container, Mount, container
from cosmos_core.targets.overview import part
from cosmos_core.targets.process import process
from cosmos_core.targets.script import GpuWish, Runtime, Script

MEANT = (
    "SC1007",  # `one= two=` empties both
    "SC2012",  # `ls` looks at names of ours
    "SC2015",  # A && B || C: C is for both
    "SC2034",  # what one part of job.sh sets may be another part's that is not in this one
)
GPUS = GpuWish(count=1, allowed=(0, 1), lock_dir="/run/lock/cosmos", if_busy="wait", owner="user=ada store=1")
DOCKER = container(
    Container(
        docker=("sudo", "docker"),
        image="cosmos:latest",
        entrypoint=(),
        log="/data/jobs/jb_1/run.log",
        argv=("python", "x.py"),
        env={"A": "b c", "B": None},
        cwd="/workspace",
        mounts=(Mount(source="/data/jobs/jb_1", to="/data/jobs/jb_1"),),
        labels={"cosmos.job": "jb_1"},
    )
)
PROCESS = process(("python", "x.py"), {"A": "b c", "B": None}, "/repo")


def looked_through(script: str) -> str:
    """What shellcheck finds."""
    shellcheck = real(lambda: program("shellcheck", "shellcheck"))
    argv = [shellcheck, "--shell=sh", "--format=gcc", f"--exclude={','.join(MEANT)}", "-"]
    return subprocess.run(argv, input=script, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("gpus", [None, GPUS])
@pytest.mark.parametrize("runtime", [PROCESS, DOCKER])
def test_a_jobs_script(runtime: Runtime, gpus: GpuWish | None) -> None:
    script = Script(job_id="jb_1", dir="/data/jobs/jb_1", runtime=runtime, gpus=gpus, time_limit_s=60)
    assert looked_through(script.content.decode()) == ""


@pytest.mark.parametrize("name", ["check.sh", "clean.sh", "overview.sh"])
def test_what_a_host_is_asked(name: str) -> None:
    assert looked_through(part(name)) == ""


def test_all_scripts_are_looked_through() -> None:
    scripts = {path.name for path in Path(cosmos_core.targets.__file__).parent.glob("**/*.sh")}
    parts = {"job.sh", "process.sh", "docker.sh", "line.sh"}
    assert scripts == parts | {"check.sh", "clean.sh", "overview.sh"}


def test_it_finds_what_is_wrong() -> None:
    assert "SC2086" in looked_through("name=$1\nrm $name\n")
