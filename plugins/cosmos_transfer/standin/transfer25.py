"""Plays `examples/inference.py` of cosmos-transfer2.5, started as the real one is: `main(["python", SCRIPT, ...])`.

By environment: STANDIN_STEP_SECONDS (0.02), STANDIN_FAIL (one of orders.py, `:SAMPLE` behind), STANDIN_VERSION (the
release that is played, the newest by default), STANDIN_HANG_SECONDS (an end to what would hang for ever, with exit 1).
"""

from __future__ import annotations

import os
import sys
from pathlib import PurePosixPath

from .flags import YES, read_arguments
from .generate import Run
from .launch import SCRIPT, CommandError, Ranks, Start, read_command, torchrun
from .orders import OrderError, Orders
from .spec import read_samples


def main(argv: list[str]) -> int:
    """Play the command and return its exit code: 0, 1 for what the toolkit fails on, 2 for what it cannot read.

    `argv` is the whole command, the program that starts it included: python, torchrun, or `uv run` before them.
    """
    repository = "STANDIN_REPOSITORY" in os.environ
    try:
        orders = Orders(os.environ)
        start = read_command(argv)
        if not start.plays():
            if repository and start.processes is None:
                return _real_python(argv)
            raise CommandError(f"cannot play {start.script or argv!r}: only {SCRIPT} is played")
    except (OrderError, CommandError) as error:
        print(f"stand-in for cosmos-transfer2.5: {error}", file=sys.stderr)
        return 2
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # prompts hold any text, and the toolkit prints them
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    if start.processes is None:
        return _play(start, Ranks(0, 1), orders, must_exist=repository)
    return torchrun(start, lambda ranks: _play(start, ranks, orders, must_exist=repository))


def _play(start: Start, ranks: Ranks, orders: Orders, *, must_exist: bool) -> int:
    if must_exist and not start.file().is_file():
        missing = f"{sys.executable}: can't open file '{start.file().absolute()}': [Errno 2] No such file or directory"
        if start.module:
            missing = f"{sys.executable}: No module named {start.script}"
        print(missing, file=sys.stderr)
        return 1 if start.module else 2
    try:
        if orders.failure == "no_cuda_extra":
            raise RuntimeError("CUDA extra not installed. Please run 'uv sync --extra=<cuda_name>'")
        experimental = os.environ.get("COSMOS_EXPERIMENTAL_CHECKPOINTS", "").lower() in YES
        arguments = read_arguments(start.arguments, experimental=experimental, world=ranks.world)
        samples = read_samples(arguments.inputs, arguments.overrides)
        orders.check_sample([sample.name for sample in samples])
        Run(arguments, samples, ranks, orders).everything()
    except SystemExit as end:
        return int(end.code or 0)
    except OrderError as error:
        print(f"stand-in for cosmos-transfer2.5: {error}", file=sys.stderr)
        return 2
    except Exception:  # noqa: BLE001 - what the toolkit does not catch ends as Python ends it
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _real_python(argv: list[str]) -> int:
    # in a repository our `python` stands before the real one, and other scripts want that
    words = argv[next(index for index, word in enumerate(argv) if PurePosixPath(word).name.startswith("python")) + 1 :]
    os.environ.pop("STANDIN_REPOSITORY")
    os.execv(sys.executable, [sys.executable, *words])  # noqa: S606 - no shell wanted
