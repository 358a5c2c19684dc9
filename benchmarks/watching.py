"""What it takes to watch many runs on one host: `python benchmarks/watching.py [RUNS] [SECONDS]`.

RUNS jobs run on this machine, reached over its own sshd, each with a line in its log every two seconds, and one
`cosmos wait` follows all of them; for comparison, one follows the first alone. Shown for each: connections by sshd's
log, what the host was asked by counting at the client's own line, and what the client used once it has settled. A poll
is a look at all logs and ends; where a log has grown, a second question reads what is new.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from real_host import COSMOS, RealHost, real_host

from cosmos_core.demo import make_clip

RUNS = 100
SECONDS = 20.0
STEP_S = 2.0
STEPS = 500  # of that: longer than anything here takes
SETTLED_S = 10.0


def watched(report: Path, seconds: float, ids: Sequence[str]) -> None:
    """In a process of its own: `cosmos wait`, counted, for so long. What it saw goes into `report`."""
    from cosmos_core.cli.main import main
    from cosmos_core.targets import rounds
    from cosmos_core.targets.ssh.line import Line

    counts = {"asked": 0, "looks at files": 0, "looks at jobs": 0, "spans": 0}

    def counting(owner: Any, name: str, what: str, size: str | None = None) -> None:
        inner = getattr(owner, name)

        def called(*args: Any, **kwargs: Any) -> Any:
            counts[what] += 1
            if size:
                counts[size] += sum(len(ask) for ask in args[1])
            return inner(*args, **kwargs)

        setattr(owner, name, called)

    counting(Line, "ask", "asked")
    counting(Line, "errand", "asked")
    counting(rounds, "_read", "looks at files", "spans")
    counting(rounds, "look_at", "looks at jobs")

    def measure() -> None:
        time.sleep(SETTLED_S)
        before, cpu, start = dict(counts), time.process_time(), time.perf_counter()
        time.sleep(seconds)
        took = time.perf_counter() - start
        told: dict[str, float] = {name: counts[name] - before[name] for name in counts}
        told |= {"seconds": took, "cpu": time.process_time() - cpu, "threads": threading.active_count()}
        told["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        report.write_text(json.dumps(told), encoding="utf-8")
        os._exit(0)

    threading.Thread(target=measure, daemon=True).start()
    sys.exit(main(["wait", *ids, "--progress", "none"]))


def cosmos(host: RealHost, *words: str | Path) -> str:
    """What `cosmos WORDS` prints."""
    argv = [*COSMOS, *map(str, words)]
    done = subprocess.run(argv, cwd=host.home, env=host.environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"cosmos {' '.join(map(str, words))} ended with {done.returncode}: {done.stderr}")
    return done.stdout


@contextlib.contextmanager
def running(host: RealHost, count: int) -> Iterator[list[str]]:
    """So many runs that are under way."""
    clip = make_clip(host.home / "clip.mp4", frames=9, width=64, height=64)
    words = (
        "run",
        "--model",
        "transfer",
        "a city",
        "--video",
        clip,
        "--weights.edge",
        "1",
        "--set",
        f"num_steps={STEPS}",
    )
    ids = [json.loads(cosmos(host, *words, "--detach", "--json"))["id"] for _ in range(count)]
    try:
        yield ids
    finally:
        subprocess.run(
            [*COSMOS, "cancel", *ids], cwd=host.home, env=host.environ, capture_output=True, check=False, timeout=120
        )


def measured(host: RealHost, seconds: float, ids: Sequence[str]) -> dict[str, float]:
    """One client's watch over these runs."""
    report = host.home / "report.json"
    report.unlink(missing_ok=True)
    before = host.sshd.log.count("Accepted publickey")
    argv = [sys.executable, __file__, "--watched", str(report), str(seconds), *ids]
    done = subprocess.run(argv, cwd=host.home, env=host.environ, capture_output=True, text=True, check=False)
    if not report.exists():
        sys.exit(f"the runs ended too soon, or could not be watched: {done.stderr}")
    told: dict[str, float] = json.loads(report.read_text(encoding="utf-8"))
    told["connections"] = host.sshd.log.count("Accepted publickey") - before
    return told


def row(name: str, told: dict[str, float]) -> str:
    """A line of the table."""
    looks = told["looks at files"] + told["looks at jobs"]
    return (
        f"{name:10} {told['connections']:11.0f} {looks / told['seconds']:9.2f} {told['asked'] / looks:12.2f}"
        f" {told['spans'] / max(told['looks at files'], 1):10.1f} {told['cpu'] / told['seconds'] * 100:7.1f}"
        f" {told['memory']:10.0f} {told['threads']:8.0f}"
    )


def main(count: int, seconds: float) -> None:
    """Measure and print."""
    with real_host() as host:
        host.configure(host.table(gpus=count, steps=STEP_S, runtime="process"))
        with running(host, count) as ids:
            all_of_them = measured(host, seconds, ids)
            the_first = measured(host, seconds, ids[:1])
    print(f"{'runs':10} connections polls/s  asked a poll  files each   CPU %  memory MB  threads")
    print(row(str(count), all_of_them))
    print(row("1", the_first))
    print("goal: one connection, one command a poll whatever the number of runs, under 150 MB and 5 % of a core")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.argv[1:2] == ["--watched"]:
        watched(Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS, float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS)
