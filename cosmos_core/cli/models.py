"""`cosmos models`: what is installed, by package metadata alone; or all that one model declares."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cosmos_core.cli.base import Command, json_option
from cosmos_core.cli.completing import complete_models
from cosmos_core.cli.screen import print_facts, print_json, print_table, say, wrapped

if TYPE_CHECKING:
    from cosmos_core.models.model import Model
    from cosmos_core.values import InputSlot


@click.command(
    cls=Command,
    examples="""
cosmos models
cosmos models transfer            its toolkits, inputs and parameters
cosmos models transfer --json     the same as JSON Schema
""",
)
@click.argument("name", required=False, shell_complete=complete_models)
@json_option
def models(name: str | None, as_json: bool) -> None:
    """The models that are installed; with NAME, everything that one can be given.

    The list comes from package metadata: no plugin is loaded for it (`cosmos plugins` loads them all).
    """
    if name is not None:
        _one(name, as_json=as_json)
        return
    from cosmos_core.models.discover import find_plugins

    found = [one for one in find_plugins() if one.kind == "model"]
    if as_json:
        items = [
            {"name": one.name, "package": one.package, "version": one.version, "entry_point": one.entry.value}
            for one in found
        ]
        print_json({"items": items, "total": len(items), "limit": len(items), "next": None})
        return
    if not found:
        say("no model is installed; `pip install` a package with an entry point of the group cosmos.models")
        return
    rows = [
        {
            "model": one.name,
            "package": f"{one.package} {one.version}".strip(),
            "note": f"clash: {', '.join(one.rivals)}" if one.rivals else "",
        }
        for one in found
    ]
    columns = ["model", "package", *(["note"] if any(row["note"] for row in rows) else [])]
    print_table(columns, rows)


def _one(name: str, *, as_json: bool) -> None:
    from cosmos_core.models import Models, json_schema

    model = Models()[name]
    if as_json:
        print_json(
            {
                "name": model.name,
                "title": model.info.title,
                "package": model.package,
                "version": model.version,
                "makes": list(model.info.makes),
                "toolkits": [toolkit.name for toolkit in model.info.toolkits],
                "schema": json_schema(model.info),
            }
        )
        return
    _describe(model)


def _describe(model: Model) -> None:
    from cosmos_core.cli.model_options import told
    from cosmos_core.parameters import keys

    say(f"{model.name}: {model.info.title}")
    say(f"from {model.package} {model.version}".rstrip())
    for number, toolkit in enumerate(model.info.toolkits):
        say(f"\ntoolkit {toolkit.name}{' (the default)' if number == 0 and len(model.info.toolkits) > 1 else ''}")
        if toolkit.inputs:
            say("\n  inputs")
            print_facts([(f"--{_flag(slot.name)} REF", _slot(slot)) for slot in toolkit.inputs], indent="    ")
        found = keys(toolkit.parameters)
        if found:
            say("\n  parameters")
            for key in found:
                say(f"    --{_flag(key.name)} {'  '.join(told(key))}".rstrip())
                if key.help:
                    sys.stdout.write(wrapped(key.help, before=" " * 8, to=sys.stdout))
        settings = keys(toolkit.settings)
        if settings:
            say("\n  settings of an installation, in the configuration")
            print_facts([(f"{k.name} = {k.text}", k.help or " ") for k in settings], indent="    ")
    say(f"\n  cosmos run --model {model.name} --help   shows these as options")


def _flag(name: str) -> str:
    return name.replace(".*", ".NAME").replace("_", "-")


def _slot(slot: InputSlot) -> str:
    notes = [" or ".join(slot.kinds), *(["required"] if slot.required else []), *(["many"] if slot.many else [])]
    return f"{slot.help} [{', '.join(notes)}]".strip()
