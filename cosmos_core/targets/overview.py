"""A host as it is now: GPUs and who uses them, jobs, containers, the line. Looked at in one go, and left as it is."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

from attrs import evolve, field, frozen

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.gpus import Gpu, parse_gpus
from cosmos_core.targets.host import Host

_TICKET = re.compile(r"ticket\.(\d+)\.(.+)")
NOT_THERE = 127  # what a shell answers for a program that it does not find
CUT_OFF = (124, 143)  # what `timeout` answers, GNU's and busybox's
_WORKING = ("alive", "untended")


@frozen(kw_only=True)
class GpuProcess:
    """A process that computes on a GPU; `job` where it is known to be a job's."""

    pid: int
    user: str | None
    memory_mib: int | None
    job: str | None = None


@frozen(kw_only=True)
class GpuUse:
    """A GPU and who uses it. `held_by` is the job that has it by the line or by its container's label."""

    gpu: Gpu
    processes: tuple[GpuProcess, ...] = ()
    held_by: str | None = None

    @property
    def used_by_others(self) -> bool:
        """Whether somebody computes there who is not in the line, as far as can be told."""
        if self.processes:
            return any(process.job is None for process in self.processes)
        return self.held_by is None and (self.gpu.used_mib or 0) > max(1024, (self.gpu.memory_mib or 0) // 20)


@frozen(kw_only=True)
class SeenJob:
    """A job of whichever user and store, as far as it can be seen: by its folder, its ticket or its container."""

    id: str
    state: str  # as job.sh says; "unknown" where it did not say in time
    dir: str | None = None  # where its folder can be seen
    exit_code: int | None = None
    store: str | None = None
    user: str | None = None
    runs: tuple[str, ...] = ()
    gpus: tuple[int, ...] = ()
    since: datetime | None = None  # since when it works, or waits
    container: str | None = None  # the name of one that runs

    @property
    def works(self) -> bool:
        """Whether its command runs."""
        return self.state in _WORKING or self.container is not None


@frozen(kw_only=True)
class Ticket:
    """A place in the line for GPUs, or what came of it."""

    name: str
    job: str
    life: str  # alive dead unknown
    user: str | None
    store: str | None
    want: int | None
    allowed: tuple[int, ...]
    holds: tuple[int, ...]  # empty: it waits
    since: datetime
    owner: str  # the file's, by the system


@frozen(kw_only=True)
class Overview:
    """All of it. `troubles` says in words what could not be looked at."""

    host: str
    skew_s: float  # how far the host's clock is ahead of ours
    driver: str | None = None
    gpus: tuple[GpuUse, ...] = ()
    jobs: tuple[SeenJob, ...] = ()
    line: tuple[Ticket, ...] = ()  # alive, in order; those who hold GPUs too
    dead_tickets: tuple[Ticket, ...] = ()
    troubles: tuple[str, ...] = field(default=())

    @property
    def waiting(self) -> tuple[Ticket, ...]:
        """Who waits, the next one first."""
        return tuple(ticket for ticket in self.line if not ticket.holds)


def look_over(
    host: Host, *, work_dir: str, lock_dir: str, docker: Sequence[str] | None, folders: Sequence[str], patience: float
) -> Overview:
    """Look at a host by one command. `folders` are jobs to be told of even if they have ended.

    Programs there that take longer than `patience` seconds are left alone. Raises TargetUnusable.
    """
    mark = secrets.token_hex(16)
    words = (mark, work_dir, lock_dir, str(max(1, int(patience))), shlex.join(docker or ()), *folders)
    asked = datetime.now(UTC)
    done = host.run(("sh", "-c", part("overview.sh"), "sh", *words))
    parts = list(sections(done.text, mark))
    if not parts or parts[-1][0] != ["end"] or not parts[0][0][1].isdecimal():
        raise TargetUnusable(
            f"{host.name} did not say all that it was asked: {done.words[-200:]}", hint="try again", transient=True
        )
    return _Reader(parts, asked, datetime.now(UTC)).overview()


def part(name: str) -> str:
    """The text of one of our scripts."""
    return (resources.files("cosmos_core.targets") / name).read_text(encoding="utf-8")


def sections(text: str, mark: str) -> Iterator[tuple[list[str], str]]:
    """The parts of an answer: the words on the line of the mark, and the lines below it."""
    for section in text.split(mark)[1:]:
        head, _, body = section.partition("\n")
        yield head.split(" ")[1:], body


def in_a_line(text: str) -> str:
    """The beginning of what a program said, for a sentence."""
    return " ".join(text.split())[:200]


class _Reader:
    def __init__(self, parts: Sequence[tuple[list[str], str]], asked: datetime, answered: datetime) -> None:
        self.parts = parts
        clock, self.host = next(part for part in parts if part[0][0] == "host")[0][1:]
        there = datetime.fromtimestamp(float(clock), UTC) + timedelta(seconds=0.5)  # it tells whole seconds
        off = (there - asked - (answered - asked) / 2).total_seconds()
        # within the time the answer took, and the half second, nothing is known
        self.skew_s = 0.0 if abs(off) < (answered - asked).total_seconds() / 2 + 0.5 else off
        self.troubles: list[str] = []

    def overview(self) -> Overview:
        tickets = sorted(self._tickets(), key=lambda ticket: ticket.name)
        line = tuple(ticket for ticket in tickets if ticket.life != "dead")
        containers = {container.id: container for container in self._containers()}
        jobs = self._jobs(line, containers)
        driver, gpus = self._gpus()
        apps = [[cell.strip() for cell in app.split(",")] for app in self._said("apps", "nvidia-smi").splitlines()]
        return Overview(
            host=self.host,
            skew_s=self.skew_s,
            driver=driver,
            gpus=tuple(
                self._use(gpu, [app for app in apps if app[0] == uuid and len(app) > 2], jobs, line)
                for uuid, gpu in gpus.items()
            ),
            jobs=tuple(jobs.values()),
            line=line,
            dead_tickets=tuple(ticket for ticket in tickets if ticket.life == "dead"),
            troubles=tuple(dict.fromkeys(self.troubles)),
        )

    def _all(self, name: str) -> Iterator[tuple[list[str], str]]:
        return ((head[1:], body) for head, body in self.parts if head[0] == name)

    def _said(self, name: str, program: str) -> str:
        """What a program answered; nothing where it is not there or failed."""
        at = next((n for n, (head, _) in enumerate(self.parts) if head[0] == name), None)
        if at is None:
            return ""
        (_, body), (head, complaints) = self.parts[at : at + 2]
        code = int(head[1])
        if code in CUT_OFF:
            self.troubles.append(f"{program} did not answer in time")
        elif code not in (0, NOT_THERE):
            self.troubles.append(f"{program} failed: {in_a_line(complaints.strip() or body)}")
        return body if code == 0 else ""

    # -- jobs ------------------------------------------------------------------------------------------------------

    def _jobs(self, line: Sequence[Ticket], containers: Mapping[str, SeenJob]) -> dict[str, SeenJob]:
        jobs = {job.id: job for job in self._folders()}
        for id_, seen in containers.items():
            known = jobs.get(id_)
            jobs[id_] = seen if known is None else _joined(known, seen)
        for ticket in line:
            known = jobs.get(ticket.job)
            if known is None:
                state = "alive" if ticket.holds else "waiting"
                jobs[ticket.job] = SeenJob(
                    id=ticket.job,
                    state=state,
                    store=ticket.store,
                    user=ticket.user,
                    gpus=ticket.holds,
                    since=ticket.since,
                )
            elif known.since is None:
                jobs[ticket.job] = evolve(known, since=ticket.since, gpus=known.gpus or ticket.holds)
        return jobs

    def _folders(self) -> Iterator[SeenJob]:
        for head, body in self._all("job"):
            folder = " ".join(head)
            state, started, chosen, text = [*body.split("\n", 3), "", "", ""][:4]
            word, _, rest = state.partition(" ")
            about = _object(text)
            runs = about.get("runs")
            yield SeenJob(
                id=folder.rpartition("/")[2],
                state=word if word.isalpha() else "unknown",
                dir=folder,
                exit_code=int(rest) if word == "ended" and rest.strip().lstrip("-").isdecimal() else None,
                store=_text(about.get("store")),
                user=_text(about.get("user")),
                runs=tuple(map(str, runs)) if isinstance(runs, list) else (),
                gpus=_numbers(chosen),
                since=self._ours(float(started)) if started.strip().isdecimal() else None,
            )

    def _containers(self) -> Iterator[SeenJob]:
        self.container_ids: dict[str, str] = {}
        for line in self._said("containers", "Docker").splitlines():
            id_, name, job, store, user, run, gpus = [*line.split("\t"), *[""] * 7][:7]
            if not job:
                continue
            self.container_ids[id_] = job
            yield SeenJob(
                id=job,
                state="alive",
                store=store or None,
                user=user or None,
                runs=(run,) if run else (),
                gpus=_numbers(gpus),
                container=name,
            )

    def _tickets(self) -> Iterator[Ticket]:
        for (name, life, *about), body in self._all("ticket"):
            found = _TICKET.fullmatch(name)
            changed, owner = [*about, "", ""][:2]
            if found is None or not changed.isdecimal():
                continue  # it went while we looked, or is none
            first, *others = [*body.splitlines(), ""]
            said = dict(word.partition("=")[::2] for word in first.split())
            holds = next((line.removeprefix("holds ") for line in others if line.startswith("holds ")), "")
            yield Ticket(
                name=name,
                job=found[2],
                life=life,
                user=said.get("user") or owner or None,
                store=said.get("store"),
                want=next(iter(_numbers(said.get("want", ""))), None),
                allowed=_numbers(said.get("gpus", "")),
                holds=_numbers(holds),
                since=self._ours(float(changed)),
                owner=owner,
            )

    def _ours(self, stamp: float) -> datetime:
        """A moment of the host's clock by ours."""
        return datetime.fromtimestamp(stamp - self.skew_s, UTC)

    # -- GPUs ------------------------------------------------------------------------------------------------------

    def _gpus(self) -> tuple[str | None, dict[str, Gpu]]:
        driver, gpus = None, {}
        for line in self._said("gpus", "nvidia-smi").splitlines():
            index, uuid, version, *rest = [cell.strip() for cell in line.split(",")] + [""] * 3
            for gpu in parse_gpus(", ".join((index, *rest[:-3]))):
                driver, gpus[uuid] = version or None, gpu
        return driver, gpus

    def _use(
        self, gpu: Gpu, apps: Sequence[Sequence[str]], jobs: Mapping[str, SeenJob], line: Sequence[Ticket]
    ) -> GpuUse:
        held_by = next((job.id for job in jobs.values() if gpu.index in job.gpus and job.works), None)
        ticket = next((ticket for ticket in line if ticket.job == held_by), None)
        users = {head[0]: head[1:] for head, _ in self._all("process")}
        processes = []
        for _, pid, memory, *_ in apps:
            user, job, container = users.get(pid, (None, "-", "-"))
            found = self.container_ids.get(container) or (job if job != "-" else None)
            if found is None and ticket and (user == ticket.owner or container != "-"):
                found = held_by  # what it is of is not for us to read, and the GPU is that job's
            mib = int(memory) if memory.isdecimal() else None
            processes.append(GpuProcess(pid=int(pid), user=user, memory_mib=mib, job=found))
        return GpuUse(gpu=gpu, processes=tuple(processes), held_by=held_by)


def _joined(folder: SeenJob, container: SeenJob) -> SeenJob:
    """What a job's folder tells, and beside it what its container tells."""
    return evolve(
        folder,
        container=container.container,
        store=folder.store or container.store,
        user=folder.user or container.user,
        runs=folder.runs or container.runs,
        gpus=folder.gpus or container.gpus,
    )


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.replace(",", " ").split() if word.isdecimal())
