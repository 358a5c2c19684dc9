"""Bringing outputs home, and saying what they mean."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from attrs import evolve, frozen

from cosmos_core.errors import PluginError, TargetUnusable, UsageError
from cosmos_core.media import probe
from cosmos_core.models.verdict import matching, verdict
from cosmos_core.runs.work import Work
from cosmos_core.store.records import Artifact, JobRecord, RunRecord
from cosmos_core.targets.host import Host
from cosmos_core.values import Failure, Fetch, Outputs, Result

WANTED = {
    "all": ("result", "control", "log", "data"),
    "results": ("result", "log", "data"),
    "none": ("log", "data"),
}
"""What --fetch brings: roles of outputs."""


def artifacts_of(work: Work, outputs: str, listing: Mapping[str, int]) -> tuple[Artifact, ...]:
    """The artifacts that the plugin's patterns find in what lies below `outputs` on the host."""
    found: dict[str, Artifact] = {}
    last: dict[str, int] = {}  # of a name that many files have, the number given last
    for rel, size in listing.items():
        fetch = _pattern_of(work, rel)
        if fetch is None:
            continue
        name = first = fetch.name or rel
        while name in found:
            last[first] = last.get(first, 1) + 1
            name = f"{first}-{last[first]}"
        found[name] = Artifact(name=name, role=fetch.role, remote=f"{outputs}/{rel}", bytes=size)
    roles = WANTED["all"]
    return tuple(sorted(found.values(), key=lambda a: (roles.index(a.role) if a.role in roles else 9, a.name)))


def _pattern_of(work: Work, rel: str) -> Fetch | None:
    ours = (f for f in work.bundle.fetch if f.request in (None, work.run.id))
    return next((f for f in ours if matching(f.pattern, [rel])), None)


OnDownload = Callable[[int, int], None]
"""Told how many bytes are here, of how many."""


def fetch(
    artifacts: Sequence[Artifact],
    host: Host,
    outputs: str,
    folder: Path,
    what: str,
    *,
    on_download: OnDownload | None = None,
) -> tuple[Artifact, ...]:
    """Bring the wanted ones into `folder`, each with its digest and, for pictures, what a look into it showed."""
    wanted = {a.remote: _place_of(a, host, outputs, folder) for a in artifacts if a.role in WANTED[what]}
    here = {a.remote for a in artifacts if a.remote in wanted and _is_whole(a, wanted[a.remote])}
    missing = {remote: path for remote, path in wanted.items() if remote not in here}
    total, done = sum(a.bytes or 0 for a in artifacts if a.remote in missing), 0

    def moved(count: int) -> None:
        nonlocal done
        done += count
        if on_download:
            on_download(done, total)

    digests = host.get(missing, on_bytes=moved) if missing else {}
    return tuple(
        _looked_into(a, wanted[a.remote], digests.get(a.remote)) if a.remote in wanted else a for a in artifacts
    )


def _place_of(artifact: Artifact, host: Host, outputs: str, folder: Path) -> Path:
    rel = PurePosixPath(artifact.remote).relative_to(outputs)
    if ".." in rel.parts:
        raise TargetUnusable(f"{host.name} names an output outside its folder: {artifact.remote}")
    return folder / rel


def _is_whole(artifact: Artifact, path: Path) -> bool:
    """Whether it was brought before, and is what it was then."""
    if artifact.sha256 is None or not path.is_file() or path.stat().st_size != artifact.bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256


def _looked_into(artifact: Artifact, path: Path, sha256: str | None) -> Artifact:
    if sha256 is None:
        return evolve(artifact, path=str(path))
    media = probe(path).media if artifact.role in ("result", "control") else None
    return evolve(artifact, path=str(path), bytes=path.stat().st_size, sha256=sha256, media=media)


@frozen(kw_only=True)
class Ending:
    """What a job that ended came to: a final state, the outputs that say why, and warnings."""

    state: str
    outputs: Outputs
    warnings: tuple[str, ...] = ()


def judge(work: Work, run: RunRecord, result: Result, marks: Container[str] = ()) -> Ending:
    """Completed, failed or cancelled, from files, log, exit code and what was asked.

    The wish to cancel only counts where it was carried out: a job that was done before the signal came is done.
    A plugin that cannot read the outputs has no say in whether the job failed: PluginError is raised only where nothing
    else is wrong.
    """
    outputs, trouble = _parsed(work, result)
    failure = run.error  # decided while it ran
    if "timed_out" in marks:
        failure = Failure(
            code="time_limit",
            message=f"the time limit of {_duration(work.config.timeout_s)} was reached",
            hint="run it again with a longer --timeout",
        )
    elif "out_of_memory" in marks and failure is None:  # who kills it does not tell the toolkit why
        failure = Failure(
            code="out_of_memory",
            message="the container was killed because memory ran out",
            hint="this is the host's memory, not the GPU's: free some there, or raise the container's limit",
        )
    judged = _by_files(work, run, result, evolve(outputs, failure=failure) if failure else outputs)
    if trouble and judged.failure is None:
        raise trouble
    warnings = _not_read(trouble)
    if judged.failure and run.cancel_requested_at and "stopped" in marks:
        return Ending(state="cancelled", outputs=evolve(outputs, failure=None), warnings=warnings)
    return Ending(state="failed" if judged.failure else "completed", outputs=judged, warnings=warnings)


def remains(work: Work, run: RunRecord, result: Result) -> Ending:
    """What a job of which nobody knows how it ended left: it stays lost. `outputs.failure` says what is wrong with it,
    None where every file that it had to write is there and can be read."""
    outputs, trouble = _parsed(work, result)
    judged = _by_files(work, run, evolve(result, exit_code=0), outputs)
    return Ending(state="lost", outputs=judged, warnings=_not_read(trouble))


def _parsed(work: Work, result: Result) -> tuple[Outputs, PluginError | None]:
    try:
        (outputs,) = work.model.parse_outputs(work.job, result)
    except PluginError as error:
        return Outputs(), error
    return outputs, None


def _not_read(trouble: PluginError | None) -> tuple[str, ...]:
    return (f"outputs: what they mean could not be read: {trouble.message}",) if trouble else ()


def _by_files(work: Work, run: RunRecord, result: Result, outputs: Outputs) -> Outputs:
    judged = verdict(work.bundle, result, outputs)
    return judged if judged.failure else evolve(judged, failure=_unreadable(work, run))


def _unreadable(work: Work, run: RunRecord) -> Failure | None:
    required = [f.pattern for f in work.bundle.fetch if f.required]
    for artifact in run.artifacts:
        name = PurePosixPath(artifact.remote).name
        if artifact.media is None or artifact.media.kind != "unknown" or artifact.path is None:
            continue
        if any(matching(pattern, [artifact.remote.removeprefix(work.job.path("outputs/"))]) for pattern in required):
            why = probe(Path(artifact.path)).why
            return Failure(
                code="unreadable_output",
                message=f"{name} was written and cannot be read: {why}",
                hint=f"`cosmos retry {run.id}` runs it again",
                transient=True,
            )
    return None


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "the plugin's own choice"
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"


def is_here(artifact: Artifact) -> bool:
    """Whether an output was brought to this machine, and nobody has removed it."""
    return artifact.path is not None and Path(artifact.path).is_file()


def lacking(run: RunRecord, what: Literal["all", "results"]) -> list[Artifact]:
    """The outputs that are to be fetched and are not on this machine."""
    return [artifact for artifact in run.artifacts if artifact.role in WANTED[what] and not is_here(artifact)]


def refuse_what_is_gone(run: RunRecord, job: JobRecord, what: Literal["all", "results"]) -> None:
    """Raise UsageError where outputs that are to be fetched are neither here nor on their host any more."""
    gone = [artifact.name for artifact in lacking(run, what)]
    if job.removed_at is not None and gone:
        raise UsageError(
            f"{', '.join(gone[:3])}{', ...' * (len(gone) > 3)} of {run.id} cannot be fetched: its folder was removed"
            f" from {run.target} by `cosmos clean` on {job.removed_at.astimezone():%Y-%m-%d}",
            hint=f"`cosmos retry {run.id}` makes it anew",
        )
