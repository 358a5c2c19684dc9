"""Words that people type out of habit: `ls`, `ps`, `help`, `version`; and `rm`, which says what there is instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cosmos_core import __version__
from cosmos_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = {  # that Tab offers, and what they do
    "ls": "The same as list runs.",
    "ps": "Runs that have not ended.",
    "help": "Show all commands, or one.",
    "version": "Print the version.",
}
_LISTS = ("prompts", "runs")


def written_out(ctx: click.Context, args: Sequence[str]) -> list[str] | None:
    """The command line that a shorthand stands for; None where the first word is none.

    `help` alone and `version` are answered here and end the command. Raises UsageError for what is not there yet.
    """
    word, *rest = args
    if word == "ls":
        return ["list", *(rest if rest and rest[0] in _LISTS else ["runs", *rest])]
    if word in _LISTS:
        return ["list", *args]
    if word == "ps":
        return ["list", "runs", "--status", "unfinished", *rest]
    if word == "help" and rest and not rest[0].startswith("-"):
        return [*rest, "--help"]
    if ctx.resilient_parsing:
        return None
    if word == "help":
        click.echo(ctx.get_help())
        ctx.exit()
    if word == "version":
        click.echo(f"cosmos {__version__}")
        ctx.exit()
    if word in ("rm", "delete"):
        hint = "`cosmos clean` removes from the targets what ended runs left there"
        raise UsageError("runs and prompts cannot be deleted yet: `cosmos delete` comes later", hint=hint)
    return None
