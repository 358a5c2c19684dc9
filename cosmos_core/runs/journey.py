"""One mover's way with one run: each step is written down before it is done, and entered again after a crash."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, cast

from attrs import evolve

from cosmos_core.config import Config
from cosmos_core.convert import from_json, to_json
from cosmos_core.errors import PluginError, TargetUnusable, UsageError
from cosmos_core.models import Models
from cosmos_core.runs.collect import Ending, artifacts_of, fetch, judge, remains
from cosmos_core.runs.copying import NOT_COPIED, copy_result, fault_of
from cosmos_core.runs.corrections import corrected, kept_settings
from cosmos_core.runs.lease import Lease, LeaseLost
from cosmos_core.runs.log import LogCopy
from cosmos_core.runs.plan import config_of
from cosmos_core.runs.reasons import docker_away, instead, loss, refusal, silent
from cosmos_core.runs.remains import remove_remains
from cosmos_core.runs.secrets import secrets_of
from cosmos_core.runs.stage import stage, survey
from cosmos_core.runs.teller import Teller
from cosmos_core.runs.transfer import Transfer
from cosmos_core.runs.watch import Watch
from cosmos_core.runs.work import Work, work_of
from cosmos_core.store import Store
from cosmos_core.store.records import UNBEGUN, Artifact, Paused, Queue, RunRecord, Status
from cosmos_core.targets import Hosts
from cosmos_core.targets.host import Host, Span
from cosmos_core.targets.jobdir import Evidence, JobDir
from cosmos_core.values import Bundle, Command, Result

Until = Literal["launched", "ended", "now"]
Wanted = Literal["all", "results", "none"]
"""Which outputs are to come here."""
OnChange = Callable[[RunRecord], None]

_START_S = 30.0
_AT_ONCE_S = 0.2  # a job that need not wait begins within that time: to ask after it would only hold it up
_CLOSELY_S = 2.0
_PATIENCE_S = 1.0  # who launches is told that it waits only where it really does


class Journey:
    """One mover's way with one run, under one lease."""

    def __init__(
        self,
        run: RunRecord,
        lease: Lease,
        *,
        config: Config,
        models: Models,
        store: Store,
        hosts: Hosts,
        until: Until,
        wanted: Wanted | None,
        on_change: OnChange,
    ) -> None:
        self.config = config
        self.store = store
        self.models = models
        self.run = run
        self.lease = lease
        self.until = until
        self.wanted = wanted  # in place of what the run was made with
        self.on_change = on_change
        self.got_further = False  # since the last trouble
        self.prompt = store.prompt(run.prompt_id)
        self.job = store.job(lease.job_id)
        self.folder = config.outputs_dir / run.id
        target = config_of(run).target  # without the plugin: a broken one must not matter
        self.host: Host = hosts.of(target)
        self.rounds = hosts.rounds(target)
        self._work: Work | None = None
        self._teller = Teller(store, run)

    def go(self) -> RunRecord:
        """Step by step to the end, or as far as was asked."""
        if self.run.paused is not None:
            self._take_corrections()
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
            if self.run.cancel_requested_at and self.run.status in (*UNBEGUN, "running"):
                self._stop()
                if self.run.ended:
                    break
            if not step():
                break
        return self.store.run(self.run.id)

    def _take_corrections(self) -> None:
        """What was corrected in the configuration counts as long as nothing of the job ever ran."""
        found = corrected(self.run, self.config, self.models)
        if found is None or (self.run.status == "queued" and self.jobdir.look().state != "idle"):
            return
        self._note(execution_config=to_json(found))
        self._work = None
        if self.run.status == "queued":
            self._move("uploading")  # its folder is written anew

    def pause(self, error: TargetUnusable | UsageError) -> RunRecord:
        """Stand still, with the reason; nothing is lost by it."""
        changes: dict[str, Any] = {"reachable": False} if getattr(error, "transient", False) else {}
        reason = error.message
        if changes and self.run.cancel_requested_at:
            reason += "; it is cancelled as soon as `cosmos sync` gets through"
        elif changes and self.run.status in ("queued", "running"):
            reason += "; the job goes on"
        hint = error.hint.replace("cosmos targets trust NAME", f"cosmos targets trust {self.run.target}")
        if not changes and self.run.status == "downloading":
            hint += instead(self.run, config_of(self.run))
        hint = kept_settings(self.run, self.config) or hint
        self._note(paused=Paused(since=datetime.now(UTC), reason=reason, hint=hint), **changes)
        return self.store.run(self.run.id)

    def wait_out(self, error: TargetUnusable, seconds: float) -> None:
        """Let some time go by before the next try, and say why."""
        self.got_further = False
        if self.run.progress is not None:
            row = self.run.progress
            self.on_change(evolve(self.run, progress=evolve(row, message=f"{error.message}; trying again")))
        threading.Event().wait(seconds)

    # -- what a step works with --------------------------------------------------------------------------------

    @property
    def jobdir(self) -> JobDir:
        return JobDir(host=self.host, path=self.job.dir, job_id=self.job.id)

    @property
    def work(self) -> Work:
        """Converted once, then as it was written down when the job was staged."""
        if self._work is None:
            version = self.run.metadata.get("toolkit_version")
            staged = None
            if self.job.bundle and self.run.status not in ("pending", "uploading"):
                staged = from_json(Bundle, self.job.bundle), from_json(Command, self.job.command)
            self._work = work_of(self.run, self.prompt, self.models, self.job.dir, version, staged)
        return self._work

    def _move(self, to: str, **changes: Any) -> bool:
        moved = self.store.move(self.run.id, job_epoch=self.lease.epoch, state=self.run.status, to=to, **changes)
        if not moved:
            raise LeaseLost
        self.got_further = True
        self.run = evolve(self.run, status=cast("Status", to), **changes)
        self.on_change(self.run)
        return True

    def _note(self, **changes: Any) -> None:
        if not self.store.note(self.run.id, job_epoch=self.lease.epoch, **changes):
            raise LeaseLost
        self.run = evolve(self.run, **changes)
        self.on_change(self.run)

    def _progress(self, stage: str, fraction: float | None, message: str) -> None:
        told = self._teller.tell(self.run, stage, fraction, message)
        if told is None:
            return
        self.got_further |= fraction is not None or stage == "inference"  # to begin once more is no way further
        self.run = told
        self.on_change(self.run)

    def _on_the_way(self, stage: str, share: float | None, words: str) -> None:
        if self.lease.lost:
            raise LeaseLost
        self._progress(stage, share, words)

    # -- the steps; each says whether to go on -----------------------------------------------------------------

    def _prepare(self) -> bool:
        self._progress("preparing", None, "converting inputs")
        return self._move("uploading")

    def _upload(self) -> bool:
        self._progress("uploading", None, f"looking at {self.run.target}")
        secrets_of(self.work.config.target)  # what is missing is missed before much is sent, and not after
        found = survey(self.work, self.host)
        self._note(metadata={**self.run.metadata, **found.metadata}, **_seen())
        self._work = None  # converted anew, now that the version is known
        told = Transfer(lambda *told: self._on_the_way("uploading", *told))
        stage(self.work, self.host, found, store_id=self.store.id, on_upload=told, on_wait=told.wait)
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
        """Start the job, which does nothing where it was started before, and wait until its work begins."""
        if not self.jobdir.is_complete():
            return self._lose("absent")
        self._progress("queued", None, "starting")
        self.jobdir.start(secrets_of(self.work.config.target))
        called, pause, joined = time.monotonic(), 0.0, None
        given_up, closely = called + _START_S, called + _AT_ONCE_S
        while True:
            marks = [Span(self.jobdir.at(name), 0, 16) for name in ("started", "exit_code", "refused", "busy")]
            started, ended, *refusals = self.rounds.read(marks, pause=pause)
            evidence = Evidence(state="idle" if any(refusals) else "alive" if started or ended else "starting")
            if evidence.state == "starting" and time.monotonic() >= closely:  # a glance at files costs next to nothing
                evidence = self.rounds.look(self.jobdir)
                closely = time.monotonic() + min(_CLOSELY_S, (time.monotonic() - called) / 2)
            if evidence.state in ("alive", "ended", "untended"):
                break
            if evidence.state in ("gone", "absent"):
                return self._lose(evidence.state)
            if evidence.state == "away":
                raise docker_away(self.jobdir)
            if evidence.state == "idle" and (why := refusal(self.jobdir, self.work.config)):
                raise why
            if evidence.state == "idle" and joined is not None:  # it was in the line, and its keeper was killed
                self.jobdir.start(secrets_of(self.work.config.target))
                joined = None
            if evidence.state == "waiting":
                given_up = time.monotonic() + _START_S
                self._wait_in_line(evidence.ahead or 0)
                joined = joined or time.monotonic()
                if self.until != "ended" and time.monotonic() - joined > _PATIENCE_S:
                    return False
            elif time.monotonic() > given_up:
                raise silent(self.jobdir)
            if self.lease.lost:
                raise LeaseLost
            pause = self.rounds.pause(time.monotonic() - called)
        self._move("running", started_at=self.jobdir.started_at(), queue=None, **self._gpus(), **_seen())
        self._progress("inference", None, "started")
        return self.until != "launched"

    def _wait_in_line(self, ahead: int) -> None:
        """Say how many are ahead, where that has changed."""
        queue = Queue(position=ahead + 1, ahead=ahead)
        if queue != self.run.queue:
            self.got_further = True
            self._note(queue=queue, **_seen())
        self._progress("queued", None, f"waiting for GPUs, {ahead} ahead" if ahead else "waiting for GPUs, next")

    def _gpus(self) -> dict[str, Any]:
        """Which GPUs the job was given, for the run's provenance."""
        if self.run.simulated:
            return {}
        (given,) = self.host.read([Span(self.jobdir.at("gpus"))])
        if not given:
            return {}
        return {"metadata": {**self.run.metadata, "gpus": [int(i) for i in given.split() if i.isdigit()]}}

    def _watch(self) -> bool:
        log = LogCopy(self.folder / "run.log")
        watch = Watch(work=self.work, jobdir=self.jobdir, rounds=self.rounds, log=log, lease=self.lease)
        once, progress = self.until == "now", None
        for progress in watch.follow(once=once):
            if progress.doomed is not None:
                if self.run.error is None:
                    self._note(error=progress.doomed)  # written down before the job is stopped for it
                self.jobdir.stop()
            if not once:
                self._progress("inference", watch.fraction, progress.message)
        if once and progress is not None and (watch.evidence is None or watch.evidence.state != "ended"):
            self._progress("inference", watch.fraction, progress.message)  # of what has ended its end is told
        if watch.evidence is None:
            self._note(**_seen())
            return False
        if watch.evidence.state == "untended":  # its keeper was killed: a new one collects what it comes to
            self.jobdir.start({})
            return self.until == "ended"
        if watch.evidence.state == "away":
            raise docker_away(self.jobdir)
        if watch.evidence.state != "ended":
            return self._lose(watch.evidence.state)
        kept = self.store.update_job(self.job.id, epoch=self.lease.epoch, exit_code=watch.evidence.exit_code)
        if not kept:
            raise LeaseLost
        self.job = evolve(self.job, exit_code=watch.evidence.exit_code)
        return self._move("downloading", **_seen())

    def _lose(self, seen: str) -> bool:
        self._move("lost", completed_at=datetime.now(UTC), **self._loss(seen))
        return False

    def _loss(self, seen: str) -> dict[str, Any]:
        """What is known of a job that nobody saw end. What it wrote is brought here, as that of a job that failed."""
        left = None
        try:
            if seen == "gone" and "outputs" in self.jobdir.marks():
                self._bring_outputs()
                left = remains(self.work, self.run, self._result())
        except PluginError:  # it is lost whatever its plugin can do
            pass
        except TargetUnusable as error:
            if error.transient:
                raise
            self._warn(f"outputs: {error.message}")
        failure = loss(self.run, self.jobdir, config_of(self.run), seen, left)
        return {"error": failure, **(_meaning(left, self.run) if left else {})}

    def _find_again(self) -> bool:
        """Only what is lost may be corrected, and only by evidence."""
        found = self.jobdir.look()
        if found.state == "gone" and self.job.listing is None:
            self._note(**self._loss("gone"))
        if found.state not in ("ended", "alive", "untended"):
            return False
        return self._move("running", error=None, completed_at=None)

    def _stop(self) -> None:
        """Carry out the wish to cancel; what was never launched ends here."""
        # a host that never answered has nothing of it, and may be no host at all
        answered = self.run.status != "pending" and self.run.checked_at is not None
        if answered and self.jobdir.look().state != "absent":
            self.jobdir.stop()
            if self.run.status == "running" or self.jobdir.started_at() is not None:
                return  # it has an end to be understood like any other
        self._move("cancelled", completed_at=datetime.now(UTC), queue=None)

    def _download(self) -> bool:
        self._progress("downloading", None, "outputs")
        if "outputs" not in self.jobdir.marks():
            return self._lose("absent")
        if self.wanted not in (None, self.work.config.fetch):
            self._note(execution_config=to_json(evolve(self.work.config, fetch=self.wanted)))
            self._work = None
        self._bring_outputs()
        return self._move("parsing")

    def _bring_outputs(self) -> None:
        """Write down what lies there, and bring what was asked for."""
        outputs = self.jobdir.at("outputs")
        there = self.host.list(outputs)
        listing = {name: size for name, size in there.items() if name == name.encode(errors="replace").decode()}
        if left := len(there) - len(listing):
            self._warn(f"outputs: {left} files stay on {self.host.name}: their names are no UTF-8")
        if not self.store.update_job(self.job.id, epoch=self.lease.epoch, listing=listing):
            raise LeaseLost
        self.job = evolve(self.job, listing=listing)
        found = artifacts_of(self.work, outputs, listing)
        if not self.run.artifacts:  # what there is, is known before hours of download, and where that does not work
            self._keep(found)
        wanted, told = self.work.config.fetch, Transfer(lambda *told: self._on_the_way("downloading", *told))
        self._keep(fetch(found, self.host, outputs, self.folder, wanted, on_download=told))
        remove_remains(self.folder, self.run)

    def _keep(self, artifacts: tuple[Artifact, ...]) -> None:
        if not self.store.put_artifacts(self.run.id, artifacts, job_epoch=self.lease.epoch):
            raise LeaseLost
        self.run = evolve(self.run, artifacts=artifacts)

    def _result(self) -> Result:
        return Result(
            files=self.job.listing or {},
            folder=self.folder,
            log=self.folder / "run.log",
            exit_code=self.job.exit_code,
        )

    def _parse(self) -> bool:
        self.run = self.store.run(self.run.id)
        ending = judge(self.work, self.run, self._result(), self.jobdir.marks())
        if ending.state == "completed" and self.work.config.copy_to:
            ending = evolve(ending, warnings=(*ending.warnings, *self._copy(self.work.config.copy_to)))
        self._move(
            ending.state,
            completed_at=self.jobdir.ended_at() or datetime.now(UTC),  # it may be collected long after
            error=ending.outputs.failure,
            **_meaning(ending, self.run),
        )
        return False

    def _warn(self, words: str) -> None:
        """Once, however often a step is entered."""
        self._note(warnings=(*(w for w in self.run.warnings if w != words), words))

    def _copy(self, to: str) -> tuple[str, ...]:
        """Copy the result; where that fails the run is no less complete, and says so."""
        try:
            # it is long since the run was planned: what is there now counts
            force = self.work.config.overwrite
            fault = fault_of(to, self.prompt.inputs, self.store, overwrite=force, own=self.run.id)
            if fault:
                return (f"{NOT_COPIED}: {fault.message}",)
            self._note(metadata={**self.run.metadata, "copy": str(copy_result(self.run, to))})
        except OSError as error:
            return (f"{NOT_COPIED} to {to}: {error.strerror}",)
        return ()


def _meaning(ending: Ending, run: RunRecord) -> dict[str, Any]:
    """What the outputs come to, as changes of their run."""
    outputs = ending.outputs
    warnings = tuple(dict.fromkeys((*run.warnings, *ending.warnings)))
    return {"values": outputs.values, "scores": outputs.scores, "text": outputs.text, "warnings": warnings}


def _seen() -> dict[str, Any]:
    """The host was just looked at."""
    return {"reachable": True, "checked_at": datetime.now(UTC)}
