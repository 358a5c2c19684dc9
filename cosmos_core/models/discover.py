"""Finds installed plugins by package metadata alone: nothing of a plugin is imported here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from cosmos_core.models.metadata import EntryPoint, entry_points

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
        entries = entry_points((MODELS, EXTENSIONS))
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


def metadata_of(entry: EntryPoint) -> tuple[tuple[str, str], ...]:
    """The head of the metadata of an entry point's package, as (name, value); empty where there is no package."""
    if entry.dist is None:
        return ()
    text = entry.dist.read_text("METADATA") or entry.dist.read_text("PKG-INFO") or ""
    lines = (line.partition(": ") for line in text.partition("\n\n")[0].splitlines())
    return tuple((name, value) for name, colon, value in lines if colon)


def is_editable(found: Found) -> bool:
    """Whether a package is installed from its author's own folder (`pip install -e`)."""
    dist = found.entry.dist
    origin = (dist.read_text("direct_url.json") if dist else None) or ""
    return re.search(r'"editable"\s*:\s*true', origin) is not None  # PEP 610


def _package(entry: EntryPoint) -> tuple[str, str]:
    head = dict(metadata_of(entry))
    return head.get("Name") or entry.value.partition(":")[0].partition(".")[0], head.get("Version", "")
