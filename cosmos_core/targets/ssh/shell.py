"""One shell that stays open, for small questions: no start-up files, no new session, one round trip each."""

from __future__ import annotations

import contextlib
import threading

import paramiko

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Completed
from cosmos_core.targets.ssh.channels import BROKEN, close, pieces
from cosmos_core.targets.ssh.connection import Connection
from cosmos_core.targets.ssh.frames import BOOTSTRAP, SHELL, Framed, Question
from cosmos_core.targets.ssh.words import lost

ANSWER_S = 60.0


class Shell:
    """Answers one question at a time, whoever asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channel: paramiko.Channel | None = None
        self._turn = threading.Lock()
        self.node: str | None = None  # how the host calls itself

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
                self._channel = self._start()
            return self._exchange(self._channel, script)

    def close(self) -> None:
        """End it, once its connection is closed and nobody waits for an answer any more."""
        with self._turn:
            self._drop()

    def _drop(self) -> None:
        if self._channel:
            close(self._channel)
            self._channel = None

    def _start(self) -> paramiko.Channel:
        channel = self._connection.open(BOOTSTRAP)
        _send(channel, SHELL)
        try:
            self.node = self._exchange(channel, "uname -n").text.strip() or None
        except BaseException:
            close(channel)
            raise
        return channel

    def _exchange(self, channel: paramiko.Channel, script: str) -> Completed:
        question = Question(script)

        def silent() -> None:
            raise lost(self._connection.label, f"no answer within {ANSWER_S:.0f} s")

        try:
            _send(channel, question.line)
            for _ in pieces(channel, question, silence=ANSWER_S, on_silence=silent):
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


def cut_off(connection: Connection, framed: Framed | Question) -> TargetUnusable:
    """An answer that ended before its end."""
    if not connection.alive:
        return lost(connection.label)
    if framed.begun:
        return lost(connection.label, "the shell there was ended")
    return TargetUnusable(
        f"the login shell of {connection.user}@{connection.label} runs no commands:"
        f" {framed.noise or 'it ended at once'}",
        hint=f"`ssh {connection.name} true` should succeed; look at the start-up files and the login shell there",
    )
