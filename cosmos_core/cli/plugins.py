"""`cosmos plugins`: everything that plugs in, loaded, and what is wrong with it."""

from __future__ import annotations

import click

from cosmos_core.cli.base import Command, json_option
from cosmos_core.cli.screen import print_json, print_table, say


@click.command(
    cls=Command,
    examples="""
cosmos plugins
cosmos plugins --json
""",
)
@json_option
def plugins(as_json: bool) -> None:
    """Load every plugin and extension behind its fence, and tell what is there and what is broken."""
    from cosmos_core.models import Models

    report = Models().report()
    if as_json:
        items = [{**row._asdict(), "hooks": list(row.hooks)} for row in report]
        print_json({"items": items, "total": len(items), "limit": len(items), "next": None})
        return
    if not report:
        say("no plugin is installed")
        return
    columns = ("name", "kind", "status", "package", "module")
    rows = [{**row._asdict(), "package": f"{row.package} {row.version}".strip()} for row in report]
    print_table(columns, rows, flexible="module", styles={"status": {"ok": "green", "broken": "red"}})
    for row in report:
        if row.error:
            say(f"\n{row.error}")
            if row.hint:
                say(f"  {row.hint}")
