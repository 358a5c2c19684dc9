"""Counting, after the faults: what ledger, files and processes say, against what the runs say of themselves."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import field, frozen
from expectations import allowed
from laptops import Laptop, Seen
from ledger import Start, two_on_one
from real_processes import command_of, environment_of, everything
from world import Asked, World

COLUMNS = {
    "lost": "runs lost, or left unfinished, that should not be",
    "twice": "jobs started twice",
    "false_done": "runs called completed without complete outputs",
    "false_failed": "runs called failed whose job went on or succeeded",
    "differs": "outputs that differ by a byte between host, laptop and ledger",
    "log": "log lines missing or doubled, or logs that differ",
    "orphans": "processes, containers, tickets and partial files left behind",
    "gpu": "GPUs that two jobs had at a time",
    "movers": "runs that two processes moved at a time",
    "crashed": "clients that broke down or hung",
}
_ENDED = ("completed", "failed", "cancelled", "lost")
_LINE = re.compile(rb"ledger line (\d+)\.\n")
_BOTH_S = 8.0  # a lease that was lost is noticed by the next renewal, 5 s later at most, if nothing is slow


@frozen(kw_only=True)
class Violation:
    """Something that must not be, with what is needed to see it again."""

    column: str
    run: str
    words: str
    evidence: dict[str, Any] = field(factory=dict)


def audit(world: World, asked: list[Asked]) -> Iterator[Violation]:
    """Everything that is wrong with these runs and with what they left."""
    looks = {laptop.name: laptop.look() for laptop in world.laptops.values()}
    for one in asked:
        yield from _of_run(world, one, looks[one.laptop][one.id])
    jobs = {looks[one.laptop][one.id].job_id for one in asked}
    starts = [start for start in world.ledger.all() if start.job_id in jobs]
    places = {looks[one.laptop][one.id].job_id: one.place for one in asked}
    for name in world.places:
        for gpu, first, second in two_on_one(s for s in starts if places[s.job_id] == name):
            words = f"GPU {gpu} of {name}: {first.job_id} until {first.ended or first.last}, {second.job_id} from"
            yield Violation(column="gpu", run=second.job_id, words=f"{words} {second.began}")
    for laptop in world.laptops.values():
        yield from _movers(laptop)
    yield from _orphans(world)


# -- one run -----------------------------------------------------------------------------------------------------------


def _of_run(world: World, asked: Asked, run: Seen) -> Iterator[Violation]:
    starts = world.ledger.starts(run.job_id) if run.job_id else []
    harms = world.harms.get(run.job_id, [])
    job_dir = world.places[asked.place].job_dir(asked.account, run.job_id)
    right = allowed(docker=asked.account == "ada", starts=starts, harms=harms, written=(job_dir / "exit_code").exists())
    evidence = {
        "run": asked.id,
        "job": run.job_id,
        "target": asked.target,
        "state": run.state,
        "said": run.error,
        "would be right": sorted(right),
        "starts": [_shown(start) for start in starts],
        "harms": [f"{harm.kind} at {harm.at:.3f}" for harm in harms],
        "folder": sorted(path.name for path in job_dir.iterdir()) if job_dir.exists() else [],
        "keeper.log": _tail(job_dir / "keeper.log"),
    }

    def wrong(column: str, words: str) -> Violation:
        return Violation(column=column, run=asked.id, words=words, evidence=evidence)

    if run.job_id and len(_jobs_named(world, asked)) > 1:
        yield wrong("twice", f"several jobs of one run: {_jobs_named(world, asked)}")
    if len(starts) > 1:
        yield wrong("twice", f"started {len(starts)} times")
    if run.state not in _ENDED:
        yield wrong("lost", f"left {run.state}" + (", paused" if run.paused else ""))
    elif run.state == "completed" and run.state not in right:
        yield wrong("false_done", "completed, though its work was not")
    elif run.state == "failed" and run.state not in right:
        yield wrong("false_failed", "failed, though its work did not")
    elif run.state not in right:
        yield wrong("lost", f"{run.state}, though its work was seen")
    if run.state in _ENDED:
        yield from (wrong(column, words) for column, words in _files(world, asked, run, starts, job_dir))


def _jobs_named(world: World, asked: Asked) -> list[str]:
    """The jobs on the host that carry this run, by what lies there."""
    jobs = world.places[asked.place].work_dir(asked.account) / "jobs"
    return [
        path.parent.name
        for path in jobs.glob("*/job.json")
        if asked.id in path.read_text(encoding="utf-8", errors="replace")
    ]


def _files(world: World, asked: Asked, run: Seen, starts: list[Start], job_dir: Path) -> Iterator[tuple[str, str]]:
    here = world.laptops[asked.laptop].disk / "outputs" / asked.id
    there, copy = job_dir / "run.log", here / "run.log"
    original = there.read_bytes() if there.exists() else b""
    kept = copy.read_bytes() if copy.exists() else b""
    if run.state == "lost":
        if not original.startswith(kept):
            yield "log", "the log here is no beginning of the one there"
    elif original != kept:
        yield "log", f"the log here has {len(kept)} bytes, there {len(original)}"
    if starts:
        numbers = [int(number) for number in _LINE.findall(original)]
        said = starts[-1].said
        unsure = {starts[-1].tried + 1, starts[-1].tried}
        missing, more = said - set(numbers), set(numbers) - said - unsure
        if missing or more or len(numbers) != len(set(numbers)):
            doubled = sorted({n for n in numbers if numbers.count(n) > 1})
            yield "log", f"on the host: lines {sorted(missing)} missing, {sorted(more)} unknown, {doubled} doubled"
    if run.state != "completed" or not starts:
        return
    for rel, digest in starts[-1].outputs.items():
        for side, path in (("host", job_dir / "outputs" / rel), ("laptop", here / rel)):
            if not path.exists():
                yield ("false_done" if side == "laptop" else "differs"), f"{rel} is not on the {side}"
            elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                yield "differs", f"{rel} on the {side} is not what the work wrote"
    if not any(rel.endswith(".mp4") for rel in starts[-1].outputs):
        yield "false_done", "the work wrote no video"


def _shown(start: Start) -> dict[str, Any]:
    return {
        "began": start.began,
        "ended": start.ended,
        "code": start.code,
        "last": start.last,
        "gpus": start.gpus,
        "outputs": len(start.outputs),
    }


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-800:] if path.exists() else ""


# -- clients -----------------------------------------------------------------------------------------------------------


def _movers(laptop: Laptop) -> Iterator[Violation]:
    """Two processes that moved one run at a time, for longer than it takes to notice that a lease was lost."""
    killed = {client.process.pid: client.killed for client in laptop.clients if client.killed}
    slept = {client.process.pid for client in laptop.clients if client.slept}
    spans: dict[str, list[tuple[float, float, int]]] = {}
    begun: dict[tuple[str, int, int], float] = {}
    lines = laptop.moves.read_text(encoding="ascii").splitlines() if laptop.moves.exists() else []
    for line in lines:
        note = json.loads(line)
        key = (note["run"], note["pid"], note["epoch"])
        if note["event"] == "begin":
            begun[key] = note["t"]
        else:
            spans.setdefault(note["run"], []).append((begun.pop(key), note["t"], note["pid"]))
    for (run, pid, _), since in begun.items():
        spans.setdefault(run, []).append((since, killed.get(pid) or since, pid))
    for run, of_run in spans.items():
        of_run.sort()
        for number, (_, end, pid) in enumerate(of_run):
            for other_begin, other_end, other in of_run[number + 1 :]:
                both = min(end, other_end) - other_begin
                if other != pid and both > _BOTH_S and not slept & {pid, other}:
                    words = f"processes {pid} and {other} both, for {both:.1f} s"
                    yield Violation(column="movers", run=run, words=words)


# -- what is left ------------------------------------------------------------------------------------------------------


def _orphans(world: World, patience: float = 20.0) -> Iterator[Violation]:
    """Told once; then they are cleared away, so that the next round is not blamed for them."""
    deadline = time.monotonic() + patience
    while (found := set(_left(world)) - world.told) and time.monotonic() < deadline:
        time.sleep(0.2)
    world.told |= found
    for words in sorted(found):
        yield Violation(column="orphans", run="", words=words)


def _left(world: World) -> Iterator[str]:
    for place in world.places.values():
        works = [str(disk) for disk in place.disks.values()]
        for pid in everything():
            told = command_of(pid)
            if any(f"{work}/cosmos/jobs/" in told + environment_of(pid) for work in works):
                yield f"{place.name}: process {told[:200]}"
        for name in place.dockerd("ps", "--all", "--format", "{{.Names}} {{.Status}}").stdout.splitlines():
            yield f"{place.name}: container {name}"
        for ticket in place.locks.glob("ticket.*"):
            hit = {harm.kind for harm in world.harms.get(ticket.name.rpartition(".")[2], ())}
            # one whose lock is free is dead, and the next in line clears it away: nobody else is there to do it
            if _is_locked(ticket) or not hit & {"keeper", "reboot"}:
                yield f"{place.name}: ticket {ticket.name}"
        for disk in place.disks.values():
            for path in disk.rglob("*.part*"):
                # made before the work begins; where all was killed, the job has no end
                ours = path.name not in ("exit_code.part", "work_code.part") or (path.parent / "exit_code").exists()
                if ours and path.parent.name != "outputs":  # there the toolkit leaves what it likes
                    yield f"{place.name}: {path.relative_to(disk)}"
    for laptop in world.laptops.values():
        yield from (f"{laptop.name}: {path}" for path in laptop.disk.rglob("*.part*"))


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
