"""A helper for plugins: one module per toolkit, and one statement to join them into a model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosmos_core.declared import ModelInfo
from cosmos_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from cosmos_core.values import Bundle, Command, Draft, Job, LineReader, Outputs, Problem, Request, Result


class ByToolkit:
    """A model plugin that hands each call to the module of the request's toolkit."""

    def __init__(self, title: str, *modules: Any, makes: tuple[str, ...] = ()) -> None:
        for module in modules:
            lacks = [name for name in ("TOOLKIT", "convert_inputs", "choose_script") if not _has(module, name)]
            if lacks:
                raise TypeError(f"by_toolkit: {getattr(module, '__name__', module)} lacks {', '.join(lacks)}")
        self._info = ModelInfo(title=title, toolkits=tuple(m.TOOLKIT for m in modules), makes=makes)
        self._modules = {m.TOOLKIT.name: m for m in modules}

    @hookimpl
    def describe(self) -> ModelInfo:
        return self._info

    @hookimpl
    def validate_inputs(self, request: Request[Any]) -> Iterable[Problem]:
        ask = getattr(self._modules[request.toolkit], "validate_inputs", None)
        return ask(request) if ask else ()

    @hookimpl
    def convert_inputs(self, job: Job[Any]) -> Bundle:
        bundle: Bundle = self._modules[job.site.toolkit].convert_inputs(job)
        return bundle

    @hookimpl
    def choose_script(self, job: Job[Any], bundle: Bundle) -> Command:
        command: Command = self._modules[job.site.toolkit].choose_script(job, bundle)
        return command

    @hookimpl
    def follow_progress(self, job: Job[Any]) -> LineReader | None:
        follow = getattr(self._modules[job.site.toolkit], "follow_progress", None)
        return follow(job) if follow else None  # None lets the core's default reader answer

    @hookimpl
    def parse_outputs(self, job: Job[Any], result: Result) -> Iterable[Outputs] | Outputs | None:
        parse = getattr(self._modules[job.site.toolkit], "parse_outputs", None)
        return parse(job, result) if parse else None

    @hookimpl
    def read_spec(self, path: Path) -> Iterable[Draft] | None:
        for module in self._modules.values():
            read = getattr(module, "read_spec", None)
            drafts = read(path) if read else None
            if drafts is not None:
                return tuple(drafts)
        return None


def by_toolkit(title: str, *modules: Any, makes: tuple[str, ...] = ()) -> ByToolkit:
    """The plugin made of one module per toolkit, the default first.

    A module has a constant `TOOLKIT` and functions named like the hooks; `convert_inputs` and `choose_script`
    are required, the others may be left out. Functions that `__all__` names and `__getattr__` loads are loaded when
    they are first called: a Tab or a help text needs only `TOOLKIT`.
    """
    return ByToolkit(title, *modules, makes=makes)


def _has(module: Any, name: str) -> bool:
    """Whether a module has a name, without loading what it would load on demand."""
    return name in getattr(module, "__all__", ()) or hasattr(module, name)
