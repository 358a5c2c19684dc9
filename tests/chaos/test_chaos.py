"""Fault injection: nothing is lost, doubled or falsely done; and the harness finds what it must.

The first is the short mode: a dozen faults. That the harness finds what is wrong takes minutes, and hits what it must
at a pace that only a quiet machine has: `python3 dev.py test tests/chaos -m long`. `python tests/chaos/run.py` injects
hundreds. `CHAOS_SEED` chooses other faults here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from faults import FAULTS, Fault
from real_parts import real
from real_session import Session
from run import trial
from trial import WAYS
from world import World, world

SEED = int(os.environ.get("CHAOS_SEED", "7"))

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def parts(real_session: Session) -> Iterator[World]:
    """Two GPU hosts and two laptops."""
    started = world(real_session)
    yield real(started.__enter__)
    started.__exit__(None, None, None)


def of(*names: str, states: tuple[str, ...] = ()) -> tuple[Fault, ...]:
    """Faults by name, in these states only where some are given."""
    from attrs import evolve

    found = [fault for fault in FAULTS if fault.name in names]
    assert len(found) == len(names)
    return tuple(evolve(fault, states=states or fault.states) for fault in found)


def test_runs_survive_faults(parts: World) -> None:
    made = trial(parts, seed=SEED, faults=12, a_round=12, runs=6)
    assert made.total >= 6
    found = [(v.column, v.words, v.evidence) for outcome in made.outcomes for v in outcome.violations]
    assert found == [], f"seed {SEED}"


EARLY = of("client killed", states=("uploading", "queued", "waiting"))
GONE = of("host rebooted", "dockerd restarted, live-restore", states=("running",))
RESTART = of("dockerd restarted, live-restore", states=("running",))
HARMLESS = of("link late", states=("running",))
SPOILT = [
    ("act-before-record", EARLY, "", 20, "twice"),
    ("not-visible-is-done", GONE, "alpha-eve", 12, "false_failed"),
    ("client-is-believed", RESTART, "alpha-ada", 12, "false_failed"),
    ("lease-ignored", HARMLESS, "beta-eve", 60, "movers"),
]


@pytest.mark.long
@pytest.mark.parametrize(("sabotage", "faults", "target", "steps", "column"), SPOILT, ids=[name for name, *_ in SPOILT])
def test_the_harness_finds(
    parts: World, sabotage: str, faults: tuple[Fault, ...], target: str, steps: int, column: str
) -> None:
    for laptop in parts.laptops.values():
        laptop.sabotage = sabotage
    try:
        made = trial(
            parts,
            seed=SEED,
            faults=4,
            a_round=2 if target else 4,
            only=faults,
            runs=4 if target else 6,
            steps=(steps, steps),
            targets=(target,) if target else (),
            # those who start several and do not stay look after them by several commands
            ways=("detached",) if column == "movers" else WAYS,
            linger_s=6 if column == "movers" else 0,
            rounds=1,
        )
    finally:
        for laptop in parts.laptops.values():
            laptop.sabotage = ""
    assert made.violations[column] > 0, made.violations
