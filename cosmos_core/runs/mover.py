"""The life of a run: the only code that moves one from state to state.

Every step first writes down what is about to happen, and may be entered again after a crash at any point. Only the
holder of the job's lease moves; each write says which state and which epoch it expects.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from attrs import evolve

from cosmos_core.config import Config
from cosmos_core.errors import TargetUnusable, UsageError
from cosmos_core.models import Models
from cosmos_core.runs.inputs import Refs
from cosmos_core.runs.journey import Journey, OnChange, Until, Wanted
from cosmos_core.runs.lease import SECONDS, Lease, LeaseLost, held, is_dead, kept, this_process
from cosmos_core.runs.plan import config_of
from cosmos_core.runs.since import refuse_changed
from cosmos_core.store import Store, new_id
from cosmos_core.store.records import JobRecord, RunRecord
from cosmos_core.targets import Hosts

_TRIES = (0.5, 1.0, 2.0)  # pauses before a transient error becomes a pause of the run
_GLANCE_S = 0.25  # how often an onlooker asks the store


class Mover:
    """Moves runs of one store. Its methods may be called from several threads for different runs."""

    def __init__(self, config: Config, models: Models, store: Store, hosts: Hosts) -> None:
        self.config = config
        self.models = models
        self.store = store
        self.hosts = hosts

    # -- the ways in -------------------------------------------------------------------------------------------

    def start(self, run_id: str, on_change: OnChange | None = None, until: Until = "launched") -> RunRecord:
        """Submit a stored run, or go on with one that stands still, until it was launched (or is paused).

        Raises Refused where its inputs have changed since it was stored.
        """
        run = self.store.run(run_id)
        if run.ended:
            raise UsageError(f"{run_id} is {run.status} already", hint=f"`cosmos retry {run_id}` runs it again")
        if run.submitted_at is not None:
            return self.go_on(run_id, until, on_change)
        self.refuse_changed([run])
        _, job = self.submitted(run)
        epoch = self.store.submit(run_id, job, this_process(), SECONDS, now=self.store.now())
        try:
            with kept(self.store, job.id, epoch) as lease:
                return self._advance(run_id, lease, until, on_change)
        except LeaseLost:
            return self.go_on(run_id, until, on_change)

    def refuse_changed(self, runs: Iterable[RunRecord]) -> None:
        """Raise Refused if inputs of runs that were only stored have changed since."""
        refuse_changed(runs, self.store, Refs(config=self.config, store=self.store, hosts=self.hosts))

    def submitted(self, run: RunRecord) -> tuple[RunRecord, JobRecord]:
        """A run that was never submitted as if it were, with its job. Raises UsageError where that may not be."""
        target = config_of(run).target  # as it was when the run was made
        if target.simulated:
            self.config.target(target.name)  # the simulator may be switched off
        else:
            self.store.mark_real()
        id_ = new_id("jb")
        now = datetime.now(UTC)
        job = JobRecord(id=id_, target=run.target, dir=f"{target.work_dir}/jobs/{id_}", created_at=now)
        return evolve(run, job_id=id_, submitted_at=now), job

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
                wanted = self._leave_outputs(run_id, lease)
                return self._advance(run_id, lease, "ended", None, wanted)
        except LeaseLost:  # to somebody else who cancels it
            return self.go_on(run_id, "ended")

    def _leave_outputs(self, run_id: str, lease: Lease) -> Wanted | None:
        """Where only the download is left to cancel, the run ends without it: only logs and small data still come."""
        run = self.store.run(run_id)
        if run.status != "downloading":
            return None
        words = f"the results stay on {run.target}: their download was cancelled; `cosmos fetch {run.id}` brings them"
        warnings = (*run.warnings, words)
        if not self.store.note(run_id, job_epoch=lease.epoch, warnings=warnings):
            raise LeaseLost
        return "none"

    def fetch(self, run_id: str, what: Wanted, on_change: OnChange | None = None) -> RunRecord:
        """End a run whose job has ended, with these of its outputs and not those that it was made with.

        Raises UsageError where another process moves it.
        """
        run = self.store.run(run_id)
        until: Until = "now" if run.status == "running" else "ended"  # who fetches does not wait for a job
        try:
            with held(self.store, run.job_id or "") as lease:
                if lease is not None:
                    return self._advance(run_id, lease, until, on_change, what)
        except LeaseLost:
            pass
        run = self.store.run(run_id)
        hint = f"`cosmos attach {run_id}` follows it"
        if run.status == "downloading":
            hint += f"; `cosmos cancel {run_id}` ends the download, then `cosmos fetch {run_id}` brings what you want"
        elif run.ended:
            hint = f"`cosmos fetch {run_id}` brings what is missing"
        raise UsageError(f"another process moves {run_id}, which is {run.status}", hint=hint)

    # -- looking on --------------------------------------------------------------------------------------------

    def _look_on(self, run_id: str, until: Until, on_change: OnChange | None) -> RunRecord | None:
        """What another process does with the run; None once its lease is free and the run is not done."""
        last: RunRecord | None = None
        while True:
            run = self.store.run(run_id)
            if on_change and run != last:
                on_change(run)
            last = run
            launched = run.started_at is not None or run.paused is not None or run.queue is not None
            if run.ended or (until == "launched" and launched):
                return run
            if run.job_id is None or self.store.lease_is_free(run.job_id, self.store.now(), is_dead):
                return None
            time.sleep(_GLANCE_S)

    # -- moving ------------------------------------------------------------------------------------------------

    def _advance(
        self, run_id: str, lease: Lease, until: Until, on_change: OnChange | None, wanted: Wanted | None = None
    ) -> RunRecord:
        run = self.store.run(run_id)
        journey = Journey(
            run,
            lease,
            config=self.config,
            models=self.models,
            store=self.store,
            hosts=self.hosts,
            until=until,
            wanted=wanted,
            on_change=on_change or (lambda _: None),
        )
        tries = iter(_TRIES)
        while True:
            try:
                return journey.go()
            except TargetUnusable as error:
                if journey.got_further:
                    tries = iter(_TRIES)  # what failed before is another trouble than this
                pause = None if until == "now" or not error.transient else next(tries, None)
                if pause is None:
                    return journey.pause(error)
                journey.wait_out(error, pause)
            except UsageError as error:  # a plugin that is broken or gone, a configuration that does not fit
                return journey.pause(error)
