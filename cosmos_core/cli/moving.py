"""`attach`, `wait`, `cancel`, `sync`: the commands that move runs which are there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cosmos_core.cli.base import Command, json_option, opened
from cosmos_core.cli.completing import complete_runs_and_groups
from cosmos_core.cli.kinds import ids_from_stdin
from cosmos_core.errors import UsageError

if TYPE_CHECKING:
    from cosmos_core.store.records import RunRecord

progress_option = click.option(
    "--progress",
    type=click.Choice(["bar", "plain", "jsonl", "none"]),
    help="How to show progress.  [default: bar on a terminal, else plain]",
)


def ids_of(words: Sequence[str]) -> list[str]:
    """Ids as they were given; `-` stands for those on standard input."""
    ids: list[str] = []
    for word in words:
        ids += ids_from_stdin() if word == "-" else [word]
    return ids


def _started(runs: Sequence[RunRecord]) -> Sequence[RunRecord]:
    for run in runs:
        if run.submitted_at is None and not run.ended:
            raise UsageError(
                f"{run.id} is only stored; it was never started", hint=f"`cosmos inference {run.id}` starts it"
            )
    return runs


@click.command(
    cls=Command,
    examples="""
cosmos attach @last
cosmos attach rs_8d3h5n7p --progress plain
""",
)
@click.argument("id", shell_complete=complete_runs_and_groups)
@progress_option
@json_option
@click.pass_context
def attach(ctx: click.Context, id: str, progress: str | None, as_json: bool) -> None:  # noqa: A002
    """Follow a run that is under way until it ends.

    Any number of terminals may follow one run. Ctrl-C lets go of it; twice cancels it.
    """
    from cosmos_core.cli.attached import foreground

    with opened(ctx) as cosmos:
        runs = _started(cosmos.runs_of([id]))
        ctx.exit(
            foreground(
                cosmos, runs, lambda run, bar: cosmos.follow(run.id, bar.update), progress=progress, as_json=as_json
            )
        )


@click.command(
    cls=Command,
    examples="""
cosmos wait rs_8d3h5n7p && mpv "$(cosmos path rs_8d3h5n7p)"
cosmos list runs --status running -q | cosmos wait -
""",
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_runs_and_groups)
@progress_option
@json_option
@click.pass_context
def wait(ctx: click.Context, ids: tuple[str, ...], progress: str | None, as_json: bool) -> None:
    """Wait until runs end; the exit code tells whether all of them completed.

    `-` reads ids from standard input.
    """
    from cosmos_core.cli.attached import foreground

    with opened(ctx) as cosmos:
        runs = _started(cosmos.runs_of(ids_of(ids)))
        ctx.exit(
            foreground(
                cosmos, runs, lambda run, bar: cosmos.follow(run.id, bar.update), progress=progress, as_json=as_json
            )
        )


@click.command(
    cls=Command,
    examples="""
cosmos cancel @last
cosmos list runs --status queued -q | cosmos cancel -
""",
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_runs_and_groups)
@json_option
@click.pass_context
def cancel(ctx: click.Context, ids: tuple[str, ...], as_json: bool) -> None:
    """Cancel runs that have not ended. What they made so far, and their logs, are kept.

    Of a run that is downloading only the download is cancelled. It ends as its job did, its results stay on the
    target, and `cosmos fetch` brings them.

    `-` reads ids from standard input.
    """
    from cosmos_core.cli.attached import documents, exit_code
    from cosmos_core.cli.printing import print_cancelled, print_paused
    from cosmos_core.cli.screen import print_json
    from cosmos_core.runs.many import each

    with opened(ctx) as cosmos:
        before = cosmos.runs_of(ids_of(ids))
        ended = {run.id: run for run in each(before, lambda run: cosmos.cancel(run.id))} if before else {}
        after = [ended[run.id] for run in before]
        if as_json:
            print_json(documents(after))
        for old, new in zip(before, after, strict=True) if not as_json else ():
            if new.ended:
                print_cancelled(old, new, sys.stdout)
        if not as_json:
            print_paused([run for run in after if not run.ended])
        ctx.exit(exit_code([run for run in after if not run.ended]))


@click.command(
    cls=Command,
    examples="""
cosmos sync                 after a crash, a closed laptop, an outage
cosmos sync --follow        until all that runs has ended
""",
)
@click.option("--follow", "-f", is_flag=True, help="Keep at it until every run has ended or stands paused.")
@progress_option
@json_option
@click.pass_context
def sync(ctx: click.Context, follow: bool, progress: str | None, as_json: bool) -> None:
    """Move every unfinished run that was ever started as far as it can go without waiting.

    A run that `create run` only stored is left alone.
    """
    from cosmos_core.cli.attached import INTERRUPTED, exit_code, tell_end
    from cosmos_core.cli.printing import print_paused
    from cosmos_core.cli.progress import Plain, progress_of, stage_of
    from cosmos_core.cli.screen import print_json, say
    from cosmos_core.documents import items_document, run_document
    from cosmos_core.store.records import Filter

    with opened(ctx) as cosmos:
        # one bar cannot show many runs
        shown = Plain() if progress in (None, "bar") else progress_of(progress)
        lost = {run.id for run in cosmos.list_runs(Filter(status="lost", limit=10_000)).items}
        try:
            with shown:
                looked_at = cosmos.sync(follow=follow, on_progress=shown.update)
        except KeyboardInterrupt:
            say("\nstopped watching; jobs go on. `cosmos sync` continues", sys.stderr)
            ctx.exit(INTERRUPTED)
        # what was lost before and is still lost was told when it was lost
        runs = [run for run in looked_at if run.status != "lost" or run.id not in lost]
        if as_json:
            print_json(items_document([run_document(run) for run in runs]))
        else:
            if not runs:
                say("nothing is unfinished")
            for run in runs:
                if run.ended:
                    tell_end(cosmos, run)
                elif run.paused is None:
                    simulated = ", simulated" if run.simulated else ""
                    say(f"{run.id}  {stage_of(run)} on {run.target}{simulated}; `cosmos attach {run.id}` follows it")
            print_paused([run for run in runs if not run.ended])
    # without --follow nothing was awaited: how a run ended is told, and is no failure of `sync`
    ctx.exit(exit_code(runs if follow else [run for run in runs if not run.ended]))
