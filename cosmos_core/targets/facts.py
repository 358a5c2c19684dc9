"""What a host has of all that jobs need there, asked for by one command (check.sh)."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Sequence

from attrs import field, frozen

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Host
from cosmos_core.targets.overview import part, sections

_KB = 1024


@frozen(kw_only=True)
class Wanted:
    """What is to be looked for."""

    programs: Sequence[str] = ()
    paths: Sequence[str] = ()
    versions: Sequence[str] = ()  # files that state one
    images: Sequence[str] = ()


@frozen(kw_only=True)
class Folder:
    """A folder and what came of trying to use it: `way` is written, linked, locked or refused."""

    path: str
    present: str  # the nearest folder above that is there
    mode: int | None
    owner: str
    way: str
    words: str

    @property
    def is_there(self) -> bool:
        """Whether it was there before."""
        return self.present == self.path.rstrip("/")


@frozen(kw_only=True)
class Answer:
    """What a program answered, its exit code, and what it complained of: warnings, notices, why it failed."""

    said: str
    code: int
    complaints: str = ""

    @property
    def why(self) -> str:
        """Why it failed, in its own words."""
        return self.complaints or self.said


@frozen(kw_only=True)
class Facts:
    """All that was found. Docker's parts are None where it was not asked or did not answer before."""

    host: str
    system: str
    user: str
    home: str
    work_dir: Folder
    free: int | None  # bytes
    lock_dir: Folder | None
    programs: dict[str, str]  # name -> where it is; empty: nowhere
    paths: dict[str, str]  # folder file absent unreadable
    versions: dict[str, str]  # file -> what is in it
    hf_home: str
    hf_free: int | None
    hf_models: int
    token: str  # none file environment
    product: Answer | None  # what calls itself docker
    docker: Answer | None  # the versions of client and server
    runtimes: Answer | None
    hooks: str  # NVIDIA's hook, or a CDI specification
    containers: tuple[str, ...]
    images: dict[str, Answer] = field(factory=dict)
    logind: str
    leftovers: tuple[int, int]  # ended jobs of this store, and their bytes

    @property
    def docker_version(self) -> str:
        """Of the server where there is one, and of the client; empty where Docker did not answer."""
        client, _, server = (self.docker.said if self.docker and not self.docker.code else "").partition(" ")
        return ", ".join(f"{what} {version}" for what, version in (("server", server), ("client", client)) if version)

    @property
    def is_podman(self) -> bool:
        """Whether podman answers in Docker's place, by its version or by the notice that its stand-in prints."""
        product = self.product
        return product is not None and "podman" in f"{product.said} {product.complaints}".lower()


def find_out(
    host: Host,
    wanted: Wanted,
    *,
    work_dir: str,
    lock_dir: str | None,
    docker: Sequence[str] | None,
    store_id: str,
    hf_home: str | None,
    patience: float,
) -> Facts:
    """Look at all that. Raises TargetUnusable where the host does not answer."""
    mark = secrets.token_hex(16)
    words = [
        *(
            mark,
            work_dir,
            lock_dir or "",
            str(max(1, int(patience))),
            shlex.join(docker or ()),
            store_id,
            hf_home or "",
        ),
        *(f"program:{name}" for name in wanted.programs),
        *(f"path:{path}" for path in wanted.paths),
        *(f"version:{path}" for path in wanted.versions),
        *(f"image:{name}" for name in wanted.images),
    ]
    done = host.run(("sh", "-c", part("check.sh"), "sh", *words))
    answers = _Answers(list(sections(done.text, mark)))
    if not answers.whole:
        raise TargetUnusable(
            f"{host.name} did not answer all that it was asked: {done.words[-200:]}",
            hint="a POSIX shell and the usual programs have to be there",
        )
    return answers.facts(work_dir, lock_dir)


class _Answers:
    def __init__(self, parts: list[tuple[list[str], str]]) -> None:
        self.parts = parts

    @property
    def whole(self) -> bool:
        return bool(self.parts) and self.parts[-1][0] == ["end"]

    def facts(self, work_dir: str, lock_dir: str | None) -> Facts:
        user, home = [*self._words("user").split(" ", 1), ""][:2]
        token, hf_free, hf_home = [*self._words("hf").split(" ", 2), "", ""][:3]
        count, kilobytes = [*self._body("leftovers").split(), "0", "0"][:2]
        return Facts(
            host=self._words("host").partition(" ")[2],
            system=self._words("system").strip(" ,"),
            user=user,
            home=home,
            work_dir=self._folder(work_dir, "work_dir", "tried"),
            free=_bytes(self._words("space")),
            lock_dir=self._folder(lock_dir, "lock_dir", "tried_lock") if lock_dir else None,
            programs={head[1]: " ".join(head[2:]) for head, _ in self._all("program")},
            paths={" ".join(head[2:]): head[1] for head, _ in self._all("path")},
            versions={" ".join(head[1:]): body for head, body in self._all("version")},
            hf_home=hf_home,
            hf_free=_bytes(hf_free),
            hf_models=int(found) if (found := self._body("hf").strip()).isdecimal() else 0,
            token=token,
            product=self._answer("product"),
            docker=self._answer("docker"),
            runtimes=self._answer("runtimes"),
            hooks=self._words("hook").strip(),
            containers=tuple(self._body("containers").split()),
            images=self._images(),
            logind=self._body("logind"),
            leftovers=(int(count), int(kilobytes) * _KB),
        )

    def _all(self, name: str) -> list[tuple[list[str], str]]:
        return [(head, body) for head, body in self.parts if head[0] == name]

    def _words(self, name: str) -> str:
        return next((" ".join(head[1:]) for head, _ in self._all(name)), "")

    def _body(self, name: str) -> str:
        return next((body for _, body in self._all(name)), "")

    def _folder(self, path: str, name: str, trial: str) -> Folder:
        mode, _, owner = self._body(name).strip().partition(" ")
        *words, way = self._body(trial).strip().split("\n")
        return Folder(
            path=path,
            present=self._words(name),
            mode=int(mode, 8) if mode.isdecimal() else None,
            owner=owner,
            way=way,
            words=" ".join(words),
        )

    def _answer(self, name: str) -> Answer | None:
        for at, (head, body) in enumerate(self.parts):
            if " ".join(head) == name:
                code, complaints = self.parts[at + 1]
                return Answer(said=body.strip(), code=int(code[1]), complaints=complaints.strip())
        return None

    def _images(self) -> dict[str, Answer]:
        names = (" ".join(head[1:]) for head, _ in self._all("image"))
        return {name: answer for name in names if (answer := self._answer(f"image {name}"))}


def _bytes(kilobytes: str) -> int | None:
    return int(kilobytes) * _KB if kilobytes.strip().isdecimal() else None
