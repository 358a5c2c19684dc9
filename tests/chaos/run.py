"""Inject faults into real runs and count what must not be: `python tests/chaos/run.py --seed 7 --faults 300`.

Needs root on Linux, as the tests' real parts do, and leaves nothing on the machine. Ends with 1 if anything was
counted.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "real"))

from faults import FAULTS, Fault, available
from planning import Planner
from real_session import Missing, Session
from report import Report
from sabotage import NAMES
from trial import RUNS, WAYS, Round
from world import World, world

A_ROUND = 24  # faults


def trial(
    parts: World,
    *,
    seed: int,
    faults: int,
    only: tuple[Fault, ...] = (),
    minutes: float = 1e9,
    rounds: int = 10_000,
    sabotage: str = "",
    a_round: int = A_ROUND,
    runs: int = RUNS,
    steps: tuple[int, int] = (2, 9),
    targets: tuple[str, ...] = (),
    ways: tuple[str, ...] = WAYS,
    linger_s: float = 0.0,
    report: Path | None = None,
) -> Report:
    """Rounds until so many faults were injected, or the time is up; the report is written after each."""
    rng = Random(seed)
    kinds = only or available()
    planner = Planner(kinds, rng)
    made = Report(seed=seed, wanted=faults, sabotage=sabotage)
    began = time.monotonic()
    while made.total < faults and len(made.outcomes) < rounds and time.monotonic() - began < minutes * 60:
        number = len(made.outcomes) + 1
        turn = Round(
            world=parts,
            rng=Random(rng.random()),
            number=number,
            runs=runs,
            steps=steps,
            targets=targets,
            ways=ways,
            linger_s=linger_s,
        )
        outcome = turn.play(planner.next(a_round), made.total + 1)
        planner.tell((one.fault, one.state) for one in outcome.injected)
        made.outcomes.append(outcome)
        made.seconds = time.monotonic() - began
        _tell(number, made)
        if report is not None:
            made.write(report, kinds)
    return made


def _tell(number: int, made: Report) -> None:
    last = made.outcomes[-1]
    hit = ", ".join(f"{one.fault} ({one.state})" for one in sorted(last.injected, key=lambda one: one.at))
    print(f"[{made.seconds:5.0f} s] round {number}: {dict(last.states)}, {last.syncs} syncs; {hit}", flush=True)
    for violation in last.violations:
        print(f"    {violation.column}: {violation.words} {violation.run}", flush=True)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000, help="which faults, when and where")
    parser.add_argument("--faults", type=int, default=300, help="how many")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop then")
    parser.add_argument("--only", action="append", default=[], help="only this kind of fault (may be repeated)")
    parser.add_argument("--sabotage", choices=NAMES, default="", help="spoil our code in this way; it must be found")
    parser.add_argument("--report", type=Path, help="where the report goes: Markdown, and JSON beside it")
    asked = parser.parse_args()
    only = tuple(fault for fault in FAULTS if fault.name in asked.only)
    if len(only) != len(set(asked.only)):
        parser.error(f"--only: one of {', '.join(fault.name for fault in FAULTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    session = Session.new()
    try:
        with world(session, asked.sabotage) as parts:
            made = trial(
                parts,
                seed=asked.seed,
                faults=asked.faults,
                only=only,
                minutes=asked.minutes,
                sabotage=asked.sabotage,
                report=asked.report,
            )
    except Missing as missing:
        sys.exit(str(missing))
    finally:
        session.end()
    print(f"seed {made.seed}: {made.total} faults, " + ", ".join(f"{k} {n}" for k, n in made.violations.items()))
    return 1 if sum(made.violations.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
