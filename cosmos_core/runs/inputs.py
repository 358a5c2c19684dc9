"""What a REF means: a local file, an output of an earlier run, or a file that is already on a target."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shlex
import stat
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from attrs import evolve, frozen

from cosmos_core.config import Config, Target
from cosmos_core.config_file import SIMULATOR
from cosmos_core.errors import CosmosError, NotFound
from cosmos_core.media import Probe, outdated, probe
from cosmos_core.parameters import nearest
from cosmos_core.paths import expanded
from cosmos_core.runs.far import look_at
from cosmos_core.runs.frames import Change, Frames, OnEncoding
from cosmos_core.sequences import is_pattern
from cosmos_core.store import Store
from cosmos_core.store.records import Artifact, InputRecord, PromptRecord, RunRecord
from cosmos_core.targets import Hosts
from cosmos_core.targets.cache import cached_path
from cosmos_core.values import Problem

_OF_A_RUN = re.compile(r"(?P<run>rs_[a-z0-9]+|@last(?:~[0-9]+)?)(?::(?P<name>.+))?")
_ON_A_TARGET = re.compile(r"(?P<target>[A-Za-z0-9][\w.@-]*):(?P<path>/.*)")
_FILE_URL = re.compile(r"file:(?://(?:localhost)?)?(?P<path>/(?!/).*)", re.IGNORECASE)
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://.*", re.IGNORECASE)


class BadRef(Exception):  # noqa: N818  it becomes a Problem and goes no further
    """A REF that cannot be used."""

    def __init__(self, message: str, hint: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def problem(self, slot: str) -> Problem:
        """The same as a problem of that slot."""
        return Problem(field=slot, message=self.message, hint=self.hint, code=self.code)


@frozen(kw_only=True)
class Refs:
    """Reads REFs. Without a store there are no earlier runs, and nothing looked at is remembered."""

    config: Config
    store: Store | None
    hosts: Hosts
    remember: bool = True
    encode: bool = True  # whether videos of image sequences are written
    on_encoding: OnEncoding | None = None

    @property
    def frames(self) -> Frames:
        """What makes videos of image sequences."""
        return Frames(
            folder=self.config.home / "sequences",
            look=self._looked_at,
            store=self.store,
            remember=self.remember,
            encode=self.remember and self.encode,
            on_encoding=self.on_encoding,
        )

    def is_sequence(self, ref: str) -> bool:
        """Whether `ref` means many pictures: a folder here, or a pattern such as `d.####.png`."""
        ref = _path_of(ref)
        if _unusable(ref):
            return False
        path = expanded(ref)
        return path.is_dir() or (is_pattern(ref) and not path.exists() and not _elsewhere(ref))

    def read(self, slot: str, ref: str) -> InputRecord:
        """Look at what `ref` names. Raises BadRef with cause and remedy."""
        ref = _path_of(ref)
        if why := _unusable(ref):
            raise BadRef(why, "check the path", "invalid")
        if not Path(ref).exists():
            if match := _OF_A_RUN.fullmatch(ref):
                return self._of_a_run(slot, ref, match["run"], match["name"])
            if (match := _URL.fullmatch(ref)) and match["scheme"] not in self.config.targets:
                raise BadRef(f"{ref.partition('?')[0]} is a URL, and inputs are files", _how_to_get(ref), "url")
            if match := _ON_A_TARGET.fullmatch(ref):
                return self._on_a_target(slot, ref, match["target"], match["path"])
            if (name := ref.partition(":")[0]) in self.config.targets and name != ref:
                raise BadRef(f"{ref}: a path on a target begins with /", f"{name}:/where/it/is", "no_such_file")
        return self._local(slot, ref)

    def changed(self, record: InputRecord) -> Change | None:
        """What has happened to a stored input's files since; None where they are as they were."""
        if record.frames is not None:
            return self.frames.changed(record)
        path = record.path
        if path is None and record.run_id is None and record.target and self._is_here(record.target):
            path = record.remote
        if path is None:  # on another machine, where it is looked at once the job goes there
            return None
        try:
            digest, _ = self._looked_at(Path(path))
        except OSError:
            return Change(kind="gone", words="is gone")
        if record.sha256 in (None, digest):
            return None
        return Change(kind="changed", words="has changed since its prompt was stored")

    def _is_here(self, name: str) -> bool:
        """Whether a target is this machine."""
        target = self.config.targets.get(name)
        return name == SIMULATOR if target is None else target.host is None

    def _local(self, slot: str, ref: str) -> InputRecord:
        path = Path(os.path.abspath(expanded(ref)))  # noqa: PTH100  resolve() would rename links
        if path.is_dir():
            raise BadRef(f"{ref} is a folder, and this takes a file", "name the file in it", "not_a_file")
        try:
            if other := _no_plain_file(path.stat()):
                raise BadRef(f"{ref} is {other}, and this takes a file", "write it to a file first", "not_a_file")
            digest, looked = self._looked_at(path)
            size = path.stat().st_size
        except FileNotFoundError:
            raise BadRef(f"{ref} does not exist", _what_is_there(path), "no_such_file") from None
        except OSError as error:
            raise BadRef(f"{ref} cannot be read: {error.strerror}", "check its permissions", "unreadable") from None
        media = looked.media
        if media.kind == "unknown":
            raise BadRef(f"{ref} cannot be read as media: {looked.why}", looked.hint, "unreadable")
        return InputRecord(slot=slot, ref=ref, name=path.name, path=str(path), sha256=digest, bytes=size, media=media)

    def _of_a_run(self, slot: str, ref: str, run_ref: str, name: str | None) -> InputRecord:
        if self.store is None:
            raise BadRef(f"there is no run {run_ref}", "see `cosmos list runs`", "no_such_run")
        try:
            run = self.store.run(self.store.resolve(run_ref, ("rs",)))
        except CosmosError as error:
            raise BadRef(error.message, error.hint or "see `cosmos list runs`", "no_such_run") from None
        artifact = find_artifact(run, name)
        record = InputRecord(
            slot=slot,
            ref=ref,
            name=PurePosixPath(artifact.remote).name,
            path=artifact.path,
            target=run.target,
            remote=artifact.remote,
            run_id=run.id,
            artifact=artifact.name,
            sha256=artifact.sha256,
            bytes=artifact.bytes,
            media=artifact.media,
        )
        if artifact.path is not None:
            here = self._local(slot, artifact.path)
            return evolve(record, sha256=here.sha256, bytes=here.bytes, media=here.media)
        if artifact.sha256 is None:  # never brought here: what it is has to be looked at where it lies
            there = self._there(slot, ref, self.config.target(run.target), artifact.remote)
            return evolve(record, sha256=there.sha256, bytes=there.bytes, media=there.media)
        return record

    def _on_a_target(self, slot: str, ref: str, name: str, path: str) -> InputRecord:
        known = (*self.config.targets, SIMULATOR)
        if name not in known:
            hint = f"{nearest(name, known)}targets: {', '.join(known)}"
            hosts = {_bare(target.host): target.name for target in self.config.targets.values() if target.host}
            if meant := hosts.get(_bare(name)):
                hint = f"the name of a target comes first, not its host's: {meant}:{path}"
            raise BadRef(f"there is no target {name!r}", hint, "no_such_target")
        return self._there(slot, ref, self.config.target(name), path)

    def _there(self, slot: str, ref: str, target: Target, path: str) -> InputRecord:
        """A file on a target."""
        name = target.name
        if target.host is None:
            if not Path(path).exists():
                raise BadRef(f"{path} does not exist on {name}", "check the path there", "no_such_file")
            here = self._local(slot, path)
            return evolve(here, ref=ref, path=None, target=name, remote=path)
        try:
            far = look_at(self.hosts.of(target), name, path, self.store if self.remember else None)
        except FileNotFoundError as error:
            hint = "check the path there"
            if is_pattern(path) or str(error) == "is a folder":
                hint = "an image sequence is encoded here: give a folder on this machine, or a video that is there"
            raise BadRef(f"{path} {error} on {name}", hint, "no_such_file") from None
        if far.media.kind == "unknown":
            why = f"{ref} cannot be read as media: {far.why}"
            raise BadRef(why, far.hint, "unreadable")
        return InputRecord(
            slot=slot,
            ref=ref,
            name=PurePosixPath(path).name,
            target=name,
            remote=path,
            sha256=far.sha256,
            bytes=far.bytes,
            media=far.media,
        )

    def _looked_at(self, path: Path) -> tuple[str, Probe]:
        """Digest and media of a file, remembered while size, time and inode stay the same."""
        found = path.stat()
        if other := _no_plain_file(found):  # reading it might never end
            raise OSError(errno.EINVAL, f"it is {other}", str(path))
        key = (str(path), found.st_size, found.st_mtime_ns, found.st_ino)
        remembered = self.store.digest(*key) if self.store else None
        if remembered is not None and remembered[1] is not None and not outdated(remembered[1]):
            return remembered[0], Probe(media=remembered[1])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        looked = probe(path)
        if self.store and self.remember and looked.media.kind != "unknown":  # why it is broken is not remembered
            self.store.remember_digest(*key, sha256=digest, media=looked.media)
        return digest, looked


def _elsewhere(ref: str) -> bool:
    """Whether a REF has the form of one that names no file here."""
    return bool(_OF_A_RUN.fullmatch(ref) or _ON_A_TARGET.fullmatch(ref))


def _path_of(ref: str) -> str:
    """The path that a file: URL stands for, as file managers and browsers copy it; any other REF as it is."""
    match = _FILE_URL.fullmatch(ref)
    return unquote(match["path"]) if match else ref


def _bare(host: str) -> str:
    """A host's name without the user before it and the port behind it."""
    return re.sub(r"^ssh://|:[0-9]+$", "", host).rpartition("@")[2]


def _how_to_get(url: str) -> str:
    if url.lower().startswith(("http://", "https://")):
        return f"download it, e.g. `curl -LO {shlex.quote(url)}`, and give the file"
    return "download it, and give the file"


def _unusable(ref: str) -> str | None:
    """Why no file system takes a path, or None."""
    if "\0" in ref:
        return "there is a NUL character in the path"
    try:
        Path(ref).exists()
    except OSError as error:
        return f"{ref[:40]}... cannot be a path: {error.strerror}"
    return None


def _no_plain_file(found: os.stat_result) -> str | None:
    """What it is instead of a plain file, which has an end and can be read twice; None for one."""
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFREG:
        return None
    return {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}.get(kind, "a device")


def is_there(record: InputRecord, target: Target, hosts: Hosts) -> bool:
    """Whether a target can do without the file here: it has that content in its cache, or the output it was."""
    if record.sha256 is None:
        return False
    places = [cached_path(target.work_dir, record.sha256, PurePosixPath(record.name).suffix.lower())]
    if record.remote and record.target == target.name:
        places.append(record.remote)
    return any(found.bytes == record.bytes for found in hosts.of(target).stat(places).values())


def _what_is_there(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    close = nearest(path.name, sorted(file.name for file in path.parent.iterdir()))
    return f"{close}look into {path.parent}"


def users_of_file(path: Path, refs: Refs, store: Store) -> tuple[PromptRecord | RunRecord, ...]:
    """The runs that made a file and the prompts that use it, found by its content. Raises NotFound."""
    try:
        record = refs.read("file", str(path))
    except BadRef as bad:
        raise NotFound(bad.message, hint=bad.hint) from None
    if record.sha256 is None:
        raise AssertionError("a file that was looked at has a digest")
    makers = (store.run(run_id) for run_id, _ in store.artifact_by_digest(record.sha256))
    users: tuple[PromptRecord | RunRecord, ...] = (*makers, *store.inputs_by_digest(record.sha256))
    if not users:
        raise NotFound(f"no run made {path}, and no prompt uses it", hint="it was compared by content")
    return users


def find_artifact(run: RunRecord, name: str | None) -> Artifact:
    """An output of a run by its name, or its main result. Raises BadRef naming those there are."""
    names = [a.name for a in run.artifacts]
    wanted = next((a for a in run.artifacts if (a.role == "result" if name is None else a.name == name)), None)
    if wanted is not None:
        return wanted
    if not names:
        raise BadRef(f"{run.id} is {run.status} and has no outputs", f"see `cosmos show {run.id}`", "no_outputs")
    if name is None:
        raise BadRef(f"{run.id} has no result", f"its outputs: {', '.join(names)}", "no_outputs")
    raise BadRef(
        f"{run.id} has no output {name!r}",
        f"{nearest(name, names)}there are {', '.join(names)}",
        "no_outputs",
    )
