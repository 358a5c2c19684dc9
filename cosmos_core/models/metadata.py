"""Entry points and the metadata of their packages, as importlib.metadata has them, at a tenth of its price.

Importing importlib.metadata takes longer than all of our own start-up: it brings the email parser, sockets and zip
files with it. Where every place on sys.path is a folder, the folders that pip wrote are read here directly; anything
else is left to importlib.metadata.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.machinery import PathFinder
from typing import Any, NamedTuple, Protocol


class Metadata(Protocol):
    """What pip keeps about an installed package."""

    def read_text(self, filename: str) -> str | None:
        """One of its files; None if there is no such file."""


class EntryPoint(NamedTuple):
    """A line `name = value` of a group; `value` is `package.module:attribute`."""

    name: str
    value: str
    group: str
    dist: Metadata | None = None  # of the package that registers it; None where there is none

    def load(self) -> Any:
        """The object that it names. Raises whatever its import raises."""
        module, _, attributes = self.value.partition("[")[0].replace(" ", "").partition(":")
        found: Any = import_module(module)
        for name in filter(None, attributes.split(".")):
            found = getattr(found, name)
        return found


class _Folder(NamedTuple):
    """A `.dist-info` or `.egg-info`."""

    path: str

    def read_text(self, filename: str) -> str | None:
        try:
            with open(os.path.join(self.path, filename), encoding="utf-8", errors="replace") as file:  # noqa: PTH118, PTH123
                return file.read()
        except OSError:
            return None


def entry_points(groups: Iterable[str]) -> tuple[EntryPoint, ...]:
    """The entry points of these groups, of all packages that can be imported."""
    if not _all_are_folders():
        return _as_python_finds_them(groups)
    wanted = set(groups)
    return tuple(
        EntryPoint(name, value, group, folder)
        for folder in _folders()
        for group, name, value in _lines(folder.read_text("entry_points.txt") or "")
        if group in wanted
    )


def _all_are_folders() -> bool:
    """Whether there is nothing but folders to look into: no zip file, no egg, no finder of somebody else's."""
    others = (finder for finder in sys.meta_path if finder is not PathFinder)
    return not any(hasattr(finder, "find_distributions") for finder in others) and not any(
        place.endswith(".egg") or os.path.isfile(place)  # noqa: PTH113  pathlib costs 4 ms
        for place in map(os.fspath, sys.path)
    )


def _folders() -> Iterator[_Folder]:
    """The metadata of every package; of several versions on sys.path the one that is imported, which comes first."""
    seen: set[str] = set()
    for place in sys.path:
        try:
            names = os.listdir(place or ".")  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            stem, _, kind = name.rpartition(".")
            if kind in ("dist-info", "egg-info"):
                package = re.sub(r"[-_.]+", "_", stem.partition("-")[0]).lower()
                if package not in seen:
                    seen.add(package)
                    yield _Folder(os.path.join(place, name))  # noqa: PTH118


def _lines(text: str) -> Iterator[tuple[str, str, str]]:
    """Group, name and value of each line of an entry_points.txt."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1]
        elif not line.startswith("#"):
            name, assigned, value = line.partition("=")
            if assigned:
                yield group, name.strip(), value.strip()


def _as_python_finds_them(groups: Iterable[str]) -> tuple[EntryPoint, ...]:
    from importlib.metadata import entry_points as found

    return tuple(EntryPoint(one.name, one.value, group, one.dist) for group in groups for one in found(group=group))
