"""Machines reached over SSH. Everything goes through plain commands there: no SFTP, no agent of ours, no root."""

from __future__ import annotations

from cosmos_core.targets.ssh.host import SshHost

__all__ = ["SshHost"]
