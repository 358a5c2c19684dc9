"""What a database complains of, in words: the cause, the place, and the next step."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import exc

from cosmos_core.errors import ConfigError, CosmosError, NotFound, TargetUnusable, UsageError

ELSEWHERE = "choose another with COSMOS_HOME, or [store] url in cosmos.toml"

_UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)
_NO_LOCK = (
    sqlite3.SQLITE_IOERR_LOCK,
    sqlite3.SQLITE_IOERR_RDLOCK,
    sqlite3.SQLITE_IOERR_UNLOCK,
    sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
    sqlite3.SQLITE_IOERR_SHMLOCK,
)
_ROOM = 1 << 20  # with less than that free, SQLite's own files beside the database may find no room
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT)


def in_words(place: str, error: exc.DBAPIError) -> CosmosError:
    """The error of ours for one of the database's."""
    said = str(error.orig)
    code = _code(error.orig)
    if isinstance(error, exc.IntegrityError):
        if "FOREIGN KEY" in said.upper():
            return names_nothing()
        return UsageError(f"that is stored already: {said}", hint="see `cosmos list runs`")
    # a full disk has many faces: files that cannot be made, written, grown or shared
    if code == sqlite3.SQLITE_FULL or (code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and _has_no_room(place)):
        return full(place)
    if is_busy(error.orig):
        return busy(place)
    if getattr(error.orig, "sqlite_errorcode", None) in _NO_LOCK:
        return no_locks(place)
    if code == sqlite3.SQLITE_IOERR:
        return ConfigError(
            f"the disk of the database {place} fails: {said}",
            hint=f"look at the disk (`dmesg` on Linux), or {ELSEWHERE}",
        )
    if code in _UNWRITABLE:
        return ConfigError(
            f"the database {place} cannot be opened for writing: {said}",
            hint=f"check that it is a file, its owner and permissions, and its folder's; or {ELSEWHERE}",
        )
    if code in _DAMAGED:
        return ConfigError(f"{place} is no database, or is damaged: {said}", hint=f"put it right, or {ELSEWHERE}")
    return ConfigError(f"the database {place} cannot be used: {said}", hint=f"check [store] url, or {ELSEWHERE}")


def names_nothing() -> CosmosError:
    """For a row that names another, which is gone."""
    return NotFound(
        "something that this names is not there any more",
        hint="`cosmos list runs` and `cosmos list prompts` show what there is",
    )


def full(place: str) -> CosmosError:
    """For a disk with no room left."""
    error = TargetUnusable(
        f"no space left for the database {place}",
        hint="make room, then `cosmos sync` goes on with what was stored",
    )
    error.code = "disk_full"
    return error


@contextlib.contextmanager
def all_or_nothing() -> Iterator[None]:
    """Around the transaction that stores what a user asked for: where it fails there is nothing to go on with."""
    try:
        yield
    except TargetUnusable as error:
        if error.code == "disk_full":
            error.hint = (
                "nothing was stored: make room, then type the same again; `cosmos sync` goes on with earlier runs"
            )
        raise


def no_locks(place: str) -> CosmosError:
    """For a disk on which nobody can keep others from writing at the same time."""
    kind = file_system_of(Path(place).parent)
    where = f"on {kind}, where files cannot be locked" if kind else "where files cannot be locked"
    return ConfigError(
        f"the database {place} lies {where}", hint="set COSMOS_HOME to a folder on a disk of this machine"
    )


def file_system_of(folder: Path) -> str:
    """The kind of file system that a folder lies on, as Linux calls it (ext4, nfs4); empty where nobody says."""
    there = os.path.realpath(folder)
    found = ("", "")
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            _, point, kind, *_ = line.split(" ")
            point = point.replace("\\040", " ").rstrip("/")
            if f"{there}/".startswith(f"{point}/") and len(point) >= len(found[0]):
                found = (point, kind)
    return found[1]


def _has_no_room(place: str) -> bool:
    try:
        disk = os.statvfs(Path(place).parent)
    except (OSError, ValueError):
        return False
    return disk.f_bavail * disk.f_frsize < _ROOM or (disk.f_files > 0 and disk.f_favail == 0)


def busy(place: str) -> CosmosError:
    """For a lock that was waited for in vain."""
    return TargetUnusable(
        f"the database {place} is locked by another program",
        hint="end that program; what was started goes on with `cosmos sync`",
        transient=True,
    )


def crowded(place: str) -> CosmosError:
    """For more threads of this process than it has connections, none of which came free."""
    return TargetUnusable(
        f"the database {place} did not answer in time: every connection to it is in use",
        hint="try again; what was started goes on with `cosmos sync`",
        transient=True,
    )


def unknown_kind(url: str, error: Exception) -> CosmosError:
    """For a URL of which no database can be made."""
    kind = url.partition("://")[0] if "://" in url else url  # the rest may hold a password
    if isinstance(error, ImportError) and kind.startswith("postgres"):
        return ConfigError(
            f"store.url: PostgreSQL is reached by the package psycopg, which cannot be used here: {error}",
            hint="install it: pip install 'psycopg[binary]'",
        )
    why = "the port is no number" if isinstance(error, ValueError) else error  # its text has what was read as one
    return ConfigError(
        f"store.url: no database can be reached by {kind!r}: {why}",
        hint='say where, like url = "sqlite:///cosmos.db" or "postgresql+psycopg://user@host/database"',
    )


def unknown_version(place: str, version: str, head: str) -> CosmosError:
    """For a database that a later program wrote."""
    return ConfigError(
        f"the database {place} is of a newer version ({version}) than this program knows ({head})",
        hint=f"upgrade cosmos, or {ELSEWHERE}",
    )


def not_ours(place: str, tables: Sequence[str]) -> CosmosError:
    """For a database with somebody else's tables: nothing of ours is put among them."""
    named = ", ".join(tables[:3]) + (", ..." if len(tables) > 3 else "")
    return ConfigError(f"the database {place} is another program's: it has the tables {named}", hint=ELSEWHERE)


def not_utf8(error: UnicodeEncodeError) -> CosmosError:
    """For text that came from bytes which are no UTF-8, such as a file's name in Latin-1."""
    return UsageError(
        f"this is not UTF-8 and cannot be stored: {error.object!a}",
        hint="rename the file, or write the text in UTF-8",
    )


def is_busy(error: BaseException | None) -> bool:
    """Whether another connection holds what this one wanted."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: BaseException | None) -> int | None:
    """SQLite's primary result code; the extended ones carry more in the upper bits."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
