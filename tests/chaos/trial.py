"""One round: two laptops ask for runs, faults come over them, all is healed, and `cosmos sync` has its turn."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field, frozen
from audit import Violation, audit
from faults import Aim, Fault
from laptops import Client, Laptop, Seen
from world import Asked, World

RUNS = 10
WAYS = ("together", "one by one", "detached")
"""How people start their runs: by one command, each in a terminal of its own, or without staying."""
SYNCS = 6  # how often `cosmos sync --follow` may be needed after all is healed
_PATIENCE_S = 1.0  # until a fault takes what it finds instead of the state that it wants
_IDLE_S = 10.0  # without a victim: what is left of the plan is for another round
_HUNG_S = 60.0
_UNFORESEEN = ("something unforeseen", "Exception in thread")


@frozen(kw_only=True)
class Injected:
    """A fault that really was injected."""

    number: int
    round: int
    fault: str
    state: str
    run: str
    target: str
    laptop: str
    at: float  # seconds into the round
    took: float


@define(kw_only=True)
class Outcome:
    """What a round came to."""

    injected: list[Injected] = field(factory=list)
    violations: list[Violation] = field(factory=list)
    states: Counter[str] = field(factory=Counter)
    syncs: int = 0
    runs: int = 0


@define(kw_only=True)
class Round:
    """Its runs, its faults, and the people at the laptops."""

    world: World
    rng: Random
    number: int
    runs: int = RUNS
    targets: tuple[str, ...] = ()  # all, where none are named
    steps: tuple[int, int] = (2, 9)  # of the model: how long a run takes
    ways: tuple[str, ...] = WAYS
    linger_s: float = 0.0  # how long people stay at their laptops after the last fault
    asked: list[Asked] = field(factory=list)
    outcome: Outcome = field(factory=Outcome)
    _over: threading.Event = field(factory=threading.Event)
    _broken: list[Exception] = field(factory=list)
    _began: float = field(factory=time.monotonic)

    def play(self, plan: Sequence[tuple[Fault, str]], first_number: int) -> Outcome:
        """The whole round."""
        for laptop in self.world.laptops.values():
            self._ask(laptop)
        self.outcome.runs = len(self.asked)
        seeds = {name: self.rng.random() for name in self.world.laptops}
        people = [
            threading.Thread(target=self._sit_at, args=(laptop, Random(seeds[name])), name=name)
            for name, laptop in self.world.laptops.items()
        ]
        for person in people:
            person.start()
        try:
            self._inject(plan, first_number)
            self._over.wait(self.linger_s)
        finally:
            self._over.set()
            for person in people:
                person.join()
        self._settle()
        self.outcome.violations += list(audit(self.world, self.asked))
        self._clear_up()
        return self.outcome

    # -- people --------------------------------------------------------------------------------------------------------

    def _ask(self, laptop: Laptop) -> None:
        cosmos = laptop.cosmos()
        try:
            for number in range(self.runs // len(self.world.laptops)):
                everywhere = sorted(f"{p}-{a}" for p in self.world.places for a in ("ada", "eve"))
                target = self.rng.choice(self.targets or everywhere)
                name = f"round{self.number}-{laptop.name}-{number}"
                clip = laptop.clip(self.rng, name, self.world.clip, self.rng.randrange(100_000, 900_000))
                prompt = cosmos.create_prompt(
                    "transfer",
                    name,
                    inputs={"video": clip},
                    parameters={"weights.edge": 0.5, "num_steps": self.rng.randint(*self.steps)},
                )
                gpus = self.rng.choice((1, 1, 2))
                run = cosmos.create_run(prompt.id, target=target, gpus=gpus)
                self.asked.append(Asked(id=run.id, laptop=laptop.name, target=target, gpus=gpus))
        finally:
            cosmos.close()

    def _mine(self, laptop: Laptop) -> list[str]:
        return [one.id for one in self.asked if one.laptop == laptop.name]

    def _sit_at(self, laptop: Laptop, rng: Random) -> None:
        """Start the runs in one of the ways that people have, and look after them when nothing moves any more."""
        mine = self._mine(laptop)
        way = rng.choice(self.ways)
        if way == "together":
            laptop.start("inference", *mine)
        else:
            for id_ in mine:
                client = laptop.start("inference", id_, *(["--detach"] if way == "detached" else []))
                self._over.wait(rng.uniform(0, 1))
                if way == "detached":
                    _until_ended(client, 10, self._over)
        while not self._over.wait(rng.uniform(0.2, 1.5)):
            if not laptop.alive and (stored := [run.id for run in self._runs(laptop) if run.state == "stored"]):
                laptop.start("inference", *stored)
            elif len(laptop.alive) < 2:
                going = [run.id for run in self._runs(laptop) if run.state not in ("stored", *_DONE)]
                if not going:
                    continue
                words = rng.choice((("sync", "--follow"), ("sync", "--follow"), ("wait", *going), ("attach", going[0])))
                laptop.start(*words)

    def _runs(self, laptop: Laptop) -> list[Seen]:
        looks = laptop.look()
        return [looks[id_] for id_ in self._mine(laptop)]

    # -- faults --------------------------------------------------------------------------------------------------------

    def _inject(self, plan: Sequence[tuple[Fault, str]], first_number: int) -> None:
        """Each fault as soon as a run is in the state that it wants; after a while in any state that it goes with."""
        rest, going = list(plan), list[threading.Thread]()
        last = time.monotonic()
        while rest and not self._broken:
            runs = [(laptop, run) for laptop in self.world.laptops.values() for run in self._runs(laptop)]
            if all(run.state in _DONE for _, run in runs) or time.monotonic() - last > _IDLE_S:
                break
            late = time.monotonic() - last > _PATIENCE_S
            found = next(filter(None, (self._match(pair, runs, late=late) for pair in rest)), None)
            if found is None:
                time.sleep(0.008)
                continue
            pair, aim = found
            rest.remove(pair)
            words = (pair[0], aim, first_number + len(going))
            going.append(threading.Thread(target=self._strike, args=words, name=pair[0].name))
            going[-1].start()
            time.sleep(self.rng.uniform(0, 0.3))
            last = time.monotonic()
        for thread in going:
            thread.join()
        if self._broken:
            raise self._broken[0]

    def _match(
        self, pair: tuple[Fault, str], runs: Sequence[tuple[Laptop, Seen]], *, late: bool
    ) -> tuple[tuple[Fault, str], Aim] | None:
        fault, wanted = pair
        states = fault.states if late else (wanted,)
        rng = Random(self.rng.random())
        aims = [Aim(world=self.world, laptop=laptop, run=run, rng=rng) for laptop, run in runs if run.state in states]
        aims = [aim for aim in aims if fault.fits(aim)]
        return (pair, rng.choice(aims)) if aims else None

    def _strike(self, fault: Fault, aim: Aim, number: int) -> None:
        at = time.monotonic() - self._began
        try:
            with _only_one_at(aim.world, aim.place.name, fault):
                now = aim.laptop.look()[aim.run.id].state
                if not fault.inject(aim):
                    return
        except Exception as error:  # noqa: BLE001  a fault of the harness ends it, once the others are healed
            self._broken.append(error)
            return
        took = time.monotonic() - self._began - at
        self.outcome.injected.append(
            Injected(
                number=number,
                round=self.number,
                fault=fault.name,
                state=now if now in fault.states else aim.run.state,
                run=aim.run.id,
                target=aim.run.target,
                laptop=aim.laptop.name,
                at=round(at, 3),
                took=round(took, 3),
            )
        )

    # -- the end -------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """All is healed: let what runs come to an end, then do what a user does."""
        for laptop in self.world.laptops.values():
            self._await_clients(laptop)
            stored = [run.id for run in self._runs(laptop) if run.state == "stored"]
            if stored:
                laptop.start("inference", *stored)
                self._await_clients(laptop)
            for turn in range(SYNCS):
                if all(run.state in _DONE for run in self._runs(laptop)):
                    break
                self.outcome.syncs = max(self.outcome.syncs, turn + 1)
                laptop.start("sync", "--follow")
                if not self._await_clients(laptop):
                    break
            self._complaints(laptop)
            self.outcome.states.update(run.state for run in self._runs(laptop))

    def _await_clients(self, laptop: Laptop) -> bool:
        """Whether all of them ended."""
        hung = False
        deadline = time.monotonic() + _HUNG_S
        for client in laptop.clients:
            if not _until_ended(client, deadline - time.monotonic()):
                words = f"`cosmos {' '.join(client.words)}` did not end in {_HUNG_S:g} s after all was healed"
                evidence = {"said": client.said[-3000:], "threads": _stack(client)}
                self.outcome.violations.append(Violation(column="crashed", run="", words=words, evidence=evidence))
                client.kill()
                hung = True
        return not hung

    def _complaints(self, laptop: Laptop) -> None:
        for client in laptop.clients:
            said = client.said
            if any(words in said for words in _UNFORESEEN) or (client.process.returncode < 0 and not client.killed):
                words = f"`cosmos {' '.join(client.words)}` broke down with {client.process.returncode}"
                evidence = {"said": said[-6000:]}
                self.outcome.violations.append(Violation(column="crashed", run="", words=words, evidence=evidence))

    def _clear_up(self) -> None:
        """Make room for the next round, and let nothing of this one be blamed on it."""
        for laptop in self.world.laptops.values():
            laptop.clients = [client for client in laptop.clients if client.lives]
            laptop.moves.unlink(missing_ok=True)
            for path in laptop.folder.glob("round*.mp4"):
                path.unlink()
        self.world.tidy()


_DONE = ("completed", "failed", "cancelled", "lost")
_ALONE = ("dockerd restarted", "dockerd restarted, live-restore", "host rebooted", "sshd stopped")


@contextlib.contextmanager
def _only_one_at(world: World, place: str, fault: Fault) -> Any:
    """What stops a daemon is alone with that daemon: two that start it would be in each other's way."""
    lock = world.busy[place] if fault.name in _ALONE else contextlib.nullcontext()
    with lock:
        yield


def _until_ended(client: Client, seconds: float, over: threading.Event | None = None) -> bool:
    deadline = time.monotonic() + seconds
    while client.lives and time.monotonic() < deadline and not (over and over.is_set()):
        time.sleep(0.02)
    return not client.lives


def _stack(client: Client) -> str:
    """Where its threads are, as the kernel sees it."""
    tasks = Path(f"/proc/{client.process.pid}/task")
    found = []
    for task in tasks.iterdir() if tasks.exists() else ():
        with contextlib.suppress(OSError):
            found.append(f"{(task / 'comm').read_text().strip()}: {(task / 'wchan').read_text().strip()}")
    return "; ".join(found)
