"""What can go wrong, in words: every error carries its cause, its code and the next step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cosmos_core.values import Problem


class CosmosError(Exception):
    """The root of all errors of ours; `exit_code` is what the `cosmos` command ends with."""

    code = "error"
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """All of it, for a traceback: the message, each problem, and the next step."""
        lines = [f"  {p.field}: {p.message}{f' ({p.hint})' if p.hint else ''}" for p in self.problems]
        return "\n".join([self.message, *lines, *([f"next: {self.hint}"] if self.hint else [])])


class UsageError(CosmosError):
    """A command or a call that cannot be understood."""

    code = "usage"
    exit_code = 2


class ConfigError(UsageError):
    """A configuration file, environment variable or database that cannot be used."""

    code = "config"


class UnknownName(UsageError):  # noqa: N818  the front door reads better so
    """A model, target, toolkit or column that is not there."""

    code = "unknown_name"


class PluginError(UsageError):
    """A plugin that cannot be loaded, or that broke the contract when it was called."""

    code = "plugin"


class Refused(CosmosError):  # noqa: N818
    """A request that validation refused; `problems` lists everything that is wrong with it."""

    code = "refused"
    exit_code = 3


class TargetUnusable(CosmosError):  # noqa: N818
    """A target that cannot be used now; with `transient`, trying again may help."""

    code = "target_unusable"
    exit_code = 4

    def __init__(self, message: str, *, hint: str = "", transient: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient


class NotFound(CosmosError):  # noqa: N818
    """An id that names no prompt, run, job or group."""

    code = "not_found"
    exit_code = 5
