"""What one run over SSH and in Docker costs over doing it by hand: `python benchmarks/remote_overhead.py [PAIRS]`.

A is `cosmos run` from the shell with everything included. B is what somebody would type: the job's folder there by scp,
`ssh HOST docker run --rm` with the same image, mounts, GPU, environment and arguments, and its outputs back by scp. The
host is this machine's own sshd and Docker, the image is warm, the stand-in makes no pauses, and the clip is a new one
for each pair, so that A has to bring it, too. They alternate; shown are the medians and the difference pair by pair.
"""

from __future__ import annotations

import json
import shlex
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from real_host import COSMOS, HOST, RealHost, real_host, spread

from cosmos_core.demo import make_clip

GOAL_S = 0.5
IMAGE = "cosmos-transfer2.5:latest"


def timed(argv: Sequence[str | Path], host: RealHost) -> float:
    """Wall seconds of one program of the client's."""
    start = time.perf_counter()
    done = subprocess.run(list(map(str, argv)), cwd=host.home, env=host.environ, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{shlex.join(map(str, argv))} ended with {done.returncode}: {done.stderr.decode()}")
    return time.perf_counter() - start


def new_clip(clip: Path, number: int) -> Path:
    """The same picture in a file of another content: with a box behind it that players pass over."""
    other = clip.with_name(f"clip-{number}.mp4")
    other.write_bytes(clip.read_bytes() + struct.pack(">I4sI", 12, b"free", number))
    return other


class ByHand:
    """The job of a run of ours, as somebody would do it by hand, again and again."""

    def __init__(self, host: RealHost) -> None:
        self.host = host
        account = host.accounts[HOST]
        (ours,) = (account.home / "cosmos" / "jobs").iterdir()
        self.ours = ours
        self.argv: list[str] = json.loads((ours / "job.json").read_text())["argv"]
        self.there = account.home / "by-hand"
        self.made = host.home / "by-hand"

    def __call__(self, clip: Path, number: int) -> float:
        """Wall seconds of all three commands."""
        folder = self._folder(clip, number)
        there = self.there.with_name(folder.name)
        scp = ("scp", *self.host.ssh_options, "-r")
        return (
            timed((*scp, folder, f"{HOST}:{there}"), self.host)
            + timed(("ssh", *self.host.ssh_options, HOST, self._docker_run(there)), self.host)
            + timed((*scp, f"{HOST}:{there}/outputs", folder / "back"), self.host)
        )

    def _folder(self, clip: Path, number: int) -> Path:
        """What the plugin's files would be, made before the clock runs."""
        folder = self.made.with_name(f"by-hand-{number}")
        for name in ("inputs", "outputs", "tmp"):
            (folder / name).mkdir(parents=True)
        shutil.copy(self.ours / "spec.json", folder)
        (video,) = (self.ours / "inputs").iterdir()
        shutil.copy(clip, folder / "inputs" / video.name)
        return folder

    def _docker_run(self, there: Path) -> str:
        options = (
            *("--rm", "--gpus", '"device=0"', "--workdir", "/workspace"),
            *("--mount", f"type=bind,source={there},target={there}"),
            *("--mount", f"type=bind,source={there}/inputs,target={there}/inputs,readonly"),
            *("--mount", f"type=bind,source={self.host.repo},target=/workspace"),
            *("--volume", "/workspace/.venv"),
            *("--env", f"TMPDIR={there}/tmp", "--env", "PYTHONUNBUFFERED=1", "--env", "PYTHONDONTWRITEBYTECODE=1"),
            *("--env", "STANDIN_STEP_SECONDS=0"),
        )
        argv = [word.replace(str(self.ours), str(there)) for word in self.argv]
        return shlex.join((*self.host.dockerd.docker, "run", *options, IMAGE, *argv))


def main(pairs: int) -> None:
    """Measure and print."""
    with real_host() as host:
        host.configure(host.table())
        clip = make_clip(host.home / "clip.mp4", frames=9, width=64, height=64)

        def run(number: int) -> tuple[str | Path, ...]:
            video = new_clip(clip, number)
            words = ("run", "--model", "transfer", "a city", "--video", video, "--weights.edge", "1")
            return (*COSMOS, *words, "--progress", "none")

        timed(run(0), host)  # makes the database
        by_hand = ByHand(host)
        by_hand(clip, 0)
        ours, theirs, logins, differences = [], [], [], []
        for number in range(1, pairs + 1):
            a = timed(run(number), host)
            b = by_hand(host.home / f"clip-{number}.mp4", number)
            logins.append(timed(("ssh", *host.ssh_options, HOST, "true"), host))
            ours.append(a)
            theirs.append(b)
            differences.append(a - b)
    print(f"pairs                        {pairs}")
    print(f"cosmos run, s                {spread(ours, 3)}")
    print(f"scp, ssh docker run, scp, s  {spread(theirs, 3)}")
    print(f"ssh HOST true, s             {spread(logins, 3)}   three of these are in the line above")
    print(f"difference pair by pair, s   {spread(differences, 3)}   goal: at most {GOAL_S:g}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
