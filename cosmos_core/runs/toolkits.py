"""What a target has of the toolkits that its configuration names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import evolve, frozen

from cosmos_core.config import Config, Target, ToolkitSite
from cosmos_core.demo import make_clip
from cosmos_core.errors import CosmosError, PluginError, Refused
from cosmos_core.models import Model, Models
from cosmos_core.parameters import nearest, read
from cosmos_core.runs.plan import Plan, Planner
from cosmos_core.runs.sites import paths_in, usable
from cosmos_core.runs.wish import Wish
from cosmos_core.runs.work import Work, work_of
from cosmos_core.store.refs import SMOKE_TEST
from cosmos_core.targets import Hosts
from cosmos_core.targets.facts import Facts
from cosmos_core.targets.findings import Finding, fine, problem, warning
from cosmos_core.targets.overview import GpuUse
from cosmos_core.values import Draft, Toolkit

_CLIP_FRAMES = 24
_GB, _MIB = 10**9, 2**20


@frozen(kw_only=True)
class Installed:
    """One toolkit that the configuration names for a target: who knows it, and its smallest job where it has one."""

    name: str
    model: Model | None = None
    toolkit: Toolkit | None = None
    site: ToolkitSite | None = None
    plan: Plan | None = None
    work: Work | None = None
    trouble: CosmosError | None = None

    @property
    def repo(self) -> str | None:
        """Its repository on the host, where it has one of its own."""
        if self.toolkit is None or self.toolkit.workdir is None:
            return None
        return self.site.repo if self.site else None

    @property
    def version_file(self) -> str | None:
        """The file that states its version."""
        if self.repo is None or self.toolkit is None or self.toolkit.version_in is None:
            return None
        return f"{self.repo}/{self.toolkit.version_in[0]}"

    @property
    def script(self) -> str | None:
        """The script in the repository that its command runs."""
        words = self.work.command.argv if self.work else ()
        found = next((word for word in words if word.endswith(".py") and not word.startswith("/")), None)
        return f"{self.repo}/{found}" if found and self.repo else None

    @property
    def settings(self) -> Mapping[str, str]:
        """Those of its settings that are paths on the host."""
        site = self.work.config.toolkit if self.work else self.site
        if self.toolkit is None or site is None:
            return {}
        instance = read(self.toolkit.settings, site.settings).instance
        return {name: str(path) for name, path in paths_in(instance).items()}

    @property
    def needs(self) -> Mapping[str, str]:
        """Paths that have to be there, and what to do if they are not."""
        return dict(self.work.bundle.needs) if self.work else {}

    @property
    def programs(self) -> tuple[str, ...]:
        """What a plain process begins with; in a container it is the image's business."""
        if self.work is None or self.work.config.target.runtime == "docker":
            return ()
        return self.work.argv[:1]

    def wish(self, target: Target, files: Mapping[str, Path]) -> Wish:
        """Its smallest job, with a file for each kind."""
        smallest = self.toolkit.smallest if self.toolkit else None
        if smallest is None or self.model is None or self.toolkit is None:
            raise AssertionError("asked for only where one is declared")
        return Wish(
            model=self.model.name,
            text=smallest.text,
            name=f"smoke {self.name}",
            inputs=tuple((slot, str(files[kind])) for slot, kind in smallest.inputs),
            parameters=smallest.parameters,
            tags=(SMOKE_TEST,),
            toolkit=self.name,
            target=target.name,
        )


def make_files(draft: Draft, folder: Path) -> dict[str, Path]:
    """A small file of each kind that a draft wants. Raises PluginError for a kind that cannot be made."""
    other = next((kind for _, kind in draft.inputs if kind != "video"), None)
    if other is not None:
        raise PluginError(
            f"its smallest job wants a {other} file, and only a video can be made", hint="tell its authors"
        )
    return {"video": make_clip(folder / "smoke.mp4", frames=_CLIP_FRAMES)} if draft.inputs else {}


def toolkits_of(target: Target, config: Config, models: Models, hosts: Hosts, folder: Path) -> list[Installed]:
    """Every toolkit that the target's configuration names, or, for the simulator, that can be simulated."""
    known: dict[str, tuple[Model, Toolkit]] = {}
    for name in models:
        try:
            model = models[name]
        except PluginError:
            continue  # `cosmos plugins` tells of it
        for toolkit in model.info.toolkits:
            known.setdefault(toolkit.name, (model, toolkit))
    if target.simulated:
        wanted = [name for name, (_, toolkit) in known.items() if usable(toolkit, target)]
    else:
        wanted = [site.kind or name for name, site in target.toolkits.items()]
    planner = Planner(config=config, models=models, store=None, hosts=hosts, remember=False, with_secrets=False)
    return [_installed(name, target, planner, known, folder) for name in wanted]


def _installed(
    name: str, target: Target, planner: Planner, known: Mapping[str, tuple[Model, Toolkit]], folder: Path
) -> Installed:
    if name not in known:
        hint = f"{nearest(name, list(known))}install its plugin, or set kind in [targets.{target.name}.toolkits.{name}]"
        return Installed(name=name, trouble=PluginError(f"no plugin knows a toolkit {name!r}", hint=hint))
    model, toolkit = known[name]
    bare = Installed(name=name, model=model, toolkit=toolkit, site=target.site_of(name))
    if toolkit.smallest is None:
        return bare
    try:
        files = make_files(toolkit.smallest, folder)
        plan = evolve(planner, problems=[]).plan(bare.wish(target, files), with_run=True)
        if plan.run is None:
            raise AssertionError("a plan with a run has one")
        return evolve(bare, plan=plan, work=work_of(plan.run, plan.prompt, planner.models, "/job"))
    except CosmosError as error:
        return evolve(bare, trouble=error)


def toolkit_findings(one: Installed, target: Target, facts: Facts, gpus: tuple[GpuUse, ...]) -> Iterator[Finding]:
    """What was found of one toolkit."""
    if one.trouble:
        words = "; ".join(f"{p.field}: {p.message}" for p in one.trouble.problems)
        hint = next((p.hint for p in one.trouble.problems), one.trouble.hint)
        where = "its smallest job is refused: " if isinstance(one.trouble, Refused) else ""
        yield problem(one.name, f"{where}{words or one.trouble.message}", hint)
    if not target.simulated:
        yield from _files(one, target, facts)
        yield from _gpu_memory(one, gpus)
    for program in one.programs if not target.simulated else ():
        if not facts.programs.get(program) and "/" not in program:
            yield problem(
                one.name,
                f"its command begins with `{program}`, which is not on the PATH of commands there",
                f'install it, or give its whole path in prefix of [targets.{target.name}.toolkits."{one.name}"]',
            )
    if target.simulated and not one.trouble:
        played = one.toolkit is not None and one.toolkit.stand_in
        yield fine(one.name, "played by its stand-in" if played else "runs as it is: it needs no GPU and asks nobody")


def _files(one: Installed, target: Target, facts: Facts) -> Iterator[Finding]:
    table = f'[targets.{target.name}.toolkits."{one.name}"]'
    repo = one.repo
    if repo is not None and (seen := facts.paths.get(repo)) != "folder":
        words = {"absent": "is not there", "file": "is a file"}.get(seen or "absent", "cannot be read")
        yield problem(one.name, f"its repository {repo} {words}", f"clone it there, or correct repo in {table}")
    elif repo is not None:
        yield from _repository(one, repo, facts)
    for name, path in one.settings.items():
        if facts.paths.get(path) in ("absent", "unreadable"):
            yield problem(one.name, f"{name} is {path}, and that is {facts.paths[path]}", f"correct {name} in {table}")
    for path, remedy in one.needs.items():
        if path not in one.settings.values() and facts.paths.get(path) in ("absent", "unreadable"):
            yield problem(one.name, f"{path} is {facts.paths[path]}", remedy)


def _repository(one: Installed, repo: str, facts: Facts) -> Iterator[Finding]:
    version = _version(one, facts)
    if one.script and facts.paths.get(one.script) != "file":
        yield problem(
            one.name,
            f"{repo} has no {one.script.removeprefix(repo + '/')}: it is not the repository, or another version",
            "`git -C " + repo + " status` there shows what it is",
        )
        return
    yield fine(one.name, f"{repo}, " + (f"version {version}" if version else "which does not state its version"))
    if version and one.plan and one.model and one.plan.request.site:
        request = evolve(one.plan.request, site=evolve(one.plan.request.site, version=version))
        before = {p.code for p in one.plan.warnings}
        for told in one.model.validate_inputs(request):
            if told.code not in before:
                yield warning(one.name, told.message, told.hint)


def _version(one: Installed, facts: Facts) -> str | None:
    if one.version_file is None or one.toolkit is None or one.toolkit.version_in is None:
        return None
    found = re.search(one.toolkit.version_in[1], facts.versions.get(one.version_file, ""))
    return found[1] if found else None


def _gpu_memory(one: Installed, gpus: tuple[GpuUse, ...]) -> Iterator[Finding]:
    wanted = one.work.command.resources.gpu_mem_gb if one.work else None
    least = min((use.gpu.memory_mib for use in gpus if use.gpu.memory_mib), default=None)
    if wanted and least and least * _MIB < wanted * _GB:
        yield warning(
            one.name,
            f"it wants {wanted:g} GB of a GPU's memory, and there is one with {least * _MIB / _GB:.1f} GB",
            "its documents say what needs less; other GPUs, or fewer in gpus = [...]",
        )


def secrets_wanted(toolkits: list[Installed]) -> set[str]:
    """The names of the secrets that the toolkits' commands ask for."""
    return {name for one in toolkits if one.work for name in one.work.command.secrets}
