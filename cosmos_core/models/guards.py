"""Guards around each hook call: they join lists, fill in defaults, check answers and fence failures.

A raw call on `pm.hook` and a typed call come through here alike, so both get the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pluggy

from cosmos_core.errors import PluginError
from cosmos_core.hookspecs import PROJECT, Spec, hookimpl
from cosmos_core.models import checks
from cosmos_core.models.fence import FENCED
from cosmos_core.models.progress import FencedReader
from cosmos_core.values import Bundle, Command, Draft, ModelInfo, Outputs, Problem

HOOKS = tuple(name for name in vars(Spec) if not name.startswith("_"))

Fault = Callable[[str, BaseException], PluginError]
"""Makes the fenced form of what went wrong in a hook."""


class WrongAnswer(Exception):  # noqa: N818  it becomes a PluginError before it leaves the guard
    """An answer that breaks the contract; `which` of how many, where several implementations answered."""

    def __init__(self, words: str, which: int = 0, answers: int = 1) -> None:
        super().__init__(words)
        self.which = which
        self.answers = answers


class Shapes:
    """The shape of each hook's answer: a method takes the answer and the call's arguments, and gives the shape.

    With `fills`, None is the plugin's own and stands for the default answer; without, a wrapper has forgotten
    its `return`. Each raises WrongAnswer.
    """

    def __init__(self, fault: Fault, *, fills: bool) -> None:
        self._fault = fault
        self._fills = fills
        self._described: Any = None  # describe() mostly answers the same object: one look is enough

    def describe(self, info: Any, _: Mapping[str, Any]) -> ModelInfo:
        if info is None or info is not self._described:
            _refuse(checks.wrong_info(info))
            self._described = info
        return info  # type: ignore[no-any-return]

    def validate_inputs(self, answers: Any, _: Mapping[str, Any]) -> tuple[Problem, ...]:
        return () if answers == [] else _joined(answers)

    def convert_inputs(self, bundle: Any, call: Mapping[str, Any]) -> Bundle:
        _refuse(checks.wrong_bundle(bundle, call["job"]))
        return bundle  # type: ignore[no-any-return]

    def choose_script(self, command: Any, _: Mapping[str, Any]) -> Command:
        _refuse(checks.wrong_command(command))
        return command  # type: ignore[no-any-return]

    def follow_progress(self, reader: Any, _: Mapping[str, Any]) -> FencedReader:
        if isinstance(reader, FencedReader):
            return reader
        if not callable(reader) and not (self._fills and reader is None):
            raise WrongAnswer(f"answered {checks.a(reader)}, not a function that reads lines")
        return FencedReader(reader, lambda error: self._fault("follow_progress", error))

    def parse_outputs(self, answer: Any, call: Mapping[str, Any]) -> tuple[Outputs, ...]:
        job = call["job"]
        if answer is None and self._fills:
            return tuple(Outputs() for _ in job.requests)
        outputs = (answer,) if isinstance(answer, Outputs) else _listed(answer, "Outputs")
        _refuse(checks.wrong_outputs(outputs, job))
        return outputs

    def read_spec(self, answer: Any, _: Mapping[str, Any]) -> tuple[Draft, ...] | None:
        drafts = None if answer is None else _listed(answer, "Drafts") or None
        _refuse(checks.wrong_drafts(drafts or ()))
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
        self._shapes: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {}

    def guard(self, shapes: Shapes, fault: Fault) -> None:
        """Guard every call of the contract's hooks from now on."""
        self._shapes = {hook: getattr(shapes, hook) for hook in HOOKS}
        self._fault = fault

    def _hookexec(self, hook_name: str, methods: Sequence[Any], kwargs: Mapping[str, object], firstresult: bool) -> Any:
        shape = self._shapes.get(hook_name)
        if shape is None:
            return self._inner_hookexec(hook_name, methods, kwargs, firstresult)
        try:
            return shape(self._inner_hookexec(hook_name, methods, kwargs, firstresult), kwargs)
        except pluggy.HookCallError:  # the caller left out an argument
            raise
        except FENCED as error:
            raise self._fault(hook_name, error) from cause(error)


def inner_guard(shapes: Shapes, fault: Fault) -> SimpleNamespace:
    """A wrapper for every hook, to be registered last: it comes next to the plugin, inside all other wrappers.

    It is needed where extensions wrap: they see the shape, and a wrong answer is told apart from their own.
    """

    def shaped(hook: str, answer: Any, **call: Any) -> Any:
        try:
            return getattr(shapes, hook)(answer, call)
        except WrongAnswer as error:
            raise fault(hook, error) from None

    def describe() -> Generator[None, Any, Any]:
        return shaped("describe", (yield))

    def validate_inputs(request: Any) -> Generator[None, Any, Any]:
        return shaped("validate_inputs", (yield))

    def convert_inputs(job: Any) -> Generator[None, Any, Any]:
        return shaped("convert_inputs", (yield), job=job)

    def choose_script(job: Any, bundle: Any) -> Generator[None, Any, Any]:
        return shaped("choose_script", (yield))

    def follow_progress(job: Any) -> Generator[None, Any, Any]:
        return shaped("follow_progress", (yield))

    def parse_outputs(job: Any, result: Any) -> Generator[None, Any, Any]:
        return shaped("parse_outputs", (yield), job=job)

    def read_spec(path: Any) -> Generator[None, Any, Any]:
        return shaped("read_spec", (yield))

    hooks = (
        describe,
        validate_inputs,
        convert_inputs,
        choose_script,
        follow_progress,
        parse_outputs,
        read_spec,
    )
    mark = hookimpl(wrapper=True, trylast=True)
    return SimpleNamespace(**{hook.__name__: mark(hook) for hook in hooks})


def cause(error: BaseException) -> BaseException | None:
    """What a fenced error is chained to: the plugin's own exception, nothing for a wrong answer."""
    if isinstance(error, PluginError):
        return error.__cause__
    return None if isinstance(error, WrongAnswer) else error


def _joined(answers: Any) -> tuple[Problem, ...]:
    """One tuple of problems out of one answer per implementation, or out of what a wrapper returned."""
    if type(answers) is not list:
        problems = _listed(answers, "Problems")
        _refuse(checks.wrong_problems(problems))
        return problems
    joined: list[Problem] = []
    for which, answer in enumerate(answers):
        if answer == ():
            continue
        try:
            problems = (answer,) if isinstance(answer, Problem) else _listed(answer, "Problems")
            _refuse(checks.wrong_problems(problems))
        except WrongAnswer as wrong:
            raise WrongAnswer(str(wrong), which, len(answers)) from None
        joined += problems
    return tuple(joined)


def _listed(answer: Any, of: str) -> tuple[Any, ...]:
    if type(answer) is tuple:
        return answer
    if isinstance(answer, (str, bytes)) or not isinstance(answer, Iterable):
        raise WrongAnswer(f"answered {checks.a(answer)}, not a list of {of}")
    return tuple(answer)


def _refuse(wrong: str) -> None:
    if wrong:
        raise WrongAnswer(wrong)
