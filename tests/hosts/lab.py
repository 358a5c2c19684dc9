"""Clients of GPU hosts: each with a database of its own, as somebody's laptop has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import warm_cosmos
from attrs import frozen
from real_parts import GpuHost
from real_processes import until as until

from cosmos_core import Cosmos
from cosmos_core.demo import make_clip
from cosmos_core.store.records import RunRecord

TEXT = "heavy rain"
PARAMETERS = {"weights.edge": 0.5, "num_steps": 4}
SLOW = {"env": {"STANDIN_STEP_SECONDS": "0.3"}}
ENDLESS = {"env": {"STANDIN_STEP_SECONDS": "60"}}


def and_long(*rest: tuple[Any, ...]) -> list[Any]:
    """Rows of a matrix for `-m long` only: what they add to the others is worth an hour now and then."""
    return [pytest.param(*row, marks=pytest.mark.long) for row in rest]


# Kills the process that calls the named method for the nth time, before or after it did its work.
SUICIDE = """
import importlib, os, signal, sys
from pathlib import Path
from cosmos_core import Cosmos
run_id, what, nth, when = sys.argv[1:]
module, _, name = what.partition(":")
owner = getattr(importlib.import_module(module), name.split(".")[0])
method = getattr(owner, name.split(".")[1])
calls = 0
def called(*args, **kwargs):
    global calls
    calls += 1
    if calls == int(nth) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = method(*args, **kwargs)
    if calls == int(nth):
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
setattr(owner, name.split(".")[1], called)
with Cosmos() as cosmos:
    cosmos.execute(run_id)
"""


class Laptop:
    """A client: configuration, data folder and clip of its own."""

    def __init__(self, folder: Path, clip: Path, *hosts: GpuHost, env: Mapping[str, str] | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.clip = clip
        self.config = folder / "cosmos.toml"
        self.configure(*hosts)
        self.env = dict(env or {})
        self._opened: list[Cosmos] = []

    def configure(self, *hosts: GpuHost, more: str = "") -> None:
        """Write the configuration; the first host is the default."""
        head = f'default_target = "{hosts[0].name}"\n' if hosts else ""
        self.config.write_text(head + more + "\n".join(host.table for host in hosts), encoding="utf-8")

    @property
    def environ(self) -> dict[str, str]:
        """What its processes are given."""
        told = {"COSMOS_HOME": str(self.folder / "home"), "COSMOS_CONFIG": str(self.config), "TZ": "UTC"}
        return {**os.environ, **told, **self.env}

    def cosmos(self) -> Cosmos:
        """The API, closed with the laptop."""
        from cosmos_core.config import Config

        cosmos = Cosmos(Config.load(self.config, self.environ))
        self._opened.append(cosmos)
        return cosmos

    def close(self) -> None:
        """Let go of everything."""
        for cosmos in self._opened:
            cosmos.close()

    def store_run(self, cosmos: Cosmos, **wish: Any) -> RunRecord:
        """A stored run of the clip."""
        parameters = {**PARAMETERS, **wish.pop("parameters", {})}
        prompt = cosmos.create_prompt(
            "transfer", wish.pop("text", TEXT), inputs={"video": str(self.clip)}, parameters=parameters
        )
        return cosmos.create_run(prompt.id, **wish)

    def run(self, **wish: Any) -> RunRecord:
        """A run of the clip, executed to its end."""
        cosmos = self.cosmos()
        return cosmos.execute(self.store_run(cosmos, **wish).id)

    def popen(self, *words: str | Path) -> subprocess.Popen[str]:
        """`cosmos WORDS`, begun: a process that may be stopped and killed."""
        return subprocess.Popen(
            [sys.executable, "-m", "cosmos_core", *map(str, words)],
            env=self.environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str | Path) -> Ended:
        """`cosmos WORDS`, ended."""
        done = warm_cosmos.run(list(map(str, words)), cwd=self.folder, env=self.environ)
        return Ended(done.returncode, done.stdout, done.stderr)

    def dies(self, run_id: str, what: str, nth: int, when: str) -> None:
        """A client that executes a run and is killed at that point."""
        done = warm_cosmos.run((run_id, what, str(nth), when), cwd=self.folder, env=self.environ, code=SUICIDE)
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


@frozen
class Ended:
    """How a command ended; shown whole by an assert that does not hold."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


def job_folder(host: GpuHost, run: RunRecord) -> Path:
    """Where the run's job lies; the host is this machine, whatever way leads to it."""
    assert run.job_id
    return host.work_dir / "jobs" / run.job_id


def whole(run: RunRecord, host: GpuHost) -> None:
    """Assert that a run completed, with all it made and said here, and that nothing of it is left to somebody else."""
    assert run.status == "completed", (run.status, run.paused, run.error)
    assert run.error is None
    assert run.paused is None
    job = job_folder(host, run)
    roles = {artifact.role for artifact in run.artifacts}
    assert {"result", "control", "log", "data"} <= roles
    for artifact in run.artifacts:
        assert artifact.path
        assert Path(artifact.path).read_bytes() == Path(artifact.remote).read_bytes()
    kept = Path(run.outputs.files[next(iter(run.outputs.files))]).parent / "run.log"
    assert kept.read_bytes() == (job / "run.log").read_bytes()
    assert kept.read_bytes().count(b"Found 1 hint keys") == 1  # it ran once
    owned(host, job)


def owned(host: GpuHost, job: Path) -> None:
    """Assert that all of a job's folder belongs to the account, and that nobody else can look into it."""
    uid = os.getuid() if host.account is None else host.account.uid
    strangers = [str(path) for path in (job, *job.rglob("*")) if path.lstat().st_uid != uid]
    assert strangers == []
    assert job.stat().st_mode & 0o077 == 0
    assert not [path for path in job.rglob("*") if path.name.endswith(".part")]


def containers(host: GpuHost, run: RunRecord) -> str:
    """What Docker still has of a run's job."""
    if not host.docker:
        return ""
    docker = [word for word in host.docker if word != "sudo"]
    asked = subprocess.run(
        [*docker, "ps", "--all", "--quiet", "--filter", f"name={run.job_id}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine frames of 64x64."""
    return make_clip(tmp_path_factory.mktemp("clips") / "street.mp4", frames=9, width=64, height=64)


@pytest.fixture
def laptop(tmp_path: Path, clip: Path) -> Iterator[Callable[..., Laptop]]:
    """A maker of laptops that know these hosts, the first as the default."""
    made: list[Laptop] = []

    def make(*hosts: GpuHost, name: str = "laptop", **env: str) -> Laptop:
        made.append(Laptop(tmp_path / name, clip, *hosts, env=env))
        return made[-1]

    yield make
    for each in made:
        each.close()
