"""A report on a target that can be shown to others: no secrets, no names of home folders."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import asdict

from cosmos_core import __version__
from cosmos_core.config import Target
from cosmos_core.errors import ConfigError
from cosmos_core.runs.check import Check
from cosmos_core.runs.secrets import secrets_of
from cosmos_core.runs.smoke import Smoke
from cosmos_core.values import Failure

_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|KEY", re.IGNORECASE)
_SHORTEST_SECRET = 4  # shorter ones are words like `1`, which stand for much else
_MARKS = {"ok": "ok", "warning": "!", "problem": "x", "not looked at": "-"}


def report_name(target: Target, now: datetime) -> str:
    """What the file is called where nobody says."""
    return f"cosmos-report-{re.sub(r'[^A-Za-z0-9_.-]', '_', target.name)}-{now:%Y-%m-%d}.md"


def report_of(check: Check, smokes: Sequence[Smoke], now: datetime | None = None) -> str:
    """Markdown that can be pasted into an issue."""
    parts = [
        f"# cosmos on {check.target.name}: {_verdict(check, smokes)}",
        f"{(now or datetime.now(UTC)):%Y-%m-%d %H:%M} UTC",
        "## Versions",
        _table(_versions(check)),
        "## Findings",
        _fenced("\n".join(_findings(check))),
        "## Configuration",
        _fenced("\n".join(_configuration(check.target)), "toml"),
        *(part for smoke in smokes for part in _smoke(smoke)),
    ]
    return _discreet("\n\n".join(parts) + "\n", check)


def _verdict(check: Check, smokes: Sequence[Smoke]) -> str:
    if not check.usable:
        return f"{check.count('problem')} problem{'s' * (check.count('problem') != 1)}"
    good = sum(smoke.outcome == "completed" for smoke in smokes)
    ran = [smoke for smoke in smokes if smoke.run]
    return f"{good} of {len(ran)} smallest jobs completed" if ran else "no problem found"


def _versions(check: Check) -> Iterator[tuple[str, str]]:
    yield "cosmos", __version__
    plugins = {one.model.package: one.model.version for one in check.toolkits if one.model}
    for package, version in plugins.items():
        yield f"plugin {package}", version
    yield "Python", platform.python_version()
    yield "this machine", platform.platform()
    if check.facts:
        yield "target", check.facts.system
        if version := check.facts.docker_version:
            yield "podman" if check.facts.is_podman else "Docker", version
    if check.seen and check.seen.driver:
        yield "NVIDIA driver", check.seen.driver


def _table(rows: Iterator[tuple[str, str]]) -> str:
    cells = ((cell.replace("|", r"\|") for cell in row) for row in rows)
    return "\n".join(("| what | version |", "|---|---|", *(f"| {' | '.join(row)} |" for row in cells)))


def _findings(check: Check) -> Iterator[str]:
    for one in check.findings:
        yield f"{_MARKS[one.grade]:2}  {one.subject}: {one.seen}"
        if one.remedy:
            yield f"      {one.remedy}"


def _configuration(target: Target) -> Iterator[str]:
    """The target's tables, as a file would have them; what may be secret is not said."""
    values = asdict(target, recurse=False)
    for name in ("name", "toolkits", "simulated"):
        values.pop(name)
    yield f"[targets.{target.name}]"
    yield from _lines(values)
    for name, site in target.toolkits.items():
        yield ""
        yield f'[targets.{target.name}.toolkits."{name}"]'
        values = asdict(site, recurse=False)
        settings = values.pop("settings")
        yield from _lines({**values, **settings})


def _lines(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if value not in (None, (), {}):
            yield f"{name} = {_toml(name, value)}"


def _toml(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(key, item)}" for key, item in value.items()) + " }"
    if isinstance(value, (tuple, list)):
        return json.dumps([str(item) if not isinstance(item, int) else item for item in value])
    if isinstance(value, str) and _SECRET.search(name):
        return '"***"'
    return json.dumps(value, default=str, ensure_ascii=False)


def _smoke(smoke: Smoke) -> Iterator[str]:
    yield f"## {smoke.toolkit}: {smoke.outcome}"
    run = smoke.run
    if run is None:
        return
    facts = [f"run {run.id}, {run.model_type}, exit code {'-' if smoke.exit_code is None else smoke.exit_code}"]
    if smoke.seconds:
        facts.append("seconds: " + ", ".join(f"{stage} {spent:.1f}" for stage, spent in smoke.seconds.items()))
    version = run.metadata.get("toolkit_version")
    if version:
        facts.append(f"version {version}")
    if run.metadata.get("image_digest"):
        facts.append(f"image {run.metadata['image_digest']}")
    if run.paused and not run.ended:
        facts += [f"paused: {run.paused.reason}", f"next: {run.paused.hint}"]
    if run.error:
        facts += _error(run.error)
    yield "\n".join(f"* {fact}" for fact in facts)
    if smoke.log:
        yield f"The last {len(smoke.log)} lines of its log:"
        yield _fenced("\n".join(smoke.log))


def _error(error: Failure) -> list[str]:
    return [f"error ({error.code}): {error.message}", *([f"next: {error.hint}"] if error.hint else [])]


def _fenced(text: str, language: str = "text") -> str:
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _discreet(text: str, check: Check) -> str:
    """The same without the values of secrets, and with ~ for home folders."""
    try:
        secrets = secrets_of(check.target)
    except ConfigError:
        secrets = {}
    hidden = [value for name, value in secrets.items() if name not in check.target.env or _SECRET.search(name)]
    for value in sorted(hidden, key=len, reverse=True):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "***")
    homes = {str(Path.home()), check.facts.home.rstrip("/") if check.facts else ""}
    for home in sorted(homes - {"", "/"}, key=len, reverse=True):
        text = re.sub(rf"{re.escape(home)}(?=[/\s\"'`:,;)]|$)", "~", text)
    return text
