"""One model: its plugin and the extensions in a plugin manager of their own, behind a typed face."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pluggy

from cosmos_core.errors import PluginError, UnknownName
from cosmos_core.models.discover import Found
from cosmos_core.models.fence import FENCED, PluginFailure, broken, culprit, failure
from cosmos_core.models.guards import HOOKS, GuardedManager, Shapes, WrongAnswer, inner_guard
from cosmos_core.parameters import nearest
from cosmos_core.values import (
    Bundle,
    Command,
    Draft,
    Job,
    LineReader,
    ModelInfo,
    Outputs,
    Problem,
    Request,
    Result,
    Toolkit,
)

REQUIRED = ("describe", "convert_inputs", "choose_script")


class Loaded(NamedTuple):
    """A plugin's object, imported and looked over."""

    found: Found
    plugin: Any
    hooks: tuple[str, ...]  # the hooks it has, in the order of the contract


class Model:
    """What a model can be asked. Every call raises PluginError, naming the package, if its plugin fails."""

    def __init__(self, model: Loaded, extensions: Sequence[Loaded]) -> None:
        self.name = model.found.name
        self.package = model.found.package
        self.version = model.found.version
        self.hooks = model.hooks
        self._found = model.found
        self._owners = {_registered_as(one.found): one.found for one in (model, *extensions)}
        self.pm = GuardedManager()
        for one in (model, *extensions):
            self.pm.register(one.plugin, _registered_as(one.found))
        wrapped = any(_wraps(impl) for hook in HOOKS for impl in self._impls(hook))
        if wrapped:
            inner = Shapes(self._fault_inside, fills=True)
            self.pm.register(inner_guard(inner, self._fault_inside), "cosmos-inner-guard")
        self.pm.guard(Shapes(self._fault, fills=not wrapped), self._fault)
        self.info = self.describe()

    def __repr__(self) -> str:
        return f"<Model {self.name} of {self.package} {self.version}>"

    def toolkit(self, name: str | None = None) -> Toolkit:
        """The toolkit of that name, or the default one. Raises UnknownName with the nearest."""
        if name is None:
            return self.info.toolkits[0]
        names = [toolkit.name for toolkit in self.info.toolkits]
        if name not in names:
            raise UnknownName(
                f"{self.name} has no toolkit {name!r}",
                hint=f"{nearest(name, names)}its toolkits: {', '.join(names)}",
            )
        return self.info.toolkits[names.index(name)]

    def describe(self) -> ModelInfo:
        """What this model is. `info` is what it said when it was loaded."""
        info: ModelInfo = self.pm.hook.describe()
        return info

    def validate_inputs(self, request: Request[Any]) -> tuple[Problem, ...]:
        """What the plugin and the extensions find wrong with what is known so far."""
        problems: tuple[Problem, ...] = self.pm.hook.validate_inputs(request=request)
        return problems

    def convert_inputs(self, job: Job[Any]) -> Bundle:
        """The files for the job's folder, where inputs go, what to fetch."""
        bundle: Bundle = self.pm.hook.convert_inputs(job=job)
        return bundle

    def choose_script(self, job: Job[Any], bundle: Bundle) -> Command:
        """The command that runs the job."""
        command: Command = self.pm.hook.choose_script(job=job, bundle=bundle)
        return command

    def follow_progress(self, job: Job[Any]) -> LineReader:
        """A reader of log lines that cannot raise; it understands `@cosmos {json}` lines by itself."""
        reader: LineReader = self.pm.hook.follow_progress(job=job)
        return reader

    def parse_outputs(self, job: Job[Any], result: Result) -> tuple[Outputs, ...]:
        """What the plugin makes of the outputs, one for each request; `verdict` has the last word."""
        outputs: tuple[Outputs, ...] = self.pm.hook.parse_outputs(job=job, result=result)
        return outputs

    def read_spec(self, path: Path) -> tuple[Draft, ...] | None:
        """A spec file of one of the toolkits' own, read back; None if it is not one of this model's."""
        drafts: tuple[Draft, ...] | None = self.pm.hook.read_spec(path=path)
        return drafts

    def _impls(self, hook: str) -> list[Any]:
        """The implementations of plugin and extensions, in the order in which pluggy calls them."""
        impls = reversed(getattr(self.pm.hook, hook).get_hookimpls())
        return [impl for impl in impls if impl.plugin_name in self._owners]

    def _fault_inside(self, hook: str, error: BaseException) -> PluginError:
        """The fault as the inner guard sees it, before any wrapper has answered."""
        if not isinstance(error, WrongAnswer):
            return self._raised(hook, error)
        owners = [self._owners[impl.plugin_name] for impl in self._impls(hook) if not _wraps(impl)]
        # pluggy drops an answer of None: where one is missing, nobody but the model can be named
        told = error.answers == len(owners)
        return _broken_in(hook, owners[error.which] if told else self._found, error=error)

    def _fault(self, hook: str, error: BaseException) -> PluginError:
        if not isinstance(error, WrongAnswer):
            return self._raised(hook, error)
        wrappers = [self._owners[impl.plugin_name] for impl in self._impls(hook) if _wraps(impl)]
        if not wrappers:
            return self._fault_inside(hook, error)
        return _broken_in(hook, *wrappers, error=error)  # the inner guard has found the rest right

    def _raised(self, hook: str, error: BaseException) -> PluginError:
        if isinstance(error, PluginFailure):
            return error
        return failure(culprit(error, self._impls(hook), self._owners) or self._found, f"in {hook}", error)


def load(found: Found) -> Loaded:
    """Import a plugin and look it over. Raises PluginError, naming its package, if it cannot be used."""
    try:
        plugin = found.entry.load()
    except FENCED as error:  # whatever an import may raise: it is the plugin's, and the others work on
        raise failure(found, f"to load {found.entry.value}", error) from error
    if inspect.isclass(plugin):
        raise broken(
            found,
            f"registers the class {plugin.__name__}, not an instance of it ({found.entry.value})",
            f"in {found.package}: register an instance, NAME = {plugin.__name__}(), or a module",
        )
    manager = GuardedManager()
    try:
        manager.register(plugin, found.name)
    except FENCED as error:
        raise _unregistered(found, error) from error
    hooks = _hooks_of(manager, plugin)
    _check_names(found, manager, hooks)
    if found.kind == "model":
        _check_required(found, plugin, manager)
    else:
        _check_only_wraps(found, manager)
    return Loaded(found, plugin, tuple(name for name in HOOKS if name in hooks))


def _registered_as(found: Found) -> str:
    return f"{found.kind}:{found.package}:{found.name}"


def _wraps(impl: Any) -> bool:
    return bool(impl.wrapper or impl.hookwrapper)


def _broken_in(hook: str, first: Found, *others: Found, error: WrongAnswer) -> PluginError:
    also = f" (or {', '.join(one.title for one in others)}, which wraps it, too)" if others else ""
    return broken(first, f"breaks the contract in {hook}: {error}{also}")


def _hooks_of(manager: GuardedManager, plugin: Any) -> list[str]:
    return [caller.name for caller in manager.get_hookcallers(plugin) or ()]


def _unregistered(found: Found, error: BaseException) -> PluginError:
    if not isinstance(error, pluggy.PluginValidationError):
        return failure(found, "to register", error)
    return broken(found, f"breaks the contract: {' '.join(str(error).split())}")


def _check_names(found: Found, manager: GuardedManager, hooks: list[str]) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        unknown = [
            hook
            for hook in hooks
            if hook not in HOOKS and not all(i.optionalhook for i in getattr(manager.hook, hook).get_hookimpls())
        ]
        names = ", ".join(unknown)
        hint = nearest(unknown[0], HOOKS) if unknown else ""
        raise broken(
            found, f"has a hook that does not exist: {names}", f"{hint}the hooks: {', '.join(HOOKS)}"
        ) from error


def _check_required(found: Found, plugin: Any, manager: GuardedManager) -> None:
    missing = [h for h in REQUIRED if all(map(_wraps, getattr(manager.hook, h).get_hookimpls()))]
    if missing:
        unmarked = [h for h in missing if callable(getattr(plugin, h, None))]
        hint = f"{', '.join(unmarked)}: mark with @hookimpl (from cosmos_core)" if unmarked else ""
        raise broken(found, f"lacks {', '.join(missing)}", hint)


def _check_only_wraps(found: Found, manager: GuardedManager) -> None:
    for hook in HOOKS:
        impls = getattr(manager.hook, hook).get_hookimpls()
        if hook != "validate_inputs" and not all(map(_wraps, impls)):
            raise broken(
                found,
                f"implements {hook} plainly, which would silently take the place of every model's own",
                f"an extension may only wrap {hook}: @hookimpl(wrapper=True)",
            )
