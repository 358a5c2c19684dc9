"""Everything that keeps a target's jobs from running, found in one go."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from cosmos_core.amounts import size
from cosmos_core.config import Config, Target
from cosmos_core.config_file import expand
from cosmos_core.errors import ConfigError, CosmosError, TargetUnusable
from cosmos_core.models import Models
from cosmos_core.runs.secrets import quoted_in, secrets_of
from cosmos_core.runs.toolkits import Installed, secrets_wanted, toolkit_findings, toolkits_of
from cosmos_core.store import Store
from cosmos_core.targets import Hosts
from cosmos_core.targets.check import host_findings, programs_of, waits_for_gpus
from cosmos_core.targets.facts import Facts, Wanted, find_out
from cosmos_core.targets.findings import Finding, fine, problem, unseen, warning
from cosmos_core.targets.overview import Overview, look_over
from cosmos_core.targets.way import look_at_way, named

_CHECKPOINTS = 60 * 10**9  # what NVIDIA's models take at least, with all that they bring along
_TOKEN = "HF_TOKEN"  # noqa: S105  its name


@frozen(kw_only=True)
class Check:
    """What was found out about a target. `facts` and `seen` are None where it could not be reached."""

    target: Target
    host: str
    findings: tuple[Finding, ...]
    toolkits: tuple[Installed, ...] = ()
    facts: Facts | None = None
    seen: Overview | None = None

    @property
    def usable(self) -> bool:
        """Whether jobs can run, as far as could be seen."""
        return not any(finding.grade == "problem" for finding in self.findings)

    def count(self, grade: str) -> int:
        """How many findings of a grade there are."""
        return sum(finding.grade == grade for finding in self.findings)


def check_target(target: Target, config: Config, models: Models, store: Store, hosts: Hosts) -> Check:
    """Look at all of it. What is wrong with the target is in the answer; nothing is raised for it."""
    found, reached = look_at_way(target)
    with tempfile.TemporaryDirectory(prefix="cosmos-check-") as folder:
        toolkits = toolkits_of(target, config, models, hosts, Path(folder))
    here = list(_secrets(target, toolkits))
    host = hosts.of(target)
    try:
        if not reached:
            raise TargetUnusable("")
        seen = look_over(
            host,
            work_dir=target.work_dir,
            lock_dir=target.lock_dir,
            docker=_docker(target),
            folders=(),
            patience=target.connect_timeout,
        )
        facts = find_out(
            host,
            _wanted(target, toolkits),
            work_dir=target.work_dir,
            lock_dir=target.lock_dir if waits_for_gpus(target) else None,
            docker=_docker(target),
            store_id=store.id,
            hf_home=_hf_home(target),
            patience=target.connect_timeout,
        )
    except TargetUnusable as error:
        if error.message:
            found.append(problem("login", error.message, named(error.hint, target)))
        rest = "system, clock, programs, work_dir, docker, gpus, toolkits and all else there"
        found += [*here, unseen(rest, "the host has to be reached first")]
        return Check(target=target, host=target.host or host.name, findings=tuple(found), toolkits=tuple(toolkits))
    if target.host is not None:
        found.append(fine("login", f"{facts.user} on {facts.host}"))
    found += host_findings(target, facts, seen)
    for one in toolkits:
        found += toolkit_findings(one, target, facts, seen.gpus)
    if not toolkits:
        example = f'[targets.{target.name}.toolkits."cosmos-transfer2.5"]'
        found.append(warning("toolkits", "none is configured", f"say where one is: {example} with repo = ..."))
    found += [*_mounts(target, facts), *here]
    if _TOKEN in secrets_wanted(toolkits) and not target.simulated:
        found += _checkpoints(target, facts)
    return Check(
        target=target, host=facts.host, findings=tuple(found), toolkits=tuple(toolkits), facts=facts, seen=seen
    )


def _docker(target: Target) -> Sequence[str] | None:
    return target.docker if target.runtime == "docker" else None


def _wanted(target: Target, toolkits: Sequence[Installed]) -> Wanted:
    paths = list(target.mounts if target.runtime == "docker" else ())
    for one in toolkits:
        paths += [*filter(None, (one.repo, one.script)), *one.settings.values(), *one.needs]
    images = [
        (one.site.image if one.site else None) or (one.toolkit.image if one.toolkit else None) for one in toolkits
    ]
    return Wanted(
        programs=(*programs_of(target), *(program for one in toolkits for program in one.programs)),
        paths=tuple(dict.fromkeys(paths)),
        versions=tuple(one.version_file for one in toolkits if one.version_file),
        images=tuple(dict.fromkeys(filter(None, images))),
    )


# -- secrets and checkpoints -----------------------------------------------------------------------------------------


def _secrets(target: Target, toolkits: Sequence[Installed]) -> Iterator[Finding]:
    """The file of secrets on this machine; never what is in it."""
    try:
        names = secrets_of(target)
    except ConfigError as error:
        yield problem("secrets", error.message, error.hint)
        return
    for line in quoted_in(target):
        yield warning("secrets", f"{line}: the quotes around the value are left out", "write it without quotes")
    if target.env_file:
        mode = Path(target.env_file).stat().st_mode
        if mode & 0o077:
            seen = f"{target.env_file} can be read by other users of this machine"
            yield warning("secrets", seen, f"`chmod 600 {shlex.quote(target.env_file)}`")
        else:
            of_file = [name for name in names if name not in target.env]
            yield fine("secrets", f"{target.env_file} sets {', '.join(of_file) or 'nothing'}")
    missing = sorted(secrets_wanted(list(toolkits)) - {name for name, value in names.items() if value} - {_TOKEN})
    if missing and not target.simulated:
        where = f"env_file of [targets.{target.name}]"
        yield warning("secrets", f"asked for and not set: {', '.join(missing)}", f"put them into {where}")


def _hf_home(target: Target) -> str | None:
    """Where the configuration says that Hugging Face's cache is."""
    value = target.env.get("HF_HOME")
    try:
        return expand(value, os.environ) if value else None
    except KeyError:
        return None


def _mounts(target: Target, facts: Facts) -> Iterator[Finding]:
    for path in target.mounts if target.runtime == "docker" else ():
        if facts.paths.get(path) == "absent":  # what Docker may read is another question than what the user may
            remedy = f"`mkdir -p {shlex.quote(path)}` there, or correct mounts in [targets.{target.name}]"
            yield problem("mounts", f"{path} is not there", remedy)


def _checkpoints(target: Target, facts: Facts) -> Iterator[Finding]:
    """Whether models once downloaded stay, whether there is room for them, and a token for those that want one."""
    said, table = _hf_home(target), f"[targets.{target.name}]"
    stays = target.runtime == "process" or (
        said is not None and any(said == path or said.startswith(f"{path.rstrip('/')}/") for path in target.mounts)
    )
    if not stays:
        yield warning(
            "checkpoints",
            "Hugging Face's cache is inside the container: every run downloads its models anew",
            f'set env = {{ HF_HOME = "/data/hf" }} and mounts = ["/data/hf"] in {table}, with a folder of the host',
        )
    elif not facts.hf_models and facts.hf_free is not None and facts.hf_free < _CHECKPOINTS:
        seen = f"{facts.hf_home} holds no model yet, and has {size(facts.hf_free)} free"
        yield warning("checkpoints", seen, f"make room there, or set HF_HOME in env of {table} to a larger disk")
    else:
        count = f"{facts.hf_models} model{'s' * (facts.hf_models != 1)}"
        yield fine("checkpoints", f"{facts.hf_home}: {count}, {size(facts.hf_free)} free")
    yield _token(target, facts, stays=stays)


def _token(target: Target, facts: Facts, *, stays: bool) -> Finding:
    try:
        ours = bool(secrets_of(target).get(_TOKEN))
    except CosmosError:
        ours = False
    if ours:
        return fine("token", f"{_TOKEN} is set by the configuration")
    if facts.token == "file" and stays:  # noqa: S105  where it is, not what
        return fine("token", f"there is one in {facts.hf_home}")
    if facts.token == "environment" and target.runtime == "process":  # noqa: S105
        return fine("token", f"{_TOKEN} is set there")
    return warning(
        "token",
        "none for Hugging Face: models that want a licence cannot be downloaded; those in the cache can be used",
        f"put a line {_TOKEN}=... into env_file of [targets.{target.name}]; accept the licences on huggingface.co",
    )
