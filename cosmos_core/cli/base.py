"""What every command is made of: what the global options said, and a command class that shows examples."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from cosmos_core.app import Cosmos
    from cosmos_core.models import Models

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
Section = tuple[str, dict[str, tuple[str, str, str]]]


class Shared:
    """What holds for the whole command."""

    def __init__(self, *, debug: bool = False, as_json: bool = False) -> None:
        self.config: str | None = None
        self.debug = debug
        self.as_json = as_json
        self.began = time.monotonic()  # when the user began to wait
        self._models: Models | None = None

    @property
    def models(self) -> Models:
        """The models, loaded once for the whole command: a broken extension is waited for and told of once."""
        from cosmos_core.models import Models

        self._models = self._models or Models()
        return self._models


def _keep_config(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        shared_of(ctx).config = value


def _complete_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from cosmos_core.cli.completing import complete_file

    return complete_file(ctx, param, incomplete)


def global_options(*, hidden: bool = False) -> list[click.Option]:
    """`--config` and `--debug`, which may stand before or after the command's name."""
    return [
        click.Option(
            ["--config"],
            metavar="FILE",
            expose_value=False,
            is_eager=True,
            hidden=hidden,
            callback=_keep_config,
            shell_complete=_complete_file,
            help="The configuration to use instead of ./cosmos.toml or your own.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            hidden=hidden,
            help="Show a traceback with an error.",
        ),
    ]


def shared_of(ctx: click.Context) -> Shared:
    """What the global options said."""
    found = ctx.find_object(Shared)
    if found is None:
        raise AssertionError("main() made one")
    return found


@contextmanager
def opened(ctx: click.Context) -> Iterator[Cosmos]:
    """The API, configured as the global options say."""
    from cosmos_core.app import Cosmos  # brings the database and all the rest with it
    from cosmos_core.cli.encoding import telling

    shared = shared_of(ctx)
    with Cosmos(shared.config) as cosmos:
        cosmos.models = shared.models
        cosmos.models.required = cosmos.config.required_extensions
        cosmos.on_encoding = telling(ctx.params.get("progress"))
        yield cosmos


class Command(click.Command):
    """A command with examples, its options under headings, and the global options hidden at its end."""

    def __init__(self, *args: Any, examples: str = "", **settings: Any) -> None:
        settings.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **settings)
        self.examples = examples
        self.params.extend(global_options(hidden=True))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = tuple(args)  # click uses its list up
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from cosmos_core.cli.mistyped import refusal  # the way of a mistake may cost something

            raise refusal(ctx, given, error.option_name) from error
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click's parser does not say whose option wants a value
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[click.Parameter]] = {}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and not param.hidden:
                sections.setdefault(getattr(param, "heading", "Options"), []).append(param)
        for heading in sorted(sections, key=lambda title: title == "Options"):
            with formatter.section(heading):
                self.write_options(ctx, formatter, sections[heading])

    def write_options(self, ctx: click.Context, formatter: click.HelpFormatter, options: list[click.Parameter]) -> None:
        """The options under one heading."""
        records = [record for option in options if (record := option.get_help_record(ctx)) is not None]
        formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.strip().splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
        super().format_epilog(ctx, formatter)


class Option(click.Option):
    """An option shown under a heading."""

    def __init__(self, *args: Any, heading: str = "Options", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.heading = heading


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def hint_for(error: click.ClickException) -> str:
    """What is most likely meant by a command that could not be understood."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    if ctx is not None and (stray := re.search(r"unexpected extra arguments? \((.*)\)", error.message)):
        from pathlib import Path  # only a mistake pays for it

        if all(Path(word).exists() for word in stray[1].split()):
            return "the shell made several words of a pattern like d.*.png; quote it: 'd.*.png'"
        if pair := _torn_pair(ctx, stray[1]):
            return f"give a setting and its value as one word: --set {pair}"
        if any(param.name == "text" for param in ctx.command.params):
            return 'a text with spaces wants quotes: "rain at night"'
    if ctx is None:
        return "`cosmos --help` shows how it goes"
    from cosmos_core.cli.model_options import model_of

    model = f" --model {model_of(ctx)}" if model_of(ctx) else ""
    return f"`{ctx.command_path}{model} --help` shows how it goes"


def _torn_pair(ctx: click.Context, stray: str) -> str:
    """`num_steps=20` where somebody typed `--set num_steps 20`; nothing where it was something else."""
    names = [word for word in ctx.params.get("settings") or () if "=" not in word]
    return f"{names[0]}={stray}" if len(names) == 1 and " " not in stray else ""
