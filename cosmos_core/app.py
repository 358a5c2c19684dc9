"""Cosmos: the programmatic API. Whatever the command line can do, a script can do with the same words."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import NoneType, TracebackType
from typing import TYPE_CHECKING, Any, Unpack, overload

from attrs import evolve

from cosmos_core.asking import (
    File,
    FilterWords,
    Inputs,
    PromptWords,
    Ref,
    RunWords,
    chosen,
    id_of,
    many,
    wish,
    with_a_word,
)
from cosmos_core.config import Config
from cosmos_core.errors import NotFound, Refused, UsageError
from cosmos_core.handle import Handle
from cosmos_core.models import Models
from cosmos_core.runs.copying import names_one_file
from cosmos_core.runs.inputs import BadRef, Refs, find_artifact, users_of_file
from cosmos_core.runs.lease import is_dead
from cosmos_core.runs.log import read_log
from cosmos_core.runs.many import each
from cosmos_core.runs.mover import Mover
from cosmos_core.runs.plan import Plan, Planner, config_of
from cosmos_core.runs.wish import Wish
from cosmos_core.store import Store, new_id
from cosmos_core.store.records import Filter, JobRecord, Page, PromptRecord, RunRecord
from cosmos_core.targets import Hosts
from cosmos_core.values import Problem, Request

if TYPE_CHECKING:
    from cosmos_core.runs.check import Check
    from cosmos_core.runs.clean import Cleaned, CleanPlan
    from cosmos_core.runs.dry import DryRun
    from cosmos_core.runs.fetching import Which
    from cosmos_core.runs.frames import OnEncoding
    from cosmos_core.runs.journey import OnChange
    from cosmos_core.runs.leftovers import Leftover, Leftovers
    from cosmos_core.runs.smoke import Smoke
    from cosmos_core.runs.status import TargetStatus
    from cosmos_core.targets.ssh.trust import OfferedKey


class Cosmos:
    """Everything the `cosmos` command does, as methods. A context manager; `store` opens on first use.

    Ids may be prefixes, `@last` or `@last~2` wherever an id is taken. Raises CosmosError subclasses only.
    """

    def __init__(self, config: Config | Path | str | None = None) -> None:
        if not isinstance(config, (Config, Path, str, NoneType)):
            raise UsageError(f"Cosmos wants a Config or the path of one, not {config!r:.60}")
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
        if names_one_file(wishes):
            words = f"one file for the results of {len(wishes)} runs: each would replace the one before"
            raise UsageError(words, hint="name a folder: -o results/")
        plans = self._plans(wishes, with_run=True)
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

    def _plans(self, wishes: Sequence[Wish], *, with_run: bool) -> list[Plan]:
        """What becomes of each wish. Raises one Refused with the problems of all."""
        plans: list[Plan] = []
        problems: list[Problem] = []
        for number, one in enumerate(wishes, 1):
            try:
                plans.append(self._planner().plan(one, with_run=with_run))
            except Refused as refused:
                where = one.name or str(number)
                problems += [evolve(problem, field=f"{where}: {problem.field}") for problem in refused.problems]
        if problems:
            raise Refused(f"{len(problems)} problems; nothing was stored", problems=problems)
        return plans

    def _submitted(self, run: RunRecord, *, submit: bool) -> tuple[RunRecord, JobRecord | None]:
        return self.mover.submitted(run) if submit else (run, None)

    def dry_run(self, wish: Wish, out: File | None = None) -> DryRun:
        """What a wish would put on the host's disk and run there, written to `out`. Stores nothing."""
        from cosmos_core.runs.dry import dry_run

        store = self.store if "store" in self.__dict__ or self._store_exists() else None
        planner = Planner(
            config=self.config,
            models=self.models,
            store=store,
            hosts=self.hosts,
            remember=False,
            on_encoding=self.on_encoding,
        )
        return dry_run(planner, wish, None if out is None else Path(out))

    def read_spec(self, path: File, model: str | None = None) -> tuple[Wish, ...]:
        """A toolkit's own spec file as wishes, one for each sample in it; `model` where only that should try."""
        from cosmos_core.runs.specs import read_spec

        return read_spec(self.models, Path(path), model)

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

    def start(self, run_id: Ref, on_progress: OnChange | None = None) -> RunRecord:
        """Submit a stored run; returns once it was launched, or is paused. Raises Refused if an input has changed."""
        return self.mover.start(self.resolve(run_id, ("rs",)), with_a_word(on_progress))

    def follow(self, run_id: Ref, on_progress: OnChange | None = None) -> RunRecord:
        """Move a run until it ends or pauses, or look on while another process does."""
        return self.mover.go_on(self.resolve(run_id, ("rs",)), "ended", with_a_word(on_progress))

    def execute(self, run_id: Ref, on_progress: OnChange | None = None) -> RunRecord:
        """Start a stored run and follow it."""
        return self.mover.start(self.resolve(run_id, ("rs",)), with_a_word(on_progress), until="ended")

    def cancel(self, run_id: Ref) -> RunRecord:
        """End a run that is not done, in whatever state it is and whoever moves it."""
        return self.mover.cancel(self.resolve(run_id, ("rs",)))

    def retry(self, run_id: Ref, *, submit: bool = False) -> RunRecord:
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
        on_progress = with_a_word(on_progress)
        while True:
            fresh = [r for r in self._to_be_moved() if r.id not in seen or not (r.ended or r.paused)]
            for run in each(fresh, lambda run: self.mover.go_on(run.id, "ended" if follow else "now", on_progress)):
                seen[run.id] = run
            if not follow or not fresh:
                return tuple(seen.values())

    def _to_be_moved(self) -> tuple[RunRecord, ...]:
        """Every submitted run that is not done, and those that are lost: evidence of them may have turned up."""
        return (*self.store.unfinished(), *self.store.runs(Filter(status="lost", limit=10_000)).items)

    def fetch(self, run_id: Ref, what: Which = "all", on_progress: OnChange | None = None) -> RunRecord:
        """Bring outputs here that were not fetched. A run that is downloading ends with these, and leaves the rest."""
        from cosmos_core.runs.fetching import bring

        return bring(self.mover, self.resolve(run_id, ("rs",)), what, with_a_word(on_progress))

    def path(self, ref: Ref) -> str:
        """The local path of `RUN` (its main result) or `RUN:NAME`, fetched if need be."""
        run_ref, _, name = id_of(ref).partition(":")
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

    def logs(self, run_id: Ref, *, follow: bool = False) -> Iterator[bytes]:
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

    def resolve(self, ref: Ref, kinds: Sequence[str] = ("ps", "rs", "jb", "gr")) -> str:
        """The whole id of a prefix, `@last`, `@last~2`, a record. Raises NotFound, UsageError for an ambiguous one."""
        return self.store.resolve(id_of(ref), tuple(kinds))

    def runs_of(self, refs: Iterable[Ref]) -> tuple[RunRecord, ...]:
        """The runs that ids name; a group names all of its own."""
        found: dict[str, RunRecord] = {}
        for ref in refs:
            id_ = self.resolve(ref, ("rs", "gr"))
            runs = [self.store.run(id_)] if id_.startswith("rs_") else self.store.runs_of_group(id_)
            found |= {run.id: run for run in runs}
        return tuple(found.values())

    def prompt(self, ref: Ref) -> PromptRecord:
        """A stored prompt."""
        return self.store.prompt(self.resolve(ref, ("ps",)))

    def get(self, ref: Ref) -> PromptRecord | RunRecord:
        """A stored prompt or run."""
        id_ = self.resolve(ref, ("ps", "rs"))
        return self.store.prompt(id_) if id_.startswith("ps_") else self.store.run(id_)

    def list_prompts(self, where: Filter | None = None, **words: Unpack[FilterWords]) -> Page[PromptRecord]:
        """Prompts, newest first: `list_prompts(model="transfer", limit=20)`."""
        return self.store.prompts(chosen("list_prompts", where, words))

    def list_runs(self, where: Filter | None = None, **words: Unpack[FilterWords]) -> Page[RunRecord]:
        """Runs, newest first, as they were last seen: `list_runs(status="failed", since=yesterday)`."""
        return self.store.runs(chosen("list_runs", where, words))

    def unwatched(self, runs: Iterable[RunRecord]) -> tuple[RunRecord, ...]:
        """Those that are under way and that nobody moves now: their state is as old as the last look, `seen_at`."""
        going = [run for run in runs if run.job_id and not run.ended]
        now = self.store.now() if going else None
        return tuple(run for run in going if now and self.store.lease_is_free(run.job_id or "", now, is_dead))

    def prompts(self, ids: Iterable[str]) -> Mapping[str, PromptRecord]:
        """Several prompts by their whole ids, in one query."""
        return self.store.prompts_by_id(ids)

    def children(self, run_id: Ref) -> tuple[RunRecord, ...]:
        """The runs that used an output of this one, or tried it again."""
        return self.store.children(self.resolve(run_id, ("rs",)))

    def users_of_file(self, path: File) -> tuple[PromptRecord | RunRecord, ...]:
        """The runs that made a file and the prompts that use it, found by its content."""
        return users_of_file(Path(path), Refs(config=self.config, store=self.store, hosts=self.hosts), self.store)

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

    def leftovers(self, *, older_s: float | None = None) -> Leftovers:
        """What may be removed from the data folder of this machine, and what stays. Removes nothing."""
        from cosmos_core.runs.leftovers import find_leftovers

        frames = Refs(config=self.config, store=self.store, hosts=self.hosts).frames
        return find_leftovers(self.config, self.store, frames, older_s=older_s)

    def remove_leftovers(self, plan: Leftovers) -> tuple[Leftover, ...]:
        """Remove what `leftovers` names, as far as it still may go; what is gone."""
        from cosmos_core.runs.leftovers import remove_leftovers

        return remove_leftovers(plan, self.leftovers(older_s=plan.older_s))

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
        inputs: Inputs | None = None,
        parameters: Mapping[str, Any] | None = None,
        **words: Unpack[PromptWords],
    ) -> PromptRecord:
        """Check and store a prompt. Raises Refused with all problems; nothing is stored then.

        A folder of numbered pictures, or a pattern such as `d.####.png`, is an image sequence; `input_fps` is its rate:
        24, "23.976", or {"video": 24, "depth": 12}.
        """
        return self.store_prompt(
            wish("create_prompt", model=model, text=text, inputs=inputs, parameters=parameters, **words)
        )

    def create_prompts(
        self,
        model: str,
        texts: Iterable[str],
        *,
        inputs: Inputs | None = None,
        parameters: Mapping[str, Any] | None = None,
        **words: Unpack[PromptWords],
    ) -> tuple[PromptRecord, ...]:
        """One prompt for each text, alike in all else; with a problem in one, none is stored."""
        if isinstance(texts, str):
            raise UsageError("create_prompts wants several texts, not one", hint="create_prompt stores one")
        wishes = [
            wish("create_prompts", model=model, text=text, inputs=inputs, parameters=parameters, **words)
            for text in texts
        ]
        plans = self._plans(wishes, with_run=False)
        for plan in plans:
            self.store.add(plan.prompt, None)
        return tuple(plan.prompt for plan in plans)

    def create_run(self, prompt: Ref, **words: Unpack[RunWords]) -> RunRecord:
        """Check and store a run of a prompt, or of a run once more, with what is said here changed; `run` starts it."""
        return self.store_run(wish("create_run", source=id_of(prompt), **words))

    def create_runs(self, prompts: Iterable[Ref], **words: Unpack[RunWords]) -> tuple[RunRecord, ...]:
        """A run of each prompt, as one group; with a problem in one, none is stored."""
        refs = many(prompts)
        if refs is None:
            raise UsageError("create_runs wants several prompts, not one", hint="create_run stores one run")
        return self.store_runs([wish("create_runs", source=id_of(ref), **words) for ref in refs]) if refs else ()

    def run(self, ref: Ref, *, on_progress: OnChange | None = None, **words: Unpack[RunWords]) -> RunRecord:
        """Execute a prompt, or a stored run, and wait until it ends or pauses."""
        return self.execute(self._runs_to_start("run", [ref], words)[0], on_progress)

    @overload
    def submit(self, ref: Ref, **words: Unpack[RunWords]) -> Handle: ...  # type: ignore[overload-overlap]
    @overload
    def submit(self, ref: Iterable[Ref], **words: Unpack[RunWords]) -> tuple[Handle, ...]: ...
    def submit(self, ref: Ref | Iterable[Ref], **words: Unpack[RunWords]) -> Handle | tuple[Handle, ...]:
        """Launch a prompt, or a stored run, and return; of several, all are checked before one is stored."""
        refs = many(ref)
        ids = self._runs_to_start("submit", [ref] if refs is None else refs, words)
        runs = [self.store.run(id_) for id_ in ids]
        for _ in each(runs, lambda run: self.mover.start(run.id)):
            pass
        handles = tuple(Handle(id=id_, cosmos=self) for id_ in ids)
        return handles[0] if refs is None else handles

    @overload
    def wait(self, ref: Ref, on_progress: OnChange | None = None) -> RunRecord: ...  # type: ignore[overload-overlap]
    @overload
    def wait(self, ref: Iterable[Ref], on_progress: OnChange | None = None) -> tuple[RunRecord, ...]: ...
    def wait(self, ref: Ref | Iterable[Ref], on_progress: OnChange | None = None) -> RunRecord | tuple[RunRecord, ...]:
        """Wait until runs end or pause; several, or a group, all at the same time, in the order they are named."""
        refs = many(ref)
        if refs is None and not id_of(ref).startswith("gr_"):
            return self.follow(id_of(ref), on_progress)
        told = with_a_word(on_progress)
        runs = self.runs_of([id_of(ref)] if refs is None else refs)
        ended = {run.id: run for run in each(runs, lambda run: self.mover.go_on(run.id, "ended", told))}
        return tuple(ended[run.id] for run in runs)

    def _runs_to_start(self, method: str, refs: Sequence[Any], words: Mapping[str, Any]) -> list[str]:
        """The ids of runs that were only stored, and of new ones for all else that is named."""
        found: dict[int, str] = {}
        wishes: dict[int, Wish] = {}
        for number, ref in enumerate(refs):
            id_ = self.resolve(ref, ("ps", "rs"))
            if id_.startswith("rs_") and not words and self.store.run(id_).submitted_at is None:
                found[number] = id_
            else:
                wishes[number] = wish(method, source=id_, **words)
        self.mover.refuse_changed(map(self.store.run, found.values()))
        made = self.store_runs(list(wishes.values()), submit=True) if wishes else ()
        found |= {number: run.id for number, run in zip(wishes, made, strict=True)}
        return [found[number] for number in range(len(refs))]

    def request(self, ref: Ref, target: str | None = None) -> Request[Any]:
        """What the hooks of a prompt's model are asked with; `Job.of(request)` for the later ones."""
        return self._planner().plan(wish("request", source=id_of(ref), target=target), with_run=True).request
