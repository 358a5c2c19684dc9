"""Bounds for a plugin's code: it comes back in time, and it cannot end the process.

A call takes a number and nothing else, 0.05 us (benchmarks/hook_call.py). As long as there are calls, one thread
looks every second at the stacks of all threads, and raises an exception inside a call that is over its limit. Python
delivers it between two steps of Python code; code in C is waited for, unless it is a system call of the main thread,
which a signal interrupts. A call that cannot be stopped is at least told of.
"""

from __future__ import annotations

import faulthandler
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import get_ident
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from cosmos_core.plugin_calls import calls_plugin, plugin_calls

if TYPE_CHECKING:
    from logging import Logger

T = TypeVar("T")

TICK_S = 1.0
_IDLE_TICKS = 5  # the thread ends when it has seen no call for so long
_SLOW_IMPORT_S = 10.0  # an import that takes longer is told of while it lasts


class Bound(NamedTuple):
    """How long a call may take, and what it is, for messages: "importing the extension 'rules' (house-rules 1.0)"."""

    seconds: float
    doing: str


class Overtime(Exception):  # noqa: N818  it becomes a PluginError before anybody sees it
    """A call took longer than its bound. Its traceback ends where the call was at that time."""


class Exited(Exception):  # noqa: N818
    """A call tried to end the whole process."""


class Struck(BaseException):
    """Raised inside a call that is over its bound. Nobody but the call itself may catch it."""


class _Call(NamedTuple):
    """A call that has not come back."""

    thread: int
    bound: Bound


numbers = itertools.count()
watching: list[threading.Thread] = []
struck: dict[int, _Call] = {}  # by number: those over their bound that have not come back yet
_lock = threading.Lock()
_first = 0  # the number of this process's first call; those below were under way when it was forked
_really_exit = os._exit


@calls_plugin
def within(bound: Bound, call: Callable[..., T], *args: Any) -> T:
    """What `call(*args)` answers. Raises what it raises, and Overtime when it takes longer than its bound."""
    number = next(numbers)  # `_under_way` reads it here, and `bound`
    if not watching:
        watch()
    try:
        try:
            return call(*args)
        finally:
            ended, number = number, -1  # the call first says that it has ended, then asks whether it was struck;
            if ended in struck:  # the watching thread does it the other way round: one of them sees the other
                settle(ended, bound)
    except Struck:  # it came only now
        settle(ended, bound)
        raise


def settle(number: int, bound: Bound) -> None:
    """A call comes back after its time: what is still on its way to it must not hit others.

    Raises Overtime in the place of what has struck the call. Does nothing where the call was in time: what passes
    through it is meant for a call around it.
    """
    if number not in struck:
        return
    error = sys.exc_info()[1]
    while number in struck:
        try:
            import ctypes  # 2 ms, and hardly any process ever gets here

            with _lock:
                struck.pop(number, None)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(get_ident()), None)
        except Struck:
            continue
    if isinstance(error, Struck):
        raise Overtime(f"took longer than {bound.seconds:g} s").with_traceback(error.__traceback__) from None


def watch() -> None:
    """Start the thread that looks after the calls of all threads."""
    thread = threading.Thread(target=_look, name="cosmos plugin bounds", daemon=True)
    watching.append(thread)
    if os._exit is _really_exit:
        os._exit = _exit
        with suppress(OSError, ValueError, RuntimeError):  # no standard error to write to
            if not faulthandler.is_enabled():
                faulthandler.enable()  # a crash in C, at import say, names the plugin's file and line
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGURG) is signal.SIG_DFL:
        signal.signal(signal.SIGURG, lambda *_: None)  # else ignored; it only interrupts what the thread waits for
    thread.start()


def _look() -> None:
    spent: dict[int, float] = {}
    idle = 0
    while True:
        time.sleep(TICK_S)
        calls = _under_way()
        spent = {number: spent.get(number, 0.0) + TICK_S for number in calls}
        for number, call in calls.items():
            if spent[number] >= call.bound.seconds:
                _strike(number, call, spent[number])
            elif call.bound.doing.startswith("importing") and 0 <= spent[number] - _SLOW_IMPORT_S < TICK_S:
                doing, seconds = call.bound.doing, call.bound.seconds
                _log().warning("still %s, for %g s; it is given up after %g s", doing, spent[number], seconds)
        idle = 0 if calls else idle + 1
        if idle >= _IDLE_TICKS:
            watching.clear()
            if not _under_way():  # a call that came just now counts on us
                return
            watching.append(threading.current_thread())


def _under_way() -> dict[int, _Call]:
    """The calls of all threads that have not come back, by number."""
    return {
        number: _Call(thread, bound)
        for thread, top in sys._current_frames().items()
        for number, bound in _numbered(top)
    }


def _numbered(top: FrameType) -> Iterator[tuple[int, Bound]]:
    """Number and bound of the calls on one stack, the innermost first."""
    for frame in plugin_calls(top):
        said = frame.f_locals
        if said.get("number", -1) >= _first and "bound" in said:
            yield said["number"], said["bound"]


def _strike(number: int, call: _Call, spent: float) -> None:
    import ctypes

    struck[number] = call
    if number not in _under_way():  # it came back before it could know
        del struck[number]
        return
    with _lock:
        if number not in struck:  # it knew, and has settled
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(call.thread), ctypes.py_object(Struck))
        if call.thread == threading.main_thread().ident and callable(signal.getsignal(signal.SIGURG)):
            signal.pthread_kill(call.thread, signal.SIGURG)
    if 5 * TICK_S <= spent - call.bound.seconds < 6 * TICK_S:
        _log().error(
            "%s does not come back, and waits for something that cannot be interrupted; end this with Ctrl-C or "
            "`kill %d`: runs that were started go on at their hosts, and `cosmos sync` picks them up",
            call.bound.doing,
            os.getpid(),
        )


def _log() -> Logger:
    import logging  # 5 ms, and there is hardly ever something to tell

    return logging.getLogger(__name__)


def _exit(status: int) -> NoReturn:
    if any(_numbered(sys._getframe())):
        raise Exited(f"os._exit({status})")
    _really_exit(status)


def _after_fork() -> None:
    """A child process has neither the watching thread nor the calls of its parent, and may end as it likes."""
    global _first, _lock
    _first = next(numbers)
    _lock = threading.Lock()
    watching.clear()
    struck.clear()


os.register_at_fork(after_in_child=_after_fork)
