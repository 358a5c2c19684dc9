"""The line to a host: opened when it is needed, shared by all threads, and opened again after it was lost.

Small questions go one after the other through one shell that stays open; everything else has a channel of its own, so
that no transfer ever holds up a question.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import paramiko

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Completed
from cosmos_core.targets.ssh.config import way_to
from cosmos_core.targets.ssh.connection import Connection, NotSent
from cosmos_core.targets.ssh.errand import Errand
from cosmos_core.targets.ssh.frames import BOOTSTRAP, C_LOCALE, Framed
from cosmos_core.targets.ssh.shell import Shell
from cosmos_core.targets.ssh.words import lost

_T = TypeVar("_T")


class _Live(NamedTuple):
    connection: Connection
    shell: Shell

    def hang_up(self) -> None:
        self.connection.close()
        self.shell.close()


class Line:
    """Everything a host is asked goes through here."""

    def __init__(self, destination: str, connect_timeout: float) -> None:
        self._destination = destination
        self._timeout = connect_timeout
        self._live: _Live | None = None
        self._failure: TargetUnusable | None = None
        self._attempts = 0
        self._opening = threading.Lock()

    @property
    def name(self) -> str:
        """How the host calls itself once it was asked, else how it is called here."""
        live = self._live
        return (live.shell.node if live else None) or self._destination

    @property
    def alive(self) -> bool:
        """Whether there is a connection, as far as this end knows."""
        live = self._live
        return live is not None and live.connection.alive

    def close(self) -> None:
        """Hang up. What is asked later opens the line again."""
        with self._opening:
            live, self._live = self._live, None
        if live:
            live.hang_up()

    def ask(self, script: str) -> Completed:
        """What a short script of ours answers; it takes no input and leaves nothing behind.

        Raises TargetUnusable, transient, if the line is lost or no answer comes within a minute.
        """
        return self._with(lambda live: live.shell.ask(script))

    @contextlib.contextmanager
    def errand(self, script: str, *, ours: bool = True, transfer: bool = False) -> Iterator[Errand]:
        """A script in a channel of its own. The programs it uses complain in English if it is one of `ours`.

        Transfers take turns among themselves, so that commands need not wait for them.
        """
        framed = Framed(f"( {C_LOCALE if ours else ''}{script} )")

        def begun(live: _Live) -> tuple[_Live, paramiko.Channel]:
            return live, holder.enter_context(live.connection.channel(BOOTSTRAP, transfer=transfer))

        with contextlib.ExitStack() as holder:
            live, channel = self._with(begun)
            yield Errand(channel, framed, live.connection, lambda: self._look(live))

    def _with(self, use: Callable[[_Live], _T]) -> _T:
        """Do something on the line, on a new one if this one turns out to be dead before anything was asked."""
        live = self._connected()
        try:
            return use(live)
        except NotSent:
            live.connection.close()
            return use(self._connected())

    def _connected(self) -> _Live:
        attempts = self._attempts
        with self._opening:
            if self._live and self.alive:
                return self._live
            if self._attempts != attempts and self._failure:
                # Somebody tried while we waited for our turn; each trying again would only add up the waiting.
                failure = self._failure
                raise TargetUnusable(failure.message, hint=failure.hint, transient=failure.transient)
            if self._live:
                self._live.hang_up()
                self._live = None
            self._failure = None
            try:
                self._live = self._open()
            except TargetUnusable as error:
                self._failure = error
                raise
            finally:
                self._attempts += 1
            return self._live

    def _open(self) -> _Live:
        connection = Connection(way_to(self._destination), self._timeout)
        live = _Live(connection, Shell(connection))
        try:
            live.shell.start()  # whether commands can be run there at all, and how the host calls itself
        except BaseException:
            live.hang_up()
            raise
        return live

    @staticmethod
    def _look(live: _Live) -> None:
        """Whether a connection on which nothing moves is alive. Raises TargetUnusable if not."""
        try:
            live.shell.ask(":")
        except TargetUnusable as error:
            live.connection.close()
            raise lost(live.connection.label) from error
