"""The hosts that a process has to do with: one connection each, whatever the number of runs there."""

from __future__ import annotations

import threading

from attrs import frozen

from cosmos_core.config import Target
from cosmos_core.targets.host import Host
from cosmos_core.targets.local import LocalHost
from cosmos_core.targets.rounds import Rounds


@frozen(kw_only=True)
class _Opened:
    host: Host
    rounds: Rounds


class Hosts:
    """Opens hosts on first use and keeps them; safe to use from several threads."""

    def __init__(self) -> None:
        self._opened: dict[tuple[str, float] | None, _Opened] = {}
        self._lock = threading.Lock()

    def of(self, target: Target) -> Host:
        """The machine of a target. Nothing is connected before it is asked something."""
        return self._of(target).host

    def rounds(self, target: Target) -> Rounds:
        """How those who watch jobs on that machine ask together."""
        return self._of(target).rounds

    def _of(self, target: Target) -> _Opened:
        key = _key(target)
        with self._lock:
            if key not in self._opened:
                self._opened[key] = _open(target)
            return self._opened[key]

    def abandon(self, target: Target) -> None:
        """Think no more of a machine that keeps somebody waiting: to close it would be to wait, too."""
        with self._lock:
            self._opened.pop(_key(target), None)

    def close(self) -> None:
        """Let go of them all."""
        with self._lock:
            opened, self._opened = self._opened, {}
        for each in opened.values():
            each.host.close()


def _key(target: Target) -> tuple[str, float] | None:
    return None if target.host is None else (target.host, target.connect_timeout)


def _open(target: Target) -> _Opened:
    if target.host is None:
        here = LocalHost()
        return _Opened(host=here, rounds=Rounds(here, shortest=0.01, longest=0.03, closely=2.0))
    from cosmos_core.targets.ssh import SshHost  # only where it is used: it takes a while to load

    there = SshHost(target.host, connect_timeout=target.connect_timeout)
    return _Opened(host=there, rounds=Rounds(there, shortest=0.05, longest=1.0, closely=5.0))
