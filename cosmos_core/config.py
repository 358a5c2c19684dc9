"""Configuration: one TOML file, a few environment variables, and where each value came from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from attrs import asdict, field, fields, frozen

from cosmos_core import paths
from cosmos_core.config_file import DATABASE, SIMULATOR, VARIABLES, absolute_url, default_home, expand, find, parse
from cosmos_core.declared import parameter
from cosmos_core.errors import ConfigError, UnknownName, UsageError
from cosmos_core.looks_secret import secrets_in
from cosmos_core.parameters import nearest, read


@frozen(kw_only=True)
class _SiteTable:
    """The keys of [targets.X.toolkits.Y] that are ours; None leaves what the plugin declares."""

    kind: str | None = parameter(None, help="the toolkit, where the table's name is one of your own")
    image: str | None = parameter(None, help="Docker image")
    repo: str | None = parameter(None, help="the repository, an absolute path on the host")
    prefix: tuple[str, ...] | None = parameter(None, help="put before the command")
    volumes: tuple[str, ...] | None = parameter(None, help="anonymous volumes")


@frozen(kw_only=True)
class ToolkitSite(_SiteTable):
    """Where one toolkit is on a target, and its own settings, still unread."""

    settings: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class _TargetTable:
    """The keys of [targets.X]."""

    host: str | None = parameter(None, help="a name from ~/.ssh/config, or [USER@]NAME[:PORT]; absent: this machine")
    work_dir: str = parameter(help="where jobs and the input cache live, on the host")
    runtime: Literal["process", "docker"] = parameter("process", help="how a job runs")
    docker: tuple[str, ...] = parameter(("docker",), help='the docker command, e.g. ["sudo", "docker"]')
    gpus: int | tuple[int, ...] | None = parameter(None, help="how many GPUs are ours, or their indexes", ge=0, le=1024)
    connect_timeout: float = parameter(10.0, help="until a host counts as unreachable", unit="s", ge=0.1)
    lock_dir: str = parameter("/run/lock/cosmos", help="where the users of one host wait for GPUs")
    env_file: str | None = parameter(None, help="a local file of NAME=VALUE lines: HF_TOKEN and the like")
    env: Mapping[str, str] = parameter({}, help="environment of every job; ${NAME} is expanded at launch")
    mounts: tuple[str, ...] = parameter((), help="host paths, mounted at the same path")
    ipc: str | None = parameter(None, help="Docker's --ipc")
    shm_size: str | None = parameter(None, help="Docker's --shm-size")


@frozen(kw_only=True)
class Target(_TargetTable):
    """A host with its settings: where the work goes. Field names are the configuration's keys."""

    name: str
    toolkits: Mapping[str, ToolkitSite] = field(factory=dict)
    simulated: bool = False

    @property
    def gpu_count(self) -> int | None:
        """How many GPUs are ours there; None if the configuration does not say."""
        return len(self.gpus) if isinstance(self.gpus, tuple) else self.gpus

    def site_of(self, toolkit: str) -> ToolkitSite | None:
        """What the configuration says of a toolkit here, by the table's name or its `kind`."""
        by_kind = (site for site in self.toolkits.values() if site.kind == toolkit)
        return self.toolkits.get(toolkit) or next(by_kind, None)


class Setting(NamedTuple):
    """One row of `cosmos config`."""

    key: str
    value: Any
    source: str


@frozen(kw_only=True)
class _General:
    """The top of the file."""

    default_target: str | None = parameter(None, help="the target of a run that names none")
    simulate: Literal["auto", "never"] = parameter("auto", help="whether the simulator may stand in for a target")
    required_extensions: tuple[str, ...] = parameter((), help="extensions without which nothing runs")
    outputs_dir: str | None = parameter(None, help="a folder for a copy of each result, named by date and text")


@frozen(kw_only=True)
class _StoreTable:
    url: str = parameter(DATABASE, help="database; a relative SQLite file lies in the data folder")


@frozen(kw_only=True)
class Config:
    """Everything configured, checked. `home` is the data folder: database, outputs, simulated jobs."""

    path: Path | None
    home: Path
    store_url: str
    default_target: str | None
    simulate: Literal["auto", "never"]
    targets: Mapping[str, Target]  # as configured; the simulator is not among them unless it was
    settings: tuple[Setting, ...]
    required_extensions: tuple[str, ...] = ()
    results_dir: Path | None = None  # `outputs_dir` of the file: where a copy of each result goes

    @classmethod
    def load(cls, path: Path | str | None = None, environ: Mapping[str, str] | None = None) -> Config:
        """Read the configuration as `cosmos` does: `path`, else $COSMOS_CONFIG, ./cosmos.toml, the user's own.

        Raises ConfigError naming the file and the key for anything that cannot be used.
        """
        env = os.environ if environ is None else environ
        file = find(path, env)
        return _Reader(file, parse(file), env).config()

    @property
    def outputs_dir(self) -> Path:
        """Where outputs of runs are kept on this machine."""
        return self.home / "outputs"

    @property
    def simulator(self) -> Target:
        """The built-in target that plays every toolkit by its stand-in, on this machine."""
        return self.targets.get(SIMULATOR) or Target(
            name=SIMULATOR,
            work_dir=str(self.home / SIMULATOR),
            lock_dir=str(self.home / SIMULATOR / "line"),
            simulated=True,
        )

    @property
    def first_choice(self) -> str | None:
        """The target on a real machine that a run gets which names none; None where there is no such."""
        name = self.default_target or (next(iter(self.targets)) if len(self.targets) == 1 else None)
        return name if name and name in self.targets and not self.targets[name].simulated else None

    def target(self, name: str | None, *, may_simulate: bool = True) -> Target:
        """The target named, or the default one. `may_simulate`: the store never ran on a real target.

        Raises UnknownName, or UsageError when several targets are configured and none is the default.
        """
        chosen = name or self.default_target
        if chosen is None and len(self.targets) > 1:
            raise UsageError(
                f"which target? there are {', '.join(self.targets)}",
                hint='add --target NAME, or default_target = "NAME" to the configuration',
            )
        if chosen is None and not self.targets and not may_simulate:
            raise UsageError(
                "no target is configured, and this database holds runs of real targets",
                hint=f"add --target {SIMULATOR} to simulate on purpose, or configure the target again",
            )
        chosen = chosen or next(iter(self.targets), SIMULATOR)
        if chosen in self.targets:
            target = self.targets[chosen]
        elif chosen == SIMULATOR:
            target = self.simulator
        else:
            known = (*self.targets, SIMULATOR)
            raise UnknownName(
                f"there is no target {chosen!r}",
                hint=f"{nearest(chosen, known)}targets: {', '.join(known)}",
            )
        if target.simulated and self.simulate == "never":
            raise UsageError(
                "the simulator is switched off (simulate = never)",
                hint="configure a target, or unset COSMOS_SIMULATE and `simulate` in the configuration",
            )
        return target


class _Reader:
    """Turns the parsed file into a Config; collects every fault before it refuses."""

    def __init__(self, file: Path | None, document: dict[str, Any], env: Mapping[str, str]) -> None:
        self.file = file
        self.document = document
        self.env = env
        self.home = default_home(env)
        self.faults: list[str] = []
        self.settings: list[Setting] = []

    def config(self) -> Config:
        """The whole of it, or one ConfigError with every fault."""
        source = "COSMOS_HOME" if self.env.get("COSMOS_HOME") else "default"
        self.settings.append(Setting("home", str(self.home), source))
        document = dict(self.document)
        store_table, target_tables = (self._table(document, key) for key in ("store", "targets"))
        known = (*(f.name for f in fields(_General)), "store", "targets")
        for key in [key for key in document if key not in known]:
            del document[key]
            self.faults.append(f"{key}: unknown key; {nearest(key, known)}there is {', '.join(known)}")
        general = self._read(_General, document, "", {"outputs_dir": partial(paths.on_this_machine, base=self._base)})
        store = self._read(_StoreTable, store_table, "store.")
        targets = {name: self._target(name, table) for name, table in target_tables.items()}
        if self.faults:
            where = self.file or "the environment"
            raise ConfigError(f"{where}: " + "; ".join(self.faults), hint="correct that and try again")
        config = Config(
            path=self.file,
            home=self.home,
            store_url=absolute_url(store.url, self.home),
            default_target=general.default_target,
            simulate=general.simulate,
            targets=targets,
            settings=tuple(self.settings),
            required_extensions=general.required_extensions,
            results_dir=Path(general.outputs_dir) if general.outputs_dir else None,
        )
        names = (*targets, SIMULATOR)
        if config.default_target and config.default_target not in names:
            name = config.default_target
            raise UnknownName(
                f"the default target {name!r} is not configured",
                hint=f"{nearest(name, names)}targets: {', '.join(names)}",
            )
        return config

    def _table(self, document: dict[str, Any], key: str) -> dict[str, Any]:
        table = document.pop(key, {})
        if isinstance(table, dict):
            return table
        self.faults.append(f"{key}: wants a table, [{key}]")
        return {}

    def _target(self, name: str, table: Any) -> Target:
        prefix = f"targets.{name}."
        if not isinstance(table, dict):
            self.faults.append(f"targets.{name}: wants a table, [targets.{name}]")
            table = {}
        table = dict(table)
        sites = self._table(table, "toolkits")
        simulated = name == SIMULATOR
        here = simulated or not table.get("host")
        if here:
            table.setdefault("work_dir", str(self.home / (SIMULATOR if simulated else "work")))
        if simulated:
            table.setdefault("lock_dir", str(self.home / SIMULATOR / "line"))  # nobody else waits there
        base = self._base if here else None
        flat = self._read(
            _TargetTable,
            table,
            prefix,
            {
                "host": paths.host,
                "work_dir": partial(paths.on_target, base=base),
                "lock_dir": partial(paths.on_target, base=base),
                "mounts": partial(paths.to_mount, base=base),
                "docker": partial(paths.word, base=base),
                "env_file": partial(paths.on_this_machine, base=self._base),
            },
        )
        self._refuse_secrets(prefix, table)
        toolkits = {key: self._site(f"{prefix}toolkits.{key}", value, base) for key, value in sites.items()}
        if flat is None:
            return Target(name=name, work_dir="")  # never used: there are faults
        if isinstance(flat.gpus, tuple) and len(set(flat.gpus)) < len(flat.gpus):
            self.faults.append(f"{prefix}gpus: {list(flat.gpus)} names a GPU twice")
        if len(set(flat.mounts)) < len(flat.mounts):
            self.faults.append(f"{prefix}mounts: names a path twice")
        return Target(name=name, toolkits=toolkits, simulated=simulated, **asdict(flat, recurse=False))

    @property
    def _base(self) -> Path:
        """What relative paths of the file are relative to."""
        return self.file.parent if self.file else Path.cwd()

    def _refuse_secrets(self, prefix: str, table: Mapping[str, Any]) -> None:
        for name, way in secrets_in(table, self.env):
            self.faults.append(f"{prefix}{name}: looks like a secret, and would be stored with each run; {way}")

    def _site(self, key: str, table: Any, base: Path | None) -> ToolkitSite:
        if not isinstance(table, dict):
            self.faults.append(f"{key}: wants a table")
            return ToolkitSite()
        ours = {f.name for f in fields(_SiteTable)}
        flat = self._read(
            _SiteTable,
            {k: v for k, v in table.items() if k in ours},
            f"{key}.",
            {
                "repo": partial(paths.on_target, base=base),
                "prefix": partial(paths.word, base=base),
                "volumes": paths.in_container,
            },
        )
        self._refuse_secrets(f"{key}.", table)
        settings = {k: self._expanded(v, f"{key}.{k}") for k, v in table.items() if k not in ours}
        return ToolkitSite(settings=settings, **asdict(flat, recurse=False)) if flat else ToolkitSite()

    def _path(self, value: Any, key: str, check: Callable[[str], str]) -> Any:
        """A path, or several, as they are used."""
        if isinstance(value, tuple):
            return tuple(self._path(item, key, check) for item in value)
        try:
            return check(value)
        except ValueError as wrong:
            self.faults.append(f"{key}: {wrong}")
            return value

    def _read(
        self,
        cls: type[Any],
        table: Mapping[str, Any],
        prefix: str,
        checks: Mapping[str, Callable[[str], str]] | None = None,
    ) -> Any:
        """One table by one class. Environment variables win over the file; None when it has faults.

        `checks` names the keys that are paths and hosts, and what checks and expands each.
        """
        values = {k: v if k == "env" else self._expanded(v, prefix + k) for k, v in table.items()}
        sources = dict.fromkeys(values, str(self.file))
        for variable, key in VARIABLES.items():
            name = key.removeprefix(prefix)
            if self.env.get(variable) and name in {f.name for f in fields(cls)} and prefix + name == key:
                values[name], sources[name] = self.env[variable], variable
        reading = read(cls, values, field_prefix=prefix)
        self.faults += [f"{p.field}: {p.message}" + (f"; {p.hint}" if p.hint else "") for p in reading.problems]
        if reading.instance is None:
            return None
        said = asdict(reading.instance, recurse=False)
        for name, check in (checks or {}).items():
            if said[name] is not None:
                said[name] = self._path(said[name], prefix + name, check)
        for name, value in said.items():
            if name in sources or not prefix.startswith("targets."):
                self.settings.append(Setting(prefix + name, value, sources.get(name, "default")))
        return cls(**said)

    def _expanded(self, value: Any, key: str) -> Any:
        if isinstance(value, list):
            return [self._expanded(item, key) for item in value]
        if not isinstance(value, str):
            return value
        try:
            return expand(value, self.env)
        except KeyError as missing:
            self.faults.append(f"{key}: the environment variable {missing.args[0]} is not set")
            return value
