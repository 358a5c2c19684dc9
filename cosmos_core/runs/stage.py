"""Putting a job's files on its host; doing it twice does nothing more."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath

from cosmos_core import __version__
from cosmos_core.config import Target
from cosmos_core.errors import TargetUnusable
from cosmos_core.runs.work import STAND_IN, Work, stand_in_archive
from cosmos_core.store.records import InputRecord
from cosmos_core.targets.cache import cached_path, ensure
from cosmos_core.targets.host import Host
from cosmos_core.targets.jobdir import JobDir
from cosmos_core.values import Input, Toolkit


def toolkit_version(host: Host, toolkit: Toolkit, repo: str | None) -> str | None:
    """The version that the toolkit's repository on the host states, if it can be found."""
    if toolkit.version_in is None or repo is None:
        return None
    file, pattern = toolkit.version_in
    found = re.search(pattern, host.read(f"{repo}/{file}").decode("utf-8", "replace"))
    return found[1] if found else None


def stage(work: Work, host: Host, jobdir: JobDir, *, store_id: str) -> None:
    """Everything the job needs, job.sh last: its presence says that the folder is complete.

    Raises TargetUnusable where something the job needs is not there or cannot be written.
    """
    _look_at_needs(work, host)
    host.mkdir(work.config.target.work_dir)  # first, so that it is ours alone whatever lies in it
    jobdir.make()
    for place in work.bundle.places:
        record = _record_of(place.input, work)
        there, symbolic = _on_the_host(record, host, work.config.target, jobdir.at("tmp/upload"))
        host.mkdir(str(PurePosixPath(jobdir.at(place.to)).parent))
        host.link(there, jobdir.at(place.to), symbolic=symbolic)
    for file in work.bundle.files:
        host.mkdir(str(PurePosixPath(jobdir.at(file.path)).parent))
        host.put(file.content, jobdir.at(file.path))
    if work.config.target.simulated and work.toolkit.stand_in:
        host.put(stand_in_archive(work.toolkit.stand_in), jobdir.at(STAND_IN))
    host.put(_job_json(work, jobdir, store_id), jobdir.at("job.json"))
    minutes = work.command.resources.minutes
    limit = work.config.timeout_s or (minutes * 60 if minutes else None)
    jobdir.write_script(work.script, limit)


def _look_at_needs(work: Work, host: Host) -> None:
    needs = list(work.bundle.needs)
    repo = work.job.site.workdir
    if repo is not None:
        where = f'targets.{work.config.target.name}.toolkits."{work.toolkit.name}".repo'
        needs.append((repo, f"the repository of {work.toolkit.name}: install it there, or correct {where}"))
    missing = [f"{path}: {remedy}" for path, remedy in needs if host.stat(path) is None]
    if missing:
        raise TargetUnusable(
            f"{host.name} lacks " + "; ".join(missing),
            hint="put that right, then `cosmos sync` goes on with the run",
        )


def _record_of(wanted: Input, work: Work) -> InputRecord:
    records = (r for r in work.prompt.inputs if (r.slot, r.name, r.sha256) == (wanted.slot, wanted.name, wanted.sha256))
    found = next(records, None)
    if found is None:  # the models room has checked that places hold inputs of the request
        raise AssertionError(f"no input {wanted.slot} in {work.prompt.id}")
    return found


def _on_the_host(record: InputRecord, host: Host, target: Target, staging: str) -> tuple[str, bool]:
    """Where the file is on the host, uploaded if need be, and whether to link to it symbolically."""
    if record.remote and record.target == target.name and record.run_id is None:
        return record.remote, True  # the user's own file: never a second name for it
    suffix = PurePosixPath(record.name).suffix.lower()
    if record.sha256 is None or record.bytes is None:
        raise TargetUnusable(f"{record.ref} was never fetched", hint=f"`cosmos fetch {record.run_id}`, then run again")
    if record.remote and record.target == target.name:  # an output of an earlier run that is still there: no byte moves
        found = host.stat(record.remote)
        if found and found.bytes == record.bytes:
            cached = cached_path(target.work_dir, record.sha256, suffix)
            host.mkdir(str(PurePosixPath(cached).parent))
            host.link(record.remote, cached)
            return cached, False
    source = Path(record.path) if record.path else None
    return ensure(host, target.work_dir, source, record.sha256, record.bytes, suffix, staging=staging), False


def _job_json(work: Work, jobdir: JobDir, store_id: str) -> bytes:
    """Whose job this is, for people and programs that find the folder."""
    about = {
        "job": jobdir.job_id,
        "store": store_id,
        "user": work.run.metadata.get("user"),
        "runs": [request.id for request in work.job.requests],
        "model": work.model.name,
        "toolkit": work.toolkit.name,
        "cosmos": __version__,
        "argv": work.argv,
        "cwd": work.cwd,
    }
    return json.dumps(about, indent=2, ensure_ascii=False).encode()
