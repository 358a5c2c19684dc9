"""One shell that stays open, for small questions: no start-up files, no new session, one round trip each."""

from __future__ import annotations

import contextlib
import math
import threading
import time

import paramiko

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Completed
from cosmos_core.targets.ssh.channels import BROKEN, close, pieces
from cosmos_core.targets.ssh.connection import Connection
from cosmos_core.targets.ssh.frames import BOOTSTRAP, SHELL, Framed, Question
from cosmos_core.targets.ssh.words import lost, unreachable

ANSWER_S = 60.0
_OPEN_S = 30.0


class Shell:
    """Answers one question at a time, whoever asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channel: paramiko.Channel | None = None
        self._turn = threading.Lock()
        self.node: str | None = None  # how the host calls itself

    def start(self) -> None:
        """Begin it as the first thing on a new connection, within what is left of its connect_timeout.

        Raises TargetUnusable, also where a login shell runs no commands.
        """
        with self._turn:
            self._channel = self._begun(self._connection.left)

    def ask(self, script: str) -> Completed:
        """What a short script answers; it takes no input and may be asked twice.

        Raises TargetUnusable, transient, if the shell is gone or says nothing for a minute.
        """
        with self._turn:
            if self._channel:
                try:
                    return self._exchange(self._channel, script)
                except _Ended:
                    self._drop()  # it was ended since the last question
            if self._channel is None:
                self._channel = self._begun(ANSWER_S)
            return self._exchange(self._channel, script)

    def close(self) -> None:
        """End it, once its connection is closed and nobody waits for an answer any more."""
        with self._turn:
            self._drop()

    def _drop(self) -> None:
        if self._channel:
            close(self._channel)
            self._channel = None

    def _begun(self, within: float) -> paramiko.Channel:
        channel = self._connection.open(BOOTSTRAP, within=min(within, _OPEN_S))
        try:
            _send(channel, SHELL)
            self.node = self._exchange(channel, "uname -n", within).text.strip() or None
            self._exchange(channel, ":", within)  # where a start-up file reads, it took a line of ours
        except BaseException:
            close(channel)
            raise
        return channel

    def _exchange(self, channel: paramiko.Channel, script: str, within: float | None = None) -> Completed:
        question = Question(script)
        patience = ANSWER_S if within is None else within
        # of a question nothing comes before all of it does
        by = math.inf if within is None else time.monotonic() + within

        def silent() -> None:
            raise lost(self._connection.label, f"no answer within {patience:.0f} s")

        def late() -> None:
            raise never_begun(self._connection, question)

        try:
            _send(channel, question.line)
            for _ in pieces(channel, question, begins_by=by, on_late=late, silence=patience, on_silence=silent):
                pass
            if not question.ended:
                raise _Ended.of(cut_off(self._connection, question))
            return question.answer
        except BaseException:
            if channel is self._channel:
                self._drop()  # half an answer must not be taken for the next one's
            raise


class _Ended(TargetUnusable):
    """The shell gave no answer and is gone."""

    @classmethod
    def of(cls, error: TargetUnusable) -> _Ended:
        return cls(error.message, hint=error.hint, transient=error.transient)


def _send(channel: paramiko.Channel, line: str) -> None:
    with contextlib.suppress(*BROKEN):  # it has ended; what it said instead is still to be read
        channel.sendall(f"{line}\n".encode("utf-8", "surrogateescape"))


def never_begun(connection: Connection, framed: Framed | Question) -> TargetUnusable:
    """A login shell that is there and does not come to our script."""
    said = framed.noise.rpartition("\n")[2]
    return unreachable(
        connection.label,
        "its login shell does not get as far as a command" + (f"; it says: {said}" if said else ""),
        hint=f"`ssh {connection.hop.name} true` should end at once: see whether a start-up file there waits for input"
        " or for a disk that is away. If it only takes long, set a longer connect_timeout",
    )


def cut_off(connection: Connection, framed: Framed | Question) -> TargetUnusable:
    """An answer that ended before its end."""
    if not connection.alive:
        return lost(connection.label)
    if framed.begun:
        return lost(connection.label, "the shell there was ended")
    return TargetUnusable(
        f"the login shell of {connection.hop.user}@{connection.label} runs no commands:"
        f" {framed.noise or 'it ended at once'}",
        hint=f"`ssh {connection.hop.name} true` should succeed; look at the start-up files and the login shell there",
    )
