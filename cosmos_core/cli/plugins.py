"""`cosmos plugins`: everything that plugs in, loaded, and what is wrong with it."""

from __future__ import annotations

import click

from cosmos_core.cli.base import Command, json_option, shared_of
from cosmos_core.cli.screen import print_json, print_table, say

STYLES = {"ok": "green", "broken": "red", "missing": "red", "clash": "yellow"}


@click.command(
    cls=Command,
    examples="""
cosmos plugins
cosmos plugins --json
""",
)
@json_option
@click.pass_context
def plugins(ctx: click.Context, as_json: bool) -> None:
    """Load every plugin and extension, and say what is there and what is broken."""
    from cosmos_core.models import Models

    report = Models(required=_required(ctx)).report()
    if as_json:
        items = [{**row._asdict(), "hooks": list(row.hooks)} for row in report]
        print_json({"items": items, "total": len(items), "limit": len(items), "next": None})
        return
    if not report:
        say("no plugin is installed")
        return
    columns = ("name", "kind", "status", "package", "module")
    rows = [{**row._asdict(), "package": f"{row.package} {row.version}".strip()} for row in report]
    print_table(columns, rows, flexible="module", styles={"status": STYLES})
    for row in report:
        if row.error:
            say(f"\n{row.error}")
            if row.hint:
                say(f"  {row.hint}")


def _required(ctx: click.Context) -> tuple[str, ...]:
    """The extensions that the configuration requires; a configuration that is broken is told of elsewhere."""
    from cosmos_core.config import Config
    from cosmos_core.errors import CosmosError

    try:
        return Config.load(shared_of(ctx).config).required_extensions
    except CosmosError as error:
        click.echo(f"{error.message}; which extensions it requires is not known", err=True)
        return ()
