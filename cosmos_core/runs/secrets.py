"""The environment of a target's jobs that is written nowhere: its `env` filled in, and its `env_file`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from cosmos_core.config import Target
from cosmos_core.config_file import expand
from cosmos_core.errors import ConfigError
from cosmos_core.texts import NotUtf8, decoded
from cosmos_core.values import Command, Problem

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BY_LOGIN = "HF_TOKEN"  # a login on the host may give it as well, and cached models need none: `targets check` looks


def secrets_of(target: Target) -> dict[str, str]:
    """Names and values. Raises ConfigError for what cannot be read, or is not set here, now."""
    where = f"targets.{target.name}"
    try:
        said = {name: expand(value, os.environ) for name, value in target.env.items()}
    except KeyError as missing:
        raise ConfigError(
            f"{where}.env: the environment variable {missing.args[0]} is not set",
            hint=f"`export {missing.args[0]}=...` where you run cosmos",
        ) from None
    for line in _env_file(target):
        if line.value is None and line.name not in os.environ:
            raise ConfigError(
                f"{line.where} has no = and is no variable that is set here",
                hint="write NAME=VALUE, or set it",
            )
        said[line.name] = os.environ[line.name] if line.value is None else line.value
    for name, value in said.items():
        if not _NAME.fullmatch(name) or "\n" in value:
            raise ConfigError(
                f"{where}: {name!r} cannot be set", hint="a name of letters, digits, _; a value of one line"
            )
    return said


def check_env_file(target: Target) -> None:
    """Read `env_file` where it is there. Raises ConfigError for what only an editor can put right.

    A file or a variable that is not there yet may still come: the run pauses until it does.
    """
    if target.env_file and Path(target.env_file).exists():
        for _ in _env_file(target):
            pass


def names_of(target: Target) -> tuple[str, ...]:
    """The names of the secrets that a target can give, as far as its configuration can be read now."""
    try:
        return tuple(sorted(name for name, value in secrets_of(target).items() if value))
    except ConfigError:  # it is told of where the job is started
        return ()


def quoted_in(target: Target) -> tuple[str, ...]:
    """The lines of `env_file` whose values were written in quotes, which Docker would have kept."""
    return tuple(line.where for line in _env_file(target) if line.quoted)


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


# -- env_file --------------------------------------------------------------------------------------------------------


@frozen
class _Line:
    """One setting of the file; its `value` is None where our own environment has it."""

    where: str
    name: str
    value: str | None
    quoted: bool = False


def _env_file(target: Target) -> Iterator[_Line]:
    """NAME=VALUE lines as docker's --env-file has them: # comments, no expansion. Quotes around a value are left out.

    What stands in a wrong line may be a secret at the wrong place: it is told by its number.
    """
    if not target.env_file:
        return
    file, key = Path(target.env_file), f"targets.{target.name}.env_file"
    try:
        text = decoded(file.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{key}: cannot read {file}: {error.strerror}", hint="check the path and permissions"
        ) from None
    except NotUtf8 as wrong:
        raise ConfigError(f"{key}: {file} {wrong}", hint=wrong.hint) from None
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):  # splitlines() cuts what values may hold
        if not line or line.startswith("#"):
            continue
        where = f"{key}: {file}, line {number}"
        name, sign, value = line.partition("=")
        name = name.strip()
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{where} is no NAME=VALUE",
                hint="a name of letters, digits and _, then = and the value; `export` is not understood",
            )
        bare = value.strip()
        quoted = bare[:1] in ("'", '"') and len(bare) > 1
        if quoted and (bare[-1] != bare[0] or bare[0] in bare[1:-1]):
            raise ConfigError(f"{where} has quotes that are not around the whole value", hint="leave the quotes out")
        yield _Line(where, name, (bare[1:-1] if quoted else value) if sign else None, quoted)
