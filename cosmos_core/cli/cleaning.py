"""`cosmos clean`: what finished runs left on the targets, shown and then removed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cosmos_core.cli.base import Command, json_option, opened, shared_of
from cosmos_core.cli.completing import complete_targets
from cosmos_core.cli.kinds import Duration
from cosmos_core.cli.screen import one_line, print_facts, print_json, say, size, styled, when, wrapped

if TYPE_CHECKING:
    from cosmos_core.runs.clean import Cleaned, CleanPlan
    from cosmos_core.runs.leftovers import Leftover, Leftovers

_UNUSABLE = 4
_NAMED = 10  # jobs of a target that are listed one by one


@click.command(
    cls=Command,
    examples="""
cosmos clean                       show what would go, and ask
cosmos clean --target h100 --yes   remove it without being asked
cosmos clean --older 30d --json    only show what ended a month ago, for a script
""",
)
@click.option("--target", "target", metavar="NAME", shell_complete=complete_targets, help="Only this one.")
@click.option("--older", type=Duration(), metavar="DURATION", help="Only what ended that long ago: 12h, 30d, 4w.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also runs whose outputs are not on this machine (--fetch none among them), and lost ones.",
)
@click.option("--yes", is_flag=True, help="Remove without being asked.")
@json_option
@click.pass_context
def clean(
    ctx: click.Context, target: str | None, older: float | None, everything: bool, yes: bool, as_json: bool
) -> None:
    """Remove from the targets what runs that ended left there: folders of jobs, containers, inputs that no job uses.

    Without --target also what they left on this machine: partial downloads, and videos of image sequences that can be
    encoded again.

    First it shows what would go. Runs keep their records, logs and fetched outputs here. What belongs to another
    database, to a run that has not ended, or whose outputs are not on this machine, stays. It ends with 4 where a
    target could not be used.
    """
    as_json = as_json or shared_of(ctx).as_json  # it may stand before the command, too
    with opened(ctx) as cosmos:
        plans = cosmos.clean_plans(target, older_s=older, everything=everything)
        here = None if target else cosmos.leftovers(older_s=older)
        if not as_json:
            for number, plan in enumerate(plans):
                if number:
                    say("")
                _show(plan)
            if here and (here.files or here.kept):
                if plans:
                    say("")
                _show_here(here)
        total = sum(plan.bytes for plan in plans) + (here.bytes if here else 0)
        some = any(not plan.empty for plan in plans) or (here is not None and bool(here.files))
        wanted = some and (yes or _confirmed(total, as_json=as_json))
        done = cosmos.clean(plans) if wanted else ()
        gone = cosmos.remove_leftovers(here) if wanted and here else ()
    if as_json:
        from cosmos_core.documents import clean_document, items_document, leftovers_document

        became = {id(one.plan): one for one in done}
        document = items_document([clean_document(plan, became.get(id(plan))) for plan in plans])
        print_json(document | ({"here": leftovers_document(here, gone)} if here else {}))
    else:
        for one in done:
            _tell(one)
        if gone:
            say(f"this machine  removed {_kinds(gone)}, {size(sum(file.bytes for file in gone))}")
    usable = all(plan.reachable for plan in plans) and not any(one.words for one in done)
    ctx.exit(0 if usable else _UNUSABLE)


def _confirmed(total: int, *, as_json: bool) -> bool:
    if as_json:
        return False
    say("")
    if not sys.stdin.isatty():
        say("nothing was removed; the same with --yes removes it")
        return False
    sys.stdout.flush()
    if click.confirm(f"Remove all that, {size(total)}", default=False):
        return True
    say("nothing was removed")
    return False


def _show(plan: CleanPlan) -> None:
    usable = "" if plan.reachable else "  " + styled("not usable", "red", sys.stdout)
    say(f"{styled(plan.target.name, 'bold', sys.stdout)}{usable}  {plan.host}")
    print_facts(list(_facts(plan)), indent="  ")


def _facts(plan: CleanPlan) -> Iterator[tuple[str, str]]:
    from cosmos_core.runs.clean import FREED_BY_ALL, KEPT_WORDS

    if not plan.reachable:
        yield "why", one_line(plan.words)
        yield "next", one_line(plan.hint)
        return
    if plan.empty:
        yield "to go", "nothing"
    if plan.jobs:
        freed = sum(job.remains.bytes for job in plan.jobs)
        yield "to go", f"{_counted(len(plan.jobs), 'job folder')}, {size(freed)}"
    for job in plan.jobs[:_NAMED]:
        told = "  ".join(f"{run.id}  {run.status} {when(run.completed_at)}".rstrip() for run in job.runs)
        yield "", f"{told or job.remains.id}  {size(job.remains.bytes)}"
    if len(plan.jobs) > _NAMED:
        yield "", f"and {len(plan.jobs) - _NAMED} more"
    if plan.cache:
        freed = sum(file.bytes for file in plan.cache)
        yield "cache", f"{_counted(len(plan.cache), 'input')} that no job uses then, {size(freed)}"
    if plan.containers:
        yield "containers", f"{len(plan.containers)}, stopped: {' '.join(one.name for one in plan.containers[:_NAMED])}"
    if plan.tickets:
        yield "line", _counted(plan.tickets, "dead ticket")
    for reason, count in sorted(plan.count_kept().items()):
        more = "; --all removes them, too" if reason in FREED_BY_ALL else ""
        yield "stays", f"{count} {KEPT_WORDS[reason]}{more}"
    for trouble in plan.troubles:
        yield "not seen", one_line(trouble)


def _show_here(here: Leftovers) -> None:
    from cosmos_core.runs.leftovers import KEPT_WORDS, KIND_WORDS

    facts = []
    for kind, words in KIND_WORDS.items():
        if files := here.of(kind):
            facts.append(("to go", f"{_counted(len(files), words)}, {size(sum(file.bytes for file in files))}"))
    for reason, count in sorted(here.count_kept().items()):
        facts.append(("stays", f"{_counted(count, KIND_WORDS['sequence'])} {KEPT_WORDS[reason]}"))
    say(f"{styled('this machine', 'bold', sys.stdout)}  {here.folder}")
    print_facts(facts, indent="  ")


def _kinds(gone: Sequence[Leftover]) -> str:
    from cosmos_core.runs.leftovers import KIND_WORDS

    counts = (_counted(sum(file.kind == kind for file in gone), words) for kind, words in KIND_WORDS.items())
    return ", ".join(filter(None, counts))


def _tell(done: Cleaned) -> None:
    name = done.plan.target.name
    if done.words:
        before = f"{styled(name, 'bold', sys.stdout)}  "
        sys.stdout.write(wrapped(f"{one_line(done.words)}; {one_line(done.hint)}", before=before, to=sys.stdout))
        return
    if done.plan.empty or not done.plan.reachable:
        return
    kinds = {"job": "job folder", "cache": "input", "container": "container", "trash": "remainder"}
    counts = [_counted(sum(one == kind for one, _ in done.gone), word) for kind, word in kinds.items()]
    counts.append(_counted(done.tickets, "dead ticket"))
    say(f"{name}  removed {', '.join(filter(None, counts)) or 'nothing'}, {size(done.bytes)}")
    for kept in done.kept:
        sys.stdout.write(wrapped(f"{one_line(kept.words)}", before=f"  kept {kept.name}: ", to=sys.stdout))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}" if count else ""
