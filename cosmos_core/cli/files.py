"""`logs`, `path`, `open`, `fetch`: what a run left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cosmos_core.cli.base import Command, json_option, opened
from cosmos_core.cli.completing import complete_outputs, complete_runs, complete_runs_and_groups
from cosmos_core.errors import TargetUnusable


@click.command(
    cls=Command,
    examples="""
cosmos logs @last
cosmos logs rs_8d3h5n7p -f
cosmos logs @last | grep -i error
""",
)
@click.argument("id", shell_complete=complete_runs)
@click.option("--follow", "-f", is_flag=True, help="Go on until the run has ended.")
@click.pass_context
def logs(ctx: click.Context, id: str, follow: bool) -> None:  # noqa: A002
    """Print the log of a run; logs are kept on failure too.

    On a terminal, characters that would steer it are shown instead of obeyed, colours aside; elsewhere every byte is
    as it was written.
    """
    from cosmos_core.cli.neutral import LogText, Screen

    screen = sys.stdout if isinstance(sys.stdout, Screen) else None
    text = LogText()
    with opened(ctx) as cosmos:
        for chunk in cosmos.logs(id, follow=follow):
            if screen:
                screen.write_harmless(text.feed(chunk))
                screen.flush()
            else:
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
        if screen:
            screen.write_harmless(text.feed(b"", last=True))


@click.command(
    cls=Command,
    examples="""
mpv "$(cosmos path @last)"
cosmos path rs_8d3h5n7p:control.edge
""",
)
@click.argument("ref", metavar="ID[:NAME]", shell_complete=complete_outputs)
@click.pass_context
def path(ctx: click.Context, ref: str) -> None:
    """Print where an output is on this machine, fetched first if it is not here yet.

    Without NAME it is the main result; `cosmos show ID` lists the names.
    """
    with opened(ctx) as cosmos:
        click.echo(cosmos.path(ref))


@click.command(
    name="open",
    cls=Command,
    examples="""
cosmos open @last
cosmos open rs_8d3h5n7p:control.edge
cosmos open @last --folder
""",
)
@click.argument("ref", metavar="ID[:NAME]", shell_complete=complete_outputs)
@click.option("--folder", is_flag=True, help="Open the folder that holds it.")
@click.pass_context
def open_(ctx: click.Context, ref: str, folder: bool) -> None:
    """Open a result in the system's player, or its folder.

    It is fetched first if it is not here yet. Without NAME it is the main result; `cosmos show ID` lists the names.
    """
    with opened(ctx) as cosmos:
        file = Path(cosmos.path(ref))
    what = file.parent if folder else file
    click.echo(what)
    # xdg-open hands over and ends; only its end tells whether there was anybody to hand over to
    if click.launch(str(what), wait=sys.platform == "linux"):
        raise TargetUnusable(
            f"nothing on this machine opens {what}", hint=f"play it with a program of yours: mpv {what}"
        )


@click.command(
    cls=Command,
    examples="""
cosmos fetch rs_8d3h5n7p
cosmos fetch @last --only results
""",
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_runs_and_groups)
@click.option("--only", type=click.Choice(["all", "results"]), default="all", show_default=True, help="Which outputs.")
@json_option
@click.pass_context
def fetch(ctx: click.Context, ids: tuple[str, ...], only: str, as_json: bool) -> None:
    """Fetch the outputs of runs to this machine.

    A run that was left while it was downloading ends with these outputs; the others stay on the target until they are
    fetched. `-` reads ids from standard input.
    """
    from cosmos_core.cli.attached import INTERRUPTED, documents
    from cosmos_core.cli.moving import ids_of
    from cosmos_core.cli.progress import progress_of
    from cosmos_core.cli.screen import media_facts, print_facts, print_json, say, whole

    with opened(ctx) as cosmos:
        wanted = cosmos.runs_of(ids_of(ids))
        try:
            with progress_of("bar" if sys.stderr.isatty() else "none") as shown:
                runs = [cosmos.fetch(run.id, "results" if only == "results" else "all", shown.update) for run in wanted]
        except KeyboardInterrupt:
            say("\nstopped; the same again goes on with what is here", sys.stderr)
            ctx.exit(INTERRUPTED)
    if as_json:
        print_json(documents(runs))
        return
    for run in runs:
        say(f"{run.id}  {run.model_type} on {run.target}{', simulated' if run.simulated else ''}")
        here = [(a.name, f"{whole(a.path)}{media_facts(a.media, a.bytes)}") for a in run.artifacts if a.path]
        print_facts(here, indent="  ")
