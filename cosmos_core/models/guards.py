"""The core's own hook wrappers: they join lists, fill in defaults, check answers and fence failures.

A raw call on `pm.hook` and a typed call go through the same hooks, so this is where both get the same answer.
The outer guard is entered before every other wrapper. The inner one, next to the plugin, is there only when
extensions wrap: they then see one shape, and a wrong answer is told apart from a wrapper's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from types import SimpleNamespace
from typing import Any

from cosmos_core.errors import PluginError
from cosmos_core.hookspecs import hookimpl
from cosmos_core.models import checks
from cosmos_core.models.fence import FENCED
from cosmos_core.models.progress import FencedReader
from cosmos_core.values import Job, Outputs, Problem

Wrap = Generator[None, Any, Any]
Fault = Callable[[str, BaseException], PluginError]


class WrongAnswer(Exception):  # noqa: N818  it becomes a PluginError before it leaves the guard
    """An answer that breaks the contract; `which` of how many, where several implementations answered."""

    def __init__(self, words: str, which: int = 0, answers: int = 1) -> None:
        super().__init__(words)
        self.which = which
        self.answers = answers


def guards(fault: Fault, *, outer: bool, fills: bool) -> SimpleNamespace:
    """One guard around each hook, to be registered last.

    `fault(hook, error)` makes the fenced form of what went wrong. With `fills`, None is the plugin's own and
    stands for the default answer; without, a wrapper has forgotten its `return`.
    """
    mark = hookimpl(wrapper=True, tryfirst=True) if outer else hookimpl(wrapper=True, trylast=True)
    seen: Any = WrongAnswer  # describe() mostly answers the same object: one look is enough

    def describe() -> Wrap:
        nonlocal seen
        try:
            info = yield
            if info is not seen:
                _refuse(checks.wrong_info(info))
                seen = info
        except FENCED as error:
            raise fault("describe", error) from _cause(error)
        return info

    # every guard takes all arguments of its hook: a call that lacks one fails before any guard is entered,
    # and is then the caller's fault and no plugin's

    def validate_inputs(request: Any) -> Wrap:
        try:
            answers = yield
            return () if answers == [] else _joined(answers)
        except FENCED as error:
            raise fault("validate_inputs", error) from _cause(error)

    def convert_inputs(job: Job[Any]) -> Wrap:
        try:
            bundle = yield
            _refuse(checks.wrong_bundle(bundle, job))
        except FENCED as error:
            raise fault("convert_inputs", error) from _cause(error)
        return bundle

    def choose_script(job: Job[Any], bundle: Any) -> Wrap:
        try:
            command = yield
            _refuse(checks.wrong_command(command))
        except FENCED as error:
            raise fault("choose_script", error) from _cause(error)
        return command

    def follow_progress(job: Job[Any]) -> Wrap:
        try:
            reader = yield
            if not callable(reader) and not (fills and reader is None):
                raise WrongAnswer(f"answered {checks.a(reader)}, not a function that reads lines")
        except FENCED as error:
            raise fault("follow_progress", error) from _cause(error)
        if isinstance(reader, FencedReader):
            return reader
        return FencedReader(reader, lambda error: fault("follow_progress", error))

    def parse_outputs(job: Job[Any], result: Any) -> Wrap:
        try:
            answer = yield
            if isinstance(answer, tuple):
                outputs = answer
            elif answer is None and fills:
                outputs = tuple(Outputs() for _ in job.requests)
            else:
                outputs = (answer,) if isinstance(answer, Outputs) else _listed(answer, "Outputs")
            _refuse(checks.wrong_outputs(outputs, job))
        except FENCED as error:
            raise fault("parse_outputs", error) from _cause(error)
        return outputs

    def read_spec(path: Any) -> Wrap:
        try:
            answer = yield
            drafts = None if answer is None else _listed(answer, "Drafts") or None
            _refuse(checks.wrong_drafts(drafts or ()))
        except FENCED as error:
            raise fault("read_spec", error) from _cause(error)
        return drafts

    hooks = (
        describe,
        validate_inputs,
        convert_inputs,
        choose_script,
        follow_progress,
        parse_outputs,
        read_spec,
    )
    return SimpleNamespace(**{hook.__name__: mark(hook) for hook in hooks})


def _joined(answers: Any) -> tuple[Problem, ...]:
    """One tuple of problems out of one answer per implementation, or out of what a wrapper returned."""
    if type(answers) is not list:
        problems = _listed(answers, "Problems")
        _refuse(checks.wrong_problems(problems))
        return problems
    joined: list[Problem] = []
    for which, answer in enumerate(answers):
        if not answer:
            continue
        problems = (answer,) if isinstance(answer, Problem) else _listed(answer, "Problems")
        if wrong := checks.wrong_problems(problems):
            raise WrongAnswer(wrong, which, len(answers))
        joined += problems
    return tuple(joined)


def _listed(answer: Any, of: str) -> tuple[Any, ...]:
    if isinstance(answer, (str, bytes)) or not isinstance(answer, Iterable):
        raise WrongAnswer(f"answered {checks.a(answer)}, not a list of {of}")
    return tuple(answer)


def _refuse(wrong: str) -> None:
    if wrong:
        raise WrongAnswer(wrong)


def _cause(error: BaseException) -> BaseException | None:
    """What the fenced error is chained to: the plugin's own exception, nothing for a wrong answer."""
    if isinstance(error, PluginError):
        return error.__cause__
    return None if isinstance(error, WrongAnswer) else error
