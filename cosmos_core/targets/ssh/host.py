"""A machine reached over SSH as a host."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Completed, OnBytes, OnWait, Span, Stat, Tree
from cosmos_core.targets.ssh import change, files
from cosmos_core.targets.ssh.get import digest, get
from cosmos_core.targets.ssh.put import Senders, put, verify

if TYPE_CHECKING:
    from cosmos_core.targets.ssh.line import Line

_NO_PROGRAM = 127


class SshHost:
    """A name that ssh knows, reached over one connection that is made when it is first needed."""

    def __init__(self, destination: str, *, connect_timeout: float) -> None:
        self._destination = destination
        self._timeout = connect_timeout
        self._once = threading.Lock()
        self._opened: Line | None = None
        self._senders = Senders()

    @property
    def name(self) -> str:
        """What the machine calls itself; until it was asked, what it is called here."""
        return self._opened.name if self._opened else self._destination

    @property
    def _line(self) -> Line:
        with self._once:
            if self._opened is None:
                from cosmos_core.targets.ssh.line import Line  # paramiko takes its time: only who uses it waits for it

                self._opened = Line(self._destination, self._timeout)
            return self._opened

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", detached: bool = False) -> Completed:
        absent = secrets.token_hex(16)
        with self._line.errand(change.command(argv, absent, detached=detached), ours=False) as errand:
            done = errand.finish(stdin)
        if done.exit_code == _NO_PROGRAM and done.err == absent.encode():
            raise TargetUnusable(
                f"cannot start {argv[0]} on {self.name}: there is no such program", hint="install it, or put it on PATH"
            )
        return done

    def stat(self, paths: Sequence[str]) -> Mapping[str, Stat]:
        return files.look(self._line, paths)

    def read(self, spans: Sequence[Span]) -> Sequence[bytes]:
        return files.read(self._line, spans)

    def list(self, path: str) -> Mapping[str, int]:
        return files.below(self._line, path)

    def lay_out(self, folder: str, tree: Tree) -> None:
        change.lay_out(self._line, folder, tree)

    def put(
        self,
        source: Path,
        to: str,
        *,
        mode: int = 0o600,
        sha256: str | None = None,
        mtime: int | None = None,
        more: int = 0,
        on_bytes: OnBytes | None = None,
        on_wait: OnWait | None = None,
    ) -> str:
        return put(
            self._line,
            self._senders,
            source,
            to,
            mode=mode,
            sha256=sha256,
            mtime=mtime,
            more=more,
            on_bytes=on_bytes,
            on_wait=on_wait,
        )

    def get(self, files: Mapping[str, Path], *, on_bytes: OnBytes | None = None) -> Mapping[str, str]:
        return get(self._line, files, on_bytes=on_bytes)

    def digest(self, path: str) -> str:
        return digest(self._line, path)

    def verify(self, path: str, sha256: str, *, mtime: int) -> bool:
        return verify(self._line, path, sha256, mtime=mtime)

    def link(self, source: str, to: str) -> None:
        change.link(self._line, source, to)

    def remove(self, path: str) -> None:
        change.remove(self._line, path)

    def close(self) -> None:
        if self._opened:
            self._opened.close()
