"""Plugins as they are found for real: a module and its package metadata in a folder on sys.path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import invalidate_caches
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder like site-packages, on sys.path; what a test imports from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """`install(package, code, models={name: object}, extensions={...})`: one module, laid out as pip does."""

    def install(
        package: str,
        code: str,
        *,
        models: Mapping[str, str] | None = None,
        extensions: Mapping[str, str] | None = None,
        version: str = "1.0",
        requires: str = "",
        editable: bool = False,
    ) -> None:
        module = package.replace("-", "_")
        (site / f"{module}.py").write_text(dedent(code))
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        head += f"Requires-Dist: {requires}\n" * bool(requires)
        (info / "METADATA").write_text(f"{head}\nAbout it.\n")
        if editable:
            (info / "direct_url.json").write_text(f'{{"dir_info": {{"editable": true}}, "url": "file://{site}"}}')
        groups = {"cosmos.models": models or {}, "cosmos.extensions": extensions or {}}
        lines = [
            line
            for group, entries in groups.items()
            for line in (f"[{group}]", *(f"{name} = {module}:{thing}" for name, thing in entries.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        invalidate_caches()

    return install


MINIMAL = '''
from attrs import frozen
from cosmos_core import (
    Bundle, Command, Draft, Failure, Fetch, FileToWrite, Input, InputSlot, ModelInfo, Outputs, Place, Problem,
    Progress, Toolkit, hookimpl,
)

class Plain:
    """A model that keeps the contract and does next to nothing."""

    @hookimpl
    def describe(self):
        return ModelInfo(title="Plain", toolkits=(Toolkit(name="plain"),))

    @hookimpl
    def convert_inputs(self, job):
        return Bundle()

    @hookimpl
    def choose_script(self, job, bundle):
        return Command(argv=("true",))

plain = Plain()
'''


@pytest.fixture
def plain_source() -> str:
    """The source of a minimal plugin: the class `Plain` and an instance of it, `plain`."""
    return MINIMAL
