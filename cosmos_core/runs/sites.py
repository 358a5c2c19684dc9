"""Where a toolkit is on a target: what the configuration says, over what the plugin declares."""

from __future__ import annotations

from pathlib import Path

from cosmos_core.config import Target, ToolkitSite
from cosmos_core.errors import ConfigError, UsageError
from cosmos_core.parameters import read, unstructure
from cosmos_core.values import Toolkit


def usable(toolkit: Toolkit, target: Target) -> bool:
    """Whether the target can run that toolkit, as far as the configuration tells."""
    if toolkit.workdir is None or (target.simulated and toolkit.stand_in):
        return True
    site = target.site_of(toolkit.name)
    return site is not None and (site.repo is not None or target.runtime == "docker")


def site_of(target: Target, toolkit: Toolkit, file: Path | None) -> ToolkitSite:
    """The toolkit's place on the target. Raises UsageError, or ConfigError naming `file` and the key."""
    table = f'targets.{target.name}.toolkits."{toolkit.name}"'
    if not usable(toolkit, target):
        if target.simulated:
            raise UsageError(
                f"{toolkit.name} has no stand-in to simulate it",
                hint="run it on a real target: --target NAME",
            )
        raise ConfigError(
            f"target {target.name} does not say where {toolkit.name} is",
            hint=f'add to the configuration: [{table}] with repo = "/where/it/is"',
        )
    said = target.site_of(toolkit.name) or ToolkitSite()
    reading = read(toolkit.settings, said.settings, field_prefix=f"{table}.")
    if reading.problems:
        faults = "; ".join(f"{p.field}: {p.message} {p.hint}".strip() for p in reading.problems)
        raise ConfigError(f"{file}: {faults}", hint="correct that and try again")
    return ToolkitSite(
        kind=toolkit.name,
        image=said.image or toolkit.image if target.runtime == "docker" else None,
        repo=said.repo,
        prefix=toolkit.prefix if said.prefix is None else said.prefix,
        volumes=toolkit.volumes if said.volumes is None else said.volumes,
        settings=unstructure(reading.instance),
    )
