"""What a run may have come to, given what its work did by the ledger and what was done to that work.

A fault of the client, the connection or the database never excuses anything: only what hit the work itself, at a time
when that could matter, widens what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger import Start
from world import Harm

KILLERS = ("container killed", "container removed", "daemon", "reboot")  # of a container
_NEAR_S = 3.0  # from the end of the work until its exit code is written down, on a machine that is kept busy


def allowed(*, docker: bool, starts: Sequence[Start], harms: Sequence[Harm], written: bool) -> frozenset[str]:
    """The final states that would be right. `written`: an exit code stands in the job's folder."""
    if not starts:
        return _never_began(docker, harms)
    work = starts[-1]
    kinds = {harm.kind for harm in harms if harm.at > work.began - _NEAR_S}
    if work.ended is None:
        return _cut_off(docker, kinds)
    states = {"completed" if work.code == 0 else "failed"}
    late = {harm.kind for harm in harms if work.began - _NEAR_S < harm.at < work.ended + _NEAR_S}
    if docker:
        if late & {"container killed", "daemon", "reboot"} and _near(harms, work.ended, KILLERS):
            states.add("failed")  # its work was done, and it was killed before it had ended
        if "container removed" in late and _near(harms, work.ended, ("container removed",)):
            states |= {"failed", "lost"}
        if not written and _unkept_and_removed(work.began, harms):
            states.add("lost")
    elif "reboot" in late:
        states.add("lost")  # nobody was there to see how it ended
    return frozenset(states)


def _unkept_and_removed(began: float, harms: Sequence[Harm]) -> bool:
    """Whether its container, and with it how it ended, went after its keeper did: before another could see that."""
    removed = [harm.at for harm in harms if harm.kind == "container removed" and harm.at > began - _NEAR_S]
    return any(harm.kind == "keeper" and harm.at < max(removed, default=0.0) for harm in harms)


def _near(harms: Sequence[Harm], ended: float, kinds: Sequence[str]) -> bool:
    return any(harm.kind in kinds and abs(harm.at - ended) < _NEAR_S for harm in harms)


def _never_began(docker: bool, harms: Sequence[Harm]) -> frozenset[str]:
    """It has to be done yet, unless it was killed in the moment in which it was started."""
    kinds = {harm.kind for harm in harms}
    states: set[str] = set()
    if docker:
        if kinds & {"container killed", "daemon", "reboot"}:
            states.add("failed")
        if "container removed" in kinds:
            states |= {"failed", "lost"}
    elif kinds & {"keeper", "reboot"}:
        states.add("lost")
    if "disk" in kinds:
        states.add("failed")
    return frozenset(states)


def _cut_off(docker: bool, kinds: set[str]) -> frozenset[str]:
    """It began and never ended by itself."""
    states: set[str] = set()
    if docker:
        if kinds & set(KILLERS):
            states.add("failed")
        if "container removed" in kinds:
            states.add("lost")
    else:
        if "reboot" in kinds:
            states.add("lost")
        if "worker" in kinds:
            states.add("failed")
    return frozenset(states)
