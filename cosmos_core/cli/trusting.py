"""`cosmos targets trust`: a host key, shown to a person and stored when that is confirmed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cosmos_core.cli.base import Command, json_option, opened, shared_of
from cosmos_core.cli.completing import complete_targets
from cosmos_core.cli.screen import print_facts, print_json, say, styled, whole, wrapped
from cosmos_core.errors import UsageError

if TYPE_CHECKING:
    from cosmos_core.targets.ssh.trust import OfferedKey


@click.command(
    cls=Command,
    examples="""
cosmos targets trust h100
cosmos targets trust h100 --yes             a new key, without being asked
cosmos targets trust h100 --yes --changed   also one that has changed
""",
)
@click.argument("name", shell_complete=complete_targets)
@click.option("--yes", is_flag=True, help="Store a new key without being asked.")
@click.option("--changed", is_flag=True, help="With --yes: store a key that has changed, too.")
@json_option
@click.pass_context
def trust(ctx: click.Context, name: str, yes: bool, changed: bool, as_json: bool) -> None:
    """Show the host key of a target, and store it once you have confirmed it.

    Compare the fingerprint with what the machine's owner says. Where the way leads through jump hosts, their keys come
    first: call it again until all are known.
    """
    if changed and not yes:
        raise UsageError("--changed goes with --yes", hint=f"`cosmos targets trust {name}` asks before it stores")
    as_json = as_json or shared_of(ctx).as_json  # it may stand before the command, too
    with opened(ctx) as cosmos:
        key = cosmos.offered_key(name)
        if not as_json:
            _show(key)
        stored = not key.known and _confirmed(name, key, yes=yes, changed=changed, as_json=as_json)
        if stored:
            cosmos.trust(key)
    if as_json:
        from cosmos_core.documents import offered_key_document

        print_json(offered_key_document(name, key, stored=stored))
    elif key.known:
        say(f"nothing to do: it is known; `cosmos targets check {name}` looks at the rest")
    elif stored:
        words = f"stored in {whole(str(key.file))}; `cosmos targets check {name}` looks at the rest"
        sys.stdout.write(wrapped(words, before="", to=sys.stdout))
    else:
        say("nothing was stored")
    ctx.exit(0 if key.known or stored else 1)


def _show(key: OfferedKey) -> None:
    verdict = ("known", "green") if key.known else ("CHANGED", "red") if key.changed else ("new", "yellow")
    print_facts(
        [
            ("host", f"{key.host}, port {key.port}"),
            ("through", ", ".join(key.via)),
            ("type", key.key_type),
            ("key", key.fingerprint),
            ("which is", styled(*verdict, sys.stdout)),
            ("before", key.old_fingerprint or ""),
        ]
    )
    if key.changed:
        words = (
            "The machine may have been set up anew, or somebody may be listening in between. Ask its owner for the "
            "fingerprint, by a way other than this connection, and compare every character."
        )
        before = f"{styled('warning:', 'red', sys.stdout)} "
        sys.stdout.write(wrapped(words, before=before, to=sys.stdout))
    sys.stdout.flush()


def _confirmed(name: str, key: OfferedKey, *, yes: bool, changed: bool, as_json: bool) -> bool:
    if yes and (changed or not key.changed):
        return True
    if yes:
        raise UsageError(
            f"the host key of {key.host} has changed, and --yes alone is for new ones: it is now {key.fingerprint}",
            hint=f"compare it with what the owner says, then `cosmos targets trust {name} --yes --changed`",
        )
    if as_json or not sys.stdin.isatty():
        more = " --changed" if key.changed else ""
        raise UsageError(
            f"cannot ask whether {key.fingerprint} is the key of {key.host}: this is not a terminal",
            hint=f"compare it with what the owner says, then `cosmos targets trust {name} --yes{more}`",
        )
    if key.changed:
        answer: str = click.prompt("Type yes to store it in place of the old one", default="no", show_default=False)
        return answer.strip().lower() == "yes"
    return click.confirm("Is that what the owner of the machine says? Store it", default=False)
