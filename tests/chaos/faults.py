"""The faults: each really injected, at the run that is aimed at or at what carries it, and taken back after a while."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from attrs import frozen
from laptops import Laptop, Seen
from places import Place
from real_processes import command_of, environment_of, everything, signal_all
from world import World

EARLY = ("pending", "uploading", "queued", "waiting")
LATE = ("downloading", "parsing")
ANY = (*EARLY, "running", *LATE)


@frozen(kw_only=True)
class Aim:
    """A fault's victim, as it was seen just now. `inject` answers False where there was nothing to hit after all."""

    world: World
    laptop: Laptop
    run: Seen
    rng: Random

    @property
    def place(self) -> Place:
        """Where the run is."""
        return self.world.place_of(self.run)

    @property
    def account(self) -> str:
        """As whom."""
        return self.run.target.partition("-")[2]

    @property
    def job_dir(self) -> Path:
        """The job's folder."""
        return self.place.job_dir(self.account, self.run.job_id)


@frozen(kw_only=True)
class Fault:
    """One kind of fault."""

    name: str
    words: str
    inject: Callable[[Aim], bool]
    states: tuple[str, ...] = ANY
    fits: Callable[[Aim], bool] = lambda _: True
    weight: int = 2


def _pause(aim: Aim, least: float, most: float) -> None:
    time.sleep(aim.rng.uniform(least, most))


# -- the client --------------------------------------------------------------------------------------------------------


def _kill_client(aim: Aim) -> bool:
    mover = next((c for c in aim.laptop.alive if c.process.pid == aim.run.holder), None)
    if mover is None:
        return False
    mover.kill()
    return True


def _sleep(aim: Aim, seconds: float) -> bool:
    mover = next((c for c in aim.laptop.alive if c.process.pid == aim.run.holder), None)
    if mover is None:
        return False
    mover.slept = True
    with contextlib.suppress(ProcessLookupError):
        mover.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        mover.process.send_signal(signal.SIGCONT)
    return True


def _busy_database(aim: Aim) -> bool:
    with contextlib.closing(sqlite3.connect(aim.laptop.database, timeout=20, isolation_level=None)) as database:
        database.execute("begin immediate")
        _pause(aim, 1, 5)
        database.execute("rollback")
    return True


def _fill_laptop(aim: Aim) -> bool:
    aim.laptop.fill()
    _pause(aim, 0.5, 3)
    aim.laptop.free()
    return True


def _move_clock(aim: Aim) -> bool:
    aim.laptop.clock.write_text(f"{aim.rng.choice((-86400, -3600, -30, 30, 3600, 86400)):+d}\n", encoding="ascii")
    _pause(aim, 2, 5)
    aim.laptop.clock.write_text("+0\n", encoding="ascii")
    return True


# -- the way -----------------------------------------------------------------------------------------------------------


def _kill_connections(aim: Aim) -> bool:
    return aim.place.sshd.drop_connections() > 0


def _cut_link(aim: Aim) -> bool:
    return aim.laptop.links[aim.place.name].cut() > 0


def _stop_sshd(aim: Aim) -> bool:
    aim.place.sshd.stop()
    _pause(aim, 0.2, 4)
    aim.place.sshd.start()
    return True


def _freeze(aim: Aim) -> bool:
    link = aim.laptop.links[aim.place.name]
    link.frozen = True
    _pause(aim, 0.5, 6)
    link.frozen = False
    return True


def _delay(aim: Aim) -> bool:
    link = aim.laptop.links[aim.place.name]
    link.delay = 0.05
    _pause(aim, 2, 4)
    link.delay = 0.0
    return True


def _throttle(aim: Aim) -> bool:
    link = aim.laptop.links[aim.place.name]
    before, link.rate = link.rate, 2e5
    _pause(aim, 1, 3)
    link.rate = before
    return True


# -- the host ----------------------------------------------------------------------------------------------------------


def _in_docker(aim: Aim) -> bool:
    return aim.account == "ada"


def _harm_all(aim: Aim, kind: str, *, docker_only: bool) -> None:
    """What hits a whole host hits every job that is there."""
    for laptop in aim.world.laptops.values():
        for run in laptop.look().values():
            at, _, account = run.target.partition("-")
            if run.job_id and at == aim.place.name and (account == "ada" or not docker_only):
                aim.world.harm(run.job_id, kind)


def _restart_dockerd(aim: Aim) -> bool:
    place = aim.place
    if not place.live:
        _harm_all(aim, "daemon", docker_only=True)
    place.dockerd.stop()
    _pause(aim, 0, 3)
    if not place.live:
        _harm_all(aim, "daemon", docker_only=True)
    place.dockerd.start()
    return True


def _kill_container(aim: Aim) -> bool:
    aim.world.harm(aim.run.job_id, "container killed")
    return aim.place.dockerd("kill", f"cosmos-{aim.run.job_id}").returncode == 0


def _remove_container(aim: Aim) -> bool:
    aim.world.harm(aim.run.job_id, "container removed")
    return aim.place.dockerd("rm", "--force", "--volumes", f"cosmos-{aim.run.job_id}").returncode == 0


def _keeper(aim: Aim) -> int | None:
    claims = sorted(aim.job_dir.glob("claim.*"), key=lambda path: int(path.suffix[1:]))
    words = str(claims[-1].readlink()).split() if claims else []
    pid = int(words[0]) if len(words) == 3 else None
    return pid if pid is not None and str(aim.job_dir) in command_of(pid) else None


def _kill_keeper(aim: Aim) -> bool:
    pid = _keeper(aim)
    if pid is None:
        return False
    aim.world.harm(aim.run.job_id, "keeper")
    signal_all([pid], signal.SIGKILL)
    return True


def workers(job_dir: Path) -> list[int]:
    """The ranks that torchrun started, each in a session of its own, with its command line as they were forked."""
    tmp = f"TMPDIR={job_dir}/tmp"
    return [
        pid
        for pid in everything()
        if "torchrun" in command_of(pid)
        and command_of(pid) == command_of(_parent(pid))
        and _session(pid) == pid
        and tmp in environment_of(pid).split("\n")
    ]


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ["", "0", "0", "0"]


def _parent(pid: int) -> int:
    return int(_fields(pid)[1])


def _session(pid: int) -> int:
    return int(_fields(pid)[3])


def _kill_worker(aim: Aim) -> bool:
    ranks = workers(aim.job_dir)
    if not ranks:
        return False
    aim.world.harm(aim.run.job_id, "worker")
    signal_all([aim.rng.choice(ranks)], signal.SIGKILL)
    return True


def _fill_host(aim: Aim) -> bool:
    for laptop in aim.world.laptops.values():
        for run in laptop.look().values():
            if run.job_id and run.target == aim.run.target:
                aim.world.harm(run.job_id, "disk")
    aim.place.fill(aim.account)
    _pause(aim, 0.5, 3)
    aim.place.free(aim.account)
    return True


def _reboot(aim: Aim) -> bool:
    _harm_all(aim, "reboot", docker_only=False)
    aim.place.reboot()
    _harm_all(aim, "reboot", docker_only=False)
    return True


FAULTS = (
    Fault(name="client killed", words="SIGKILL of the `cosmos` that moves the run", inject=_kill_client, weight=8),
    Fault(
        name="client asleep",
        words="SIGSTOP of the `cosmos` that moves the run, for 1 to 3 s",
        inject=lambda aim: _sleep(aim, aim.rng.uniform(1, 3)),
        weight=2,
    ),
    Fault(
        name="client long asleep",
        words="the same for 17 s: its lease runs out, and another takes over",
        inject=lambda aim: _sleep(aim, 17),
        weight=1,
    ),
    Fault(name="database busy", words="BEGIN IMMEDIATE by another process, 1 to 5 s", inject=_busy_database),
    Fault(name="laptop full", words="no space for database and outputs, 0.5 to 3 s", inject=_fill_laptop),
    Fault(
        name="clock moved",
        words="the client's clock 30 s, an hour or a day off, either way, 2 to 5 s",
        inject=_move_clock,
        fits=lambda aim: aim.laptop.has_own_clock,
        weight=2,
    ),
    Fault(name="connection killed", words="SIGKILL of sshd's children", inject=_kill_connections, weight=3),
    Fault(name="link cut", words="the TCP connections reset between client and sshd", inject=_cut_link, weight=3),
    Fault(name="sshd stopped", words="stopped with all connections, started 0.2 to 4 s later", inject=_stop_sshd),
    Fault(name="link frozen", words="nothing passes for 0.5 to 6 s", inject=_freeze),
    Fault(name="link late", words="50 ms more each way, 2 to 4 s", inject=_delay),
    Fault(name="link slow", words="200 kB/s, 1 to 3 s", inject=_throttle),
    Fault(
        name="dockerd restarted, live-restore",
        words="stopped, started up to 3 s later; containers go on",
        inject=_restart_dockerd,
        states=("uploading", "queued", "waiting", "running", *LATE),
        fits=lambda aim: aim.place.live and _in_docker(aim),
    ),
    Fault(
        name="dockerd restarted",
        words="stopped, started up to 3 s later; containers end",
        inject=_restart_dockerd,
        states=("uploading", "queued", "waiting", "running", *LATE),
        fits=lambda aim: not aim.place.live and _in_docker(aim),
    ),
    Fault(
        name="container killed",
        words="docker kill",
        inject=_kill_container,
        states=("queued", "running"),
        fits=_in_docker,
    ),
    Fault(
        name="container removed",
        words="docker rm --force",
        inject=_remove_container,
        states=("queued", "running"),
        fits=_in_docker,
        weight=1,
    ),
    Fault(
        name="keeper killed",
        words="SIGKILL of job.sh",
        inject=_kill_keeper,
        states=("queued", "waiting", "running"),
        weight=3,
    ),
    Fault(
        name="worker killed",
        words="SIGKILL of a rank of torchrun, in a session of its own",
        inject=_kill_worker,
        states=("running",),
    ),
    Fault(name="host full", words="no space in work_dir, 0.5 to 3 s", inject=_fill_host),
    Fault(
        name="host rebooted",
        words="all of jobs, containers, daemons killed; the line for GPUs gone; another boot id",
        inject=_reboot,
        weight=1,
    ),
)


def available() -> tuple[Fault, ...]:
    """Those that can be injected here."""
    from real_clock import FAKETIME

    return tuple(fault for fault in FAULTS if fault.name != "clock moved" or FAKETIME is not None)
