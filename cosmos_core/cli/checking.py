"""`cosmos targets check`: everything that is wrong with a target, and its toolkits' smallest jobs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cosmos_core.cli.base import Command, json_option, opened, shared_of
from cosmos_core.cli.completing import complete_targets
from cosmos_core.cli.screen import print_json, say, styled, whole, wrapped
from cosmos_core.errors import UsageError

if TYPE_CHECKING:
    from cosmos_core.app import Cosmos
    from cosmos_core.runs.check import Check
    from cosmos_core.runs.smoke import Smoke
    from cosmos_core.targets.findings import Finding

_USABLE, _FAILED, _PROBLEM = 0, 1, 4
_MARKS = {"ok": ("ok", "green"), "warning": ("!", "yellow"), "problem": ("x", "red"), "not looked at": ("-", "dim")}


@click.command(
    cls=Command,
    examples="""
cosmos targets check h100
cosmos targets check h100 --smoke   also run each toolkit's smallest job
cosmos targets check h100 --json
""",
)
@click.argument("name", shell_complete=complete_targets)
@click.option("--smoke", is_flag=True, help="Run each toolkit's smallest real job too, and write a report.")
@click.option(
    "--report",
    metavar="PATH",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the report goes, with --smoke.  [default: ./cosmos-report-NAME-DATE.md]",
)
@json_option
@click.pass_context
def check(ctx: click.Context, name: str, smoke: bool, report: Path | None, as_json: bool) -> None:
    """Find everything that keeps jobs from running on a target, each with its remedy.

    Nothing there is changed; folders that are tried out are removed again. It ends with 4 where a problem is left.
    """
    if report is not None and not smoke:
        raise UsageError("--report goes with --smoke", hint=f"`cosmos targets check {name} --smoke --report {report}`")
    as_json = as_json or shared_of(ctx).as_json  # it may stand before the command, too
    with opened(ctx) as cosmos:
        checked = cosmos.check(name)
        if not as_json:
            _show(checked)
        smokes: Sequence[Smoke] = ()
        if smoke:
            smokes = _run_smallest(cosmos, checked, as_json=as_json) if checked.usable else ()
            report = _write(checked, smokes, report)
        if as_json:
            from cosmos_core.documents import check_document

            print_json(check_document(checked, smokes, report))
        else:
            _say_how_to_go_on(checked, smokes, report, smoke=smoke)
    ctx.exit(_exit_code(checked, smokes))


def _show(checked: Check) -> None:
    target = checked.target
    runs = "simulated" if target.simulated else {"docker": "jobs in Docker"}.get(target.runtime, "jobs as processes")
    say(f"{styled(target.name, 'bold', sys.stdout)}  {target.host or 'this machine'}, {runs}")
    width = max(len(finding.subject) for finding in checked.findings if finding.grade != "not looked at")
    for finding in checked.findings:
        sys.stdout.write(_lines(finding, width))


def _lines(finding: Finding, width: int) -> str:
    """The mark, what was seen, and the remedy below."""
    mark, style = _MARKS[finding.grade]
    if finding.grade == "not looked at":
        return wrapped(f"{finding.subject}: {finding.seen}", before=f"{mark}   ", to=sys.stdout, style=style)
    before = f"{styled(f'{mark:2}', style, sys.stdout)}  {finding.subject:{width}}  "
    indent = " " * (width + 6)
    lines = wrapped(finding.seen, before=before, to=sys.stdout)
    if finding.remedy:
        lines += wrapped(finding.remedy, before=f"{indent}-> ", to=sys.stdout)
    return lines


def _run_smallest(cosmos: Cosmos, checked: Check, *, as_json: bool) -> list[Smoke]:
    from cosmos_core.cli.attached import tell_end
    from cosmos_core.cli.progress import progress_of

    if not as_json:
        say("")
    shown = progress_of("none" if as_json else None)
    done: list[Smoke] = []
    smokes = cosmos.smoke(checked, shown.update)
    while True:
        with shown:
            smoke = next(smokes, None)
            if smoke is not None and smoke.run is not None:
                shown.done(smoke.run)
        if smoke is None:
            return done
        done.append(smoke)
        if as_json:
            continue
        if smoke.run is not None:
            tell_end(cosmos, smoke.run)
        else:
            say(f"{smoke.toolkit}  {smoke.outcome}")


def _write(checked: Check, smokes: Sequence[Smoke], report: Path | None) -> Path:
    from cosmos_core.runs.report import report_name, report_of

    now = datetime.now(UTC)
    path = report or Path(report_name(checked.target, now))
    try:
        path.write_text(report_of(checked, smokes, now), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror}", hint="choose another place: --report PATH"
        ) from error
    return path


def _exit_code(checked: Check, smokes: Sequence[Smoke]) -> int:
    outcomes = {smoke.outcome for smoke in smokes if smoke.run is not None}
    if outcomes - {"completed", "paused"}:
        return _FAILED
    return _USABLE if checked.usable and "paused" not in outcomes else _PROBLEM


def _say_how_to_go_on(checked: Check, smokes: Sequence[Smoke], report: Path | None, *, smoke: bool) -> None:
    problems, warnings = checked.count("problem"), checked.count("warning")
    counts = [_counted(problems, "problem"), _counted(warnings, "warning")]
    name, rest = checked.target.name, " and ".join(filter(None, counts))
    say("")
    if report is not None:
        sys.stdout.write(wrapped(whole(str(report)), before="report  ", to=sys.stdout))
    if problems:
        first = next(finding for finding in checked.findings if finding.grade == "problem")
        skipped = "; no job was run" if smoke else ""
        then = f"`cosmos targets check {name}` looks again"
        text = f"not usable: {rest}{skipped}. Begin with `{first.subject}`; {then}"
    elif not checked.toolkits:
        text = f"usable, {rest}; no toolkit is configured, so {'no job was run' if smoke else 'no job can run yet'}"
    elif smoke:
        good = sum(one.outcome == "completed" for one in smokes)
        text = f"usable{f', {rest}' if rest else ''}; {good} of {_counted(len(smokes), 'toolkit')} ran to the end"
    else:
        tries = f"`cosmos targets check {name} --smoke` runs each toolkit's smallest job"
        text = f"usable{f', {rest}' if rest else ''}; {tries}"
    sys.stdout.write(wrapped(text, before="", to=sys.stdout))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}" if count else ""
