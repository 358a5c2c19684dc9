"""`cosmos config` and `cosmos targets`: what is configured, and where that was said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from cosmos_core.cli.base import Command, json_option, shared_of
from cosmos_core.cli.screen import print_json, print_table, say

if TYPE_CHECKING:
    from cosmos_core.config import Config, Target

_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASSWORD", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(://[^:/@]*):[^@]*@")


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
    from cosmos_core.config import usual_files

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
        return "***" if value and _SECRET.search(key) else _PASSWORD_IN_URL.sub(r"\1:***@", value)
    return value


def _words(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_words(item)}" for name, item in value.items()) or "-"
    if isinstance(value, (tuple, list)):
        return " ".join(map(str, value)) or "-"
    return str(value)


@click.command(
    cls=Command,
    examples="""
cosmos targets
cosmos targets --json
""",
)
@json_option
@click.pass_context
def targets(ctx: click.Context, as_json: bool) -> None:
    """The places where work can go. `cosmos status` also looks whether they can be reached."""
    loaded = _config(ctx)
    there = list(loaded.targets.values())
    if loaded.simulate != "never" and not any(target.simulated for target in there):
        there.append(loaded.simulator)
    default = loaded.default_target or (there[0].name if len(loaded.targets) <= 1 and there else None)
    if as_json:
        items = [_document(target, default) for target in there]
        print_json({"items": items, "total": len(items), "limit": len(items), "next": None})
        return
    rows = [
        {
            "target": target.name + (" *" if target.name == default else ""),
            "where": target.host or "this machine",
            "runs": "simulated" if target.simulated else f"as a {target.runtime}",
            "gpus": "" if target.gpu_count is None else str(target.gpu_count),
            "toolkits": ", ".join(target.toolkits) or ("all, by their stand-ins" if target.simulated else ""),
            "work_dir": target.work_dir,
        }
        for target in there
    ]
    if rows:
        print_table(("target", "where", "runs", "gpus", "toolkits", "work_dir"), rows, flexible="work_dir")
    if default:
        say("\n* the default" + ("; nothing is configured, so runs are simulated" if not loaded.targets else ""))
    elif loaded.targets:
        say('\nnone is the default: add --target NAME, or default_target = "NAME" to the configuration')


def _document(target: Target, default: str | None) -> dict[str, Any]:
    return {
        "name": target.name,
        "default": target.name == default,
        "simulated": target.simulated,
        "host": target.host,
        "runtime": target.runtime,
        "gpus": target.gpu_count,
        "work_dir": target.work_dir,
        "toolkits": list(target.toolkits),
    }
