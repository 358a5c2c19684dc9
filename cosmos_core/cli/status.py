"""`cosmos status`: the targets, who uses them, and what of ours is there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from cosmos_core.cli.base import Command, json_option, opened, shared_of
from cosmos_core.cli.screen import one_line, print_facts, print_json, put, say, span, styled, wrapped

if TYPE_CHECKING:
    from cosmos_core.runs.status import JobStatus, TargetStatus, Waiting
    from cosmos_core.targets.overview import GpuUse

_MIB_PER_GIB = 1024
_STATES = {
    "absent": "its folder is not there",
    "idle": "not started",
    "untended": "running, its keeper is gone",
    "ended": "ended",
    "gone": "gone without an end",
    "away": "unknown: Docker does not answer",
    "unknown": "unknown",
}


@click.command(
    cls=Command,
    examples="""
cosmos status
cosmos status --json
""",
)
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Whether the targets can be used, who uses their GPUs, what runs, what waits, and what nobody looks after.

    All targets are asked at the same time. Nothing is moved or ended; `cosmos sync` moves runs on.
    """
    with opened(ctx) as cosmos:
        found = cosmos.status(since=shared_of(ctx).began)
    if as_json:
        from cosmos_core.documents import items_document, target_status_document

        print_json(items_document([target_status_document(target) for target in found]))
        return
    for number, target in enumerate(found):
        if number:
            say("")
        _show(target)


def _show(target: TargetStatus) -> None:
    usable = styled("usable", "green", sys.stdout) if target.reachable else styled("not usable", "red", sys.stdout)
    before = f"{styled(target.name, 'bold', sys.stdout)}  {usable}  "
    put(wrapped(f"{target.host}{_how_many_gpus(target)}", before=before, to=sys.stdout), sys.stdout)
    facts = [
        ("note", "simulated: stand-ins play every toolkit, no GPU is used" if target.simulated else ""),
        ("why", target.words),
        ("next", target.hint),
    ]
    if target.gpu_list or target.jobs or target.line:
        facts += [*_gpus(target), *_jobs(target), *_line(target)]
    else:
        facts += [
            ("running", " ".join(run.id for run in target.running) or ("none" if target.reachable else "")),
            ("waiting", " ".join(run.id for run in target.waiting)),
        ]
    facts += [("not seen", trouble) for trouble in target.troubles]
    for stray in target.unaccounted:
        facts += [("paused" if stray.kind == "paused" else "stray", one_line(stray.message)), (" ", stray.hint)]
    print_facts(facts, indent="  ")


def _how_many_gpus(target: TargetStatus) -> str:
    if target.gpus is None:
        return ""
    there = len(target.gpu_list)
    if there > target.gpus:
        return f", of {there} GPUs {' '.join(map(str, target.our_gpus))} are ours"
    return f", {target.gpus} GPU{'s' * (target.gpus != 1)}"


def _gpus(target: TargetStatus) -> Iterator[tuple[str, str]]:
    names = [use.gpu.name.removeprefix("NVIDIA ") for use in target.gpu_list]
    width = max(map(len, names), default=0)
    for name, use in zip(names, target.gpu_list, strict=True):
        gpu = use.gpu
        memory = "? GiB" if gpu.used_mib is None else f"{gpu.used_mib / _MIB_PER_GIB:4.1f}"
        if gpu.used_mib is not None and gpu.memory_mib is not None:
            memory += f"/{gpu.memory_mib / _MIB_PER_GIB:.1f} GiB"
        load = "  ?" if gpu.load is None else f"{gpu.load:3}%"
        yield f"GPU {gpu.index}", f"{name:{width}}  {memory}  {load}  {_users(use, target)}"


def _users(use: GpuUse, target: TargetStatus) -> str:
    """Who uses a GPU: jobs by their run's id, others by what is known of them."""
    words = [_job_named(use.held_by, target)] if use.held_by else []
    words += [_job_named(one.job, target) for one in use.processes if one.job and one.job != use.held_by]
    others = [one for one in use.processes if one.job is None]
    if others:
        named = ", ".join(f"pid {one.pid}" + (f" ({one.user})" if one.user else "") for one in others)
        words.append(f"others: {named}")
    elif use.used_by_others:
        words.append("in use by others")
    return "; ".join(dict.fromkeys(words)) or "free"


def _job_named(job_id: str, target: TargetStatus) -> str:
    job = next((job for job in target.jobs if job.seen.id == job_id), None)
    if job is None:
        return job_id
    return job.run.id if job.run else f"{job_id} of {job.seen.user or 'somebody'}"


def _named(job: JobStatus) -> str:
    """A run of ours by its id; anybody else's job with its user."""
    return _whose(job.seen.id, job.run.id if job.run else None, job.seen.user, ours=job.ours)


def _whose(job: str, run: str | None, user: str | None, *, ours: bool) -> str:
    if run:
        return run
    return f"{job} of {user or 'somebody'}{'' if ours else ', other store'}"


def _jobs(target: TargetStatus) -> Iterator[tuple[str, str]]:
    """What runs, and what of ours is neither running nor in the line."""
    waiting = {one.ticket.job for one in target.line}
    works = [job for job in target.jobs if job.seen.works]
    if not works:
        yield "running", "nothing"
    for job in works:
        seen = job.seen
        words = [_named(job)]
        if seen.since:
            words.append(f"for {span(_seconds(seen.since))}")
        if seen.gpus:
            words.append(f"on GPU {' '.join(map(str, seen.gpus))}")
        if seen.state == "untended":
            words.append("its keeper is gone; `cosmos sync` gives it a new one")
        yield "running", ", ".join(words)
    for job in target.jobs:
        paused = job.run is not None and job.run.paused is not None  # that is told below, with its reason
        if not job.seen.works and job.seen.id not in waiting and not paused:
            state = _STATES.get(job.seen.state, job.seen.state)
            stored = ""
            if job.run and job.seen.state not in ("waiting", "starting"):
                stored = f"; last seen {job.run.status}, `cosmos sync` moves it on"
            yield "also", f"{_named(job)}, {state}{stored}"


def _line(target: TargetStatus) -> Iterator[tuple[str, str]]:
    for one in target.line:
        yield "waiting", f"{one.place}. {_in_line(one)}"


def _in_line(one: Waiting) -> str:
    ticket = one.ticket
    who = _whose(ticket.job, one.run.id if one.run else None, ticket.user, ours=one.ours)
    wants = "" if ticket.want is None else f", wants {ticket.want} GPU{'s' * (ticket.want != 1)}"
    return f"{who}{wants}, for {span(_seconds(ticket.since))}"


def _seconds(moment: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())
