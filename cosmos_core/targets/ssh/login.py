"""Logging in: each key once, nothing interactive, and in words what was tried where none was taken."""

from __future__ import annotations

import paramiko

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.ssh.channels import BROKEN
from cosmos_core.targets.ssh.config import Hop
from cosmos_core.targets.ssh.keys import Candidate, Keys
from cosmos_core.targets.ssh.words import unreachable, why

_AUTH_TIMEOUT_S = 30.0


def log_in(transport: paramiko.Transport, hop: Hop) -> None:
    """Authenticate on a connection whose host key is known.

    Raises TargetUnusable: refused for good, or transient where the connection went away meanwhile.
    """
    transport.auth_timeout = _AUTH_TIMEOUT_S
    keys = Keys(hop)
    offered: list[str] = []
    try:
        takes = _ask(transport, hop)
        if takes is None:
            return
        if "publickey" in takes:
            for candidate in keys.candidates():
                offered.append(candidate.words)
                if _try(transport, hop, candidate, offered):
                    return
    finally:
        keys.close()
    kinds = ", ".join(takes) or "nothing"
    raise _refused(hop, offered, keys.notes, f"it takes {kinds if 'publickey' in takes else f'no keys, but {kinds}'}")


def _ask(transport: paramiko.Transport, hop: Hop) -> list[str] | None:
    """What the server takes; None if it let us in without more, as some networks that know their users do."""
    try:
        transport.auth_none(hop.user)
    except paramiko.BadAuthenticationType as error:
        return list(error.allowed_types)
    except BROKEN as error:
        raise unreachable(hop.label, f"it hung up at the login: {why(error)}") from error
    return None


def _try(transport: paramiko.Transport, hop: Hop, candidate: Candidate, offered: list[str]) -> bool:
    try:
        more = transport.auth_publickey(hop.user, candidate.key)
    except BROKEN as error:
        if transport.is_active() and isinstance(error, paramiko.AuthenticationException):
            return False
        if isinstance(error, OSError):
            raise unreachable(hop.label, f"it hung up at the login: {why(error)}") from error
        if "cannot be used for signing" in str(error):
            raise _refused(hop, offered, [], f"the agent would not sign with {candidate.words}") from error
        raise _refused(hop, offered, [], "it hung up after these keys: too many for it") from error
    if more:
        raise TargetUnusable(
            f"{hop.user}@{hop.label} wants more than a key: {', '.join(more)} besides",
            hint="cosmos logs in by key alone; ask for an account, or a network, where a key is enough",
        )
    return True


def _refused(hop: Hop, offered: list[str], notes: list[str], server: str) -> TargetUnusable:
    tried = f"offered: {'; '.join(offered)}" if offered else "no key was offered"
    extra = "".join(f"; {note}" for note in notes)
    locked = any("ssh-add" in note for note in notes)
    many = "`IdentitiesOnly yes` with an IdentityFile in ~/.ssh/config offers one key; " if len(offered) > 2 else ""
    unlock = "unlock the key with ssh-add, or " if locked else ""
    put = f"`ssh-copy-id {hop.user}@{hop.name.rpartition('@')[2]}` puts your key there"
    return TargetUnusable(
        f"{hop.user}@{hop.label} refused the login: {tried}; {server}{extra}",
        hint=f"{many}{unlock}{put}; `ssh -v {hop.name}` shows what ssh does",
    )
