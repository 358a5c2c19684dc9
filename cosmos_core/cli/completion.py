"""`cosmos completion`: the script that a shell wants, and the answers to it.

zsh and fish are served as click does it. bash is served by a script of our own: click's drops everything else
where file names are offered, breaks words at `=` and `:` as bash does, and cannot show what an id is.
"""

from __future__ import annotations

import os
import re
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, get_completion_class, split_arg_string

from cosmos_core.cli.base import Command

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

    from cosmos_core.cli.base import Shared

_NOTE = 60  # characters of what an id is
_LISTED = ("63", "33", "64")  # COMP_TYPE of a Tab that lists; the others put a candidate into the line
_PLAIN = re.compile(r"([^\w@%+=:,./~-])")

# The line is told whole: bash breaks words at = and :, and wants back what follows the last of these.
_BASH = """\
%(complete_func)s() {
    local line type cut value
    while IFS=',' read -r type cut value; do
        [[ -n $type ]] || continue
        if [[ $type == file || $type == dir ]]; then
            compopt -o filenames
            while IFS= read -r line; do COMPREPLY+=("${line:cut}"); done < <(compgen -"${type:0:1}" -- "$value")
        else
            [[ $type == open ]] && compopt -o nospace
            COMPREPLY+=("$value")
        fi
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_TYPE=$COMP_TYPE COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Completion for bash 4.4 and newer."""

    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Nothing is printed beside the script, which may be on its way into a ~/.bashrc."""

    def get_completion_args(self) -> tuple[list[str], str]:
        if "COMP_LINE" not in os.environ:  # the script of an earlier release
            return super().get_completion_args()
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)[1:]
        begun = words.pop() if words and not line[-1:].isspace() else ""
        return words, begun

    def complete(self) -> str:
        args, begun = self.get_completion_args()
        items = self.get_completions(args, begun)
        if "COMP_LINE" not in os.environ:
            return "\n".join(map(self.format_completion, items))
        raw = re.split(r"(?<!\\)\s", os.environ["COMP_LINE"])[-1]
        quoted = raw[:1] in ("'", '"')
        shown = len(items) > 1 and os.environ.get("COMP_TYPE") in _LISTED and all(i.type == "plain" for i in items)
        breaks = "" if quoted else os.environ.get("COMP_WORDBREAKS", "")
        option = begun[: begun.find("=") + 1] if begun.startswith("-") else ""  # click completes what follows it
        cut = max((begun.rfind(mark) + 1 for mark in "=:" if mark in breaks), default=0)
        lines = []
        for item in items:
            if item.type in ("file", "dir"):
                lines.append(f"{item.type},{max(0, cut - len(option))},{item.value}")
                continue
            value = f"{option}{item.value}"[cut:]
            if not quoted:
                value = _PLAIN.sub(r"\\\1", value)
            note = " ".join((item.note or "").split())[:_NOTE] if shown else ""
            lines.append(f"{'open' if item.unfinished else 'plain'},0,{value}{f'  ({note})' if note else ''}")
        return "\n".join(lines)


def _served(shell: str, cli: click.Command, shared: Shared | None) -> ShellComplete | None:
    kind = Bash if shell == "bash" else get_completion_class(shell)
    return None if kind is None else kind(cli, {"obj": shared}, "cosmos", "_COSMOS_COMPLETE")


def offer(cli: click.Command, shared: Shared, instruction: str) -> int:
    """Answer a Tab. Nothing but candidates is printed: an error would stand in the middle of the line being typed."""
    shell, _, wanted = instruction.partition("_")
    answer = ""
    # a real stream: a plugin may write to its buffer
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere), suppress(Exception):
        served = _served(shell, cli, shared)
        if served is not None:
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
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete commands, ids, models, targets, parameters and files with Tab."""
    from cosmos_core.cli.main import cosmos

    served = _served(shell, cosmos, None)
    if served is None:
        raise AssertionError("click has these three")
    click.echo(served.source())
