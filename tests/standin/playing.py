"""The stand-in run as the core runs it: zipped, in a process of its own, with the real command behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av
from real_processes import HANG_S

SCRIPT = "examples/inference.py"


def make_clip(path: Path, frames: int = 8, width: int = 96, height: int = 64, fps: Any = 24) -> Path:
    """A small moving gradient; mpeg4, which every build of FFmpeg has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane in frame.planes:
                row = bytes((x * 2 + index * 5) % 200 + 20 for x in range(plane.line_size))
                plane.update(row * plane.height)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_image(path: Path, width: int = 96, height: int = 64) -> Path:
    """One grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coder: Any = av.CodecContext.create("png" if path.suffix == ".png" else "mjpeg", "w")
    coder.width, coder.height, coder.framerate = width, height, 1
    coder.pix_fmt = "rgb24" if path.suffix == ".png" else "yuvj420p"
    frame = av.VideoFrame(width, height, coder.pix_fmt)
    for plane in frame.planes:
        plane.update(bytes([90]) * plane.buffer_size)
    frame.pts = 0
    path.write_bytes(b"".join(bytes(packet) for packet in (*coder.encode(frame), *coder.encode(None))))
    return path


def decode(path: Path) -> list[Any]:
    """All frames of a video."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


Make = Callable[..., dict[str, Any]]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """This process's, without what would change the stand-in, and as fast as possible."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("STANDIN_", "COSMOS_", "PYTHON"))}
    return kept | {"STANDIN_STEP_SECONDS": "0", "PYTHONWARNINGS": "error"} | given


class Played:
    """How a command ended, and what lies where."""

    def __init__(self, done: subprocess.CompletedProcess[bytes], folder: Path) -> None:
        self.code = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()
        self.folder = folder

    def files(self) -> set[str]:
        """Names in outputs/, without the three that every run has."""
        every = {"config.yaml", "console.log", "debug.log"}
        return {path.name for path in (self.folder / "outputs").iterdir()} - every

    def text(self, name: str) -> str:
        """A file in outputs/."""
        return (self.folder / "outputs" / name).read_text(encoding="utf-8")


class Player:
    """Runs commands in one fresh working directory that holds in.mp4."""

    def __init__(self, pyz: Path, folder: Path) -> None:
        self.pyz = pyz
        self.folder = folder

    def write(self, data: Any, name: str = "spec.json") -> Path:
        """A spec file: text as it is, a dict as JSON, a list of dicts as JSON lines."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, list):
            data = "".join(json.dumps(row) + "\n" for row in data)
        path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
        return path

    def command(self, *words: str, av: bool = True) -> list[str]:
        """The real argv behind the interpreter and the zip; without PyAV where `av` is False."""
        return [sys.executable, *([] if av else ["-S"]), str(self.pyz), *words]

    def run(self, *words: str, av: bool = True, **env: str) -> Played:
        """Run a whole command to its end."""
        done = subprocess.run(
            self.command(*words, av=av), cwd=self.folder, env=environment(env), capture_output=True, timeout=HANG_S
        )
        return Played(done, self.folder)

    def play(self, data: Any, *flags: str, av: bool = True, **env: str) -> Played:
        """Write the spec and run it with `python examples/inference.py`."""
        spec = self.write(data, "spec.jsonl" if isinstance(data, list) else "spec.json")
        return self.run("python", SCRIPT, "-i", spec.name, "-o", "outputs", *flags, av=av, **env)
