"""Knowing models: finding their plugins, loading one on first use, and asking it through a fence.

`find_plugins` and `Models()` read package metadata only; a plugin, pluggy and attrs are imported when a model
is first looked up.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cosmos_core.models import checks as checks
    from cosmos_core.models.discover import Found as Found
    from cosmos_core.models.discover import find_plugins as find_plugins
    from cosmos_core.models.model import Model as Model
    from cosmos_core.models.registry import Models as Models
    from cosmos_core.models.registry import PluginReport as PluginReport
    from cosmos_core.models.schema import json_schema as json_schema

_HOME_OF = {
    "Found": "discover",
    "find_plugins": "discover",
    "Model": "model",
    "Models": "registry",
    "PluginReport": "registry",
    "json_schema": "schema",
}

__all__ = [*_HOME_OF]


def __getattr__(name: str) -> Any:
    if name == "checks":  # with the values that it checks, which nobody has before a hook is called
        return import_module(f"{__name__}.checks")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
