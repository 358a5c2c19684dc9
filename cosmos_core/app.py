"""Cosmos: the programmatic API. Whatever the command line can do, a script can do with the same words."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from attrs import evolve

from cosmos_core.config import Config
from cosmos_core.errors import NotFound, Refused, UsageError
from cosmos_core.handle import Handle
from cosmos_core.models import Models
from cosmos_core.runs.collect import fetch as fetch_artifacts
from cosmos_core.runs.dry import DryRun, dry_run
from cosmos_core.runs.frames import OnEncoding
from cosmos_core.runs.inputs import BadRef, Refs, find_artifact, users_of_file
from cosmos_core.runs.journey import OnChange
from cosmos_core.runs.lease import is_dead
from cosmos_core.runs.log import read_log
from cosmos_core.runs.many import each
from cosmos_core.runs.mover import Mover
from cosmos_core.runs.plan import Plan, Planner, config_of
from cosmos_core.runs.specs import read_spec
from cosmos_core.runs.wish import Wish
from cosmos_core.store import Store, new_id
from cosmos_core.store.records import Filter, JobRecord, Page, PromptRecord, RunRecord
from cosmos_core.targets import Hosts
from cosmos_core.values import Problem, Request

if TYPE_CHECKING:
    from cosmos_core.runs.check import Check
    from cosmos_core.runs.clean import Cleaned, CleanPlan
    from cosmos_core.runs.smoke import Smoke
    from cosmos_core.runs.status import TargetStatus
    from cosmos_core.targets.ssh.trust import OfferedKey


class Cosmos:
    """Everything the `cosmos` command does, as methods. A context manager; `store` opens on first use.

    Ids may be prefixes, `@last` or `@last~2` wherever an id is taken. Raises CosmosError subclasses only.
    """

    def __init__(self, config: Config | Path | str | None = None) -> None:
        self.config = config if isinstance(config, Config) else Config.load(config)
        self.models = Models(required=self.config.required_extensions)
        self.hosts = Hosts()
        self.on_encoding: OnEncoding | None = None  # told while an image sequence is made into a video

    def __enter__(self) -> Cosmos:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database and of all connections."""
        self.hosts.close()
        if "store" in self.__dict__:
            self.store.close()

    @cached_property
    def store(self) -> Store:
        """The database, made and brought up to date when it is first used."""
        return Store.open(self.config.store_url)

    @cached_property
    def mover(self) -> Mover:
        """What moves runs from state to state."""
        return Mover(self.config, self.models, self.store, self.hosts)

    # -- wishes: the one way in --------------------------------------------------------------------------------

    def store_prompt(self, wish: Wish) -> PromptRecord:
        """Check a wish and store its prompt. Raises Refused with all problems, and stores nothing then."""
        plan = self._planner().plan(wish, with_run=False)
        if plan.prompt_is_new:
            self.store.add(plan.prompt, None)
        return plan.prompt

    def store_run(self, wish: Wish, *, submit: bool = False) -> RunRecord:
        """Check a wish and store its run, and its prompt where that is new. Raises Refused; nothing is stored then.

        With `submit` it is submitted in the same breath: whatever happens to this process, `sync` goes on with it.
        """
        plan = self._planner().plan(wish, with_run=True)
        if plan.run is None:
            raise AssertionError("a plan with a run has one")
        run, job = self._submitted(plan.run, submit=submit)
        self.store.add(plan.prompt if plan.prompt_is_new else None, run, job)
        return run

    def store_runs(self, wishes: Sequence[Wish], *, submit: bool = False) -> tuple[RunRecord, ...]:
        """Check several wishes and store their runs as one group; with a problem in one, none is stored."""
        if len(wishes) == 1:
            return (self.store_run(wishes[0], submit=submit),)
        plans: list[Plan] = []
        problems: list[Problem] = []
        for number, wish in enumerate(wishes, 1):
            try:
                plans.append(self._planner().plan(wish, with_run=True))
            except Refused as refused:
                where = wish.name or str(number)
                problems += [evolve(problem, field=f"{where}: {problem.field}") for problem in refused.problems]
        if problems:
            raise Refused(f"{len(problems)} problems; nothing was stored", problems=problems)
        group = new_id("gr")
        members = [
            (
                plan.prompt if plan.prompt_is_new else None,
                *self._submitted(evolve(plan.run, group_id=group), submit=submit),
            )
            for plan in plans
            if plan.run
        ]
        self.store.add_group(group, "", datetime.now(UTC), members)
        return tuple(run for _, run, _ in members)

    def _submitted(self, run: RunRecord, *, submit: bool) -> tuple[RunRecord, JobRecord | None]:
        return self.mover.submitted(run) if submit else (run, None)

    def dry_run(self, wish: Wish, out: Path | None = None) -> DryRun:
        """What a wish would put on the host's disk and run there, written to `out`. Stores nothing."""
        store = self.store if "store" in self.__dict__ or self._store_exists() else None
        planner = Planner(
            config=self.config,
            models=self.models,
            store=store,
            hosts=self.hosts,
            remember=False,
            on_encoding=self.on_encoding,
        )
        return dry_run(planner, wish, out)

    def read_spec(self, path: Path, model: str | None = None) -> tuple[Wish, ...]:
        """A toolkit's own spec file as wishes, one for each sample in it; `model` where only that should try."""
        return read_spec(self.models, path, model)

    def _planner(self) -> Planner:
        return Planner(
            config=self.config,
            models=self.models,
            store=self.store,
            hosts=self.hosts,
            on_encoding=self.on_encoding,
        )

    def _store_exists(self) -> bool:
        file = self.config.store_url.removeprefix("sqlite:///")
        return file == self.config.store_url or Path(file).exists()

    # -- moving runs -------------------------------------------------------------------------------------------

    def start(self, run_id: str, on_progress: OnChange | None = None) -> RunRecord:
        """Submit a stored run; returns once it was launched, or is paused."""
        return self.mover.start(self.resolve(run_id, ("rs",)), on_progress)

    def follow(self, run_id: str, on_progress: OnChange | None = None) -> RunRecord:
        """Move a run until it ends or pauses, or look on while another process does."""
        return self.mover.go_on(self.resolve(run_id, ("rs",)), "ended", on_progress)

    def execute(self, run_id: str, on_progress: OnChange | None = None) -> RunRecord:
        """Start a stored run and follow it."""
        return self.mover.start(self.resolve(run_id, ("rs",)), on_progress, until="ended")

    def cancel(self, run_id: str) -> RunRecord:
        """End a run that is not done, in whatever state it is and whoever moves it."""
        return self.mover.cancel(self.resolve(run_id, ("rs",)))

    def retry(self, run_id: str, *, submit: bool = False) -> RunRecord:
        """Store a new run with the same prompt, parameters and target that names the old one; `start` starts it."""
        old = self.store.run(self.resolve(run_id, ("rs",)))
        if not old.ended:
            raise UsageError(f"{old.id} is {old.status}, not ended", hint=f"`cosmos attach {old.id}` follows it")
        plan = self._planner().plan(Wish(source=old.id, name=old.name, tags=old.tags), with_run=True)
        if plan.run is None:
            raise AssertionError("a plan with a run has one")
        run, job = self._submitted(evolve(plan.run, retry_of=old.id), submit=submit)
        self.store.add(None, run, job)
        return run

    def sync(self, *, follow: bool = False, on_progress: OnChange | None = None) -> tuple[RunRecord, ...]:
        """Move every submitted run that is not done as far as it goes; with `follow`, until all have ended or pause."""
        seen: dict[str, RunRecord] = {}
        while True:
            fresh = [r for r in self._to_be_moved() if r.id not in seen or not (r.ended or r.paused)]
            for run in each(fresh, lambda run: self.mover.go_on(run.id, "ended" if follow else "now", on_progress)):
                seen[run.id] = run
            if not follow or not fresh:
                return tuple(seen.values())

    def _to_be_moved(self) -> tuple[RunRecord, ...]:
        """Every submitted run that is not done, and those that are lost: evidence of them may have turned up."""
        return (*self.store.unfinished(), *self.store.runs(Filter(status="lost", limit=10_000)).items)

    def fetch(self, run_id: str, what: Literal["all", "results"] = "all") -> RunRecord:
        """Bring outputs here that were not fetched."""
        run = self.store.run(self.resolve(run_id, ("rs",)))
        if run.status == "lost" and not run.artifacts:
            run = self.mover.go_on(run.id, "now")  # there may be files of it all the same
        if run.job_id is None or not run.artifacts:
            raise UsageError(f"{run.id} is {run.status} and has no outputs", hint=f"see `cosmos show {run.id}`")
        from cosmos_core.runs.clean import refuse_what_is_gone

        config = config_of(run)
        job = self.store.job(run.job_id)
        refuse_what_is_gone(run, job, what)
        outputs = f"{job.dir}/outputs"
        host = self.hosts.of(config.target)
        artifacts = fetch_artifacts(run.artifacts, host, outputs, self.config.outputs_dir / run.id, what)
        self.store.put_artifacts(run.id, artifacts)
        return evolve(run, artifacts=artifacts)

    def path(self, ref: str) -> str:
        """The local path of `RUN` (its main result) or `RUN:NAME`, fetched if need be."""
        run_ref, _, name = ref.partition(":")
        run = self.follow_if_going(self.resolve(run_ref, ("rs",)))
        try:
            artifact = find_artifact(run, name or None)
            if artifact.path is None or not Path(artifact.path).exists():
                artifact = find_artifact(self.fetch(run.id), artifact.name)
        except BadRef as bad:
            raise NotFound(bad.message, hint=bad.hint) from None
        if artifact.path is None:
            raise AssertionError("what was fetched has a path")
        return artifact.path

    def follow_if_going(self, run_id: str) -> RunRecord:
        """The run, moved on as far as it goes without waiting if it was submitted and is not done."""
        run = self.store.run(run_id)
        return run if run.ended or run.submitted_at is None else self.mover.go_on(run_id, "now")

    def logs(self, run_id: str, *, follow: bool = False) -> Iterator[bytes]:
        """A run's log as it was written; with `follow`, until the run ends or pauses."""
        run = self.store.run(self.resolve(run_id, ("rs",)))
        if run.job_id is None:
            raise UsageError(f"{run.id} was never started", hint=f"`cosmos inference {run.id}` starts it")
        target = config_of(run).target
        return read_log(
            run,
            self.hosts.of(target),
            remote=f"{self.store.job(run.job_id).dir}/run.log",
            copy=self.config.outputs_dir / run.id / "run.log",
            now=(lambda: self.follow_if_going(run.id)) if follow else None,
            pause=self.hosts.rounds(target).longest,
        )

    # -- asking ------------------------------------------------------------------------------------------------

    def resolve(self, ref: str, kinds: Sequence[str] = ("ps", "rs", "jb", "gr")) -> str:
        """The whole id of a prefix, `@last` or `@last~2`. Raises NotFound, UsageError for an ambiguous one."""
        return self.store.resolve(ref, tuple(kinds))

    def runs_of(self, refs: Iterable[str]) -> tuple[RunRecord, ...]:
        """The runs that ids name; a group names all of its own."""
        found: dict[str, RunRecord] = {}
        for ref in refs:
            id_ = self.resolve(ref, ("rs", "gr"))
            runs = [self.store.run(id_)] if id_.startswith("rs_") else self.store.runs_of_group(id_)
            found |= {run.id: run for run in runs}
        return tuple(found.values())

    def prompt(self, ref: str) -> PromptRecord:
        """A stored prompt."""
        return self.store.prompt(self.resolve(ref, ("ps",)))

    def get(self, ref: str) -> PromptRecord | RunRecord:
        """A stored prompt or run."""
        id_ = self.resolve(ref, ("ps", "rs"))
        return self.store.prompt(id_) if id_.startswith("ps_") else self.store.run(id_)

    def list_prompts(self, where: Filter | None = None) -> Page:
        """Prompts, newest first."""
        return self.store.prompts(where or Filter())

    def list_runs(self, where: Filter | None = None) -> Page:
        """Runs, newest first, as they were last seen."""
        return self.store.runs(where or Filter())

    def unwatched(self, runs: Iterable[RunRecord]) -> tuple[RunRecord, ...]:
        """Those that are under way and that nobody moves now: their state is as old as the last look, `seen_at`."""
        going = [run for run in runs if run.job_id and not run.ended]
        now = self.store.now() if going else None
        return tuple(run for run in going if now and self.store.lease_is_free(run.job_id or "", now, is_dead))

    def prompts(self, ids: Iterable[str]) -> Mapping[str, PromptRecord]:
        """Several prompts by their whole ids, in one query."""
        return self.store.prompts_by_id(ids)

    def children(self, run_id: str) -> tuple[RunRecord, ...]:
        """The runs that used an output of this one, or tried it again."""
        return self.store.children(self.resolve(run_id, ("rs",)))

    def users_of_file(self, path: Path) -> tuple[PromptRecord | RunRecord, ...]:
        """The runs that made a file and the prompts that use it, found by its content."""
        return users_of_file(path, Refs(config=self.config, store=self.store, hosts=self.hosts), self.store)

    def status(self, *, since: float | None = None) -> tuple[TargetStatus, ...]:
        """Every target, all at the same time: whether it can be used, who uses it, what of ours is there.

        None takes longer than its connect_timeout, from now or from `since` (of time.monotonic()).
        """
        from cosmos_core.runs.status import status_of  # these three are seldom wanted, and start-up is a feature

        return status_of(self.config, self.store, self.hosts, time.monotonic() if since is None else since)

    # -- what ended runs left on hosts -------------------------------------------------------------------------

    def clean_plans(
        self, target: str | None = None, *, older_s: float | None = None, everything: bool = False
    ) -> tuple[CleanPlan, ...]:
        """What may be removed from a target, or from all, and what stays for which reason. Removes nothing.

        `older_s`: only what ended so many seconds ago. `everything`: also runs whose outputs are not on this machine,
        and lost ones.
        """
        from cosmos_core.runs.clean import FREED_BY_ALL, Cleaner

        cleaner = Cleaner(self.config, self.store, self.hosts)
        return cleaner.plans(target, older_s=older_s, also=FREED_BY_ALL if everything else ())

    def clean(self, plans: Iterable[CleanPlan]) -> tuple[Cleaned, ...]:
        """Remove what plans name, as far as it still may go."""
        from cosmos_core.runs.clean import Cleaner

        cleaner = Cleaner(self.config, self.store, self.hosts)
        return tuple(cleaner.carry_out(plan) for plan in plans)

    def removed_at(self, run: RunRecord) -> datetime | None:
        """When `clean` removed the folder of a run's job from its host; None: it did not."""
        return None if run.job_id is None else self.store.job(run.job_id).removed_at

    # -- getting a target to work ------------------------------------------------------------------------------

    def check(self, target: str) -> Check:
        """Everything that is wrong with a target, found in one go; only an unknown name is raised."""
        from cosmos_core.runs.check import check_target

        return check_target(self.config.target(target), self.config, self.models, self.store, self.hosts)

    def smoke(self, check: Check, on_progress: OnChange | None = None) -> Iterator[Smoke]:
        """Run the smallest job of each toolkit of a target that was checked, one after the other."""
        from cosmos_core.runs.smoke import Smoke, smoke_of
        from cosmos_core.runs.toolkits import make_files

        for one in check.toolkits:
            if one.toolkit is None or one.toolkit.smallest is None:
                yield Smoke(toolkit=one.name, words="no smallest job is declared")
                continue
            files = make_files(one.toolkit.smallest, self.config.home / "smoke")
            run = self.execute(self.store_run(one.wish(check.target, files), submit=True).id, on_progress)
            yield smoke_of(run, one.name, self.config, self.store)

    def offered_key(self, target: str) -> OfferedKey:
        """The first host key on the way to a target that is not known, or the host's own; `trust` stores it.

        Raises UsageError for a target on this machine, TargetUnusable where there is no way.
        """
        from cosmos_core.targets.way import offered_key_of

        return offered_key_of(self.config.target(target))

    def trust(self, key: OfferedKey) -> None:
        """Remember a host key that a person has compared with what the host's owner says."""
        from cosmos_core.targets.ssh.trust import store_key

        store_key(key)

    # -- the plain words for scripts ---------------------------------------------------------------------------

    def create_prompt(
        self,
        model: str,
        text: str = "",
        *,
        inputs: Mapping[str, str | Path | Sequence[str | Path]] | None = None,
        parameters: Mapping[str, Any] | None = None,
        **wish: Any,
    ) -> PromptRecord:
        """Store a prompt; `wish` takes the other fields of `Wish` (name, tags, toolkit, strict, input_fps).

        A folder of numbered pictures, or a pattern such as `d.####.png`, is an image sequence; `input_fps` is its rate:
        24, "23.976", or {"video": 24, "depth": 12}.
        """
        return self.store_prompt(
            Wish(model=model, text=text, inputs=_pairs(inputs or {}), parameters=parameters or {}, **wish)
        )

    def create_run(self, prompt_id: str, **wish: Any) -> RunRecord:
        """Store a run of a prompt; `wish` takes the other fields of `Wish` (target, parameters, gpus, ...)."""
        return self.store_run(Wish(source=prompt_id, **wish))

    def run(self, ref: str, *, on_progress: OnChange | None = None, **wish: Any) -> RunRecord:
        """Execute a prompt, or a stored run, and wait for its end."""
        return self.execute(self._run_id(ref, wish), on_progress)

    def submit(self, ref: str, **wish: Any) -> Handle:
        """Launch a prompt, or a stored run, and return."""
        return Handle(id=self.start(self._run_id(ref, wish)).id, cosmos=self)

    def _run_id(self, ref: str, wish: Mapping[str, Any]) -> str:
        id_ = self.resolve(ref, ("ps", "rs"))
        if id_.startswith("rs_") and not wish:
            run = self.store.run(id_)
            if run.submitted_at is None:
                return id_
        return self.store_run(Wish(source=id_, **wish), submit=True).id

    def request(self, ref: str, target: str | None = None) -> Request[Any]:
        """What the hooks of a prompt's model are asked with; `Job.of(request)` for the later ones."""
        return self._planner().plan(Wish(source=ref, target=target), with_run=True).request


def _pairs(inputs: Mapping[str, str | Path | Sequence[str | Path]]) -> tuple[tuple[str, str], ...]:
    many = {slot: [refs] if isinstance(refs, (str, Path)) else refs for slot, refs in inputs.items()}
    return tuple((slot, str(ref)) for slot, refs in many.items() for ref in refs)
