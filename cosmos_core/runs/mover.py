"""The life of a run: the only code that moves one from state to state.

Every step first writes down what is about to happen, and may be entered again after a crash at any point. Only the
holder of the job's lease moves; each write says which state and which epoch it expects.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from attrs import evolve

from cosmos_core.config import Config
from cosmos_core.convert import from_json, to_json
from cosmos_core.errors import ConfigError, PluginError, TargetUnusable, UsageError
from cosmos_core.models import Models
from cosmos_core.runs.collect import artifacts_of, copy_result, fetch, judge
from cosmos_core.runs.lease import SECONDS, Lease, LeaseLost, held, is_dead, kept, this_process
from cosmos_core.runs.log import LogCopy
from cosmos_core.runs.plan import ExecutionConfig
from cosmos_core.runs.stage import stage, toolkit_version
from cosmos_core.runs.watch import Watch
from cosmos_core.runs.work import Work, secrets_of, work_of
from cosmos_core.store import Store, new_id
from cosmos_core.store.records import JobRecord, Paused, ProgressRecord, RunRecord
from cosmos_core.targets import open_host
from cosmos_core.targets.host import Host
from cosmos_core.targets.jobdir import JobDir
from cosmos_core.values import Bundle, Command, Failure, Result

Until = Literal["launched", "ended", "now"]
OnChange = Callable[[RunRecord], None]

_TRIES = (0.5, 1.0, 2.0)  # pauses before a transient error becomes a pause of the run
_GLANCE_S = 0.25  # how often an onlooker asks the store
_START_S = 30.0


class Mover:
    """Moves runs of one store. Its methods may be called from several threads for different runs."""

    def __init__(self, config: Config, models: Models, store: Store) -> None:
        self.config = config
        self.models = models
        self.store = store

    # -- the ways in -------------------------------------------------------------------------------------------

    def start(self, run_id: str, on_change: OnChange | None = None, until: Until = "launched") -> RunRecord:
        """Submit a stored run, or go on with one that stands still, until it was launched (or is paused)."""
        run = self.store.run(run_id)
        if run.ended:
            raise UsageError(f"{run_id} is {run.status} already", hint=f"`cosmos retry {run_id}` runs it again")
        if run.submitted_at is not None:
            return self.go_on(run_id, until, on_change)
        job_id = new_id("jb")
        target = _config_of(run).target  # as it was when the run was made
        if target.simulated:
            self.config.target(target.name)  # the simulator may be switched off
        job = JobRecord(
            id=job_id, target=run.target, dir=f"{target.work_dir}/jobs/{job_id}", created_at=datetime.now(UTC)
        )
        if not target.simulated:
            self.store.mark_real()
        epoch = self.store.submit(run_id, job, this_process(), SECONDS)
        try:
            with kept(self.store, job_id, epoch) as lease:
                return self._advance(run_id, lease, until, on_change)
        except LeaseLost:
            return self.go_on(run_id, until, on_change)

    def go_on(self, run_id: str, until: Until, on_change: OnChange | None = None) -> RunRecord:
        """Move a submitted run as far as `until`, or look on while another process does."""
        while True:
            run = self.store.run(run_id)
            if run.job_id is None:
                raise UsageError(f"{run_id} was never started", hint=f"`cosmos inference {run_id}` starts it")
            if run.ended and run.status != "lost":
                return run
            try:
                with held(self.store, run.job_id) as lease:
                    if lease is not None:
                        return self._advance(run_id, lease, until, on_change)
            except LeaseLost:
                pass
            if until == "now":
                return self.store.run(run_id)
            seen = self._look_on(run_id, until, on_change)
            if seen is not None:
                return seen

    def cancel(self, run_id: str) -> RunRecord:
        """End a run whose work is not done yet, whatever state it is in, whoever moves it."""
        run = self.store.run(run_id)
        if run.ended:
            return run
        self.store.request_cancel(run_id, datetime.now(UTC))
        run = self.store.run(run_id)
        if run.job_id is None:
            return run  # the store has ended a run that was only stored
        try:
            with held(self.store, run.job_id, steal=True) as lease:
                if lease is None:
                    raise AssertionError("a lease that is stolen is had")
                return self._advance(run_id, lease, "ended", None)
        except LeaseLost:  # to somebody else who cancels it
            return self.go_on(run_id, "ended")

    # -- looking on --------------------------------------------------------------------------------------------

    def _look_on(self, run_id: str, until: Until, on_change: OnChange | None) -> RunRecord | None:
        """What another process does with the run; None once its lease is free and the run is not done."""
        last: RunRecord | None = None
        while True:
            run = self.store.run(run_id)
            if on_change and run != last:
                on_change(run)
            last = run
            launched = run.started_at is not None or run.paused is not None
            if run.ended or (until == "launched" and launched):
                return run
            if run.job_id is None or self.store.lease_is_free(run.job_id, datetime.now(UTC), is_dead):
                return None
            time.sleep(_GLANCE_S)

    # -- moving ------------------------------------------------------------------------------------------------

    def _advance(self, run_id: str, lease: Lease, until: Until, on_change: OnChange | None) -> RunRecord:
        run = self.store.run(run_id)
        journey = _Journey(self, run, lease, until, on_change or (lambda _: None))
        for pause in (*_TRIES, None):
            try:
                return journey.go()
            except TargetUnusable as error:
                if not error.transient or pause is None or until == "now":
                    return journey.pause(error)
                threading.Event().wait(pause)
            except (PluginError, ConfigError) as error:
                return journey.pause(error)
        raise AssertionError("the last try ends the loop")


def _config_of(run: RunRecord) -> ExecutionConfig:
    config: ExecutionConfig = from_json(ExecutionConfig, run.execution_config)
    return config


def _shown(row: ProgressRecord) -> tuple[str, int | None, str]:
    """What of a row a reader can tell from the next."""
    return row.stage, None if row.percentage is None else int(row.percentage), row.message


class _Journey:
    """One mover's way with one run, under one lease."""

    def __init__(self, mover: Mover, run: RunRecord, lease: Lease, until: Until, on_change: OnChange) -> None:
        self.store = mover.store
        self.models = mover.models
        self.run = run
        self.lease = lease
        self.until = until
        self.on_change = on_change
        self.prompt = mover.store.prompt(run.prompt_id)
        self.job = mover.store.job(lease.job_id)
        self.folder = mover.config.outputs_dir / run.id
        self._host: Host | None = None
        self._work: Work | None = None
        self._shown = None if run.progress is None else _shown(run.progress)

    def go(self) -> RunRecord:
        """Step by step to the end, or as far as was asked."""
        if self.run.paused is not None:
            self._note(paused=None)
        steps: dict[str, Callable[[], bool]] = {
            "pending": self._prepare,
            "uploading": self._upload,
            "queued": self._launch,
            "running": self._watch,
            "downloading": self._download,
            "parsing": self._parse,
            "lost": self._find_again,
        }
        while (step := steps.get(self.run.status)) is not None:
            if self.run.cancel_requested_at and self.run.status in (
                "pending",
                "uploading",
                "queued",
                "running",
            ):
                self._stop()
                if self.run.ended:
                    break
            if not step():
                break
        return self.store.run(self.run.id)

    def pause(self, error: TargetUnusable | PluginError | ConfigError) -> RunRecord:
        """Stand still, with the reason; nothing is lost by it."""
        self._note(paused=Paused(since=datetime.now(UTC), reason=error.message, hint=error.hint))
        return self.store.run(self.run.id)

    # -- what a step works with --------------------------------------------------------------------------------

    @property
    def host(self) -> Host:
        if self._host is None:
            self._host = open_host(_config_of(self.run).target)  # without the plugin: a broken one must not matter
        return self._host

    @property
    def jobdir(self) -> JobDir:
        return JobDir(host=self.host, path=self.job.dir, job_id=self.job.id)

    @property
    def work(self) -> Work:
        """Converted once, then as it was written down when the job was staged."""
        if self._work is None:
            version = self.run.metadata.get("toolkit_version")
            work = work_of(self.run, self.prompt, self.models, self.job.dir, version)
            if self.job.bundle:
                work = evolve(
                    work,
                    bundle=from_json(Bundle, self.job.bundle),
                    command=from_json(Command, self.job.command),
                )
            self._work = work
        return self._work

    def _move(self, to: str, **changes: Any) -> bool:
        moved = self.store.move(self.run.id, job_epoch=self.lease.epoch, state=self.run.status, to=to, **changes)
        if not moved:
            raise LeaseLost
        self.run = evolve(self.run, status=to, **changes)
        self.on_change(self.run)
        return True

    def _note(self, **changes: Any) -> None:
        if not self.store.note(self.run.id, job_epoch=self.lease.epoch, **changes):
            raise LeaseLost
        self.run = evolve(self.run, **changes)
        self.on_change(self.run)

    def _progress(self, stage: str, fraction: float | None, message: str) -> None:
        percentage = None if fraction is None else round(min(max(fraction, 0.0), 1.0) * 100, 1)
        row = ProgressRecord(timestamp=datetime.now(UTC), stage=stage, percentage=percentage, message=message)
        if _shown(row) == self._shown:
            return
        self._shown = _shown(row)
        self.store.add_progress(self.run.id, row)
        self.run = evolve(self.run, progress=row)
        self.on_change(self.run)

    # -- the steps; each says whether to go on -----------------------------------------------------------------

    def _prepare(self) -> bool:
        self._progress("preparing", None, "converting inputs")
        return self._move("uploading")

    def _upload(self) -> bool:
        site = self.work.job.site
        version = toolkit_version(self.host, self.work.toolkit, site.workdir)
        metadata = {**self.run.metadata, "host": self.host.name, "toolkit_version": version}
        self._note(metadata=metadata)
        self._work = None  # converted anew, now that the version is known
        self._progress("uploading", None, f"{len(self.prompt.inputs)} inputs to {self.host.name}")
        stage(self.work, self.host, self.jobdir, store_id=self.store.id)
        kept = self.store.update_job(
            self.job.id,
            epoch=self.lease.epoch,
            document=to_json(self.work.job),
            bundle=to_json(self.work.bundle),
            command=to_json(self.work.command),
        )
        if not kept:
            raise LeaseLost
        return self._move("queued")

    def _launch(self) -> bool:
        if self.host.stat(self.jobdir.at("job.sh")) is None:  # it may have been started before: never a second time
            return self._lose("absent")
        self._progress("queued", None, "starting")
        if not self.jobdir.has("started"):
            self.jobdir.start(secrets_of(self.work.config.target))
        deadline = time.monotonic() + _START_S
        while (started := self.jobdir.started_at()) is None and self.jobdir.ended() is None:
            if time.monotonic() > deadline:
                raise TargetUnusable(
                    f"job.sh on {self.host.name} was called and has not begun",
                    hint=f"look into {self.job.dir}/run.log there, then `cosmos sync`",
                )
            time.sleep(0.002)
        self._move("running", started_at=started)
        return self.until != "launched"

    def _watch(self) -> bool:
        log = LogCopy(self.host, self.jobdir.at("run.log"), self.folder / "run.log")
        watch = Watch(work=self.work, jobdir=self.jobdir, log=log, lease=self.lease)
        for progress in watch.follow(once=self.until == "now"):
            if progress.doomed is not None:
                if self.run.error is None:
                    self._note(error=progress.doomed)  # written down before the job is stopped for it
                self.jobdir.stop()
            self._progress("inference", watch.fraction, progress.message)
        if watch.evidence is None:
            self._note(checked_at=datetime.now(UTC), reachable=True)
            return False
        if watch.evidence.state != "ended":
            return self._lose(watch.evidence.state)
        kept = self.store.update_job(self.job.id, epoch=self.lease.epoch, exit_code=watch.evidence.exit_code)
        if not kept:
            raise LeaseLost
        self.job = evolve(self.job, exit_code=watch.evidence.exit_code)
        return self._move("downloading", checked_at=datetime.now(UTC), reachable=True)

    def _lose(self, seen: str) -> bool:
        words = {
            "gone": "its processes are gone and left no exit code",
            "absent": f"its folder {self.job.dir} is gone",
            "unclaimed": "it was started, and its folder knows nothing of that",
        }[seen]
        failure = Failure(
            code="lost",
            message=f"what became of the job on {self.host.name} is unknown: {words}",
            hint=f"`cosmos logs {self.run.id}` shows what there is; `cosmos retry {self.run.id}` runs it again",
        )
        self._move("lost", error=failure, completed_at=datetime.now(UTC))
        return False

    def _find_again(self) -> bool:
        """Only what is lost may be corrected, and only by evidence."""
        found = self.jobdir.look()
        if found.state not in ("ended", "alive"):
            return False
        return self._move("running", error=None, completed_at=None)

    def _stop(self) -> None:
        """Carry out the wish to cancel; what was never launched ends here."""
        if self.host.stat(self.jobdir.at("job.sh")) is not None:
            self.jobdir.stop()
            if self.jobdir.has("started"):
                return  # it has an end to be understood like any other
        self._move("cancelled", completed_at=datetime.now(UTC))

    def _download(self) -> bool:
        outputs = self.jobdir.at("outputs")
        self._progress("downloading", None, "outputs")
        if self.host.stat(outputs) is None:
            return self._lose("absent")
        listing = dict(self.host.list(outputs))
        if not self.store.update_job(self.job.id, epoch=self.lease.epoch, listing=listing):
            raise LeaseLost
        self.job = evolve(self.job, listing=listing)
        found = artifacts_of(self.work, outputs, listing)
        artifacts = fetch(found, self.host, outputs, self.folder, self.work.config.fetch)
        if not self.store.put_artifacts(self.run.id, artifacts, job_epoch=self.lease.epoch):
            raise LeaseLost
        self.run = evolve(self.run, artifacts=artifacts)
        return self._move("parsing")

    def _parse(self) -> bool:
        self.run = self.store.run(self.run.id)
        result = Result(
            files=self.job.listing or {},
            folder=self.folder,
            log=self.folder / "run.log",
            exit_code=self.job.exit_code,
        )
        timed_out, stopped = self.jobdir.has("timed_out"), self.jobdir.has("stopped")
        ending = judge(self.work, self.run, result, timed_out=timed_out, stopped=stopped)
        warnings = self.run.warnings
        if ending.state == "completed" and self.work.config.copy_to:
            warnings = (*warnings, *self._copied(self.work.config.copy_to))
        self._move(
            ending.state,
            completed_at=datetime.now(UTC),
            values=ending.outputs.values,
            scores=ending.outputs.scores,
            text=ending.outputs.text,
            error=ending.outputs.failure,
            warnings=warnings,
        )
        return False

    def _copied(self, to: str) -> tuple[str, ...]:
        """Copy the result; where that fails the run is no less complete, and says so."""
        try:
            copied = copy_result(self.run, str(Path(to)))
        except OSError as error:
            return (f"output: could not copy the result to {to}: {error.strerror}",)
        return () if copied else (f"output: there is no result to copy to {to}",)
