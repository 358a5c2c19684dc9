"""`cosmos config`: what is configured, and where that was said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from cosmos_core.cli.base import Command, json_option, shared_of
from cosmos_core.cli.screen import print_json, print_table, say

if TYPE_CHECKING:
    from cosmos_core.config import Config

_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASSWORD", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(://[^:/@]*):[^@]*@")
_PASSWORD_IN_QUERY = re.compile(r"([?&](?:ssl)?password=)[^&]*")


def _config(ctx: click.Context) -> Config:
    from cosmos_core.config import Config

    return Config.load(shared_of(ctx).config)


@click.command(
    cls=Command,
    examples="""
cosmos config
cosmos config --json
cosmos --config lab.toml config
""",
)
@json_option
@click.pass_context
def config(ctx: click.Context, as_json: bool) -> None:
    """Every setting, its value, and where it came from. Secrets are not shown."""
    loaded = _config(ctx)
    rows = [(s.key, _without_secrets(s.key, s.value), s.source) for s in loaded.settings]
    if as_json:
        from cosmos_core.documents import plain

        items = [{"key": key, "value": plain(value), "source": source} for key, value, source in rows]
        print_json(
            {
                "file": str(loaded.path) if loaded.path else None,
                "items": items,
                "total": len(items),
                "limit": len(items),
                "next": None,
            }
        )
        return
    from cosmos_core.config_file import usual_files

    beside, own = usual_files()
    say(f"file: {loaded.path or f'none; ./{beside} or {own} would be read'}\n")
    told = [{"setting": key, "value": _words(value), "from": source} for key, value, source in rows]
    print_table(("setting", "value", "from"), told, flexible="from" if _wide(told) else "value")


def _wide(rows: list[dict[str, str]]) -> bool:
    return max(len(row["from"]) for row in rows) > max(len(row["value"]) for row in rows)


def _without_secrets(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_secrets(name, item) for name, item in value.items()}
    if isinstance(value, str):
        told = _PASSWORD_IN_QUERY.sub(r"\1***", _PASSWORD_IN_URL.sub(r"\1:***@", value))
        return "***" if value and _SECRET.search(key) else told
    return value


def _words(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_words(item)}" for name, item in value.items()) or "-"
    if isinstance(value, (tuple, list)):
        return " ".join(map(str, value)) or "-"
    return str(value)
