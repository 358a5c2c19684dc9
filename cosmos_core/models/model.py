"""One model: its plugin and the extensions in a plugin manager of their own, behind a typed face."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosmos_core.errors import PluginError, UnknownName
from cosmos_core.models.bounds import Bound
from cosmos_core.models.discover import Found
from cosmos_core.models.fence import PluginFailure, broken, culprit, failure
from cosmos_core.models.guards import HOOKS, SECONDS, GuardedManager, Shape, Shapes, WrongAnswer, as_it_is
from cosmos_core.models.loading import Loaded, wraps
from cosmos_core.models.wrapping import hold
from cosmos_core.parameters import nearest

if TYPE_CHECKING:
    from cosmos_core.declared import Draft, ModelInfo, Toolkit
    from cosmos_core.values import Bundle, Command, Job, LineReader, Outputs, Problem, Request, Result


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
        bounds = {hook: Bound(SECONDS[hook], f"{model.found.title} in {hook}") for hook in HOOKS}
        own, amended = (Shapes(self._fault, bounds, fills=fills) for fills in (True, False))
        shapes = {hook: self._hold_wrappers(hook, getattr(own, hook), getattr(amended, hook)) for hook in HOOKS}
        self.pm.guard(shapes, bounds, self._fault)
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

    def _hold_wrappers(self, hook: str, own: Shape, amended: Shape) -> Shape:
        """Hold a hook's wrappers to the contract: how is an answer shaped that has come through them?

        The innermost gives what the plugin answered its `own` shape, all others see it so.
        """
        wrappers = [impl for impl in self._impls(hook) if wraps(impl)]
        for impl in wrappers:
            blame = partial(_broken_in, hook, self._owners[impl.plugin_name])
            receives = own if impl is wrappers[-1] else as_it_is
            hold(impl, hook, getattr(self.pm.hook, hook).spec.argnames, receives, amended, self._fault, blame)
        return as_it_is if wrappers else own

    def _fault(self, hook: str, error: BaseException) -> PluginError:
        if isinstance(error, PluginFailure):
            return error
        if not isinstance(error, WrongAnswer):
            return failure(culprit(error, self._impls(hook), self._owners) or self._found, f"in {hook}", error)
        owners = [self._owners[impl.plugin_name] for impl in self._impls(hook) if not wraps(impl)]
        # pluggy drops an answer of None: where one is missing, nobody but the model can be named
        told = error.answers == len(owners)
        return _broken_in(hook, owners[error.which] if told else self._found, str(error), error.hint)


def _broken_in(hook: str, found: Found, words: str, hint: str = "") -> PluginError:
    return broken(found, f"breaks the contract in {hook}: {words}", hint)


def _registered_as(found: Found) -> str:
    return f"{found.kind}:{found.package}:{found.name}"
