"""Which version of the core a plugin's package wants, by its metadata alone: nothing of it is imported."""

from __future__ import annotations

import re

from cosmos_core import __version__
from cosmos_core.models.discover import Found, metadata_of
from cosmos_core.models.fence import UPGRADE_US, PluginFailure, how_to_upgrade

CORE = "cosmos-runner"
_WANTS_US = re.compile(
    r"cosmos[-_.]runner\s*(\[[^\]]*\])?\s*\(?(?P<versions>[<>=~!][^;)]*)\)?\s*(;(?P<marker>.*))?", re.IGNORECASE
)


def refuse_for_another_core(found: Found) -> None:
    """Raise PluginFailure, saying who has to be upgraded, where the package wants another version of the core."""
    for name, value in metadata_of(found.entry):
        wanted = _WANTS_US.fullmatch(value) if name == "Requires-Dist" else None
        if wanted and _applies(wanted["marker"]):
            _refuse(found, wanted["versions"])


def _applies(marker: str | None) -> bool:
    if marker is None:
        return True
    from packaging.markers import InvalidMarker, Marker

    try:
        return Marker(marker).evaluate({"extra": ""})
    except InvalidMarker:
        return False


def _refuse(found: Found, versions: str) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # 10 ms, and few packages say a version
    from packaging.version import Version

    try:
        wanted = SpecifierSet(versions)
    except InvalidSpecifier:
        return  # nobody installed the package by that
    if wanted.contains(__version__, prereleases=True):
        return
    words = f"{found.title} wants {CORE} {wanted}, and this is {__version__}"
    least = [Version(one.version.removesuffix(".*")) for one in wanted if one.operator in (">=", ">", "~=", "==")]
    if any(version > Version(__version__) for version in least):
        raise PluginFailure(found, words, UPGRADE_US)
    raise PluginFailure(found, words, f"it was made for an older one: {how_to_upgrade(found)}")
