"""Where a toolkit is on a target: what the configuration says, over what the plugin declares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from attrs import evolve

from cosmos_core.config import Target, ToolkitSite
from cosmos_core.errors import ConfigError, UsageError
from cosmos_core.parameters import read, unstructure
from cosmos_core.paths import on_target
from cosmos_core.values import Toolkit


def usable(toolkit: Toolkit, target: Target) -> bool:
    """Whether the target can run that toolkit, as far as the configuration tells."""
    if target.simulated:
        return toolkit.stand_in is not None or toolkit.runs_here
    if toolkit.workdir is None:
        return True
    site = target.site_of(toolkit.name)
    return site is not None and (site.repo is not None or target.runtime == "docker")


def refuse_for_real(toolkit: Toolkit, target: Target) -> None:
    """Nothing runs for real by the simulator, paid services least of all. Raises UsageError."""
    if target.simulated and not usable(toolkit, target):
        raise UsageError(
            f"the toolkit {toolkit.name!r} has no stand-in, and the simulator runs nothing for real",
            hint="run it on a target: --target NAME; for this machine put [targets.here] into cosmos.toml",
        )


def site_of(target: Target, toolkit: Toolkit, file: Path | None) -> ToolkitSite:
    """The toolkit's place on the target. Raises UsageError, or ConfigError naming `file` and the key."""
    table = f'targets.{target.name}.toolkits."{toolkit.name}"'
    refuse_for_real(toolkit, target)
    if not usable(toolkit, target):
        raise ConfigError(
            f"target {target.name} does not say where {toolkit.name} is",
            hint=f'add to the configuration: [{table}] with repo = "/where/it/is"',
        )
    said = target.site_of(toolkit.name) or ToolkitSite()
    reading = read(toolkit.settings, said.settings, field_prefix=f"{table}.")
    faults = [f"{p.field}: {p.message} {p.hint}".strip() for p in reading.problems]
    there: dict[str, PurePosixPath] = {}
    base = (file.parent if file else Path.cwd()) if target.host is None else None
    for name, path in paths_in(reading.instance).items():
        try:
            there[name] = PurePosixPath(on_target(str(path), base))
        except ValueError as wrong:
            faults.append(f"{table}.{name}: {wrong}")
    if faults:
        raise ConfigError(f"{file}: {'; '.join(faults)}", hint="correct that and try again")
    return ToolkitSite(
        kind=toolkit.name,
        image=said.image or toolkit.image if target.runtime == "docker" else None,
        repo=said.repo,
        prefix=toolkit.prefix if said.prefix is None else said.prefix,
        volumes=toolkit.volumes if said.volumes is None else said.volumes,
        settings=unstructure(evolve(reading.instance, **there)),
    )


def paths_in(settings: Any) -> Mapping[str, PurePosixPath]:
    """Those of a toolkit's own settings that are paths on the target."""
    values = ((a.name, getattr(settings, a.name)) for a in getattr(settings, "__attrs_attrs__", ()))
    return {name: value for name, value in values if isinstance(value, PurePosixPath)}
