"""What a store left on a host: looked at in one go, and removed in one go. Which of it may go is decided elsewhere."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Host
from cosmos_core.targets.overview import CUT_OFF, NOT_THERE, in_a_line, part, sections

_JOB = re.compile(r"jb_[a-z0-9]+")
_CACHED = re.compile(r"[0-9a-f]{2}/(?P<sha256>[0-9a-f]{64})(?:\.[^/\s]*)?")
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_OVER = ("ended", "gone", "idle", "absent")


@frozen(kw_only=True)
class JobRemains:
    """The folder of a job of this store."""

    id: str
    state: str  # as job.sh says
    bytes: int  # without what it shares with the cache
    shared: tuple[int, ...] = ()  # inodes of those files

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs or waits there."""
        return self.state in _OVER


@frozen(kw_only=True)
class CachedFile:
    """A file of the input cache, which all stores of a work_dir share."""

    name: str  # below inputs/
    sha256: str
    bytes: int
    links: int  # 1: no job uses it
    inode: int
    idle_s: float  # since somebody linked, unlinked or brought it


@frozen(kw_only=True)
class ContainerRemains:
    """A container of a job of this store."""

    name: str
    job: str
    state: str  # as Docker says

    @property
    def is_over(self) -> bool:
        """Whether it has stopped, or never ran."""
        return self.state in ("exited", "dead", "created")


@frozen(kw_only=True)
class Remains:
    """All of it. `troubles` says in words what could not be looked at."""

    host: str
    jobs: tuple[JobRemains, ...] = ()
    trash: tuple[JobRemains, ...] = ()  # of somebody who was cut off while removing
    cache: tuple[CachedFile, ...] = ()
    containers: tuple[ContainerRemains, ...] = ()
    tickets: int = 0  # dead ones of the account
    troubles: tuple[str, ...] = ()


@frozen(kw_only=True)
class Kept:
    """Something that was to go, and why it did not."""

    kind: str  # job cache container
    name: str
    words: str


@frozen(kw_only=True)
class Removed:
    """What is gone. Each is a kind and a name."""

    gone: frozenset[tuple[str, str]]
    kept: tuple[Kept, ...]
    tickets: int


@frozen(kw_only=True)
class Place:
    """Where on a host a store leaves things."""

    host: Host
    work_dir: str
    lock_dir: str
    docker: Sequence[str] | None
    store: str

    def look(self) -> Remains:
        """What there is of this store. Raises TargetUnusable."""
        return _Reader(self._ask("look"), self.work_dir, self.store).remains()

    def remove(self, things: Iterable[tuple[str, str]]) -> Removed:
        """Remove these, a kind and a name each, as far as they still are what they were. Raises TargetUnusable."""
        order = ("trash", "container", "job", "cache")  # a job's files are the cache's until it has gone
        listed = sorted(things, key=lambda thing: order.index(thing[0]))
        parts = self._ask("remove", "".join(f"{kind} {name}\n" for kind, name in listed))
        told = [head for head, _ in parts]
        return Removed(
            gone=frozenset((head[1], head[2]) for head in told if head[0] == "gone"),
            kept=tuple(
                Kept(kind=head[1], name=head[2], words=" ".join(head[3:])) for head in told if head[0] == "kept"
            ),
            tickets=sum(head[0] == "ticket" for head in told),
        )

    def _ask(self, mode: str, told: str = "") -> list[tuple[list[str], str]]:
        mark = secrets.token_hex(16)
        words = (mark, mode, self.work_dir, self.lock_dir, self.store, shlex.join(self.docker or ()))
        done = self.host.run(("sh", "-c", part("clean.sh"), "sh", *words), stdin=told.encode())
        parts = list(sections(done.text, mark))
        if not parts or parts[-1][0] != ["end"]:
            raise TargetUnusable(
                f"{self.host.name} did not say all that it was asked: {done.words[-200:]}",
                hint="try again",
                transient=True,
            )
        return parts


class _Reader:
    def __init__(self, parts: Sequence[tuple[list[str], str]], work_dir: str, store: str) -> None:
        self.parts = parts
        self.work_dir = work_dir
        self.trash = f"{work_dir}/jobs/.trash.{store}."
        self.clock, self.host = parts[0][0][1:3]
        self.sizes = dict(self._sizes())
        self.troubles: list[str] = []

    def remains(self) -> Remains:
        jobs = [
            JobRemains(id=name, state=state, bytes=self._size(name), shared=tuple(map(int, filter(None, inodes))))
            for (name, state, *inodes), _ in self._all("job")
            if _JOB.fullmatch(name)
        ]
        trash = [" ".join(head).removeprefix(self.trash) for head, _ in self._all("trash")]
        return Remains(
            host=self.host,
            jobs=tuple(jobs),
            trash=tuple(
                JobRemains(id=name, state="absent", bytes=self.sizes.get(f"{self.trash}{name}", 0))
                for name in trash
                if _JOB.fullmatch(name)
            ),
            cache=tuple(self._cache()),
            containers=tuple(self._containers()),
            tickets=sum(1 for _ in self._all("ticket")),
            troubles=tuple(self.troubles),
        )

    def _all(self, name: str) -> Iterator[tuple[list[str], str]]:
        return ((head[1:], body) for head, body in self.parts if head[0] == name)

    def _size(self, job: str) -> int:
        return self.sizes.get(f"{self.work_dir}/jobs/{job}", 0)

    def _sizes(self) -> Iterator[tuple[str, int]]:
        for _, body in self._all("sizes"):
            for line in body.splitlines():
                kb, _, path = line.partition("\t")
                if kb.isdecimal():
                    yield path, int(kb) * 1024

    def _cache(self) -> Iterator[CachedFile]:
        now = float(self.clock)
        for _, body in self._all("cache"):
            for line in body.splitlines():
                links, size, changed, inode, path = [*line.split(" ", 4), *[""] * 5][:5]
                name = path.removeprefix(f"{self.work_dir}/inputs/")
                found = _CACHED.fullmatch(name)
                if found and links.isdecimal():
                    yield CachedFile(
                        name=name,
                        sha256=found["sha256"],
                        bytes=int(size),
                        links=int(links),
                        inode=int(inode),
                        idle_s=now - float(changed),
                    )

    def _containers(self) -> Iterator[ContainerRemains]:
        at = next((n for n, (head, _) in enumerate(self.parts) if head[0] == "containers"), None)
        if at is None:
            return
        body, ((_, code, *_), complaints) = self.parts[at][1], self.parts[at + 1]
        if int(code):
            why = {**dict.fromkeys(CUT_OFF, "did not answer in time"), NOT_THERE: "is not there"}.get(int(code))
            self.troubles.append(f"Docker {why or 'failed: ' + in_a_line(complaints)}")
            return
        for line in body.splitlines():
            name, job, state = [*line.split("\t"), *[""] * 3][:3]
            if _CONTAINER.fullmatch(name) and _JOB.fullmatch(job):
                yield ContainerRemains(name=name, job=job, state=state)
