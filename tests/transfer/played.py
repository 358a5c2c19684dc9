"""A job's folder as the core lays it out, and the stand-in that plays the job in it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from unittest import mock

from attrs import evolve
from real_processes import HANG_S
from small_media import array, picture, video

from cosmos_core import PYTHON, Bundle, Command, Input, Job, Outputs, Request, Result
from cosmos_core.models import inputs
from cosmos_core.models.verdict import verdict
from cosmos_transfer.standin import transfer25 as stand_in
from cosmos_transfer.transfer25 import (
    TOOLKIT,
    choose_script,
    convert_inputs,
    follow_progress,
    parse_outputs,
    validate_inputs,
)
from cosmos_transfer.transfer25.log import lines_of
from cosmos_transfer.transfer25.parameters import Parameters

START = "import sys; from cosmos_transfer.standin.transfer25 import main; sys.exit(main(sys.argv[1:]))"
QUICK = {"STANDIN_STEP_SECONDS": "0", "STANDIN_HANG_SECONDS": "0"}


def content_of(item: Input, frames: int) -> bytes:
    """A file that is what the input says it is."""
    assert item.media is not None
    if item.media.kind == "tensor":
        return array((frames, 2, 2))
    if item.media.kind == "image":
        return picture() if item.name.lower().endswith("png") else picture("yuvj420p", "mjpeg")
    return video(item.media.frames or frames)


class Played:
    """A job's folder, laid out from the bundle, and what the stand-in made of it."""

    def __init__(
        self, folder: Path, *requests: Request[Parameters], contents: Mapping[str, bytes] | None = None
    ) -> None:
        self.folder = folder
        self.job: Job[Parameters] = Job.of(*requests, dir=str(folder))
        self.bundle: Bundle = convert_inputs(self.job)
        self.command: Command = choose_script(self.job, self.bundle)
        self.log = ""
        self.exit_code: int | None = None
        for file in self.bundle.files:
            (folder / file.path).write_bytes(file.content)
        longest = max(item.media.frames or 1 for r in requests for item in r.inputs if item.media)
        for place in self.bundle.places:
            (folder / place.to).parent.mkdir(exist_ok=True)
            slot = place.input.slot
            content = contents[slot] if contents is not None else content_of(place.input, longest)
            (folder / place.to).write_bytes(content)

    @property
    def argv(self) -> list[str]:
        return ["python" if word == PYTHON else word for word in self.command.argv]

    def env(self, **orders: str) -> dict[str, str]:
        command = {name: value for name, value in self.command.env.items() if value is not None}
        return {**QUICK, **command, **orders}

    def play_here(self, **orders: str) -> None:
        """Run it in this process, which saves the start of another; several ranks are its children."""
        with (
            (self.folder / "run.log").open("w+", encoding="utf-8", newline="") as said,
            mock.patch.dict(os.environ, self.env(**orders)),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            self.exit_code = stand_in.main(self.argv)
            said.seek(0)
            self.log = said.read()

    def play(self, **orders: str) -> None:
        """Run it in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-c", START, *self.argv],
            env={**os.environ, **self.env(**orders)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=HANG_S,
            check=False,
        )
        self.log, self.exit_code = done.stdout.decode(), done.returncode

    def outputs(self) -> list[Outputs]:
        """What is fetched, judged by the plugin and then by the core."""
        there = self.folder / "outputs"
        (self.folder / "run.log").write_text(self.log, encoding="utf-8", newline="")
        result = Result(
            files={path.name: path.stat().st_size for path in there.glob("*")},
            folder=there,
            log=self.folder / "run.log",
            exit_code=self.exit_code,
        )
        outputs = []
        for request, one in zip(self.job.requests, parse_outputs(self.job, result), strict=True):
            mine = tuple(fetch for fetch in self.bundle.fetch if fetch.request in (None, request.id))
            outputs.append(verdict(evolve(self.bundle, fetch=mine), result, one))
        return outputs

    def left_behind(self) -> list[str]:
        """Files among the outputs that nobody fetches."""
        names = sorted(path.name for path in (self.folder / "outputs").iterdir())
        return [name for name in names if not any(fnmatch(name, fetch.pattern) for fetch in self.bundle.fetch)]

    def fractions(self) -> dict[str, float]:
        """How far each request came by the log."""
        reader = follow_progress(self.job)
        reached: dict[str, float] = {}
        for line in lines_of(self.log):
            progress = reader(line)
            if progress is not None and progress.request and progress.fraction is not None:
                assert progress.doomed is None
                assert progress.fraction >= reached.get(progress.request, 0.0)
                reached[progress.request] = progress.fraction
        return reached


def wrong_with(request: Request[Parameters]) -> list[str]:
    """The errors of the core's checks of inputs and of ours."""
    problems = (*inputs.check(TOOLKIT, request), *validate_inputs(request))
    return [problem.code for problem in problems if problem.severity == "error"]
