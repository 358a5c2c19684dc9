"""The exchange of RFC 4252, one request at a time, with a time limit for all answers together.

paramiko's own never asks whether a key would do, and signs in the thread that reads: an agent that refuses to sign ends
the connection there, whatever other keys there are.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping

import paramiko
from attrs import frozen
from paramiko.auth_handler import AuthHandler
from paramiko.common import (
    MSG_SERVICE_ACCEPT,
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_SUCCESS,
    cMSG_SERVICE_REQUEST,
    cMSG_USERAUTH_REQUEST,
)

from cosmos_core.targets.ssh.channels import BROKEN

_MSG_USERAUTH_PK_OK = 60  # paramiko takes it for a question of another method


class HungUp(Exception):  # noqa: N818
    """The connection ended meanwhile."""


class CannotSign(Exception):  # noqa: N818
    """No signature is to be had by a key, and why."""


@frozen
class Refusal:
    """What the server still takes; where it is `partial`, the last key was right and is not enough."""

    methods: tuple[str, ...]
    partial: bool


class _Word:
    """An answer without more to it."""


_GO_ON, _IN, _GONE = _Word(), _Word(), _Word()


class Exchange(AuthHandler):
    """A user at the door. `deadline` is that of time.monotonic().

    Everything raises HungUp, and TimeoutError where an answer has not come by the deadline. What a server says in
    greeting is no answer, however much it is.
    """

    def __init__(self, transport: paramiko.Transport, user: str, deadline: float) -> None:
        super().__init__(transport)
        self._transport = transport
        self._user = user
        self._answers: queue.SimpleQueue[Refusal | _Word] = queue.SimpleQueue()
        self.deadline = deadline
        transport.auth_handler = self
        request = paramiko.Message()
        request.add_byte(cMSG_SERVICE_REQUEST)
        request.add_string("ssh-userauth")
        self._asked(request)

    def ask(self) -> Refusal | None:
        """What the server takes; None if it let us in without more, as some networks that know their users do."""
        return self._outcome(self._asked(self._request("none")))

    def would_take(self, key: paramiko.PKey) -> bool:
        """Whether it is worth having this key sign. Raises CannotSign."""
        algorithm, public = self._algorithm(key)
        return self._asked(self._request("publickey", False, algorithm, public)) is _GO_ON

    def sign(self, key: paramiko.PKey) -> Refusal | None:
        """Log in by a key; None once we are in. Raises CannotSign.

        How long it takes to sign is a person's affair and not the server's: the deadline moves on by that much.
        """
        algorithm, public = self._algorithm(key)
        blob = self._get_session_blob(key, "ssh-connection", self._user, algorithm)  # type: ignore[attr-defined]
        began = time.monotonic()
        try:
            signature = key.sign_ssh_data(blob, algorithm)
        except BROKEN as error:
            raise CannotSign("the agent would not sign with") from error
        finally:
            self.deadline += time.monotonic() - began
        return self._outcome(self._asked(self._request("publickey", True, algorithm, public, signature)))

    def _algorithm(self, key: paramiko.PKey) -> tuple[str, object]:
        kind, public = self._get_key_type_and_bits(key)  # type: ignore[attr-defined]
        try:
            return self._finalize_pubkey_algorithm(kind), public  # type: ignore[attr-defined]
        except paramiko.SSHException as error:
            raise CannotSign("the server takes no kind of signature that can be made with") from error

    def _request(self, method: str, *fields: object) -> paramiko.Message:
        message = paramiko.Message()
        message.add_byte(cMSG_USERAUTH_REQUEST)
        for field in (self._user, "ssh-connection", method, *fields):
            if isinstance(field, bool):
                message.add_boolean(field)
            else:
                message.add_string(field)  # type: ignore[arg-type]
        return message

    def _asked(self, message: paramiko.Message) -> Refusal | _Word:
        try:
            with self._transport.lock:
                self._transport._send_message(message)  # type: ignore[attr-defined]
            answer = self._answers.get(timeout=max(self.deadline - time.monotonic(), 0.05))
        except queue.Empty:
            raise TimeoutError from None
        except BROKEN as error:
            raise HungUp from error
        if answer is _GONE:
            raise HungUp
        return answer

    @staticmethod
    def _outcome(answer: Refusal | _Word) -> Refusal | None:
        return answer if isinstance(answer, Refusal) else None

    # -- what paramiko's thread calls ------------------------------------------------------------------------------

    @property
    def _handler_table(self) -> Mapping[int, Callable[[paramiko.Message], None]]:
        return {
            MSG_SERVICE_ACCEPT: lambda _: self._answers.put(_GO_ON),
            _MSG_USERAUTH_PK_OK: lambda _: self._answers.put(_GO_ON),
            MSG_USERAUTH_FAILURE: self._on_failure,
            MSG_USERAUTH_SUCCESS: self._on_success,
            MSG_USERAUTH_BANNER: lambda _: None,
        }

    def _on_failure(self, message: paramiko.Message) -> None:
        methods = tuple(filter(None, message.get_list()))
        self._answers.put(Refusal(methods, partial=message.get_boolean()))

    def _on_success(self, _: paramiko.Message) -> None:
        self.authenticated = True
        self._transport._auth_trigger()  # type: ignore[attr-defined]
        self._answers.put(_IN)

    def abort(self) -> None:
        """The connection has ended."""
        self._answers.put(_GONE)
