"""Bounds for a plugin's code: it comes back in time, it cannot end the process, and what it prints is no answer.

`within` costs a call 0.4 us (benchmarks/hook_call.py): it only enters the call in a table. One thread looks at the
table every second, as long as there are calls, and raises an exception inside a call that is over its limit. Python
delivers it between two steps of Python code; code in C is waited for, unless it is a system call of the main thread,
which a signal interrupts. A call that cannot be stopped is at least told of.
"""

from __future__ import annotations

import faulthandler
import itertools
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from typing import Any, NamedTuple, NoReturn, TypeVar

from cosmos_core.stdout import ours

T = TypeVar("T")

TICK_S = 1.0
_IDLE_TICKS = 5  # the thread ends when no call came for so long
_SLOW_IMPORT_S = 10.0  # an import that takes longer is told of while it lasts

_log = logging.getLogger(__name__)


class Bound(NamedTuple):
    """How long a call may take, and what it is, for messages: "importing the extension 'rules' (house-rules 1.0)"."""

    seconds: float
    doing: str


class Overtime(Exception):  # noqa: N818  it becomes a PluginError before anybody sees it
    """A call took longer than its bound. Its traceback ends where the call was at that time."""


class Exited(Exception):  # noqa: N818
    """A call tried to end the whole process."""


class Struck(BaseException):
    """Raised inside a call that is over its bound. Nobody but `within` may catch it."""


_numbers = itertools.count()
_calls: dict[int, tuple[int, Bound]] = {}  # number of a call -> its thread and bound
_struck: dict[int, tuple[int, Bound]] = {}  # those over their bound that have not come back yet
_lock = threading.Lock()
_watched = False
_really_exit = os._exit


def within(bound: Bound, call: Callable[..., T], *args: Any) -> T:
    """What `call(*args)` answers. Raises what it raises, and Overtime when it takes longer than its bound."""
    number = next(_numbers)
    _calls[number] = (get_ident(), bound)
    if not _watched:
        _watch()
    before = ours.set(False)
    try:
        answer = call(*args)
        # Whoever takes the entry out of the table, this thread or the watching one, decides whether it was in time.
        if _calls.pop(number, None) is None:
            _settle(number)
    except Struck as struck:
        if _calls.pop(number, None) is not None:  # meant for a call around this one
            raise
        _settle(number)
        raise Overtime(f"took longer than {bound.seconds:g} s").with_traceback(struck.__traceback__) from None
    except BaseException:
        if _calls.pop(number, None) is None:
            _settle(number)
        raise
    finally:
        ours.reset(before)
    return answer


def _settle(number: int) -> None:
    """A call has come back after its time: what is still on its way to it must not hit others."""
    while True:
        try:
            import ctypes  # 2 ms, and hardly any process ever gets here

            with _lock:
                _struck.pop(number, None)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(get_ident()), None)
        except Struck:
            continue
        return


def _watch() -> None:
    global _watched
    _watched = True
    if os._exit is _really_exit:
        os._exit = _exit
        with suppress(OSError, ValueError, RuntimeError):  # no standard error to write to
            if not faulthandler.is_enabled():
                faulthandler.enable()  # a crash in C, at import say, names the plugin's file and line
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGURG) is signal.SIG_DFL:
        signal.signal(signal.SIGURG, lambda *_: None)  # else ignored; it only interrupts what the thread waits for
    threading.Thread(target=_look, name="cosmos plugin bounds", daemon=True).start()


def _look() -> None:
    global _watched
    spent: dict[int, float] = {}
    idle = 0
    while True:
        time.sleep(TICK_S)
        calls = dict(_calls)
        spent = {number: spent.get(number, 0.0) + TICK_S for number in (*calls, *_struck)}
        for number, (_, bound) in calls.items():
            if spent[number] >= bound.seconds and (call := _calls.pop(number, None)):
                _struck[number] = call
            elif bound.doing.startswith("importing") and 0 <= spent[number] - _SLOW_IMPORT_S < TICK_S:
                _log.warning("still %s, for %g s; it is given up after %g s", bound.doing, spent[number], bound.seconds)
        for number in tuple(_struck):
            _strike(number, spent.get(number, 0.0))
        idle = 0 if calls or _struck else idle + 1
        if idle >= _IDLE_TICKS:
            _watched = False
            if not _calls:  # a call that came just now counts on us
                return
            _watched = True


def _strike(number: int, spent: float) -> None:
    import ctypes

    with _lock:
        if number not in _struck:
            return
        thread, bound = _struck[number]
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Struck))
        if thread == threading.main_thread().ident and callable(signal.getsignal(signal.SIGURG)):
            signal.pthread_kill(thread, signal.SIGURG)
    if 5 * TICK_S <= spent - bound.seconds < 6 * TICK_S:
        _log.error(
            "%s does not come back, and waits for something that cannot be interrupted; end this with Ctrl-C or "
            "`kill %d`: runs that were started go on at their hosts, and `cosmos sync` picks them up",
            bound.doing,
            os.getpid(),
        )


def _exit(status: int) -> NoReturn:
    thread = get_ident()
    if any(thread == other for other, _ in tuple(_calls.values())):
        raise Exited(f"os._exit({status})")
    _really_exit(status)


def _after_fork() -> None:
    """A child process has neither the watching thread nor the calls of other threads, and may end as it likes."""
    global _watched, _lock
    _watched = False
    _lock = threading.Lock()
    _calls.clear()
    _struck.clear()


os.register_at_fork(after_in_child=_after_fork)
