"""`cosmos show`: all that is known about one thing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosmos_core.cli.base import Command, json_option, opened
from cosmos_core.cli.completing import complete_ref_or_id
from cosmos_core.cli.screen import (
    SIMULATED,
    STATUS_STYLES,
    exactly,
    media_facts,
    one_line,
    place_of,
    print_facts,
    print_json,
    print_table,
    put,
    say,
    span,
    styled,
    when,
    whole,
    wrapped,
)
from cosmos_core.paths import expanded

if TYPE_CHECKING:
    from datetime import datetime

    from cosmos_core.app import Cosmos
    from cosmos_core.store.records import Artifact, InputRecord, PromptRecord, RunRecord

_ID = re.compile(r"(ps|rs)_[a-z0-9]*|@last(~[0-9]+)?")


@click.command(
    cls=Command,
    examples="""
cosmos show @last
cosmos show ps_4f7k2m9x --json
cosmos show rs_8d3h5n7p --tree   what it was made from, and what from it
cosmos show result.mp4           the run that made or used a file
""",
)
@click.argument("ref", metavar="ID|PATH", shell_complete=complete_ref_or_id)
@click.option("--tree", is_flag=True, help="Show the lineage: what came before and after.")
@json_option
@click.pass_context
def show(ctx: click.Context, ref: str, tree: bool, as_json: bool) -> None:
    """Everything known about a prompt, a run, or the run that made or used a file.

    A run is shown as it was last seen; this never touches the network (`cosmos sync` looks again).
    """
    with opened(ctx) as cosmos:
        others: Sequence[PromptRecord | RunRecord] = ()
        if not _ID.fullmatch(ref) and expanded(ref).exists():
            path = expanded(ref)
            # equal files have equal digests: the run that wrote this very one comes first
            record, *others = sorted(cosmos.users_of_file(path), key=lambda found: not _wrote(found, path))
        else:
            record = cosmos.get(ref)
        if record.id.startswith("rs_"):
            from cosmos_core.runs.copying import as_copied

            record = as_copied(record)  # type: ignore[arg-type]
        if as_json:
            print_json(_document(cosmos, record, others, tree=tree))
            return
        if tree:
            from cosmos_core.cli.lineage import print_tree

            print_tree(cosmos, record)
        elif record.id.startswith("rs_"):
            unwatched = bool(cosmos.unwatched([record]))  # type: ignore[list-item]
            _show_run(record, cosmos.prompt(record.prompt_id), cosmos.removed_at(record), unwatched=unwatched)  # type: ignore[arg-type, union-attr]
        else:
            _show_prompt(cosmos, record)  # type: ignore[arg-type]
        if others:
            ids = " ".join(other.id for other in others)
            put(wrapped(ids, before="\nthe same file: ", to=sys.stdout), sys.stdout)


def _wrote(record: PromptRecord | RunRecord, path: Path) -> bool:
    artifacts: Sequence[Artifact] = getattr(record, "artifacts", ())
    return any(artifact.path and Path(artifact.path) == path.absolute() for artifact in artifacts)


def _document(
    cosmos: Cosmos, record: PromptRecord | RunRecord, others: Sequence[PromptRecord | RunRecord], *, tree: bool
) -> dict[str, Any]:
    from cosmos_core.documents import prompt_document, rfc3339, run_document

    if record.id.startswith("rs_"):
        document = run_document(record, cosmos.prompt(record.prompt_id))  # type: ignore[arg-type, union-attr]
        document["removed_at"] = rfc3339(cosmos.removed_at(record))  # type: ignore[arg-type]
    else:
        document = prompt_document(record)  # type: ignore[arg-type]
    if others:
        document["same_file"] = [other.id for other in others]
    if tree:
        from cosmos_core.cli.lineage import tree_document

        document["tree"] = tree_document(cosmos, record)
    return document


def _show_run(run: RunRecord, prompt: PromptRecord, removed_at: datetime | None, *, unwatched: bool) -> None:
    state = "paused" if run.paused is not None and not run.ended else run.status
    again = "; `cosmos sync` looks again" if unwatched else ""
    say(f"{styled(run.id, 'bold', sys.stdout)}  {styled(state, STATUS_STYLES.get(state, ''), sys.stdout)}")
    took = (run.completed_at - run.started_at).total_seconds() if run.completed_at and run.started_at else None
    config = run.execution_config
    print_facts(
        [
            ("note", SIMULATED if run.simulated else ""),
            ("name", run.name),
            ("model", f"{run.model_type} by {run.toolkit} on {run.target}"),
            ("prompt", f"{run.prompt_id}  {json.dumps(one_line(prompt.prompt_text), ensure_ascii=False)}"),
            *_inputs(prompt.inputs),
            ("parameters", _settings(prompt.parameters, config)),
            ("retry of", run.retry_of or ""),
            ("group", run.group_id or ""),
            ("tags", " ".join(run.tags)),
            ("made", exactly(run.created_at)),
            (
                "submitted",
                exactly(run.submitted_at) or ("never; `cosmos inference` starts it" if not run.ended else ""),
            ),
            ("started", exactly(run.started_at)),
            ("ended", exactly(run.completed_at)),
            ("took", span(took)),
            ("removed", f"from {run.target} by `cosmos clean`, {exactly(removed_at)}" if removed_at else ""),
            ("as of", f"{exactly(run.seen_at)}{again}" if run.seen_at and not run.ended else ""),
            ("progress", _progress(run)),
            ("in line", place_of(run.queue) if run.queue and not run.ended else ""),
            ("cancel asked", exactly(run.cancel_requested_at)),
            (
                "paused",
                "; ".join(filter(None, (run.paused.reason, run.paused.hint))) if run.paused and not run.ended else "",
            ),
            ("error", run.error.message if run.error else ""),
            ("remedy", run.error.hint if run.error else ""),
            *(("warning", warning) for warning in run.warnings),
            *(("parent", f"{link.parent_id}:{link.artifact} as {link.slot}") for link in run.parents),
        ],
        indent="  ",
    )
    if run.artifacts:
        say("\noutputs")
        absent = f"not fetched, and removed from {run.target}" if removed_at else "not fetched"
        print_facts([(artifact.name, _artifact(artifact, absent)) for artifact in run.artifacts], indent="  ")
    if run.text:
        say(f"\ntext\n{run.text}")
    for title, values in (("values", run.values), ("scores", run.scores), ("where it came from", run.metadata)):
        if values:
            say(f"\n{title}")
            print_facts([(key, _words(value)) for key, value in values.items()], indent="  ")
    say(f"\ncosmos logs {run.id}   its log")


def _progress(run: RunRecord) -> str:
    if run.progress is None or run.ended:
        return ""
    share = "" if run.progress.percentage is None else f"{run.progress.percentage:.0f}%"
    return " ".join(filter(None, (run.progress.stage, share, one_line(run.progress.message))))


def _settings(given: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """What was given; a run's own parameters where it has some."""
    if isinstance(config.get("given"), Mapping):
        given = config["given"]
    return "  ".join(f"{key}={_words(value)}" for key, value in _flat(given))


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in values.items():
        pairs += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, value)]
    return pairs


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{key}={_words(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(map(_words, value))
    return "-" if value is None or value == "" else _word(str(value))


def _word(text: str) -> str:
    return whole(one_line(text)) if text.startswith("/") else one_line(text)


def _inputs(inputs: Sequence[InputRecord]) -> list[tuple[str, str]]:
    return [(item.slot, f"{_place(item)}{media_facts(item.media, item.bytes)}") for item in inputs]


def _place(item: InputRecord) -> str:
    if item.frames is not None:
        return (
            f"{whole(item.frames.pattern)} {item.frames.first}-{item.frames.last}, encoded as {whole(item.path or '')}"
        )
    return whole(item.path or f"{item.target}:{item.remote}")


def _artifact(artifact: Artifact, absent: str) -> str:
    where = artifact.path or f"{absent}: {artifact.remote}"
    return f"{whole(where) if artifact.path else where}{media_facts(artifact.media, artifact.bytes)}"


def _show_prompt(cosmos: Cosmos, prompt: PromptRecord) -> None:
    from cosmos_core.store.records import Filter

    toolkit = prompt.model_config.get("toolkit")
    say(styled(prompt.id, "bold", sys.stdout))
    print_facts(
        [
            ("name", prompt.name),
            ("model", prompt.model_type + (f" by {toolkit}" if toolkit else "")),
            ("text", prompt.prompt_text),
            *_inputs(prompt.inputs),
            ("parameters", _settings(prompt.parameters, {})),
            ("made", exactly(prompt.created_at)),
            ("parent", prompt.parent_id or ""),
            ("tags", " ".join(prompt.tags)),
        ],
        indent="  ",
    )
    page = cosmos.list_runs(Filter(prompt=prompt.id, limit=20))
    if not page.items:
        say(f"\nnot run yet; `cosmos run --from {prompt.id}` does")
        return
    say("\nruns")
    rows = [
        {
            "id": run.id,
            "status": run.status,
            "target": f"{run.target} (simulated)" if run.simulated else run.target,
            "created": when(run.created_at),
        }
        for run in page.items
    ]
    print_table(("id", "status", "target", "created"), rows, styles={"status": STATUS_STYLES})
    if page.next is not None:
        say(f"more: cosmos list runs --prompt {prompt.id}")
