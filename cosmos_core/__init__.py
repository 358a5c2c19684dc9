"""Run generative world models on GPU machines, one plugin per model, with every prompt and run remembered.

This is the front door: what plugins and scripts import. Everything is loaded on first use, so that
`cosmos --help` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cosmos_core.app import Cosmos as Cosmos
    from cosmos_core.config import Config as Config
    from cosmos_core.declared import Draft as Draft
    from cosmos_core.declared import InputSlot as InputSlot
    from cosmos_core.declared import ModelInfo as ModelInfo
    from cosmos_core.declared import NoParameters as NoParameters
    from cosmos_core.declared import Toolkit as Toolkit
    from cosmos_core.declared import parameter as parameter
    from cosmos_core.errors import ConfigError as ConfigError
    from cosmos_core.errors import CosmosError as CosmosError
    from cosmos_core.errors import NotFound as NotFound
    from cosmos_core.errors import PluginError as PluginError
    from cosmos_core.errors import Refused as Refused
    from cosmos_core.errors import TargetUnusable as TargetUnusable
    from cosmos_core.errors import UnknownName as UnknownName
    from cosmos_core.errors import UsageError as UsageError
    from cosmos_core.handle import Handle as Handle
    from cosmos_core.hookspecs import hookimpl as hookimpl
    from cosmos_core.runs.wish import Wish as Wish
    from cosmos_core.store.records import Filter as Filter
    from cosmos_core.store.records import Page as Page
    from cosmos_core.store.records import PromptRecord as PromptRecord
    from cosmos_core.store.records import RunRecord as RunRecord
    from cosmos_core.toolkits import by_toolkit as by_toolkit
    from cosmos_core.values import PYTHON as PYTHON
    from cosmos_core.values import Bundle as Bundle
    from cosmos_core.values import Command as Command
    from cosmos_core.values import Failure as Failure
    from cosmos_core.values import Fetch as Fetch
    from cosmos_core.values import FileToWrite as FileToWrite
    from cosmos_core.values import Input as Input
    from cosmos_core.values import Job as Job
    from cosmos_core.values import LineReader as LineReader
    from cosmos_core.values import Media as Media
    from cosmos_core.values import Outputs as Outputs
    from cosmos_core.values import Place as Place
    from cosmos_core.values import Problem as Problem
    from cosmos_core.values import Progress as Progress
    from cosmos_core.values import Request as Request
    from cosmos_core.values import Resources as Resources
    from cosmos_core.values import Result as Result
    from cosmos_core.values import Site as Site
    from cosmos_core.values import shipped as shipped

__version__ = "0.1.0"

_HOMES = {
    "app": ("Cosmos",),
    "config": ("Config",),
    "declared": ("Draft", "InputSlot", "ModelInfo", "NoParameters", "Toolkit", "parameter"),
    "errors": (
        "ConfigError", "CosmosError", "NotFound", "PluginError",
        "Refused", "TargetUnusable", "UnknownName", "UsageError",
    ),
    "handle": ("Handle",),
    "hookspecs": ("hookimpl",),
    "runs.wish": ("Wish",),
    "store.records": ("Filter", "Page", "PromptRecord", "RunRecord"),
    "toolkits": ("by_toolkit",),
    "values": (
        "PYTHON", "Bundle", "Command", "Failure", "Fetch", "FileToWrite", "Input", "Job", "LineReader", "Media",
        "Outputs", "Place", "Problem", "Progress", "Request", "Resources", "Result", "Site", "shipped",
    ),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
