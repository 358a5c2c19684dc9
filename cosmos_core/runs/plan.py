"""From a wish to records: everything is checked, all problems are found at once, nothing is stored."""

from __future__ import annotations

import getpass
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from attrs import evolve, field, frozen

from cosmos_core import __version__
from cosmos_core.config import Config, Target, ToolkitSite
from cosmos_core.convert import from_json, to_json
from cosmos_core.errors import Refused, UsageError
from cosmos_core.models import Model, Models
from cosmos_core.models.inputs import check as check_inputs
from cosmos_core.parameters import Key, closest, keys, read, unstructure
from cosmos_core.runs.copying import fault_of, named
from cosmos_core.runs.frames import OnEncoding
from cosmos_core.runs.gather import gather
from cosmos_core.runs.inputs import Refs
from cosmos_core.runs.labels import faults_of, name_of_prompt, name_of_run, tags_of
from cosmos_core.runs.secrets import check_env_file, missing_secrets, names_of
from cosmos_core.runs.sites import site_of, usable
from cosmos_core.runs.wish import Wish
from cosmos_core.store import Store, new_id
from cosmos_core.store.records import InputRecord, Link, PromptRecord, RunRecord
from cosmos_core.targets import Hosts
from cosmos_core.values import Input, Job, Problem, Request, Site, Toolkit


@frozen(kw_only=True)
class ExecutionConfig:
    """All effective settings of a run, defaults included, frozen when the run is made."""

    target: Target
    toolkit: ToolkitSite
    parameters: Mapping[str, Any]  # filled
    given: Mapping[str, Any]  # what of them the user set
    gpus: int | None = None
    timeout_s: float | None = None
    if_busy: Literal["wait", "fail"] = "wait"
    fetch: Literal["all", "results", "none"] = "all"
    copy_to: str | None = None
    overwrite: bool = False  # whether the copy may replace a file


def config_of(run: RunRecord) -> ExecutionConfig:
    """The settings of a run, as they were frozen."""
    config: ExecutionConfig = from_json(ExecutionConfig, run.execution_config)
    return config


@frozen(kw_only=True)
class Plan:
    """A wish that holds: the prompt (new or stored), the hooks' request, and the run where one was wanted."""

    prompt: PromptRecord
    prompt_is_new: bool
    request: Request[Any]
    run: RunRecord | None = None
    warnings: tuple[Problem, ...] = ()


@frozen(kw_only=True)
class _Source:
    """What a wish starts from: nothing, a stored prompt, or a run and its prompt."""

    prompt: PromptRecord | None = None
    run: RunRecord | None = None

    @property
    def config(self) -> ExecutionConfig | None:
        return config_of(self.run) if self.run else None


@frozen(kw_only=True)
class Planner:
    """Checks wishes. Without a store (a dry run before anything was stored) there is nothing to start from."""

    config: Config
    models: Models
    store: Store | None
    hosts: Hosts
    remember: bool = True
    with_secrets: bool = True  # whether what env_file says is looked at
    on_encoding: OnEncoding | None = None
    problems: list[Problem] = field(factory=list)

    def plan(self, wish: Wish, *, with_run: bool) -> Plan:
        """The records of a wish. Raises Refused with all problems, UsageError for what cannot be understood."""
        source = self._source(wish.source)
        model = self._model(wish, source)
        target = self._target(wish, source) if with_run else None
        toolkit = self._toolkit(wish, source, model, target)
        site = site_of(target, toolkit, self.config.path) if target else None
        if target and self.with_secrets:
            check_env_file(target)
        base = source.config.given if source.config else source.prompt.parameters if source.prompt else {}
        parameters, given, given_names = self._parameters(model, toolkit, wish.parameters, base)
        inputs = self._inputs(wish, source, toolkit, target)
        run_id = new_id("rs")
        prompt = self._prompt(wish, source, model, inputs, given)
        request = Request(
            id=run_id if with_run else prompt.id,
            model=model.name,
            toolkit=toolkit.name,
            text=prompt.prompt_text,
            inputs=tuple(as_input(record) for record in inputs),
            parameters=parameters,
            given=given_names,
            gpus=wish.gpus if wish.gpus is not None else source.config.gpus if source.config else None,
            site=as_site(target, toolkit, site) if target and site else None,
        )
        self.problems.extend(faults_of(wish.name))
        self._gpus(request, target)
        unread = {problem.field for problem in self.problems if problem.severity == "error"}
        self.problems.extend(check_inputs(toolkit, request, others=model.info.toolkits))
        # What could not be read has its problem already; what the plugin says of its stand-in would only confuse.
        self.problems.extend(p for p in model.validate_inputs(request) if p.field not in unread)
        warnings = self._refuse_or_warn(strict=wish.strict)
        new = source.prompt is None or prompt.id != source.prompt.id
        plan = Plan(prompt=prompt, prompt_is_new=new, request=request, warnings=warnings)
        if target is None or site is None:
            return plan
        canonical_hash = request_hash(model, request)  # a plugin that cannot convert fails here, before any record
        warnings, copy_to = self._of_the_job(model, request, target, wish, inputs)
        filled = ExecutionConfig(
            target=target,
            toolkit=site,
            parameters=unstructure(parameters),
            given=given,
            gpus=request.gpus,
            timeout_s=wish.timeout_s
            if wish.timeout_s is not None
            else source.config.timeout_s
            if source.config
            else None,
            if_busy=wish.if_busy or "wait",
            fetch=wish.fetch or (source.config.fetch if source.config else "all"),
            copy_to=copy_to,
            overwrite=wish.overwrite,
        )
        run = RunRecord(
            id=run_id,
            prompt_id=prompt.id,
            model_type=model.name,
            name=name_of_run(wish, prompt, source.run),
            target=target.name,
            toolkit=toolkit.name,
            simulated=target.simulated and toolkit.stand_in is not None,
            created_at=datetime.now(UTC),
            execution_config=to_json(filled),
            metadata={
                "cosmos": __version__,
                "plugin": {"package": model.package, "version": model.version},
                "user": getpass.getuser(),
                "request_hash": canonical_hash,
            },
            warnings=tuple(f"{w.field}: {w.message}" + (f" -> {w.hint}" if w.hint else "") for w in warnings),
            tags=tags_of(wish, source.run),
            parents=tuple(
                Link(parent_id=i.run_id, artifact=i.artifact, slot=i.slot) for i in inputs if i.run_id and i.artifact
            ),
        )
        return evolve(plan, run=run, warnings=warnings)

    def _source(self, ref: str | None) -> _Source:
        if ref is None:
            return _Source()
        if self.store is None:
            raise UsageError(
                f"{ref} names no prompt or run: nothing is stored here yet", hint="see `cosmos list prompts`"
            )
        id_ = self.store.resolve(ref, ("ps", "rs"))
        if id_.startswith("ps_"):
            return _Source(prompt=self.store.prompt(id_))
        run = self.store.run(id_)
        return _Source(prompt=self.store.prompt(run.prompt_id), run=run)

    def _model(self, wish: Wish, source: _Source) -> Model:
        stored = source.prompt.model_type if source.prompt else None
        if wish.model and stored and wish.model != stored:
            raise UsageError(
                f"{wish.source} is a prompt for {stored}, not for {wish.model}",
                hint=f"leave --model out, or say {stored}",
            )
        name = wish.model or stored
        if name is None:
            raise UsageError("which model?", hint="add --model NAME; `cosmos models` lists them")
        return self.models[name]

    def _target(self, wish: Wish, source: _Source) -> Target:
        stored = source.run.target if source.run else None
        may_simulate = self.store is None or not self.store.ever_real
        target = self.config.target(wish.target or stored, may_simulate=may_simulate)
        if target.simulated and not wish.target and (real := self.config.first_choice):
            words = f"it stays on {target.name}, as {wish.source} did"
            hint = f"--target {real} runs it there"
            self.problems.append(Problem(field="target", message=words, hint=hint, code="stays", severity="warning"))
        return target

    def _toolkit(self, wish: Wish, source: _Source, model: Model, target: Target | None) -> Toolkit:
        stored = source.run.toolkit if source.run else None
        if stored is None and source.prompt:
            stored = source.prompt.model_config.get("toolkit")
        if name := wish.toolkit or stored:
            return model.toolkit(name)
        if target is None:
            return model.info.toolkits[0]
        installed = (t for t in model.info.toolkits if usable(t, target))
        return next(installed, model.info.toolkits[0])

    def _parameters(
        self, model: Model, toolkit: Toolkit, said: Mapping[str, Any], base: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any], tuple[str, ...]]:
        """The filled parameters, and what of them was given, as nested values and as names."""
        elsewhere = {
            t.name: [k.name for k in keys(t.parameters)] for t in model.info.toolkits if t.name != toolkit.name
        }
        over = read(toolkit.parameters, said, known_elsewhere=elsewhere)
        whole = read(toolkit.parameters, _over(base, over.values), known_elsewhere=elsewhere)
        self.problems.extend((*over.problems, *whole.problems))
        if whole.instance is not None and not over.problems:
            return whole.instance, whole.values, whole.given
        # The plugin is asked all the same, so that every problem shows at once: what is wrong is put right for it.
        bad = {p.field for p in (*over.problems, *whole.problems)}
        names = [key.name for key in keys(toolkit.parameters)]
        meant = {closest(field, names) for field in bad}
        right = {k.name: v for k in keys(toolkit.parameters) if k.name in meant and (v := _right_value(k)) is not None}
        mended = read(toolkit.parameters, _over(without(over.values, bad), _nested(right)))
        return mended.instance, mended.values, mended.given

    def _inputs(self, wish: Wish, source: _Source, toolkit: Toolkit, target: Target | None) -> tuple[InputRecord, ...]:
        refs = Refs(
            config=self.config,
            store=self.store,
            hosts=self.hosts,
            remember=self.remember,
            on_encoding=self.on_encoding,
        )
        refs = evolve(refs, encode=not any(problem.severity == "error" for problem in self.problems))
        gathered = gather(wish, source.prompt.inputs if source.prompt else (), toolkit, target, refs)
        self.problems.extend(gathered.problems)
        return gathered.inputs

    def _prompt(
        self,
        wish: Wish,
        source: _Source,
        model: Model,
        inputs: tuple[InputRecord, ...],
        given: Mapping[str, Any],
    ) -> PromptRecord:
        """The stored prompt where the wish leaves its text and inputs alone, else a new one."""
        old = source.prompt
        text = wish.text if wish.text is not None else old.prompt_text if old else ""
        if old and text == old.prompt_text and not wish.inputs and inputs == old.inputs:
            return old
        if "\0" in text:
            self._problem("text", "there is a NUL character in it", "remove it", "invalid")
        toolkit = wish.toolkit or (old.model_config.get("toolkit") if old else None)
        return PromptRecord(
            id=new_id("ps"),
            model_type=model.name,
            prompt_text=text,
            name=name_of_prompt(wish),
            inputs=inputs,
            parameters=given,
            model_config={"toolkit": toolkit} if toolkit else {},
            created_at=datetime.now(UTC),
            parent_id=old.id if old else None,
            tags=tags_of(wish, old),
        )

    def _gpus(self, request: Request[Any], target: Target | None) -> None:
        there = target.gpu_count if target else None
        if request.gpus is not None and request.gpus < 0:
            self._problem("gpus", f"{request.gpus} is not a number of GPUs", "0, 1, 2, ...", "out_of_range")
        elif request.gpus and there is not None and request.gpus > there and target and not target.simulated:
            self._problem("gpus", f"{target.name} has {there}", f"ask for at most {there}", "out_of_range")

    def _of_the_job(
        self, model: Model, request: Request[Any], target: Target, wish: Wish, inputs: tuple[InputRecord, ...]
    ) -> tuple[tuple[Problem, ...], str | None]:
        """All warnings, and where the result is copied to.

        Only a converted request shows which secrets it needs, and of what kind its result is.
        """
        job = Job.of(request)
        bundle = model.convert_inputs(job)
        self.problems.extend(missing_secrets(model.choose_script(job, bundle), target))
        copy_to = wish.copy_to
        if copy_to is None and self.config.results_dir and wish.fetch != "none":
            copy_to = named(self.config.results_dir, request, bundle.fetch)
        if copy_to is not None and wish.fetch == "none":
            words = "with --fetch none there is no result on this machine to copy"
            self._problem("output", words, "leave -o or --fetch none out", "output")
        elif copy_to is not None and (
            fault := fault_of(copy_to, inputs, self.store, overwrite=wish.overwrite, outputs=bundle.fetch)
        ):
            self.problems.append(fault)
        return self._refuse_or_warn(strict=wish.strict), copy_to

    def _problem(self, name: str, message: str, hint: str, code: str) -> None:
        self.problems.append(Problem(field=name, message=message, hint=hint, code=code))

    def _refuse_or_warn(self, *, strict: bool) -> tuple[Problem, ...]:
        errors = [p for p in self.problems if p.severity == "error"]
        if errors or (strict and self.problems):
            count = len(errors) or len(self.problems)
            what = ("problem" if errors else "warning") + ("s" if count > 1 else "")
            raise Refused(f"{count} {what}; nothing was stored", problems=self.problems)
        return tuple(self.problems)


def as_input(record: InputRecord) -> Input:
    """What hooks see of an input."""
    first = record.frames.first if record.frames else None
    return Input(slot=record.slot, name=record.name, sha256=record.sha256, media=record.media, first_frame=first)


def as_site(target: Target, toolkit: Toolkit, site: ToolkitSite, version: str | None = None) -> Site:
    """A target as the toolkit sees it. A process works in the repository itself, a container where it is mounted."""
    workdir = toolkit.workdir
    if workdir is not None and target.runtime == "process":
        workdir = None if target.simulated else site.repo
    return Site(
        target=target.name,
        toolkit=toolkit.name,
        workdir=workdir,
        version=version,
        gpus=target.gpu_count,
        settings=read(toolkit.settings, site.settings).instance,
        secrets=names_of(target),
    )


def request_hash(model: Model, request: Request[Any]) -> str:
    """SHA-256 over what the toolkit would be given on any target: files, command and the inputs' digests."""
    toolkit = model.toolkit(request.toolkit)
    canonical = evolve(
        request,
        id="request",
        site=Site(target="", toolkit=toolkit.name, workdir=toolkit.workdir, settings=toolkit.settings()),
    )
    job = Job.of(canonical)
    bundle = model.convert_inputs(job)
    command = model.choose_script(job, bundle)
    told = [
        [[f.path, f.content.decode("latin-1")] for f in bundle.files],
        [[p.to, p.input.sha256] for p in bundle.places],
        [*command.argv],
        dict(command.env),
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _over(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`more` laid over `base`, key by key at every depth."""
    result = dict(base)
    for key, value in more.items():
        below = result.get(key)
        result[key] = _over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def _nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in dotted.items():
        *folders, last = name.split(".")
        place = result
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return result


def without(values: Mapping[str, Any], names: set[str], prefix: str = "") -> dict[str, Any]:
    """Nested values less those of these dotted names."""
    return {
        key: without(value, names, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in values.items()
        if prefix + key not in names
    }


def _right_value(key: Key) -> Any:
    """A value that a key would take, to ask a plugin with while the user's own is refused."""
    if key.default is not None:
        return key.default
    if key.choices:
        return key.choices[0]
    if key.ge is not None and key.le is not None:
        return (key.ge + key.le) / 2
    return key.ge if key.ge is not None else key.le
