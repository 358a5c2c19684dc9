"""What Tab offers. Ids come straight from the SQLite file, parameters from the one plugin that has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import click

from cosmos_core.cli.base import shared_of

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_NEWEST = 60


def _recent(ctx: click.Context, kinds: str, incomplete: str) -> Iterator[CompletionItem]:
    import sqlite3

    from click.shell_completion import CompletionItem

    from cosmos_core.config import Config
    from cosmos_core.errors import CosmosError

    texts = {
        "ps": "SELECT id, model_type || '  ' || substr(prompt_text, 1, 50), created_at FROM prompts",
        "rs": "SELECT id, status || '  ' || model_type || '  ' || name, created_at FROM runs",
    }
    chosen = " UNION ALL ".join(texts[kind] for kind in kinds.split())
    try:
        url = Config.load(shared_of(ctx).config).store_url
        if not url.startswith("sqlite:///"):
            return
        with closing(sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)) as database:
            query = f"SELECT * FROM ({chosen}) WHERE id LIKE ? || '%' ORDER BY created_at DESC LIMIT ?"  # noqa: S608  our own words
            for id_, text, _ in database.execute(query, (incomplete, _NEWEST)):
                yield CompletionItem(id_, help=" ".join(text.split()))
    except (CosmosError, sqlite3.Error):
        return  # whoever presses Tab is not to read about it
    if "@last".startswith(incomplete) and "rs" in kinds:
        yield CompletionItem("@last", help="the newest run")


def complete_prompts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of prompts."""
    return list(_recent(ctx, "ps", incomplete))


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of runs."""
    return list(_recent(ctx, "rs", incomplete))


def complete_prompts_and_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of both."""
    return list(_recent(ctx, "ps rs", incomplete))


def complete_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of installed models."""
    from click.shell_completion import CompletionItem

    from cosmos_core.models import Models

    return [CompletionItem(name) for name in Models() if name.startswith(incomplete)]


def complete_targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of targets."""
    from click.shell_completion import CompletionItem

    from cosmos_core.config import Config
    from cosmos_core.errors import CosmosError

    try:
        config = Config.load(shared_of(ctx).config)
    except CosmosError:
        return []
    names = dict.fromkeys((*config.targets, config.simulator.name))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _of_the_model(ctx: click.Context, kind: str, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from cosmos_core.cli.model_options import ModelOption

    found = [p for p in ctx.command.get_params(ctx) if isinstance(p, ModelOption) and p.kind == kind]
    return [CompletionItem(f"{option.key}=", help=option.help) for option in found if option.key.startswith(incomplete)]


def complete_parameters(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`KEY=` of the model that the arguments name."""
    return _of_the_model(ctx, "parameter", incomplete)


def complete_slots(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`SLOT=` of the model that the arguments name."""
    return _of_the_model(ctx, "input", incomplete)
