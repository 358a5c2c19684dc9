"""Processor time of a Tab in bash, against a bare `python -c pass`.

Each round runs the rival and every Tab once, in turn, so that whatever else the machine does hits all alike. What
counts is processor time, user and system: at most 0.15 s where bare Python takes 10 ms, so 15 times as much.

    python benchmarks/tab.py [ROUNDS]
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT = 15.0
CONSOLE_SCRIPT = "import sys; from cosmos_core.__main__ import main; sys.exit(main())"
RIVAL = "python -c pass"
LINES = (
    "cosmos ",
    "cosmos show rs_",
    "cosmos list runs --columns id,",
    "cosmos run --model transfer --",
    "cosmos run --model transfer --video st",
    "cosmos run --model transfer --set resolution=",
)


def processor_seconds(line: str, env: dict[str, str]) -> float:
    """What one Tab at the end of `line`, or the rival, costs."""
    argv = ("-c", "pass" if line == RIVAL else CONSOLE_SCRIPT)
    told = {} if line == RIVAL else {"_COSMOS_COMPLETE": "bash_complete", "COMP_LINE": line, "COMP_TYPE": "9"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *argv], env={**env, **told}, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def stored(env: dict[str, str]) -> None:
    """One prompt and one run, so that there is a database to read."""
    request = ("--model", "transfer", "rain", "--video", "street.mp4", "--weights.edge", "1", "-q")
    made = [sys.executable, "-c", CONSOLE_SCRIPT, "create", "prompt", *request]
    code = "from pathlib import Path; from cosmos_core.demo import make_clip; make_clip(Path('street.mp4'))"
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    prompt = subprocess.run(made, env=env, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(
        [sys.executable, "-c", CONSOLE_SCRIPT, "create", "run", prompt, "-q"],
        env=env, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def main(rounds: int) -> int:
    """Measure, print, and answer 1 if a Tab costs more than promised."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        env = {**os.environ, "COSMOS_HOME": str(Path(folder) / "home"), "COMP_WORDBREAKS": " \t\n=:"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # else each start compiles what a user's first one has compiled
        stored(env)
        times: dict[str, list[float]] = {line: [] for line in (RIVAL, *LINES)}
        for line in times:  # compiled, and in the disk's cache
            processor_seconds(line, env)
        for _ in range(rounds):
            for line, measured in times.items():
                measured.append(processor_seconds(line, env))
        os.chdir("/")
    rival = times.pop(RIVAL)
    print(f"{rounds} rounds, Python {sys.version.split()[0]}, processor time")
    print(f"{'':48}{'median ms':>10}{'ratio':>8}   quartiles of the rounds' ratios")
    print(f"{RIVAL:48}{statistics.median(rival) * 1000:10.1f}{1:8.1f}")
    broken = False
    for line, measured in times.items():
        ratio = statistics.median(measured) / statistics.median(rival)
        low, _, high = statistics.quantiles([ours / theirs for ours, theirs in zip(measured, rival, strict=True)], n=4)
        verdict = "ok" if ratio <= LIMIT else f"over {LIMIT:g}"
        broken |= ratio > LIMIT
        print(
            f"{line + '<Tab>':48}{statistics.median(measured) * 1000:10.1f}{ratio:8.1f}"
            f"   {low:.1f} .. {high:.1f}  {verdict}"
        )
    return int(broken)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
