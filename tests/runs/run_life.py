"""A home of its own for each test, clips to run on, clients to kill, and what is alive of a job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import warm_cosmos
from real_processes import until as until

from cosmos_core import Cosmos
from cosmos_core.store.records import RunRecord

TEXT = "a neon city"

SUICIDE = """
import importlib, os, signal
module, _, name = words[1].partition(":")
owner = getattr(importlib.import_module(module), name.split(".")[0])
method = getattr(owner, name.split(".")[1])
calls = 0
def called(*args, **kwargs):
    global calls
    calls += 1
    if calls == int(words[2]) and words[3] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = method(*args, **kwargs)
    if calls == int(words[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
setattr(owner, name.split(".")[1], called)
"""
"""Has this process killed before or after the words[2]-th call of the method words[1]."""

MOVE = "cosmos_core.store:Store.move"
"""The 6 transitions: to uploading, queued, running, downloading, parsing, completed."""


NOWHERE = """\
[targets.lab]
host = "no-such-host.invalid"
work_dir = "/w"
connect_timeout = 5
toolkits."cosmos-transfer2.5".repo = "/r"
"""


def make_clip(path: Path, *, frames: int = 9, rate: Any = 24, shade: int = 0, faststart: bool = False) -> Path:
    """A small mp4; another `shade` makes another file."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame(64, 64, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([(index * 8 + shade) % 256]) * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class Home:
    """A data folder with its configuration, and clients of it."""

    def __init__(self, folder: Path, clip: Path) -> None:
        self.folder = folder
        self.clip = clip
        self.config_file = folder / "cosmos.toml"
        self.configure("")
        self._open: list[Cosmos] = []
        self._clients: list[subprocess.Popen[str]] = []

    def configure(self, text: str) -> None:
        """Write cosmos.toml; clients opened after it know."""
        self.config_file.write_text(text, encoding="utf-8")

    def cosmos(self) -> Cosmos:
        """A client in this process, with a database connection of its own."""
        client = Cosmos(self.config_file)
        self._open.append(client)
        return client

    def store_run(self, cosmos: Cosmos | None = None, **wish: Any) -> RunRecord:
        """A stored run of the clip; nothing of it is started."""
        cosmos = cosmos or self.cosmos()
        inputs = wish.pop("inputs", {"video": self.clip})
        parameters = {"weights": {"edge": 0.5}, "num_steps": 4} | wish.pop("parameters", {})
        prompt = cosmos.create_prompt("transfer", wish.pop("text", TEXT), inputs=inputs, parameters=parameters)
        return cosmos.create_run(prompt.id, **wish)

    def client(self, code: str, *words: str) -> subprocess.Popen[str]:
        """Another process that runs `code` with `cosmos` and `words` in it."""
        argv = [sys.executable, "-c", self._program(code), *words]
        client = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._clients.append(client)
        return client

    def dies(self, run_id: str, what: str, nth: int, when: str, how: str = "cosmos.execute(words[0])") -> None:
        """Another process that executes a run, and is killed before or after the nth call of a method."""
        program = self._program(SUICIDE + how)
        done = warm_cosmos.run((run_id, what, str(nth), when), cwd=Path.cwd(), env=os.environ, code=program)
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr

    def _program(self, code: str) -> str:
        return (
            f"import sys\nfrom cosmos_core import Cosmos\ncosmos = Cosmos({str(self.config_file)!r})\n"
            f"words = sys.argv[1:]\n{code}"
        )

    def job_dir(self, run: RunRecord) -> Path:
        """Where the run's job is on this machine."""
        cosmos = self._open[-1]
        job_id = cosmos.store.run(run.id).job_id
        assert job_id is not None
        return Path(cosmos.store.job(job_id).dir)

    def close(self) -> None:
        """End the clients and everything of their jobs."""
        for client in self._clients:
            client.kill()
            client.communicate()
        for cosmos in self._open:
            cosmos.close()
        for folder in self.folder.rglob("jb_*"):
            for pid in processes(folder.name):
                os.kill(pid, signal.SIGKILL)


def _of_proc(name: str, holds: Callable[[bytes], bool]) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if any(map(holds, (folder / name).read_bytes().split(b"\0"))):
                yield int(folder.name)
        except OSError:
            continue  # it has just ended


def processes(job_id: str) -> list[int]:
    """What is alive of a job: its work, and the shell that keeps it."""
    work = _of_proc("environ", lambda word: word == f"COSMOS_JOB={job_id}".encode())
    keepers = _of_proc("cmdline", lambda word: word.endswith(f"/{job_id}/job.sh".encode()))
    return [*work, *keepers]


def whole(home: Home, run: RunRecord) -> None:
    """Assert that a run is completed, was started once, and is here with all it made and said."""
    assert run.status == "completed", run
    assert run.error is None
    folder = home.job_dir(run)
    log = (folder / "run.log").read_text()
    assert log.count("This is a simulation") == 1
    assert (home.folder / "home" / "outputs" / run.id / "run.log").read_text() == log
    assert {"video", "control_edge"} <= set(run.outputs.files) or run.outputs.files
    for artifact in run.artifacts:
        assert artifact.path is not None
        assert Path(artifact.path).read_bytes() == Path(artifact.remote).read_bytes()
        assert artifact.bytes == Path(artifact.path).stat().st_size
    assert run.started_at is not None
    assert run.completed_at is not None
    until(lambda: not processes(folder.name))
