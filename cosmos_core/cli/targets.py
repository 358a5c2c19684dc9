"""`cosmos targets`: the places where work can go; below it the commands that get one to work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cosmos_core.cli.base import CONTEXT, global_options, json_option, shared_of
from cosmos_core.cli.checking import check
from cosmos_core.cli.screen import print_json, print_table, say
from cosmos_core.cli.trusting import trust
from cosmos_core.errors import UsageError

if TYPE_CHECKING:
    from cosmos_core.config import Target

_HOW = {"process": "as a process", "docker": "in Docker"}


class _Targets(click.Group):
    """A group that says which of its commands may be meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.commands and not name.startswith("-") and not ctx.resilient_parsing:
            from cosmos_core.typed import nearest  # the way of a mistake may cost something

            raise UsageError(
                f"there is no command `cosmos targets {name}`",
                hint=f"{nearest(name, list(self.commands))}`cosmos targets` lists targets, `cosmos targets check NAME`"
                " looks at one, `cosmos targets trust NAME` stores its host key",
            )
        return super().resolve_command(ctx, args)


@click.group(cls=_Targets, context_settings=CONTEXT, invoke_without_command=True)
@json_option
@click.pass_context
def targets(ctx: click.Context, as_json: bool) -> None:
    """The places where work can go; alone it lists them. `cosmos status` also looks what they are doing.

    \b
    Examples:
      cosmos targets
      cosmos targets check h100
      cosmos targets trust h100
    """
    if ctx.invoked_subcommand is None:
        _list(ctx, as_json=as_json)


targets.params.extend(global_options(hidden=True))
targets.add_command(check)
targets.add_command(trust)


def _list(ctx: click.Context, *, as_json: bool) -> None:
    from cosmos_core.config import Config

    loaded = Config.load(shared_of(ctx).config)
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
            "runs": "simulated" if target.simulated else _HOW[target.runtime],
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
