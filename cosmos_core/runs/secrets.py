"""Secrets that a command asks for, and whether its target can give them. Names only; values stay where they are."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cosmos_core.config import Target
from cosmos_core.errors import ConfigError
from cosmos_core.runs.work import secrets_of
from cosmos_core.values import Command, Problem

_BY_LOGIN = "HF_TOKEN"  # a login on the host may give it as well, and cached models need none: `targets check` looks


def names_of(target: Target) -> tuple[str, ...]:
    """The names of the secrets that a target can give, as far as its configuration can be read now."""
    try:
        return tuple(sorted(name for name, value in secrets_of(target).items() if value))
    except ConfigError:  # it is told of where the job is started
        return ()


def missing_secrets(command: Command, target: Target) -> Iterator[Problem]:
    """A problem for each secret that nobody gives: a warning where the host's own environment may have it."""
    if target.simulated:
        return
    plain = target.runtime == "process"
    ours = os.environ if plain and target.host is None else {}  # a process on this machine has our environment
    there = {*names_of(target), *ours, _BY_LOGIN}
    for name in command.secrets:
        if name not in there:
            yield Problem(
                field="secrets",
                message=f"the command needs {name}, and target {target.name} does not set it",
                hint=f"put a line {name}=... into env_file of [targets.{target.name}]",
                code="missing_secret",
                severity="warning" if plain and target.host is not None else "error",
            )
