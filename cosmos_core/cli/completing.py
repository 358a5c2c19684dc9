"""What Tab offers. Ids come straight from the SQLite file, parameters from the one plugin that has them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import click

from cosmos_core.cli.base import shared_of

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_NEWEST = 60
_KINDS = {
    "ps": "SELECT id, name, model_type || '  ' || substr(prompt_text, 1, 50), created_at FROM prompts",
    "rs": "SELECT id, name, status || '  ' || model_type, created_at FROM runs",
    "gr": "SELECT g.id, '' AS name, count(r.id) || ' runs', g.created_at"  # nothing is found by a group's name
    " FROM groups g LEFT JOIN runs r ON r.group_id = g.id GROUP BY g.id",
}
_START = "substr({0}, 1, length(?)) = ?"  # LIKE would take the _ of an id for any character


def _rows(ctx: click.Context, query: str, *values: object) -> list[tuple[str, ...]]:
    """What the database answers; nothing where there is none or it cannot be read: Tab tells of no errors."""
    import sqlite3

    from cosmos_core.config_file import database_url
    from cosmos_core.errors import ConfigError

    try:
        url = database_url(shared_of(ctx).config, os.environ)
        if url is None or not url.startswith("sqlite:///"):
            return []
        with closing(sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()
    except (ConfigError, sqlite3.Error):
        return []


def _recent(ctx: click.Context, kinds: str, incomplete: str) -> Iterator[CompletionItem]:
    """Ids with what they are; names that only one has, once a first letter is there; `@last`."""
    from click.shell_completion import CompletionItem

    chosen = " UNION ALL ".join(_KINDS[kind] for kind in kinds.split())
    starts = f"({_START.format('id')} OR ? <> '' AND {_START.format('name')})"
    query = f"SELECT * FROM ({chosen}) WHERE {starts} ORDER BY created_at DESC LIMIT ?"  # noqa: S608  our own words
    rows = _rows(ctx, query, *[incomplete] * 5, _NEWEST)
    names = [name for _, name, *_ in rows]
    for id_, name, text, *_ in rows:
        if id_.startswith(incomplete):
            yield CompletionItem(id_, help=" ".join(f"{name}  {text}".split()), note=name or text)
        elif names.count(name) == 1 and name.isprintable():
            yield CompletionItem(name, help=f"{id_} {text}", note=id_)
    if "@last".startswith(incomplete) and "rs" in kinds and (rows or _rows(ctx, "SELECT id FROM runs LIMIT 1")):
        yield CompletionItem("@last", help="the newest run", note="the newest run")


def complete_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files and folders."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def complete_ref(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What an input may be: files and folders; runs and their outputs once `@` or `rs_` is begun."""
    if incomplete.startswith(("@", "rs_")) and (found := complete_outputs(ctx, param, incomplete)):
        return found
    runs = list(_recent(ctx, "rs", incomplete)) if incomplete in ("r", "rs") else []
    return [*(item for item in runs if item.value.startswith("rs_")), *complete_file(ctx, param, incomplete)]


def complete_outputs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of runs; behind `ID:` the names of its outputs."""
    from click.shell_completion import CompletionItem

    ref, colon, begun = incomplete.partition(":")
    if not colon:
        return complete_runs(ctx, param, incomplete)
    if last := re.fullmatch(r"@last(?:~([0-9]{1,9}))?", ref):
        runs = _rows(ctx, "SELECT id FROM runs ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET ?", int(last[1] or 0))
    else:
        starts = f"{_START.format('id')} OR name = ?"
        runs = _rows(ctx, f"SELECT id FROM runs WHERE {starts} LIMIT 2", ref, ref, ref)  # noqa: S608  our own words
    if len(runs) != 1:
        return []
    outputs = _rows(ctx, "SELECT name, role FROM artifacts WHERE run_id = ? ORDER BY position", *runs[0])
    return [CompletionItem(f"{ref}:{name}", help=role, note=role) for name, role in outputs if name.startswith(begun)]


def complete_ref_or_id(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of prompts and runs, and files."""
    found = complete_prompts_and_runs(ctx, param, incomplete)
    return found if incomplete.startswith(("ps_", "rs_", "@")) else [*found, *complete_file(ctx, param, incomplete)]


def complete_tags(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Tags in use."""
    from click.shell_completion import CompletionItem

    query = f"SELECT DISTINCT tag FROM tags WHERE {_START.format('tag')} ORDER BY tag LIMIT ?"  # noqa: S608  our words
    return [CompletionItem(tag) for (tag,) in _rows(ctx, query, incomplete, incomplete, _NEWEST)]


def complete_toolkits(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Toolkits of the model that the arguments name."""
    from click.shell_completion import CompletionItem

    from cosmos_core.cli.model_options import model_of

    model = model_of(ctx)
    toolkits = shared_of(ctx).models[model].info.toolkits if model else ()
    return [CompletionItem(kit.name) for kit in toolkits if kit.name.startswith(incomplete)]


def complete_prompts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of prompts."""
    return list(_recent(ctx, "ps", incomplete))


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of runs."""
    return list(_recent(ctx, "rs", incomplete))


def complete_prompts_and_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of both."""
    return list(_recent(ctx, "ps rs", incomplete))


def complete_groups(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of groups."""
    return list(_recent(ctx, "gr", incomplete))


def complete_runs_and_groups(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of runs; of groups once `g` is begun, for a grid of runs hides them."""
    return list(_recent(ctx, "rs gr" if incomplete.startswith("g") else "rs", incomplete))


def complete_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of prompts and runs; of groups once `g` is begun."""
    return list(_recent(ctx, "ps rs gr" if incomplete.startswith("g") else "ps rs", incomplete))


def complete_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of installed models."""
    from click.shell_completion import CompletionItem

    from cosmos_core.models import Models

    return [CompletionItem(name) for name in Models() if name.startswith(incomplete)]


def complete_targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of targets."""
    from click.shell_completion import CompletionItem

    from cosmos_core.config_file import target_names
    from cosmos_core.errors import ConfigError

    try:
        names = target_names(shared_of(ctx).config, os.environ)
    except ConfigError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _of_the_model(ctx: click.Context, kind: str, incomplete: str) -> Iterator[CompletionItem]:
    """`KEY=` of the model's options of a kind, and behind the `=` what the option itself offers."""
    from click.shell_completion import CompletionItem

    from cosmos_core.cli.model_options import ModelOption

    options = [p for p in ctx.command.get_params(ctx) if isinstance(p, ModelOption) and p.kind == kind]
    name, assigned, begun = incomplete.partition("=")
    for option in options:
        stem = option.stem
        if not assigned and option.key.startswith(incomplete):
            yield CompletionItem(stem or f"{option.key}=", help=option.help, unfinished=True)
        elif assigned and (option.key == name or (stem and name.startswith(stem) and name != stem)):
            for item in option.shell_complete(ctx, begun):
                # the shells complete whole words only: behind SLOT= we look into folders ourselves
                for found in _files(item.value) if item.type == "file" else [item]:
                    found.value = f"{name}={found.value}"
                    yield found


def complete_text(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files behind the `@` of a text that comes from one."""
    return list(files_behind_at(incomplete))


def files_behind_at(begun: str) -> Iterator[CompletionItem]:
    """`@FILE`, where a text or a value may come from a file; nothing without the `@`, or with two."""
    if begun.startswith("@") and not begun.startswith("@@"):
        for found in _files(begun[1:]):
            found.value = f"@{found.value}"
            yield found


def _files(begun: str) -> Iterator[CompletionItem]:
    """The files and folders whose path begins so; hidden ones if that is begun. A folder ends with a slash."""
    from pathlib import Path

    from click.shell_completion import CompletionItem

    folder, slash, start = begun.rpartition("/")
    try:
        entries = sorted(Path(folder + slash).expanduser().iterdir(), key=lambda entry: entry.name)
    except (OSError, ValueError, RuntimeError):
        return
    for entry in entries:
        if entry.name.startswith(start) and (start or not entry.name.startswith(".")) and entry.name.isprintable():
            is_folder = entry.is_dir()
            yield CompletionItem(f"{folder}{slash}{entry.name}{'/' * is_folder}", unfinished=is_folder)


def complete_parameters(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`KEY=VALUE` of the model that the arguments name."""
    return list(_of_the_model(ctx, "parameter", incomplete))


def complete_slots(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`SLOT=REF` of the model that the arguments name."""
    return list(_of_the_model(ctx, "input", incomplete))


def complete_rates(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`SLOT=`, before a rate."""
    return [] if "=" in incomplete else list(_of_the_model(ctx, "input", incomplete))
