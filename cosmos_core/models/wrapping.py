"""Extensions that wrap hooks: each is held to the contract by itself, so that blame finds the right one.

A wrapper sees one shape, whatever the plugin answered. It may add problems, amend what was answered, and watch a
failure; it may neither take errors away nor hide a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial, wraps
from types import SimpleNamespace
from typing import Any

from cosmos_core.hookspecs import hookimpl
from cosmos_core.models.guards import Fault, Shapes, WrongAnswer
from cosmos_core.values import Problem

Blame = Callable[[str], BaseException]
"""Makes the error that names a wrapper, from what is wrong with it."""


def hold(impl: Any, hook: str, argnames: tuple[str, ...], shapes: Shapes, blame: Blame) -> None:
    """Hold one wrapping implementation to the contract; `argnames` are all that its hook has."""
    function, shape = impl.function, getattr(shapes, hook)
    picked = tuple(argnames.index(name) for name in (*impl.argnames, *impl.kwargnames))
    keeps_errors = hook == "validate_inputs"

    @wraps(function)
    def wrapper(*args: Any) -> Generator[None, Any, Any]:
        inner = function(*[args[i] for i in picked])
        try:
            next(inner)
        except StopIteration:
            raise blame("does not yield; a wrapper yields once") from None
        try:
            before = yield
        except BaseException as error:
            _end(partial(inner.throw, error), inner, blame)
            raise  # a wrapper that swallows a failure would take the model's place
        answer = _end(partial(inner.send, before), inner, blame)
        if answer is before:
            return answer
        try:
            after = shape(answer, dict(zip(argnames, args, strict=True)))
        except WrongAnswer as wrong:
            forgot = answer is None and before is not None
            raise blame(f"{wrong}{'; did it forget to return?' if forgot else ''}") from None
        if keeps_errors and (lost := _lost(before, after)):
            raise blame(f"takes away the error {lost.field}: {lost.message}; an extension may only add problems")
        return after

    # pluggy calls these two Final; they are all that says how it calls an implementation
    impl.function, impl.argnames, impl.kwargnames = wrapper, argnames, ()


def _end(resume: Callable[[], object], inner: Generator[None, Any, Any], blame: Blame) -> Any:
    """What a wrapper returns when it is resumed."""
    try:
        resume()
    except StopIteration as end:
        return end.value
    inner.close()
    raise blame("yields twice; a wrapper yields once")


def _lost(before: tuple[Problem, ...], after: tuple[Problem, ...]) -> Problem | None:
    """An error that was there before and is not now, by field and code: words may be bettered."""
    left = {(p.field, p.code) for p in after if p.severity == "error"}
    return next((p for p in before if p.severity == "error" and (p.field, p.code) not in left), None)


def inner_guard(shapes: Shapes, fault: Fault) -> SimpleNamespace:
    """A wrapper for every hook, to be registered last: it comes next to the plugin, inside all other wrappers.

    So every wrapper sees the shape, and a wrong answer is told apart from its own.
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
