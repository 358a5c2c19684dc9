"""Extensions that wrap hooks: each is held to the contract by itself, so that blame finds the right one.

A wrapper sees one shape, whatever the plugin answered: the innermost gives it, so that a wrong answer is told apart
from a wrapper's own. A wrapper may add problems, amend what was answered, and watch a
failure; it may neither take errors away nor hide a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

from cosmos_core.models.guards import Fault, Shape, WrongAnswer

if TYPE_CHECKING:
    from cosmos_core.values import Problem

Blame = Callable[[str], BaseException]
"""Makes the error that names a wrapper, from what is wrong with it."""


def hold(
    impl: Any, hook: str, argnames: tuple[str, ...], receives: Shape, returns: Shape, fault: Fault, blame: Blame
) -> None:
    """Hold one wrapping implementation to the contract; `argnames` are all that its hook has.

    `receives` shapes what it sees, and `fault` makes the error where that is wrong; `returns` shapes what it makes
    of it. Both raise WrongAnswer.
    """
    function = impl.function
    picked = tuple(argnames.index(name) for name in (*impl.argnames, *impl.kwargnames))
    job = argnames.index("job") if "job" in argnames else -1  # it is all of a call that shapes look at
    keeps_errors = hook == "validate_inputs"

    @wraps(function)
    def wrapper(*args: Any) -> Generator[None, Any, Any]:
        inner = function(*[args[i] for i in picked])
        try:
            next(inner)
        except StopIteration:
            raise blame("does not yield; a wrapper yields once") from None
        call = {"job": args[job]} if job >= 0 else {}
        try:
            try:
                before = receives((yield), call)
            except WrongAnswer as wrong:
                raise fault(hook, wrong) from None
        except BaseException as error:
            with suppress(StopIteration):
                inner.throw(error)
                raise _twice(inner, blame) from None
            raise  # a wrapper that swallows a failure would take the model's place
        try:
            inner.send(before)
        except StopIteration as end:
            answer = end.value
        else:
            raise _twice(inner, blame)
        if answer is before:
            return answer
        try:
            after = returns(answer, call)
        except WrongAnswer as wrong:
            forgot = answer is None and before is not None
            raise blame(f"{wrong}{'; did it forget to return?' if forgot else ''}") from None
        if keeps_errors and (lost := _lost(before, after)):
            raise blame(f"takes away the error {lost.field}: {lost.message}; an extension may only add problems")
        return after

    # pluggy calls these two Final; they are all that says how it calls an implementation
    impl.function, impl.argnames, impl.kwargnames = wrapper, argnames, ()


def _twice(inner: Generator[None, Any, Any], blame: Blame) -> BaseException:
    inner.close()
    return blame("yields twice; a wrapper yields once")


def _lost(before: tuple[Problem, ...], after: tuple[Problem, ...]) -> Problem | None:
    """An error that was there before and is not now, by field and code: words may be bettered."""
    left = {(p.field, p.code) for p in after if p.severity == "error"}
    return next((p for p in before if p.severity == "error" and (p.field, p.code) not in left), None)
