"""A clock that is wrong, for processes that are started with it: Debian's library faketime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
"""Without it no clock can be moved. It does not know the call behind time.sleep, and fails it."""


def by_clock(file: Path) -> Mapping[str, str]:
    """The environment of processes whose clock is off by what FILE says by then, such as `+3600`."""
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
