"""Running things somewhere: hosts, the job's directory on them, runtimes, and the input cache."""

from __future__ import annotations

from cosmos_core.targets.hosts import Hosts

__all__ = ["Hosts"]
