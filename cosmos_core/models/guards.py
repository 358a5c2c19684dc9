"""Guards around each hook call: they join lists, fill in defaults, check answers, fence failures, and keep time.

A raw call on `pm.hook` and a typed call come through here alike, so both get the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import pluggy

import cosmos_core
from cosmos_core import models
from cosmos_core.errors import PluginError
from cosmos_core.hookspecs import PROJECT, Spec
from cosmos_core.models import declaration
from cosmos_core.models.bounds import Bound, Struck, numbers, settle, struck, watch, watching
from cosmos_core.models.fence import PASSES, UPGRADE_US
from cosmos_core.models.progress import FencedReader
from cosmos_core.plugin_calls import calls_plugin

if TYPE_CHECKING:
    from cosmos_core.declared import Draft, ModelInfo
    from cosmos_core.values import Bundle, Command, Outputs, Problem

HOOKS = tuple(name for name in vars(Spec) if not name.startswith("_"))

SECONDS = {hook: 600.0 if hook == "parse_outputs" else 30.0 for hook in HOOKS}
"""How long a hook may take. All but one turn values into values; `parse_outputs` reads files, maybe large ones."""
_MANY = 1000  # problems of one request; a reader does not want more, and an endless generator has to end somewhere
_MANY_DRAFTS = 100_000
_NO_PROBLEMS: tuple[list[Any], ...] = ([()], [])  # of a plugin without extensions, and of one without the hook

Fault = Callable[[str, BaseException], PluginError]
"""Makes the fenced form of what went wrong in a hook."""

Shape = Callable[[Any, Mapping[str, Any]], Any]
"""Gives the shape of a hook's answer, from what was answered and the call's arguments."""


class WrongAnswer(Exception):  # noqa: N818  it becomes a PluginError before it leaves the guard
    """An answer that breaks the contract; `which` of how many, where several implementations answered."""

    def __init__(self, words: str, which: int = 0, answers: int = 1, hint: str = "") -> None:
        super().__init__(words)
        self.which = which
        self.answers = answers
        self.hint = hint


class Shapes:
    """The shape of each hook's answer: a method takes the answer and the call's arguments, and gives the shape.

    With `fills`, None is the plugin's own and stands for the default answer; without, a wrapper has forgotten
    its `return`. Each raises WrongAnswer. `bounds`: how long a call of each hook may take.
    """

    def __init__(self, fault: Fault, bounds: Mapping[str, Bound], *, fills: bool) -> None:
        self._fault = fault
        self._bounds = bounds
        self._fills = fills
        self._described: Any = None  # describe() mostly answers the same object: one look is enough

    def describe(self, info: Any, _: Mapping[str, Any]) -> ModelInfo:
        if info is None or info is not self._described:
            if words := declaration.another_contract(info):
                raise WrongAnswer(words, hint=UPGRADE_US)
            _refuse(declaration.wrong_info(info))
            self._described = info
        return info  # type: ignore[no-any-return]

    def validate_inputs(self, answers: Any, _: Mapping[str, Any]) -> tuple[Problem, ...]:
        return () if answers in _NO_PROBLEMS else _joined(answers)

    def convert_inputs(self, bundle: Any, call: Mapping[str, Any]) -> Bundle:
        if wrong := models.checks.wrong_bundle(bundle, call["job"]):
            raise WrongAnswer(wrong)
        return bundle  # type: ignore[no-any-return]

    def choose_script(self, command: Any, _: Mapping[str, Any]) -> Command:
        if wrong := models.checks.wrong_command(command):
            raise WrongAnswer(wrong)
        return command  # type: ignore[no-any-return]

    def follow_progress(self, reader: Any, _: Mapping[str, Any]) -> FencedReader:
        if isinstance(reader, FencedReader):
            return reader
        if not callable(reader) and not (self._fills and reader is None):
            raise WrongAnswer(f"answered {declaration.a(reader)}, not a function that reads lines")
        return FencedReader(
            reader, self._bounds["follow_progress"], lambda error: self._fault("follow_progress", error)
        )

    def parse_outputs(self, answer: Any, call: Mapping[str, Any]) -> tuple[Outputs, ...]:
        job = call["job"]
        if answer is None and self._fills:
            return tuple(cosmos_core.Outputs() for _ in job.requests)
        outputs = (
            (answer,) if isinstance(answer, cosmos_core.Outputs) else _listed(answer, "Outputs", len(job.requests))
        )
        _refuse(models.checks.wrong_outputs(outputs, job))
        return outputs

    def read_spec(self, answer: Any, _: Mapping[str, Any]) -> tuple[Draft, ...] | None:
        drafts = None if answer is None else _listed(answer, "Drafts", _MANY_DRAFTS) or None
        _refuse(models.checks.wrong_drafts(drafts or ()))
        return drafts


class GuardedManager(pluggy.PluginManager):
    """A plugin manager that shapes and fences every call, once it is given `Shapes`.

    It stands around pluggy's own call loop: outside of every wrapper, so that none can slip out of the fence, and
    at half the cost of one more wrapper (benchmarks/hook_call.py). `_hookexec` is not public; the tests would
    see it go.
    """

    _fault: Fault

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(Spec)
        self._guards: dict[str, tuple[Shape, Bound]] = {}

    def guard(self, shapes: Mapping[str, Shape], bounds: Mapping[str, Bound], fault: Fault) -> None:
        """Guard every call of the contract's hooks from now on."""
        self._guards = {hook: (shapes[hook], bounds[hook]) for hook in HOOKS}
        self._fault = fault

    @calls_plugin
    def _hookexec(self, hook_name: str, methods: Sequence[Any], kwargs: Mapping[str, object], firstresult: bool) -> Any:
        if hook_name not in self._guards:
            return self._inner_hookexec(hook_name, methods, kwargs, firstresult)
        # what `bounds.within` does, which would cost as much again as all of this
        number = next(numbers)
        shape, bound = self._guards[hook_name]
        if not watching:
            watch()
        try:
            try:
                try:
                    return shape(self._inner_hookexec(hook_name, methods, kwargs, firstresult), kwargs)
                finally:
                    ended, number = number, -1
                    if ended in struck:
                        settle(ended, bound)
            except Struck:
                settle(ended, bound)
                raise
        except (pluggy.HookCallError, *PASSES):  # the former: the caller left out an argument
            raise
        except BaseException as error:  # noqa: BLE001  whatever it is, it is the plugin's
            raise self._fault(hook_name, error) from cause(error)


def cause(error: BaseException) -> BaseException | None:
    """What a fenced error is chained to: the plugin's own exception, nothing for a wrong answer."""
    if isinstance(error, PluginError):
        return error.__cause__
    return None if isinstance(error, WrongAnswer) else error


def _joined(answers: Any) -> tuple[Problem, ...]:
    """One tuple of problems out of one answer per implementation, or out of what a wrapper returned."""
    if type(answers) is not list:
        problems = _listed(answers, "Problems")
        _refuse(models.checks.wrong_problems(problems))
        return problems
    joined: list[Problem] = []
    for which, answer in enumerate(answers):
        if answer == ():
            continue
        try:
            problems = (answer,) if isinstance(answer, cosmos_core.Problem) else _listed(answer, "Problems")
            _refuse(models.checks.wrong_problems(problems))
        except WrongAnswer as wrong:
            raise WrongAnswer(str(wrong), which, len(answers)) from None
        joined += problems
    return tuple(joined)


def _listed(answer: Any, of: str, most: int = _MANY) -> tuple[Any, ...]:
    if type(answer) is tuple:
        return answer
    if isinstance(answer, (str, bytes)) or not isinstance(answer, Iterable):
        raise WrongAnswer(f"answered {declaration.a(answer)}, not a list of {of}")
    listed = tuple(islice(answer, most + 1))
    if len(listed) > most:
        raise WrongAnswer(f"answered more than {most} {of}; does it come to an end?")
    return listed


def as_it_is(answer: Any, _: Mapping[str, Any]) -> Any:
    """The shape of an answer that is in shape already."""
    return answer


def _refuse(wrong: str) -> None:
    if wrong:
        raise WrongAnswer(wrong)
