"""Moving many runs at the same time, one thread each: they share a connection and its rounds of questions."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence

from cosmos_core.store.records import RunRecord

Move = Callable[[RunRecord], RunRecord]

_AT_ONCE = 100


def each(runs: Sequence[RunRecord], move: Move) -> Iterator[RunRecord]:
    """What `move` makes of each run, as they come to it. Raises what it raises, and lets go of the others then.

    A single run is moved by the calling thread. Threads that are let go of end with the process: a run does not mind
    being left in the middle of anything.
    """
    if len(runs) == 1:
        yield move(runs[0])
        return
    waiting: queue.SimpleQueue[RunRecord] = queue.SimpleQueue()
    ended: queue.SimpleQueue[RunRecord | BaseException] = queue.SimpleQueue()
    for run in runs:
        waiting.put(run)

    def work() -> None:
        while True:
            try:
                run = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                ended.put(move(run))
            except BaseException as error:  # noqa: BLE001  it is raised where the answer is waited for
                ended.put(error)

    for number in range(min(len(runs), _AT_ONCE)):
        threading.Thread(target=work, name=f"run {number}", daemon=True).start()
    for _ in runs:
        answer = ended.get()
        if isinstance(answer, BaseException):
            raise answer
        yield answer
