"""Logging in: each key once, nothing interactive, and in words what was tried where none was taken."""

from __future__ import annotations

from collections.abc import Sequence

import paramiko

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.ssh.auth import CannotSign, Exchange, HungUp, Refusal
from cosmos_core.targets.ssh.config import Hop
from cosmos_core.targets.ssh.keys import Candidate, Keys
from cosmos_core.targets.ssh.words import slow, unreachable


def log_in(transport: paramiko.Transport, hop: Hop, deadline: float) -> float:
    """Authenticate on a connection whose host key is known; the deadline, later by what signing took.

    Raises TargetUnusable: refused for good, or transient where the server said nothing or went away meanwhile.
    """
    keys = Keys(hop)
    try:
        return _Login(hop, keys).go(transport, deadline)
    except TimeoutError as error:
        raise slow(hop, "it does not answer the login") from error
    finally:
        keys.close()


class _Login:
    """One way in. As with ssh, a key that is right and not enough is followed by others."""

    def __init__(self, hop: Hop, keys: Keys) -> None:
        self._hop = hop
        self._keys = keys
        self._offered: list[str] = []
        self._taken: list[str] = []

    def go(self, transport: paramiko.Transport, deadline: float) -> float:
        try:
            exchange = Exchange(transport, self._hop.user, deadline)
            takes = exchange.ask()
        except HungUp as error:
            raise unreachable(self._hop.label, "it hung up at the login") from error
        keys = self._keys.candidates()
        while takes is not None:
            candidate = next(keys, None) if "publickey" in takes.methods else None
            if candidate is None:
                raise self._wants_more(takes.methods) if self._taken else self._refused(_takes(takes.methods))
            takes = self._try(exchange, candidate, takes)
        return exchange.deadline

    def _try(self, exchange: Exchange, candidate: Candidate, takes: Refusal) -> Refusal | None:
        """What it takes after that; None once we are in."""
        self._offered.append(candidate.words)
        try:
            # nobody has to touch a key that would not be taken; one in a file costs nothing
            if candidate.of_agent and not exchange.would_take(candidate.key):
                return takes
            answer = exchange.sign(candidate.key)
        except CannotSign as error:
            self._keys.notes.append(f"{error} {candidate.words}")
            return takes
        except HungUp as error:
            raise self._refused("it hung up after these keys: too many for it") from error
        if answer is not None and answer.partial:
            self._taken.append(candidate.words)
        return answer

    def _refused(self, server: str) -> TargetUnusable:
        hop, notes = self._hop, self._keys.notes
        tried = f"offered: {'; '.join(self._offered)}" if self._offered else "no key was offered"
        extra = "".join(f"; {note}" for note in notes)
        many = "`IdentitiesOnly yes` with an IdentityFile in ~/.ssh/config offers one key; "
        unlock = "unlock the key with ssh-add, or " if any("ssh-add" in note for note in notes) else ""
        make = "" if self._offered or notes else "if you have no key, `ssh-keygen -t ed25519` makes one; "
        put = f"{make}`ssh-copy-id {hop.user}@{_called(hop)}` puts your key there"
        return TargetUnusable(
            f"{hop.user}@{hop.label} refused the login: {tried}; {server}{extra}",
            hint=f"{many if len(self._offered) > 2 else ''}{unlock}{put}; `ssh -v {hop.name}` shows what ssh does",
        )

    def _wants_more(self, methods: Sequence[str]) -> TargetUnusable:
        hop, notes = self._hop, "".join(f"; {note}" for note in self._keys.notes)
        who = f"{hop.user}@{hop.label}"
        if "publickey" in methods:
            return TargetUnusable(
                f"{who} wants one more key: it took {' and '.join(self._taken)}, and no other of yours{notes}",
                hint=f"name each in ~/.ssh/config: `IdentityFile` may stand there twice; `ssh -v {hop.name}` shows"
                " what ssh does",
            )
        return TargetUnusable(
            f"{who} wants more than a key: {', '.join(methods)} besides",
            hint="cosmos logs in by key alone, and asks for no password or code. Ask the machine's administrator for a"
            f" login by key for {hop.user}, perhaps from your network only (`Match User {hop.user} Address ...`"
            " with `AuthenticationMethods publickey` in sshd_config)",
        )


def _takes(methods: Sequence[str]) -> str:
    kinds = ", ".join(methods) or "nothing"
    return f"it takes {kinds if 'publickey' in methods else f'no keys, but {kinds}'}"


def _called(hop: Hop) -> str:
    return hop.name.rpartition("@")[2]
