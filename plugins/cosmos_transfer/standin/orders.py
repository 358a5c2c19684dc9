"""What the person who runs the stand-in asks of it, by environment: its speed, and a failure to play."""

from __future__ import annotations

import math
from collections.abc import Mapping

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


class Orders:
    """STANDIN_STEP_SECONDS and STANDIN_FAIL, read once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        text = environ.get("STANDIN_STEP_SECONDS", "0.02")
        try:
            self.step_seconds = float(text)
        except ValueError:
            self.step_seconds = -1.0
        if not (math.isfinite(self.step_seconds) and self.step_seconds >= 0):
            raise OrderError(f"STANDIN_STEP_SECONDS={text!r}: expected seconds, 0 or more, such as 0.02")
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

    def strikes(self, failure: str, sample: str = "") -> bool:
        """Whether this failure is to be played now (for this sample)."""
        return self.failure == failure and self.sample in ("", sample)
