"""`cosmos completion`: the script that a shell wants."""

from __future__ import annotations

import click

from cosmos_core.cli.base import Command


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
    """Print the script that lets SHELL complete commands, ids, models, targets and parameters with Tab."""
    from click.shell_completion import get_completion_class

    from cosmos_core.cli.main import cosmos

    kind = get_completion_class(shell)
    if kind is None:
        raise AssertionError("click has these three")
    click.echo(kind(cosmos, {}, "cosmos", "_COSMOS_COMPLETE").source())
