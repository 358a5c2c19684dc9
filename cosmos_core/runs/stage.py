"""Putting a job on its host: what is there is looked at first, then all of it goes. Twice does nothing more."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from attrs import frozen

from cosmos_core import __version__
from cosmos_core.errors import TargetUnusable
from cosmos_core.runs.sites import refuse_for_real
from cosmos_core.runs.work import STAND_IN, Work, stand_in_archive
from cosmos_core.store.records import InputRecord
from cosmos_core.targets.cache import cached_path, is_right, seal, upload
from cosmos_core.targets.docker import Image, look_at_image
from cosmos_core.targets.gpus import count_gpus
from cosmos_core.targets.host import Host, OnWait, Span, Tree
from cosmos_core.targets.script import GpuWish, Script
from cosmos_core.values import Toolkit

OnUpload = Callable[[int, int], None]
"""Told how many bytes are there, of how many."""


@frozen(kw_only=True)
class Found:
    """What a host has, looked at before a job is put there."""

    host: str
    toolkit_version: str | None = None
    image: Image | None = None
    gpus: tuple[int, ...] | None = None  # the indexes that are ours; None: nobody says, and nothing is waited for

    @property
    def metadata(self) -> Mapping[str, object]:
        """What of it belongs into a run's provenance."""
        image = {"image_digest": self.image.digest} if self.image else {}
        return {"host": self.host, "toolkit_version": self.toolkit_version, **image}


def survey(work: Work, host: Host) -> Found:
    """Look at what a job needs on its host. Raises TargetUnusable where something is missing, UsageError where the
    simulator would run it for real: its plugin may be another than when the run was stored.
    """
    target, site = work.config.target, work.config.toolkit
    refuse_for_real(work.toolkit, target)
    docker = target.runtime == "docker"
    image = look_at_image(host, target.docker, site.image) if docker and site.image else None
    repo = None if target.simulated or work.toolkit.workdir is None else site.repo
    _look_at_needs(work, host, repo)
    return Found(
        host=host.name,
        toolkit_version=_version(host, work.toolkit, repo),
        image=image,
        gpus=_our_gpus(work, host),
    )


def _look_at_needs(work: Work, host: Host, repo: str | None) -> None:
    needs = dict(work.bundle.needs)
    if repo is not None:
        where = f'targets.{work.config.target.name}.toolkits."{work.toolkit.name}".repo'
        needs[repo] = f"the repository of {work.toolkit.name}: install it there, or correct {where}"
    for place in work.bundle.places:
        if there := work.lies_there(place.input):
            needs[there] = f"it is {place.input.slot}: put it back"
    found = host.stat(list(needs)) if needs else {}
    missing = [f"{path}: {remedy}" for path, remedy in needs.items() if path not in found]
    hint = "put that right, then `cosmos sync` goes on with the run"
    if missing:
        raise TargetUnusable(f"{host.name} lacks " + "; ".join(missing), hint=hint)
    for place in work.bundle.places:
        there, record = work.lies_there(place.input), work.record_of(place.input)
        # its size alone: reading it there would take long
        if there and record.bytes is not None and found[there].bytes != record.bytes:
            words = f"{there} on {host.name} has changed since its prompt was stored: it was {record.bytes} bytes long"
            raise TargetUnusable(words, hint=hint)


def _version(host: Host, toolkit: Toolkit, repo: str | None) -> str | None:
    """The version that the toolkit's repository on the host states, if it can be found."""
    if toolkit.version_in is None or repo is None:
        return None
    file, pattern = toolkit.version_in
    (content,) = host.read([Span(f"{repo}/{file}")])
    found = re.search(pattern, content.decode("utf-8", "replace"))
    return found[1] if found else None


def _our_gpus(work: Work, host: Host) -> tuple[int, ...] | None:
    """The GPUs that the job may use. Raises TargetUnusable where it wants more than there are."""
    target, wanted = work.config.target, work.command.resources.gpus
    if wanted == 0 or target.gpus == 0:
        return None
    if target.simulated and target.gpus is None:  # one job at a time, so as not to drown this machine
        return tuple(range(wanted)) if shutil.which("flock") else None  # macOS has none, and needs no line
    if target.gpus is None:
        count = count_gpus(host)
        if count is None and target.runtime == "docker":
            raise TargetUnusable(
                f"the job wants {wanted} GPU{'s' * (wanted > 1)}, and nvidia-smi on {host.name} does not list any",
                hint=f"set gpus = N in [targets.{target.name}], and run it again",
            )
        if count is None:
            return None
        ours = tuple(range(count))
    else:
        ours = target.gpus if isinstance(target.gpus, tuple) else tuple(range(target.gpus))
    if wanted > len(ours):
        raise TargetUnusable(
            f"the job wants {wanted} GPUs, and {len(ours)} of {host.name} are ours",
            hint=f"run it again with --gpus {len(ours)}, or correct gpus in [targets.{target.name}]",
        )
    return ours


def stage(
    work: Work,
    host: Host,
    found: Found,
    *,
    store_id: str,
    on_upload: OnUpload | None = None,
    on_wait: OnWait | None = None,
) -> None:
    """Everything the job needs, job.sh last: its presence says that the folder is complete.

    `on_wait` is told while another run sends what this one needs, too. Raises TargetUnusable where something cannot be
    written.
    """
    target = work.config.target
    host.lay_out(target.work_dir, Tree())  # first, so that it is ours alone whatever lies in it
    cached = _bring_inputs(work, host, on_upload, on_wait)
    folders = ["inputs", "outputs", "tmp"]
    links: list[tuple[str, str]] = []
    symbolic: list[tuple[str, str]] = []
    files: list[tuple[str, bytes, int]] = []
    for place in work.bundle.places:
        there = work.lies_there(place.input)
        if there is None:
            links.append((place.to, cached[work.record_of(place.input)]))
        elif target.runtime == "docker":
            files.append((place.to, b"", 0o600))  # where it will be mounted
        else:
            symbolic.append((place.to, there))
    files += [(file.path, file.content, 0o600) for file in work.bundle.files]
    if target.simulated and work.toolkit.stand_in:
        files.append((STAND_IN, stand_in_archive(work.toolkit.stand_in), 0o600))
    files.append(("job.json", _job_json(work, store_id), 0o600))
    files.append(("job.sh", _script(work, found, store_id), 0o700))
    host.lay_out(work.job.dir, Tree(folders=folders, links=links, symbolic=symbolic, files=files))


def _bring_inputs(
    work: Work, host: Host, on_upload: OnUpload | None, on_wait: OnWait | None
) -> Mapping[InputRecord, str]:
    """Where each input is in the host's cache; those that are not there yet are brought."""
    places = _places(work)
    outputs = {r: r.remote for r in places if r.remote and r.target == work.config.target.name}
    there = host.stat([*places.values(), *outputs.values()]) if places else {}
    missing: dict[str, InputRecord] = {}
    for record, place in places.items():
        if record.sha256 and is_right(host, place, record.sha256, there, record.bytes):
            continue
        if place in there:  # it was damaged, and an earlier try may have linked it into the job, which never began
            host.remove(f"{work.job.dir}/inputs")
        remote = outputs.get(record)  # an output of an earlier run that is still there: no byte moves
        if not (remote and remote in there and _linked(host, remote, place, record)):
            missing[place] = record
    total, done = sum(record.bytes or 0 for record in missing.values()), 0
    more = total

    def moved(count: int) -> None:
        nonlocal done
        done += count
        if on_upload:
            on_upload(done, total)

    for place, record in missing.items():
        more -= record.bytes or 0
        source = Path(record.path) if record.path else None
        upload(host, source, place, record.sha256 or "", more=more, on_bytes=moved, on_wait=on_wait)
    return places


def _places(work: Work) -> dict[InputRecord, str]:
    """Where each input that does not lie on the host anyway belongs in its cache."""
    places: dict[InputRecord, str] = {}
    for place in work.bundle.places:
        if work.lies_there(place.input):
            continue
        record = work.record_of(place.input)
        if record.sha256 is None:
            hint = f"`cosmos fetch {record.run_id}`, then run again"
            raise TargetUnusable(f"{record.ref} was never fetched", hint=hint)
        suffix = PurePosixPath(record.name).suffix.lower()
        places[record] = cached_path(work.config.target.work_dir, record.sha256, suffix)
    return places


def _linked(host: Host, output: str, place: str, record: InputRecord) -> bool:
    """Give an output a second name in the cache, if it still is what it was."""
    assert record.sha256
    host.link(output, place)
    if host.verify(place, record.sha256, mtime=seal(record.sha256)):
        return True
    host.remove(place)
    return False


def _script(work: Work, found: Found, store_id: str) -> bytes:
    target, wanted = work.config.target, work.command.resources
    user = str(work.run.metadata.get("user") or "?")
    limit = work.config.timeout_s or (wanted.minutes * 60 if wanted.minutes else None)
    gpus = None
    if found.gpus is not None:
        gpus = GpuWish(
            count=wanted.gpus,
            allowed=found.gpus,
            lock_dir=target.lock_dir,
            if_busy=work.config.if_busy,
            owner=f"user={re.sub(r'[^A-Za-z0-9_.@-]', '_', user)} store={store_id}",
        )
    job_id = work.job.dir.rpartition("/")[2]
    labels = {"cosmos.job": job_id, "cosmos.store": store_id, "cosmos.user": user, "cosmos.run": work.run.id}
    runtime = work.runtime(found.image.entrypoint if found.image else (), labels)
    return Script(job_id=job_id, dir=work.job.dir, runtime=runtime, gpus=gpus, time_limit_s=limit).content


def _job_json(work: Work, store_id: str) -> bytes:
    """Whose job this is, for people and programs that find the folder."""
    about = {
        "job": work.job.dir.rpartition("/")[2],
        "store": store_id,
        "user": work.run.metadata.get("user"),
        "runs": [request.id for request in work.job.requests],
        "model": work.model.name,
        "toolkit": work.toolkit.name,
        "cosmos": __version__,
        "argv": work.argv,
        "cwd": work.cwd,
    }
    return f"{json.dumps(about, indent=2, ensure_ascii=False)}\n".encode()
