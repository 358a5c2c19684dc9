"""Looking at a host in rounds: all who watch jobs there share one question and its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

from cosmos_core.targets.host import Host, Span
from cosmos_core.targets.jobdir import Evidence, JobDir, look_at

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class _Question(Generic[Ask, Answer]):
    def __init__(self, ask: Ask, pause: float) -> None:
        self.ask = ask
        self.pause = pause
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self.done = False


class Round(Generic[Ask, Answer]):
    """Collects what several threads want to know, asks once, and gives each its own answer.

    The first to come leads: it waits until the pause since the last round is over, so that the others can join.
    """

    def __init__(self, answer: Callable[[Sequence[Ask]], Sequence[Answer]]) -> None:
        self._answer = answer
        self._turn = threading.Condition()
        self._waiting: list[_Question[Ask, Answer]] = []
        self._led = False
        self._last = float("-inf")

    def __call__(self, ask: Ask, *, pause: float = 0.0) -> Answer:
        """The answer, by a round that begins `pause` seconds after the last one at the earliest."""
        question: _Question[Ask, Answer] = _Question(ask, pause)
        with self._turn:
            self._waiting.append(question)
            while self._led and not question.done:
                self._turn.wait()
            if question.done:
                return _told(question)
            self._led = True
        asked: list[_Question[Ask, Answer]] = []
        try:
            asked = self._all_who_wait()
            for each, answer in zip(asked, self._answer([q.ask for q in asked]), strict=True):
                each.answer = answer
        except BaseException as error:
            for each in asked:
                each.error = error
            raise
        finally:
            with self._turn:
                self._last = time.monotonic()
                self._waiting = [q for q in self._waiting if q is not question]
                for each in asked:
                    each.done = True
                self._led = False
                self._turn.notify_all()
        return _told(question)

    def _all_who_wait(self) -> list[_Question[Ask, Answer]]:
        """Those who have come once the pause is over."""
        with self._turn:
            while (rest := self._last + min(q.pause for q in self._waiting) - time.monotonic()) > 0:
                self._turn.wait(rest)
            asked, self._waiting = self._waiting, []
            return asked


def _told(question: _Question[Ask, Answer]) -> Answer:
    if question.error is not None:
        raise question.error
    return cast("Answer", question.answer)  # which may well be None


class Rounds:
    """The two questions of those who watch jobs: what is new in files, and what became of a job."""

    def __init__(self, host: Host, *, shortest: float, longest: float, closely: float) -> None:
        self.shortest = shortest  # seconds between two looks while something happens ...
        self.longest = longest  # ... and while nothing does
        self.closely = closely  # and until a job is looked at more closely
        self.read = Round[Sequence[Span], Sequence[bytes]](lambda asks: _read(host, asks))
        self.look = Round[JobDir, Evidence](lambda jobs: look_at(host, jobs))

    def pause(self, age: float) -> float:
        """Seconds until the next look at something that has been so for `age` seconds: what is new changes soon."""
        return min(max(age / 10, self.shortest), self.longest)


def _read(host: Host, asks: Sequence[Sequence[Span]]) -> list[Sequence[bytes]]:
    found = iter(host.read([span for spans in asks for span in spans]))
    return [[next(found) for _ in spans] for spans in asks]
