"""`cosmos completion`: the script that a shell wants, and the answers to it."""

from __future__ import annotations

import os
import re
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete, split_arg_string

from cosmos_core.cli.base import Command
from cosmos_core.cli.shells import BASH, FISH, SEPARATOR, ZSH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.shell_completion import CompletionItem

    from cosmos_core.cli.base import Shared

_NOTE = 60  # characters of what an id is
_LISTED = ("63", "33", "64")  # COMP_TYPE of a Tab that lists; the others put a candidate into the line
_PLAIN = re.compile(r"([^\w@%+=:,./~-])")


class _WholeLine(ShellComplete):
    """Completion for a shell that tells the line whole, up to the cursor."""

    def get_completion_args(self) -> tuple[list[str], str]:
        if "COMP_LINE" not in os.environ:  # the script of an earlier release
            return super().get_completion_args()
        # with one more letter, what is begun is a word also where nothing of it, or a quoted blank, was typed
        *words, begun = split_arg_string(f"{os.environ['COMP_LINE']}_")[1:]
        return words, begun[:-1]

    def complete(self) -> str:
        if "COMP_LINE" not in os.environ:
            return super().complete()
        args, begun = self.get_completion_args()
        option = begun[: begun.find("=") + 1] if begun.startswith("-") else ""
        # as two words: a model's option may be one only because the line has it, `--mask.car`
        rest = begun[len(option) :]
        items = self.get_completions([*args, option[:-1]] if option else args, rest)
        more = [item for item in items if not (item.unfinished and item.value == rest)]  # fish would end the word
        return "\n".join(self.lines(more, begun, option))

    def lines(self, items: list[CompletionItem], begun: str, option: str) -> Iterator[str]:
        """A line for each candidate; `option` is what stands before it in the word that is `begun`."""
        for item in items:
            kind = "open" if item.unfinished else item.type
            note = " ".join((item.help or "").split())
            yield SEPARATOR.join((kind, option, item.value, note))


class Zsh(_WholeLine, ZshComplete):
    """Completion for zsh 5 and newer."""

    source_template = ZSH


class Fish(_WholeLine, FishComplete):
    """Completion for fish 3.1 and newer."""

    source_template = FISH


class Bash(_WholeLine, BashComplete):
    """Completion for bash 4.4 and newer."""

    source_template = BASH

    @staticmethod
    def _check_version() -> None:
        """Nothing is printed beside the script, which may be on its way into a ~/.bashrc."""

    def lines(self, items: list[CompletionItem], begun: str, option: str) -> Iterator[str]:
        raw = re.split(r"(?<!\\)\s", os.environ["COMP_LINE"])[-1]
        quoted = raw[:1] in ("'", '"')
        shown = len(items) > 1 and os.environ.get("COMP_TYPE") in _LISTED and all(i.type == "plain" for i in items)
        breaks = "" if quoted else os.environ.get("COMP_WORDBREAKS", "")
        cut = max((begun.rfind(mark) + 1 for mark in "=:" if mark in breaks), default=0)
        for item in items:
            if item.type in ("file", "dir"):
                yield f"{item.type},{max(0, cut - len(option))},{item.value}"
                continue
            value = f"{option}{item.value}"[cut:]
            if not quoted:
                value = _PLAIN.sub(r"\\\1", value)
            note = " ".join((item.note or "").split())[:_NOTE] if shown else ""
            yield f"{'open' if item.unfinished else 'plain'},0,{value}{f'  ({note})' if note else ''}"


_SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def _served(shell: str, cli: click.Command, shared: Shared | None) -> ShellComplete:
    return _SHELLS[shell](cli, {"obj": shared}, "cosmos", "_COSMOS_COMPLETE")


def offer(cli: click.Command, shared: Shared, instruction: str) -> int:
    """Answer a Tab. Nothing but candidates is printed: an error would stand in the middle of the line being typed."""
    shell, _, wanted = instruction.partition("_")
    answer = ""
    # a real stream: a plugin may write to its buffer
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere), suppress(Exception):
        served = _served(shell, cli, shared)
        answer = served.source() if wanted == "source" else served.complete()
    click.echo(answer.encode())
    return 0


@click.command(
    cls=Command,
    examples="""
cosmos completion bash >> ~/.bashrc
cosmos completion zsh  >> ~/.zshrc
cosmos completion fish > ~/.config/fish/completions/cosmos.fish
""",
)
@click.argument("shell", type=click.Choice(list(_SHELLS)))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete with Tab: commands, options, ids, outputs of runs, values and files.

    Add it to your shell's start-up file once, as below; every shell that you open afterwards has it.
    """
    from cosmos_core.cli.main import cosmos

    click.echo(_served(shell, cosmos, None).source())
