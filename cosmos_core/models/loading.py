"""Loading a plugin: whether this version can have it, its import, and whether it is what it should be."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import pluggy

from cosmos_core.models.bounds import Bound, within
from cosmos_core.models.discover import Found
from cosmos_core.models.fence import PASSES, PluginFailure, broken, failure
from cosmos_core.models.guards import HOOKS, GuardedManager
from cosmos_core.models.requirements import refuse_for_another_core
from cosmos_core.parameters import nearest

REQUIRED = ("describe", "convert_inputs", "choose_script")
IMPORT_S = 60.0


class Loaded(NamedTuple):
    """A plugin's object, imported and looked over."""

    found: Found
    plugin: Any
    hooks: tuple[str, ...]  # the hooks it has, in the order of the contract


def load(found: Found) -> Loaded:
    """Import a plugin and look it over. Raises PluginError, naming its package, if it cannot be used."""
    refuse_for_another_core(found)
    try:
        return within(Bound(IMPORT_S, f"importing {found.title}"), _load, found)
    except (PluginFailure, *PASSES):
        raise
    except BaseException as error:  # whatever an import may raise: it is the plugin's, and the others work on
        raise failure(found, f"to load {found.entry.value}", error) from error


def _load(found: Found) -> Loaded:
    plugin = found.entry.load()
    if inspect.isclass(plugin):
        raise broken(
            found,
            f"registers the class {plugin.__name__}, not an instance of it ({found.entry.value})",
            f"in {found.package}: register an instance, NAME = {plugin.__name__}(), or a module",
        )
    manager = GuardedManager()
    try:
        manager.register(plugin, found.name)
    except pluggy.PluginValidationError as error:
        raise broken(found, f"breaks the contract: {' '.join(str(error).split())}") from error
    hooks = [caller.name for caller in manager.get_hookcallers(plugin) or ()]
    _check_names(found, manager, hooks)
    _check_marked(found, plugin, hooks)
    _check_wrappers(found, manager)
    if found.kind == "model":
        _check_required(found, manager)
    else:
        _check_only_wraps(found, manager)
    return Loaded(found, plugin, tuple(name for name in HOOKS if name in hooks))


def wraps(impl: Any) -> bool:
    """Whether an implementation of a hook wraps the others."""
    return bool(impl.wrapper or impl.hookwrapper)


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


def _check_marked(found: Found, plugin: Any, hooks: list[str]) -> None:
    """A function named like a hook is meant as one; without the mark it would never be called, without a word."""
    unmarked = [h for h in HOOKS if h not in hooks and inspect.isroutine(getattr(plugin, h, None))]
    if unmarked:
        raise broken(
            found,
            f"has {', '.join(unmarked)} without @hookimpl: nobody would call {'it' if len(unmarked) == 1 else 'them'}",
            f"{', '.join(unmarked)}: mark with @hookimpl (from cosmos_core), or give another name",
        )


def _check_wrappers(found: Found, manager: GuardedManager) -> None:
    old = [h for h in HOOKS if any(impl.hookwrapper for impl in getattr(manager.hook, h).get_hookimpls())]
    if old:
        raise broken(
            found,
            f"wraps {', '.join(old)} with hookwrapper=True, pluggy's old way",
            "write @hookimpl(wrapper=True); then `yield` gives the answer, and `return` hands it on",
        )


def _check_required(found: Found, manager: GuardedManager) -> None:
    missing = [h for h in REQUIRED if all(map(wraps, getattr(manager.hook, h).get_hookimpls()))]
    if missing:
        raise broken(found, f"lacks {', '.join(missing)}", "")


def _check_only_wraps(found: Found, manager: GuardedManager) -> None:
    for hook in HOOKS:
        impls = getattr(manager.hook, hook).get_hookimpls()
        if hook != "validate_inputs" and not all(map(wraps, impls)):
            raise broken(
                found,
                f"implements {hook} plainly, which would silently take the place of every model's own",
                f"an extension may only wrap {hook}: @hookimpl(wrapper=True)",
            )
