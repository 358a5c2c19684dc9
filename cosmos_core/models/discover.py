"""Finds installed plugins by package metadata alone: nothing of a plugin is imported here."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import NamedTuple

MODELS = "cosmos.models"
EXTENSIONS = "cosmos.extensions"


class Found(NamedTuple):
    """An entry point of ours. `rivals` are the packages that register the same model name."""

    entry: EntryPoint
    package: str
    version: str
    rivals: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The entry point's name: for a model, its type."""
        return self.entry.name

    @property
    def kind(self) -> str:
        """`model` or `extension`."""
        return "model" if self.entry.group == MODELS else "extension"

    @property
    def title(self) -> str:
        """How messages call it: `the model plugin 'transfer' (cosmos-runner 0.1.0)`."""
        kind = "model plugin" if self.entry.group == MODELS else "extension"
        return f"the {kind} {self.name!r} ({self.package}{' ' * bool(self.version)}{self.version})"


def find_plugins(entries: Iterable[EntryPoint] | None = None) -> tuple[Found, ...]:
    """Every model and extension that is installed, models first; `entries` stands in for the metadata."""
    if entries is None:
        entries = (*entry_points(group=MODELS), *entry_points(group=EXTENSIONS))
    found = [Found(entry, *_package(entry)) for entry in entries]
    claims: dict[str, list[str]] = {}
    for one in found:
        if one.entry.group == MODELS:
            claims.setdefault(one.name, []).append(one.package)
    told = (
        one._replace(rivals=tuple(sorted(claims[one.name])))
        if one.entry.group == MODELS and len(claims[one.name]) > 1
        else one
        for one in found
    )
    return tuple(sorted(told, key=lambda one: (one.entry.group != MODELS, one.name, one.package)))


def _package(entry: EntryPoint) -> tuple[str, str]:
    dist: Distribution | None = getattr(entry, "dist", None)
    if dist is None:
        return entry.value.partition(":")[0].partition(".")[0], ""
    # the first lines hold it; `dist.metadata` would import the email parser, 10 ms
    text = dist.read_text("METADATA") or dist.read_text("PKG-INFO") or ""
    head = dict(line.split(": ", 1) for line in text.partition("\n\n")[0].splitlines() if ": " in line)
    return head.get("Name") or dist.name, head.get("Version", "")
