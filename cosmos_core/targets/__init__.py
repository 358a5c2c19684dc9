"""Running things somewhere: hosts, the job's directory on them, and the input cache."""

from __future__ import annotations

from cosmos_core.config import Target
from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Host
from cosmos_core.targets.local import LocalHost


def open_host(target: Target) -> Host:
    """The machine that a target names. Raises TargetUnusable for one that cannot be used."""
    if target.host is not None or target.runtime != "process":
        raise TargetUnusable(
            f"target {target.name} wants {'SSH' if target.host else 'Docker'}, which this version does not have",
            hint="leave `host` and `runtime` out to run on this machine",
        )
    return LocalHost()
