"""The `cosmos` command: its tree, loaded branch by branch, and how every command ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import click

from cosmos_core import __version__
from cosmos_core.cli.base import CONTEXT, Section, Shared, global_options, hint_for
from cosmos_core.cli.streams import ours, settle, why_lost
from cosmos_core.errors import CosmosError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_BROKEN_PIPE = 141  # what a shell makes of a program that SIGPIPE ended
_INTERRUPTED = 130
_NO_ROOM = 4  # as for any disk that is full

# Short help is told here, so that the overview imports no command. name: (module, attribute, short help)
SECTIONS: tuple[Section, ...] = (
    (
        "Run a model",
        {
            "demo": ("demo", "demo", "Make a small clip, run a model on it, show what comes of it."),
            "run": ("making", "run", "Store a prompt, run it and wait for the result, in one go."),
            "create": ("making", "create", "Store a prompt or a run without starting anything."),
            "inference": ("making", "inference", "Execute a stored run or prompt."),
            "retry": ("making", "retry", "Repeat a run that has ended, as a new run."),
        },
    ),
    (
        "Look things up",
        {
            "list": ("listing", "list_", "List prompts or runs, newest first."),
            "show": ("showing", "show", "Everything known about a prompt, a run or a file."),
            "logs": ("files", "logs", "Print the log of a run."),
            "open": ("files", "open_", "Open a result in the system's player."),
            "path": ("files", "path", "Print where an output of a run is, for $(...)."),
            "status": ("status", "status", "The targets, their GPUs, and what runs there."),
        },
    ),
    (
        "Manage runs",
        {
            "attach": ("moving", "attach", "Follow a run that is under way."),
            "wait": ("moving", "wait", "Wait until runs end."),
            "cancel": ("moving", "cancel", "Cancel runs that have not ended."),
            "sync": ("moving", "sync", "Catch up with all runs that have not ended."),
            "fetch": ("files", "fetch", "Fetch the outputs of a run to this machine."),
        },
    ),
    (
        "Set up",
        {
            "models": ("models", "models", "The models that are installed, or all about one."),
            "plugins": ("plugins", "plugins", "The plugins, where they come from, what is broken."),
            "targets": ("targets", "targets", "The machines that runs can use; check or trust one."),
            "clean": ("cleaning", "clean", "Remove what ended runs left on the targets."),
            "config": ("configured", "config", "Every setting and where it came from."),
            "completion": ("completion", "completion", "A script that completes commands with Tab."),
        },
    ),
)
_COMMANDS = {name: entry for _, entries in SECTIONS for name, entry in entries.items()}

WELCOME = """\
Cosmos runs world models on GPU machines and remembers every prompt and run.
Without a GPU it simulates. To start, type one of:

  cosmos demo                                  see the whole way in seconds
  cosmos run --model transfer "heavy rain" --video street.mp4 --weights.edge 1
  cosmos list runs                             what was run, newest first

`cosmos --help` shows all commands, `cosmos COMMAND --help` one with examples.
"""


class LazyGroup(click.Group):
    """The top of the tree; a command's module is imported when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from cosmos_core.cli.shorthand import WORDS

        # told from the table: click would import every command for its help
        told = {**{name: short for name, (_, _, short) in _COMMANDS.items()}, **WORDS}
        found = [CompletionItem(name, help=short) for name, short in told.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"cosmos_core.cli.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-"):
            from cosmos_core.cli.shorthand import written_out

            if meant := written_out(ctx, args):
                return self.resolve_command(ctx, meant)
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            from cosmos_core.typed import nearest  # the way of a mistake may cost something

            raise UsageError(
                f"there is no command {name!r}",
                hint=f"{nearest(name, list(_COMMANDS))}`cosmos --help` lists them",
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, entries in SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(name, short) for name, (_, _, short) in entries.items()], col_max=14)


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"cosmos {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings=CONTEXT,
    invoke_without_command=True,
    no_args_is_help=False,
    epilog="Start with `cosmos demo`. `cosmos COMMAND --help` shows a command with examples.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version and end.",
)
@click.pass_context
def cosmos(ctx: click.Context) -> None:
    """Run world models on GPU machines; every prompt and run is remembered."""
    if ctx.invoked_subcommand is None:
        click.echo(WELCOME, nl=False)


cosmos.params.extend(global_options())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code. Without `argv` this process is the command: its streams are ours."""
    before = ours.set(True)
    try:
        settle(own=argv is None)
        return _ended(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # while a command was still loading, or ending
        return _INTERRUPTED
    finally:
        if argv is None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while Python tidies up would show a traceback
        ours.reset(before)


def _ended(args: list[str]) -> int:
    shared = Shared(
        debug=_among_options("--debug", args),
        as_json=_among_options("--json", args),
    )
    try:
        if instruction := os.environ.get("_COSMOS_COMPLETE"):
            from cosmos_core.cli.completion import offer

            return offer(cosmos, shared, instruction)
        code = _run(args, shared)
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader of our output has gone; what is still buffered must not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    if why := why_lost():
        sys.stderr.write(f"error: cannot write to standard output: {why}\n")
        return code or _NO_ROOM
    return code


def _run(args: list[str], shared: Shared) -> int:
    try:
        with cosmos.make_context("cosmos", args, obj=shared) as ctx:
            cosmos.invoke(ctx)
        return 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        _raise_if_asked(shared)
        return _complain(UsageError(" ".join(error.format_message().split()).rstrip("."), hint=hint_for(error)), shared)
    except CosmosError as error:
        _raise_if_asked(shared)
        return _complain(error, shared)
    except (KeyboardInterrupt, click.Abort):
        _raise_if_asked(shared)
        sys.stderr.write("\ninterrupted\n")
        return _INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  the outermost fence: a fault of ours is told in words, too
        _raise_if_asked(shared)
        words = f"{type(error).__name__}: {error}"
        hint = "this is a fault of cosmos; the same with --debug shows where"
        return _complain(CosmosError(f"something unforeseen: {words}", hint=hint), shared)


def _raise_if_asked(shared: Shared) -> None:
    if shared.debug:
        import traceback

        traceback.print_exc()


def _complain(error: CosmosError, shared: Shared) -> int:
    from cosmos_core.cli.complaints import complain

    complain(error, as_json=shared.as_json)
    return error.exit_code


def _among_options(option: str, args: list[str]) -> bool:
    """Whether an option is there, before anything is parsed: also when parsing is what fails."""
    return option in (args[: args.index("--")] if "--" in args else args)


if __name__ == "__main__":
    sys.exit(main())
