"""The way to a host, looked at step by step: ssh's configuration, the network, the host key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_core.config import Target
from cosmos_core.errors import TargetUnusable, UsageError
from cosmos_core.targets.findings import Finding, fine, problem

if TYPE_CHECKING:
    from cosmos_core.targets.ssh.trust import OfferedKey


def look_at_way(target: Target) -> tuple[list[Finding], bool]:
    """What was found on the way, and whether it leads there; the login comes with the first command."""
    if target.host is None:
        return [fine("host", "this machine")], True
    from cosmos_core.targets.ssh.config import way_to  # only where it is used: it takes a while to load
    from cosmos_core.targets.ssh.trust import offered_key

    found: list[Finding] = []
    try:
        *jumps, hop = way_to(target.host)
    except TargetUnusable as error:
        return [problem("ssh", error.message, error.hint)], False
    via = "".join(f", through {jump.label}" for jump in jumps)
    found.append(fine("ssh", f"{target.host} is {hop.user}@{hop.hostname}, port {hop.port}{via}"))
    try:
        key = offered_key(target.host, target.connect_timeout)
    except TargetUnusable as error:
        return [*found, problem("reached", error.message, named(error.hint, target))], False
    found.append(fine("reached", f"{key.host}, port {key.port}"))
    shown = f"{key.key_type} {key.fingerprint}"
    trust = f"`cosmos targets trust {target.name}`"
    if key.changed:
        found.append(
            problem(
                "host key",
                f"that of {key.host} has changed: it is now {shown}, and {key.old_fingerprint} is known",
                f"ask its owner for the fingerprint; {trust} shows both, and stores the new one",
            )
        )
    elif not key.known:
        seen = f"that of {key.host} is not known: {shown}" + (f"; {key.words}" if key.words else "")
        found.append(problem("host key", seen, f"{trust} shows and stores it"))
    else:
        found.append(fine("host key", f"{shown}, {key.words}"))
    return found, key.known


def offered_key_of(target: Target) -> OfferedKey:
    """The first key on the way there that is not known, or the host's own. Raises UsageError, TargetUnusable."""
    if target.host is None:
        raise UsageError(
            f"{target.name} is on this machine, which has no host key",
            hint=f"`cosmos targets check {target.name}` looks whether it can be used",
        )
    from cosmos_core.targets.ssh.trust import offered_key

    return offered_key(target.host, target.connect_timeout)


def named(hint: str, target: Target) -> str:
    """A remedy with the target's own name in it."""
    return hint.replace("cosmos targets trust NAME", f"cosmos targets trust {target.name}")
