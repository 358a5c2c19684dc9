"""`cosmos list`: prompts or runs as a table, as ids, or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from cosmos_core.cli.base import Command, json_option, opened
from cosmos_core.cli.completing import (
    complete_groups,
    complete_models,
    complete_prompts,
    complete_runs,
    complete_tags,
    complete_targets,
)
from cosmos_core.cli.kinds import Moment
from cosmos_core.cli.screen import SIMULATED, STATUS_STYLES, print_json, print_table, put, say, span, when, wrapped
from cosmos_core.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from cosmos_core.app import Cosmos
    from cosmos_core.store.records import PromptRecord, RunRecord

_STATES = (
    "pending", "uploading", "queued", "running", "downloading", "parsing", "completed", "failed", "cancelled", "lost",
    "paused", "unfinished",
)  # fmt: skip

Cells = Mapping[str, Callable[[Any], str]]


def _took(run: RunRecord) -> str:
    if run.started_at is None or run.completed_at is None:
        return ""
    return span((run.completed_at - run.started_at).total_seconds())


def _state(run: RunRecord) -> str:
    return "paused" if run.paused is not None and not run.ended else run.status


def _target(run: RunRecord) -> str:
    # on a terminal a line below the table says it, and leaves the room to the text
    return run.target if sys.stdout.isatty() or not run.simulated else f"{run.target} (simulated)"


_PROMPT: Cells = {
    "id": lambda p: p.id,
    "model": lambda p: p.model_type,
    "created": lambda p: when(p.created_at),
    "name": lambda p: p.name,
    "text": lambda p: p.prompt_text,
    "inputs": lambda p: " ".join(f"{i.slot}={i.name}" for i in p.inputs),
    "toolkit": lambda p: p.model_config.get("toolkit", ""),
    "parent": lambda p: p.parent_id or "",
    "tags": lambda p: " ".join(p.tags),
}
_RUN: Cells = {
    "id": lambda r: r.id,
    "status": _state,
    "model": lambda r: r.model_type,
    "target": _target,
    "created": lambda r: when(r.created_at),
    "took": _took,
    "text": lambda r: "",  # filled in from the prompts
    "name": lambda r: r.name,
    "prompt": lambda r: r.prompt_id,
    "toolkit": lambda r: r.toolkit,
    "group": lambda r: r.group_id or "",
    "job": lambda r: r.job_id or "",
    "retry_of": lambda r: r.retry_of or "",
    "submitted": lambda r: when(r.submitted_at),
    "started": lambda r: when(r.started_at),
    "completed": lambda r: when(r.completed_at),
    "as_of": lambda r: when(r.checked_at),
    "progress": lambda r: f"{r.progress.percentage:.0f}%" if r.progress and r.progress.percentage is not None else "",
    "result": lambda r: next((a.path for a in r.artifacts if a.role == "result" and a.path), ""),
    "error": lambda r: r.error.message if r.error else r.paused.reason if r.paused else "",
    "simulated": lambda r: "simulated" if r.simulated else "",
    "rating": lambda r: "" if r.rating is None else str(r.rating),
    "tags": lambda r: " ".join(r.tags),
}
_USUAL = {
    "prompts": ("id", "model", "created", "name", "text"),
    "runs": ("id", "status", "name", "model", "target", "created", "took", "text"),
}


def _of_prompts(ctx: click.Context) -> bool:
    # click leaves words unread where the last option still lacks its value
    return "prompts" in (ctx.params.get("what"), *ctx.args)


def _complete_columns(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    before, comma, begun = incomplete.rpartition(",")
    left = [name for name in (_PROMPT if _of_prompts(ctx) else _RUN) if name not in before.split(",")]
    return [CompletionItem(before + comma + name) for name in left if name.startswith(begun)]


def _complete_after(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return (complete_prompts if _of_prompts(ctx) else complete_runs)(ctx, param, incomplete)


@click.command(
    cls=Command,
    name="list",
    examples="""
cosmos list runs
cosmos list runs --status failed --since 2d
cosmos list prompts --model transfer --limit 5 --columns id,created,text
cosmos list runs --status running -q | cosmos wait -
""",
)
@click.argument("what", type=click.Choice(["prompts", "runs"]), default="runs")
@click.option("--model", metavar="MODEL", shell_complete=complete_models, help="Only this model.")
@click.option(
    "--status", type=click.Choice(_STATES), metavar="STATE", help=f"Only runs in this state: {', '.join(_STATES)}."
)
@click.option("--target", metavar="NAME", shell_complete=complete_targets, help="Only runs on this target.")
@click.option("--group", metavar="ID", shell_complete=complete_groups, help="Only runs of this group.")
@click.option("--prompt", metavar="ID", shell_complete=complete_prompts, help="Only runs of this prompt.")
@click.option(
    "--since", type=Moment(), metavar="WHEN", help="Created then or later: today, yesterday, 2d, 3h, a date or a time."
)
@click.option("--until", type=Moment(), metavar="WHEN", help="Created before then.")
@click.option("--tag", metavar="TEXT", shell_complete=complete_tags, help="Only with this tag.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many at most.")
@click.option(
    "--after",
    metavar="ID",
    shell_complete=_complete_after,
    help="What follows that run or prompt, the last of the page before.",
)
@click.option(
    "--columns", metavar="A,B,..", shell_complete=_complete_columns, help="Which columns; a wrong one lists them all."
)
@click.option("-q", "--quiet", is_flag=True, help="Print ids only.")
@json_option
@click.pass_context
def list_(ctx: click.Context, /, what: str, columns: str | None, quiet: bool, as_json: bool, **said: Any) -> None:
    """List prompts or runs, newest first.

    Runs are shown as they were last seen; this never touches the network (`cosmos sync` looks again).
    """
    cells = _PROMPT if what == "prompts" else _RUN
    chosen = _columns(columns, cells, what)
    if sum((quiet, as_json, columns is not None)) > 1:
        raise UsageError("-q, --json and --columns are three ways to print", hint="choose one of them")
    if what == "prompts":
        for option in ("status", "target", "group", "prompt"):
            if said[option] is not None:
                raise UsageError(f"--{option} is about runs", hint=f"`cosmos list runs --{option} ...`")
    from cosmos_core.store.records import Filter, Page

    with opened(ctx) as cosmos:
        if said["prompt"] is not None:
            said["prompt"] = cosmos.resolve(said["prompt"], ("ps",))
        if said["group"] is not None:
            said["group"] = cosmos.resolve(said["group"], ("gr",))
        if said["after"] is not None and said["after"].startswith(("ps_", "rs_", "@last")):
            said["after"] = cosmos.resolve(said["after"], ("ps",) if what == "prompts" else ("rs",))
        where = Filter(**said)
        page: Page[Any] = cosmos.list_prompts(where) if what == "prompts" else cosmos.list_runs(where)
        if as_json:
            from cosmos_core.documents import page_document

            print_json(page_document(page))
            return
        if quiet:
            for item in page.items:
                say(item.id)
            return
        if not page.items:
            say(_nothing(what, said), sys.stderr)
            return
        if columns is None and not any(item.name for item in page.items):
            chosen = tuple(column for column in chosen if column != "name")
        rows = [{column: cells[column](item) for column in chosen} for item in page.items]
        if what == "runs" and "text" in chosen:
            for row, text in zip(rows, _texts(cosmos, page.items), strict=True):
                row["text"] = text
        unwatched = cosmos.unwatched(page.items) if what == "runs" else ()
    flexible = next((column for column in ("text", "error", "result", "name") if column in chosen), None)
    spare = _spare(rows) if columns is None else ()
    same = print_table(
        chosen, rows, flexible=flexible, styles={"status": STATUS_STYLES}, spare=spare, keep=columns is not None
    )
    notes = sys.stdout if sys.stdout.isatty() else sys.stderr
    facts = [f"all of them: {_words(same)}"] if any(same.values()) else []
    simulated = [item.id for item in page.items if getattr(item, "simulated", False)]
    if simulated and sys.stdout.isatty():
        share = "all" if len(simulated) == len(page.items) else f"{len(simulated)} of {len(page.items)}"
        facts.append(f"{share} {SIMULATED}")
    if facts:
        put(wrapped("\n".join(facts), before="\n", to=notes), notes)
    if unwatched:
        seen = [
            f"{run.id} {when(run.seen_at)}"
            for run in sorted(unwatched, key=lambda run: run.seen_at or run.created_at)[:3]
        ]
        more = f" and {len(unwatched) - 3} more" if len(unwatched) > 3 else ""
        put(
            wrapped(f"last seen: {', '.join(seen)}{more}; `cosmos sync` looks again", before="\n", to=notes),
            notes,
        )
    if page.next is not None:
        of = "" if page.total is None else f" of {page.total}"
        say(f"\n{len(page.items)}{of}; the rest: --after {page.items[-1].id}", notes)


def _columns(word: str | None, cells: Cells, what: str) -> tuple[str, ...]:
    if word is None:
        return _USUAL[what]
    chosen = tuple(column.strip() for column in word.split(",") if column.strip())
    for column in chosen:
        if column not in cells:
            from cosmos_core.typed import nearest

            raise UnknownName(
                f"there is no column {column!r}", hint=f"{nearest(column, list(cells))}columns: {', '.join(cells)}"
            )
    return chosen or _USUAL[what]


def _texts(cosmos: Cosmos, runs: Sequence[RunRecord]) -> list[str]:
    prompts: Mapping[str, PromptRecord] = cosmos.prompts({run.prompt_id for run in runs})
    return [prompts[run.prompt_id].prompt_text for run in runs]


def _spare(rows: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """The columns that a narrow terminal can do without where all rows say the same: a line below says it once."""
    return ("model", "target", *(["took"] if not any(row.get("took") for row in rows) else []))


def _words(same: Mapping[str, str]) -> str:
    """What the columns that were left out say: `transfer on h100`."""
    target = same.get("target")
    return " ".join(filter(None, (same.get("model"), target and f"on {target}")))


def _nothing(what: str, said: Mapping[str, Any]) -> str:
    if any(value is not None and not isinstance(value, (int, datetime)) for value in said.values()) or said["since"]:
        return f"no {what} like that; `cosmos list {what}` shows all"
    return f"no {what} yet; `cosmos demo` makes a first one"
