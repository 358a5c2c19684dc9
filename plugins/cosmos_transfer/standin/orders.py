"""What the person who runs the stand-in asks of it, by environment: its speed, and a failure to play."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import NoReturn

NEWEST = "1.5.4"
LOAD_FAILURES = ("no_cuda_extra", "no_uvx", "missing_checkpoint", "gated_model")
SAMPLE_FAILURES = (
    "blocked_prompt",
    "blocked_negative_prompt",
    "blocked_video",
    "out_of_memory",
    "cut_output",
    "crash",
    "hang",
)


class OrderError(Exception):
    """An order that cannot be followed; its text is for the user."""


class HangError(Exception):
    """The original would never have come back; raised only where STANDIN_HANG_SECONDS sets an end."""


class Orders:
    """STANDIN_STEP_SECONDS, STANDIN_HANG_SECONDS, STANDIN_VERSION and STANDIN_FAIL, read once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.step_seconds = _seconds(environ, "STANDIN_STEP_SECONDS", "0.02")
        self._hang_seconds = _seconds(environ, "STANDIN_HANG_SECONDS", "inf")
        self.version = _version(environ.get("STANDIN_VERSION", NEWEST))
        order = environ.get("STANDIN_FAIL", "")
        self.failure, _, self.sample = order.partition(":")
        if self.failure and self.failure not in LOAD_FAILURES + SAMPLE_FAILURES:
            known = ", ".join(LOAD_FAILURES + SAMPLE_FAILURES)
            raise OrderError(f"STANDIN_FAIL={order!r}: unknown failure. Expected one of: {known}")
        if ":" in order and self.failure not in SAMPLE_FAILURES:
            raise OrderError(f"STANDIN_FAIL={order!r}: this failure hits the whole run; leave out the sample's name")
        if ":" in order and not self.sample:
            raise OrderError(f"STANDIN_FAIL={order!r}: the sample's name is missing after the colon")

    def check_sample(self, names: list[str]) -> None:
        """Raise OrderError where the sample to fail is not in the run: an order must not be lost in silence."""
        if self.sample and self.sample not in names:
            raise OrderError(f"STANDIN_FAIL names sample {self.sample!r}, and the run has: {', '.join(names)}")

    def hold(self, *lines: str) -> NoReturn:
        """Hang as the original does, writing its lines over and over: for ever, unless STANDIN_HANG_SECONDS is set.

        The original writes as fast as it can; here the lines come once a second, so that no disk fills up.
        """
        end = time.monotonic() + self._hang_seconds
        while True:
            for line in lines:
                sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
            left = end - time.monotonic()
            if left <= 0:
                raise HangError("the original hangs here for ever; STANDIN_HANG_SECONDS ends it")
            time.sleep(min(1.0, left))

    def strikes(self, failure: str, sample: str = "") -> bool:
        """Whether this failure is to be played now (for this sample)."""
        return self.failure == failure and self.sample in ("", sample)


def _seconds(environ: Mapping[str, str], name: str, default: str) -> float:
    text = environ.get(name, default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0 or (name in environ and not math.isfinite(seconds)):
        raise OrderError(f"{name}={text!r}: expected seconds, 0 or more, such as 0.02")
    return seconds


def _version(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.removeprefix("v").split("."))
    except ValueError:
        raise OrderError(f"STANDIN_VERSION={text!r}: expected a release of the toolkit, such as {NEWEST}") from None
