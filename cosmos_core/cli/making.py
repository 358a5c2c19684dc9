"""`run`, `create`, `inference`, `retry`: the commands that make runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from cosmos_core.cli.base import CONTEXT, Command, json_option, opened
from cosmos_core.cli.completing import complete_ids, complete_prompts, complete_runs_and_groups, complete_text
from cosmos_core.cli.model_options import ModelCommand
from cosmos_core.cli.wishes import (
    AFTER,
    Asked,
    apply,
    asked_options,
    dry_run_options,
    from_option,
    model_option,
    option,
    run_options,
)
from cosmos_core.errors import UsageError

attach_options = apply(
    option("--detach", "-d", heading=AFTER, is_flag=True, help="Return as soon as the job is launched."),
    option(
        "--progress",
        heading=AFTER,
        type=click.Choice(["bar", "plain", "jsonl", "none"]),
        help="How to show progress.  [default: bar on a terminal, else plain]",
    ),
)


@click.command(
    cls=ModelCommand,
    examples="""
cosmos run --model transfer "heavy rain" --video street.mp4 --weights.edge 1
cosmos run --model transfer @prompt.txt --video @last --set weights.depth=0.6
cosmos run --from rs_4f7k2m9x --set num_steps=50   again, with more steps
cosmos run --model transfer --spec street.json --dry-run --out preview/
cosmos run --model transfer --help                 also what transfer takes
""",
)
@click.argument("text", required=False, shell_complete=complete_text)
@model_option
@from_option
@asked_options
@run_options
@dry_run_options
@attach_options
@json_option
@click.pass_context
def run(ctx: click.Context, /, text: str | None, dry_run: bool, out: Path | None, **said: Any) -> None:
    """Store a prompt, run it and follow it until the result is here.

    TEXT is the prompt; @FILE reads it from a file, - from standard input, @@ begins a text with @.
    Everything is checked first: if something is wrong, all of it is told and nothing is stored.

    Ctrl-C detaches, the run goes on; a second one within two seconds cancels it.
    """
    from cosmos_core.cli.attached import carry_out

    if not (said["model"] or said["source"] or said["spec"]):
        installed = _installed()
        raise UsageError("which model?", hint=f"add --model NAME ({installed}), or --from ID")
    if out is not None and not dry_run:
        raise UsageError("--out goes with --dry-run", hint="-o PATH copies the result of a real run")
    if dry_run and said["detach"]:
        raise UsageError("--dry-run starts nothing to detach from", hint="leave one of them out")
    asked = Asked(ctx, text, said)
    with opened(ctx) as cosmos:
        wishes = asked.wishes(cosmos)
        if dry_run:
            from cosmos_core.cli.dry import dry_runs, show_dry_runs

            show_dry_runs(dry_runs(cosmos, wishes, out), as_json=said["as_json"])
            return
        from cosmos_core.cli.replacing import asking

        stored = asking(partial(cosmos.store_runs, submit=True), wishes, as_json=said["as_json"])
        ctx.exit(carry_out(cosmos, stored, **_how(said)))


@click.group(context_settings=CONTEXT, cls=click.Group)
def create() -> None:
    """Store a prompt or a run without starting anything.

    \b
    Examples:
      cosmos create prompt --model transfer "rain" --video a.mp4 --weights.edge 1
      cosmos create run ps_4f7k2m9x
      cosmos inference rs_8d3h5n7p
    """


@create.command(
    cls=ModelCommand,
    name="prompt",
    examples="""
cosmos create prompt --model transfer "rain" --video a.mp4 --weights.edge 1
cosmos create prompt --model transfer --spec street.json --name street
id=$(cosmos create prompt --model transfer --spec street.json -q)
""",
)
@click.argument("text", required=False, shell_complete=complete_text)
@model_option
@asked_options
@click.option("-q", "--quiet", is_flag=True, help="Print the id only.")
@json_option
@click.pass_context
def create_prompt(ctx: click.Context, /, text: str | None, quiet: bool, as_json: bool, **said: Any) -> None:
    """Store a prompt for a model: text, inputs and parameters. It never changes after that.

    TEXT is the prompt; @FILE reads it from a file, - from standard input, @@ begins a text with @.
    """
    from cosmos_core.cli.printing import print_new_prompt

    if not (said["model"] or said["spec"]):
        raise UsageError("which model?", hint=f"add --model NAME ({_installed()})")
    with opened(ctx) as cosmos:
        prompt = cosmos.store_prompt(Asked(ctx, text, said).wish(cosmos))
    print_new_prompt(prompt, as_json=as_json, quiet=quiet)


@create.command(
    cls=ModelCommand,
    id_first=True,
    name="run",
    examples="""
cosmos create run ps_4f7k2m9x --target h100
cosmos create run ps_4f7k2m9x --set num_steps=50 --name "more steps"
cosmos inference $(cosmos create run ps_4f7k2m9x -q)
""",
)
@click.argument("id", shell_complete=complete_prompts)
@asked_options
@run_options
@dry_run_options
@click.option("-q", "--quiet", is_flag=True, help="Print the id only.")
@json_option
@click.pass_context
def create_run(
    ctx: click.Context,
    /,
    id: str,  # noqa: A002
    dry_run: bool,
    out: Path | None,
    quiet: bool,
    as_json: bool,
    **said: Any,
) -> None:
    """Store a run of the prompt ID (or another run like the run ID). It is not started.

    All its settings are decided and frozen now; `cosmos inference` starts it.
    """
    from cosmos_core.cli.printing import print_new_run

    if out is not None and not dry_run:
        raise UsageError("--out goes with --dry-run", hint="leave one of them out")
    with opened(ctx) as cosmos:
        wish = Asked(ctx, None, {**said, "source": id}).wish(cosmos)
        if dry_run:
            from cosmos_core.cli.dry import dry_runs, show_dry_runs

            show_dry_runs(dry_runs(cosmos, [wish], out), as_json=as_json)
            return
        from cosmos_core.cli.replacing import asking

        (stored,) = asking(cosmos.store_runs, [wish], as_json=as_json)
    print_new_run(stored, as_json=as_json, quiet=quiet)


@click.command(
    cls=Command,
    examples="""
cosmos inference rs_8d3h5n7p
cosmos inference ps_4f7k2m9x --target h100 --detach
cosmos list runs --status pending -q | cosmos inference -
""",
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_ids)
@run_options
@attach_options
@json_option
@click.pass_context
def inference(ctx: click.Context, /, ids: tuple[str, ...], **said: Any) -> None:
    """Execute stored runs; given a prompt, make its run first.

    A run's settings were frozen when it was made: options that change them go with prompts only.
    A run that stands paused goes on. `-` reads ids from standard input.
    """
    from cosmos_core.cli.attached import carry_out
    from cosmos_core.cli.moving import ids_of

    changes = {key: value for key in _CHANGES if (value := said[key]) not in (None, False)}
    with opened(ctx) as cosmos:
        whole = [cosmos.resolve(ref, ("ps", "rs", "gr")) for ref in ids_of(ids)]
        for id_ in whole:
            if not id_.startswith("ps_") and changes:
                flags = ", ".join(_CHANGES[key] for key in changes)
                raise UsageError(
                    f"the settings of {id_} are frozen: {flags} cannot change them",
                    hint=f"`cosmos run --from {id_} {flags} ...` makes another run with that changed",
                )
        nothing = {"inputs": (), "input_fps": (), "settings": (), "spec": None}
        wishes = [
            Asked(ctx, None, {**said, **nothing, "source": id_}).wish(cosmos) for id_ in whole if id_.startswith("ps_")
        ]
        from cosmos_core.cli.replacing import asking

        store = partial(cosmos.store_runs, submit=True)
        made = iter(asking(store, wishes, as_json=said["as_json"]) if wishes else ())
        runs = [run for id_ in whole for run in ([next(made)] if id_.startswith("ps_") else cosmos.runs_of([id_]))]
        cosmos.mover.refuse_changed(runs)  # before any of them is started
        ctx.exit(carry_out(cosmos, runs, **_how(said)))


_CHANGES = {
    "target": "--target",
    "gpus": "--gpus",
    "timeout": "--timeout",
    "if_busy": "--if-busy",
    "fetch": "--fetch",
    "copy_to": "-o",
    "overwrite": "--force",
}


@click.command(
    cls=Command,
    examples="""
cosmos retry rs_8d3h5n7p
cosmos list runs --status lost -q | cosmos retry - --detach
""",
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_runs_and_groups)
@attach_options
@json_option
@click.pass_context
def retry(ctx: click.Context, /, ids: tuple[str, ...], **said: Any) -> None:
    """Repeat a run that has ended: a new run with the same settings, which names the old one."""
    from cosmos_core.cli.attached import carry_out
    from cosmos_core.cli.moving import ids_of

    with opened(ctx) as cosmos:
        ended = sorted(cosmos.runs_of(ids_of(ids)), key=lambda run: run.ended)  # one that may not is refused first
        stored = [cosmos.retry(old.id, submit=True) for old in ended]
        ctx.exit(carry_out(cosmos, stored, **_how(said)))


def _how(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"detach": said["detach"], "progress": said["progress"], "as_json": said["as_json"]}


def _installed() -> str:
    from cosmos_core.models import Models

    return ", ".join(Models()) or "none is installed"
