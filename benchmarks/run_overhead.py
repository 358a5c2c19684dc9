"""What one simulated run costs over its stand-in alone: `python benchmarks/run_overhead.py [PAIRS]`.

A is `cosmos run` from the shell with everything included (start-up, checks, database, job folder, outputs fetched,
probed and remembered); B is the same stand-in with the same arguments on the same files. They alternate; shown are
the medians, the difference pair by pair, and the largest memory of A's own process (its job's is not in it).
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cosmos_core.demo import make_clip

COSMOS = [sys.executable, "-m", "cosmos_core"]


def timed(argv: list[str], cwd: Path, env: dict[str, str]) -> tuple[float, float]:
    """Wall seconds and peak memory in MB of one program."""
    start = time.perf_counter()
    child = subprocess.Popen(argv, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(argv)} ended with {child.returncode}")
    unit = 1024 if sys.platform == "linux" else 1024 * 1024
    return time.perf_counter() - start, usage.ru_maxrss / unit


def spread(values: list[float], digits: int) -> str:
    """Median, and in brackets the smallest and the largest."""
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f} .. {max(values):.{digits}f}]"


def main(pairs: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        clip = make_clip(root / "clip.mp4")
        # An installed program has its bytecode; a shell that forbids writing it would time the compiler instead.
        plain = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env = plain | {"COSMOS_HOME": str(root / "home"), "STANDIN_STEP_SECONDS": "0"}
        run = [*COSMOS, "run", "--model", "transfer", "a city", "--video", str(clip), "--weights.edge", "1"]
        timed([*run, "--progress", "none"], root, env)  # makes the database, and remembers the clip's digest
        job = next((root / "home/simulator/jobs").iterdir())
        alone = [sys.executable, "stand_in.pyz", "python", "examples/inference.py", "-i", "spec.json", "-o", "outputs"]
        differences, ours, theirs, bare, memory = [], [], [], [], []
        for _ in range(pairs):
            a, peak = timed([*run, "--progress", "none"], root, env)
            shutil.rmtree(job / "outputs")
            b, _ = timed(alone, job, env)
            ours.append(a)
            theirs.append(b)
            bare.append(timed([sys.executable, "-c", "pass"], root, env)[0])
            differences.append(a - b)
            memory.append(peak)
    print(f"pairs                        {pairs}")
    print(f"cosmos run, s                {spread(ours, 3)}")
    print(f"stand-in alone, s            {spread(theirs, 3)}")
    print(f"python -c pass, s            {spread(bare, 3)}   how fast this machine starts anything")
    times = statistics.median(differences) / statistics.median(bare)
    print(f"difference pair by pair, s   {spread(differences, 3)}")
    print(f"difference / python -c pass  {times:.0f}   goal: at most 35, which is 0.35 s where that takes 10 ms")
    print(f"memory of cosmos run, MB     {spread(memory, 0)}   goal: at most 120")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
