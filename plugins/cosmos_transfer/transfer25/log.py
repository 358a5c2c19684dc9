"""What the toolkit's log tells while it runs.

Lines of the program look like `[11-23 08:49:42|INFO|cosmos_transfer2/inference.py:217:generate] words`; the
bars come from every rank. Which chunk is being sampled stands in debug.log only (or in the log with
COSMOS_VERBOSE), so chunks are counted by the bars that begin.
"""

from __future__ import annotations

import re

from attrs import define, field

from cosmos_core import Failure, Job, LineReader, Progress, Request
from cosmos_transfer.transfer25.asked import chunks_of
from cosmos_transfer.transfer25.parameters import Parameters

BLOCKED = re.compile(
    r"^\[[^\]|]*\|CRITICAL\|[^\]]*\] Guardrail blocked generation\. (?P<which>Prompt|Negative prompt):"
)
"""The line that says that a text was blocked; the text follows it."""

SAMPLE = re.compile(r"^\[[^\]]*\] \[(?P<number>\d+)/(?P<count>\d+)\] Processing sample (?P<name>\S+)")
SAVED = re.compile(r"^\[[^\]]*\] Generated video saved to (?P<path>.+)$")

_ENDS = re.compile(r"[\r\n]+|(?<=\])(?=\[\d\d-\d\d \d\d:\d\d:\d\d\|)")
"""Where lines end: also where a message follows a bar, which leaves the cursor at its end."""

_BAR = re.compile(r"Generating samples:\s+\d+%\|.*?\|\s*(?P<step>\d+)/(?P<steps>\d+)")
_CHUNK = re.compile(r"^\[[^\]]*\] Generating chunk (?P<chunk>\d+)/(?P<chunks>\d+)")
_CONTROL_SAVED = re.compile(r"^\[[^\]]*\] (?P<control>edge|vis|depth|seg) control video saved to ")
_DOWNLOAD = re.compile(r"^\[[^\]]*\] Downloading checkpoint (?P<name>[^\s(]+)")

_WORDS = tuple(
    (re.compile(r"^\[[^\]]*\] " + pattern), words)
    for pattern, words in (
        ("Saved config to ", "the model is loaded"),
        ("Running guardrail check on prompt", "checking the prompt"),
        ("Passed guardrail on prompt", "the prompt passed the safety check"),
        ("Processing the following paths", "reading the inputs"),
        ("Loading input video", "reading the inputs"),
        ("Loading control inputs", "preparing the controls"),
        ("Computing prompt text embeddings", "reading the prompt"),
        ("Running guardrail check on video", "checking the result"),
        ("Passed guardrail on generated video", "the result passed the safety check, encoding it"),
    )
)

_SAMPLED, _CONTROLS = 0.9, 0.92
_SHARES = {"checking the result": 0.94, "the result passed the safety check, encoding it": 0.97}
"""What of a request is done by then. Nobody has measured what comes after 35 steps: about a tenth is left for it."""


def lines_of(text: str) -> list[str]:
    """The lines of a log, bars and messages apart."""
    return [line for line in _ENDS.split(text) if line]


def follow_progress(job: Job[Parameters]) -> LineReader:
    """A reader of this job's log. Fractions are of one request each, and never go back."""
    return _Follower(job=job, current=job.requests[0])


@define
class _Follower:
    job: Job[Parameters]
    current: Request[Parameters]
    reached: dict[str, float] = field(factory=dict)  # request -> fraction
    message: str = ""
    bars: int = 0  # begun since the sample began, by all ranks together
    last_step: int | None = None
    shows_zero: bool = False  # whether bars announce themselves with step 0, as tqdm's do
    chunk_told: int | None = None
    done: set[str] = field(factory=set)

    @property
    def fraction(self) -> float:
        return self.reached.get(self.current.id, 0.0)

    @property
    def ranks(self) -> int:
        return self.job.requests[0].gpus or 1

    def __call__(self, line: str) -> Progress | None:
        told: Progress | None = None
        for part in lines_of(line):
            if told is None or told.doomed is None:
                told = self._read(part) or told
        return told

    def _read(self, line: str) -> Progress | None:
        if BLOCKED.match(line):  # first, since it holds the user's own words
            return self._blocked()
        if bar := _BAR.search(line):
            return self._bar(int(bar["step"]), int(bar["steps"]))
        if sample := SAMPLE.match(line):
            return self._sample(sample["name"], f"sample {sample['number']} of {sample['count']}")
        if chunk := _CHUNK.match(line):
            self.chunk_told = int(chunk["chunk"])
            return None
        if SAVED.match(line):
            self.done.add(self.current.id)
            return self._say("saved", fraction=1.0)
        if control := _CONTROL_SAVED.match(line):
            sampled = self.fraction >= _SAMPLED
            return self._say(f"the {control['control']} control is there", _CONTROLS if sampled else None)
        if download := _DOWNLOAD.match(line):
            return self._say(f"downloading {download['name']}")
        for pattern, words in _WORDS:
            if pattern.match(line):
                return self._say(words, _SHARES.get(words))
        return None if self.message else self._say("loading the model")

    def _say(self, message: str, fraction: float | None = None, doomed: Failure | None = None) -> Progress | None:
        """Progress in these words; None for what was already said."""
        fraction = max(self.fraction, fraction or 0.0)
        if (message, fraction) == (self.message, self.fraction) and doomed is None:
            return None
        self.message, self.reached[self.current.id] = message, fraction
        return Progress(fraction=fraction, message=message, request=self.current.id, doomed=doomed)

    def _sample(self, name: str, words: str) -> Progress | None:
        request = next((request for request in self.job.requests if request.id == name), None)
        if request is None or request.id in self.done:
            return None
        self.current = request
        self.bars, self.last_step, self.chunk_told = 0, None, None
        return self._say(words if len(self.job.requests) > 1 else "the model is loaded")

    def _bar(self, step: int, steps: int) -> Progress | None:
        if steps < 1 or step > steps or self.current.id in self.done:
            return None
        self._count(step, steps)
        chunks = max(chunks_of(self.current) or 1, self.chunk_told or 1)
        chunk = min(self.chunk_told or max(self._chunks_begun(), 1), chunks)
        fraction = round(_SAMPLED * (chunk - 1 + step / steps) / chunks, 4)
        if self.fraction > 0 and fraction <= self.fraction:
            return None  # a rank that lags behind shows an older step
        words = f"sampling {step}/{steps}"
        if fraction == _SAMPLED:
            return self._say("decoding what was sampled", fraction)
        return self._say(words if chunks == 1 else f"chunk {chunk}/{chunks}, {words}", fraction)

    def _count(self, step: int, steps: int) -> None:
        if step == 0:
            self.shows_zero = True
            self.bars += 1
        elif not self.shows_zero:  # then a bar is new when it is far behind the last line
            first = self.last_step is None
            self.bars += first or (step <= steps // 4 and (self.last_step or 0) > steps // 2)
        self.last_step = step

    def _chunks_begun(self) -> int:
        """A chunk has begun when every rank shows a bar for it; some are slower than others."""
        return self.bars // self.ranks if self.shows_zero else self.bars

    def _blocked(self) -> Progress | None:
        if self.ranks == 1:
            return self._say("blocked by the safety check of the prompt")
        return self._say(
            "blocked by the safety check of the prompt",
            doomed=Failure(
                code="prompt_blocked",
                message="NVIDIA's safety check blocked the prompt",
                hint="say it in other words; with several GPUs the toolkit would hang here for half an "
                "hour, so the job was stopped",
            ),
        )
