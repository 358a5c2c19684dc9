"""How long `cosmos --help` and `cosmos models` take with ten plugins installed, against a bare `python -c pass`.

Each round runs the rival and every command once, in turn, so that whatever else the machine does hits all alike.
What counts is the ratio of the medians; the spread is that of the ratios round by round.

    python benchmarks/startup.py [ROUNDS]
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGINS = 10
LIMITS = {"cosmos --help": 5.0, "cosmos models": 7.0}
RIVAL = ("-c", "pass")
CONSOLE_SCRIPT = "import sys; from cosmos_core.__main__ import main; sys.exit(main())"
COMMANDS = {
    "cosmos --help": ("-c", CONSOLE_SCRIPT, "--help"),
    "cosmos models": ("-c", CONSOLE_SCRIPT, "models"),
    "cosmos": ("-c", CONSOLE_SCRIPT),
    "import click": ("-c", "import click"),  # what of it is not ours
}


def install_plugins(folder: Path) -> None:
    """Ten packages as pip would leave them, each with one model; importing one would fail."""
    for number in range(PLUGINS):
        info = folder / f"dummy_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dummy-{number}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[cosmos.models]\ndummy{number} = dummy_{number}:plugin\n")
        (folder / f"dummy_{number}.py").write_text("raise RuntimeError('start-up imports no plugin')\n")


def seconds(args: tuple[str, ...], env: dict[str, str]) -> float:
    """One run of this Python."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *args], env=env, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def main(rounds: int) -> int:
    """Measure, print, and answer 1 if a promise is broken."""
    with tempfile.TemporaryDirectory() as folder:
        install_plugins(Path(folder))
        path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH", ""))))
        env = {**os.environ, "PYTHONPATH": path}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # else each start compiles what a user's first one has compiled
        everything = {"python -c pass": RIVAL, **COMMANDS}
        for args in everything.values():  # compiled, and in the disk's cache
            seconds(args, env)
        times: dict[str, list[float]] = {name: [] for name in everything}
        for _ in range(rounds):
            for name, args in everything.items():
                times[name].append(seconds(args, env))
    rival = times.pop("python -c pass")
    print(f"{rounds} rounds, {PLUGINS} plugins, Python {sys.version.split()[0]}")
    print(f"{'':16}{'median ms':>10}{'ratio':>8}   quartiles of the rounds' ratios")
    print(f"{'python -c pass':16}{statistics.median(rival) * 1000:10.1f}{1:8.1f}")
    broken = False
    for name, measured in times.items():
        ratio = statistics.median(measured) / statistics.median(rival)
        low, _, high = statistics.quantiles([ours / theirs for ours, theirs in zip(measured, rival, strict=True)], n=4)
        limit = LIMITS.get(name, math.inf)
        verdict = f"  over {limit:g}" if ratio > limit else "  ok" if name in LIMITS else ""
        broken |= ratio > limit
        print(f"{name:16}{statistics.median(measured) * 1000:10.1f}{ratio:8.1f}   {low:.1f} .. {high:.1f}{verdict}")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
