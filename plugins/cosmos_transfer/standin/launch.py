"""The programs that start the toolkit: python, torchrun with one process per GPU, and uv in front of either."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

SCRIPT = "examples/inference.py"
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
RENDEZVOUS = "torch/distributed/elastic/multiprocessing/api.py"
_PYTHON_VALUES = ("-X", "-W", "--check-hash-based-pycs")
_UV_VALUES = ("--extra", "--group", "--project", "--directory", "--python", "-p", "--with", "--env-file")
_TORCHRUN_SWITCHES = ("--standalone", "--no-python", "--no_python", "--run-path", "--run_path")
_TORCHRUN_VALUES = (
    "nnodes",
    "nproc-per-node",
    "rdzv-backend",
    "rdzv-endpoint",
    "rdzv-id",
    "rdzv-conf",
    "max-restarts",
    "monitor-interval",
    "start-method",
    "role",
    "log-dir",
    "redirects",
    "tee",
    "local-ranks-filter",
    "node-rank",
    "master-addr",
    "master-port",
    "local-addr",
)


class CommandError(Exception):
    """A command that this stand-in does not play; its text says what it plays."""


class Start:
    """What a command line starts: `processes` is None for plain python."""

    def __init__(self, script: str, arguments: list[str], *, module: bool, processes: int | None) -> None:
        self.script = script
        self.arguments = arguments
        self.module = module
        self.processes = processes

    def plays(self) -> bool:
        """Whether it starts the script that is played here."""
        if self.module:
            return self.script == "examples.inference"
        return PurePosixPath(self.script).parts[-2:] == ("examples", "inference.py")

    def file(self) -> Path:
        """The script's file, relative to the working directory."""
        return Path(SCRIPT) if self.module else Path(self.script)


def read_command(argv: list[str]) -> Start:
    """Take apart `[uv run ...] python|torchrun ... SCRIPT ARGUMENTS`; CommandError says what is not understood."""
    words = list(argv)
    if words and PurePosixPath(words[0]).name == "uv":
        words = _after_uv(words[1:])
    if not words:
        raise CommandError("no command: expected python or torchrun and examples/inference.py")
    program = PurePosixPath(words[0]).name
    if program.startswith("python"):
        script, arguments, module = _after_python(words[1:])
        return Start(script, arguments, module=module, processes=None)
    if program == "torchrun":
        return _after_torchrun(words[1:])
    raise CommandError(f"cannot play {words[0]!r}: expected python, torchrun, or uv run in front of them")


def _after_uv(words: list[str]) -> list[str]:
    if not words or words[0] != "run":
        raise CommandError("of uv only `uv run` is played")
    words = words[1:]
    while words and words[0].startswith("-"):
        if words[0] == "--":
            return words[1:]
        words = words[2:] if words[0] in _UV_VALUES else words[1:]
    return words


def _after_python(words: list[str]) -> tuple[str, list[str], bool]:
    while words and words[0].startswith("-"):
        if words[0] == "-m" and len(words) > 1:
            return words[1], words[2:], True
        if words[0] in ("-c", "-", "-m", "-V", "-VV", "--version", "-h", "--help"):
            break
        words = words[2:] if words[0] in _PYTHON_VALUES else words[1:]
    return (words[0], words[1:], False) if words else ("", [], False)


def _after_torchrun(words: list[str]) -> Start:
    processes, module = 1, False
    while words and words[0].startswith("-"):
        word, _, value = words[0].partition("=")
        words = words[1:]
        name = word.lstrip("-").replace("_", "-")
        if word in ("-m", "--module"):
            module = True
            continue
        if word in _TORCHRUN_SWITCHES:
            continue
        if name not in _TORCHRUN_VALUES:
            raise CommandError(f"torchrun: error: unrecognized arguments: {word}")
        if not value:
            if not words:
                raise CommandError(f"torchrun: error: argument {word}: expected one argument")
            value, words = words[0], words[1:]
        if name == "nproc-per-node":
            processes = _processes(value)
    if not words:
        raise CommandError("torchrun: error: the following arguments are required: training_script")
    return Start(words[0], words[1:], module=module, processes=processes)


def _processes(text: str) -> int:
    if text in ("gpu", "auto"):
        return max(1, len([part for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part]))
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise CommandError(f"torchrun: ValueError: Unsupported nproc_per_node value: {text}")


class Ranks:
    """What ranks tell each other: the first says when a chunk begins and when all is done.

    Where the first never speaks again, the others wait in their collective, as in the real thing.
    """

    def __init__(self, rank: int, world: int, listen: int | None = None, tell: tuple[int, ...] = ()) -> None:
        self.rank = rank
        self.world = world
        self._listen = listen
        self._tell = tell

    def say(self, word: str) -> None:
        """Tell the other ranks."""
        for pipe in self._tell:
            try:
                os.write(pipe, f"{word}\n".encode())
            except BrokenPipeError:
                continue  # that rank is dead, and torchrun is about to end this one

    def hear(self, follow: Callable[[int], None]) -> bool:
        """Call `follow` with the number of steps of each chunk; False where the first rank fell silent."""
        assert self._listen is not None
        with os.fdopen(self._listen, encoding="ascii") as words:
            for word in words:
                if word == "done\n":
                    return True
                follow(int(word))
        return False


def torchrun(start: Start, rank_main: Callable[[Ranks], int]) -> int:
    """Run one process per rank, each in a session of its own; 1 if any fails, after torch's words."""
    world = start.processes or 1
    if world > 1:
        for line in ("", "*" * 41, _THREADS, "*" * 41):
            _elastic("W", "torch/distributed/run.py:774", line)
    pipes = {rank: os.pipe() for rank in range(1, world)}
    sys.stdout.flush()
    sys.stderr.flush()
    children: dict[int, int] = {}
    # a signal that comes while the ranks are born waits until somebody can pass it on to them
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    for rank in range(world):
        pid = os.fork()
        if pid == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
            os._exit(_rank(rank, world, pipes, rank_main))
        children[pid] = rank
    for pair in pipes.values():
        os.close(pair[0])
        os.close(pair[1])
    return _watch(start, children)


_THREADS = (
    "Setting OMP_NUM_THREADS environment variable for each process to be 1 in default, to avoid your system being "
    "overloaded, please further tune the variable for optimal performance in your application as needed. "
)


def _rank(rank: int, world: int, pipes: dict[int, tuple[int, int]], rank_main: Callable[[Ranks], int]) -> int:
    os.setsid()
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), LOCAL_WORLD_SIZE=str(world))
    for other, (reader, writer) in pipes.items():
        if rank != 0:
            os.close(writer)
        if other != rank:
            os.close(reader)
    tell = tuple(writer for _, writer in pipes.values()) if rank == 0 else ()
    listen = pipes[rank][0] if rank else None
    try:
        code = rank_main(Ranks(rank, world, listen, tell))
    except BaseException:  # noqa: BLE001 - a forked rank must end here, whatever happens
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _watch(start: Start, children: dict[int, int]) -> int:
    def stop(number: int, _frame: object) -> None:
        for pid in children:
            _signal(pid, number)
        text = f"Process {os.getpid()} got signal: {number}"
        sys.stderr.write(f"torch.distributed.elastic.multiprocessing.api.SignalException: {text}\n")
        sys.stderr.flush()
        os._exit(1)

    before = {number: signal.signal(number, stop) for number in _PASSED_ON}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    try:
        return _wait(start, children)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(start: Start, children: dict[int, int]) -> int:
    while children:
        pid, status = os.waitpid(-1, 0)
        rank = children.pop(pid, None)
        code = os.waitstatus_to_exitcode(status)
        if rank is None or code == 0:
            continue
        for other in children:
            _elastic("W", f"{RENDEZVOUS}:900", f"Sending process {other} closing signal SIGTERM")
            _signal(other, signal.SIGTERM)
        for other in list(children):
            os.waitpid(other, 0)
        _tell_failure(start, rank, pid, code)
        return 1
    return 0


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _elastic(level: str, where: str, text: str) -> None:
    stamp = f"{time.strftime('%m%d %H:%M:%S')}.{time.time_ns() // 1_000_000 % 1000:03d}000"
    sys.stderr.write(f"{level}{stamp} {os.getpid()} {where}] {text}\n")


def _tell_failure(start: Start, rank: int, pid: int, code: int) -> None:
    failed = f"failed (exitcode: {code}) local_rank: {rank} (pid: {pid}) of binary: {sys.executable}"
    _elastic("E", f"{RENDEZVOUS}:874", failed)
    cause = "To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html"
    if code < 0:
        cause = f"Signal {-code} ({signal.Signals(-code).name}) received by PID {pid}"
    lines = [
        "Traceback (most recent call last):",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ",
        "=" * 60,
        f"{start.script} FAILED",
        "-" * 60,
        "Failures:",
        "  <NO_OTHER_FAILURES>",
        "-" * 60,
        "Root Cause (first observed failure):",
        "[0]:",
        f"  time      : {time.strftime('%Y-%m-%d_%H:%M:%S')}",
        f"  host      : {socket.gethostname()}",
        f"  rank      : {rank} (local_rank: {rank})",
        f"  exitcode  : {code} (pid: {pid})",
        "  error_file: <N/A>",
        f"  traceback : {cause}",
        "=" * 60,
        "",
    ]
    sys.stderr.write("\n".join(lines))
    sys.stderr.flush()
