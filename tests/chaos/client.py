"""The `cosmos` command as the harness starts it: it tells which runs it moves, and where asked is spoilt on purpose."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from sabotage import spoil

from cosmos_core.runs.lease import Lease
from cosmos_core.runs.mover import Mover


def tell_moves(path: str) -> None:
    """Write down when this process begins and ends to move a run."""
    advance = Mover._advance
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def told(self: Mover, run_id: str, lease: Lease, *rest: object) -> object:
        def note(event: str) -> None:
            what = {"t": time.monotonic(), "event": event, "pid": os.getpid(), "run": run_id, "epoch": lease.epoch}
            os.write(descriptor, (json.dumps(what) + "\n").encode())

        note("begin")
        try:
            return advance(self, run_id, lease, *rest)  # type: ignore[arg-type]
        finally:
            note("end")

    Mover._advance = told  # type: ignore[method-assign, assignment]


def sleep_in_another_way() -> None:
    """The library that moves the clock does not know the call behind time.sleep, and fails it."""
    if os.environ.get("FAKETIME_TIMESTAMP_FILE"):
        time.sleep = lambda seconds: threading.Event().wait(float(seconds)) and None  # type: ignore[assignment]


if __name__ == "__main__":
    sleep_in_another_way()
    tell_moves(os.environ["CHAOS_MOVES"])
    spoil(os.environ.get("CHAOS_SABOTAGE", ""))
    from cosmos_core.cli.main import main

    sys.exit(main(["--debug", *sys.argv[1:]]))
