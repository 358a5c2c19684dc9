"""`cosmos` from a warm process: everything is imported once, and each command is a fork that needs no start-up.

A command of its own costs a second of processor time before it does anything, for loading code; a fork costs a
twentieth of that. What runs is the same `main` on the same arguments, environment, folder and pipes, in a process of
its own with its own number, birth and exit code. Tests of the start-up, of signals, of what stands in an argument list
and of what an installation finds call `cosmos` cold.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn

from real_processes import HANG_S

IMPORTS = (
    "alembic.command", "av.subtitles.stream", "cattrs", "importlib.metadata", "importlib.readers", "paramiko",
    "platformdirs.unix", "rich.console", "rich.progress", "rich.table", "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite", "cosmos_core.__main__", "cosmos_core.app", "cosmos_core.cli.attached",
    "cosmos_core.cli.dry", "cosmos_core.cli.main", "cosmos_core.cli.making", "cosmos_core.cli.replacing",
    "cosmos_core.documents", "cosmos_core.media",
)  # fmt: skip
"""What a command may come to need. No plugin is among it: plugins are loaded behind a fence."""

_COLD = ("PYTHON", "LANG", "LC_", "LD_")
"""Variables that begin so are read when Python starts: who sets one gets a process that does."""


def run(
    args: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str = "", timeout: float = HANG_S, code: str = ""
) -> subprocess.CompletedProcess[str]:
    """`cosmos ARGS` to its end, as subprocess.run does it with its output captured; or `python -c CODE ARGS`."""
    argv = [sys.executable, *(("-c", code) if code else ("-m", "cosmos_core")), *args]
    if sys.platform != "linux" or _start_up(env) != _start_up(os.environ):
        return subprocess.run(
            argv, cwd=cwd, env=env, input=stdin, capture_output=True, encoding="utf-8", timeout=timeout, check=False
        )
    with contextlib.ExitStack() as stack:
        (theirs_in, into), (out, theirs_out), (err, theirs_err) = [
            tuple(stack.enter_context(end) for end in _pipe()) for _ in range(3)
        ]
        request = {"args": list(args), "cwd": str(cwd), "env": dict(env), "code": code}
        command = stack.enter_context(_Forked(request, (theirs_in, theirs_out, theirs_err)))
        for end in (theirs_in, theirs_out, theirs_err):
            end.close()
        said = _talk(into, stdin.encode(), (out, err), time.monotonic() + timeout)
        if said is None:
            command.kill()
            raise subprocess.TimeoutExpired(argv, timeout)
        return subprocess.CompletedProcess(argv, command.wait(), *(each.decode("utf-8") for each in said))


_SHIM = """#!{python} -IS
import json, os, socket, sys
ours, theirs = socket.socketpair()
request = {{"args": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ), "code": ""}}
with theirs, os.fdopen(os.memfd_create("request"), "wb", buffering=0) as file:
    file.write(json.dumps(request).encode())
    socket.send_fds(socket.socket(fileno={asker}), [b"!"], [file.fileno(), theirs.fileno(), 0, 1, 2])
ours.recv(16)
code = int(ours.recv(16))
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def on_path(folder: Path) -> tuple[int, ...]:
    """Write a warm `cosmos` into a folder, for shells with that on their PATH; the descriptors that they must inherit.

    It knows no signals, and of a terminal only what it reads and writes.
    """
    file = folder / "cosmos"
    if sys.platform == "linux":
        asker = _asker().fileno()
        file.write_text(_SHIM.format(python=sys.executable, asker=asker), encoding="utf-8")
    else:
        file.unlink(missing_ok=True)
        file.symlink_to(Path(sys.executable).with_name("cosmos"))
        return ()
    file.chmod(0o755)
    return (asker,)


def _start_up(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_COLD)}


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    read, write = os.pipe()
    return os.fdopen(read, "rb", buffering=0), os.fdopen(write, "wb", buffering=0)


def _talk(
    into: IO[bytes], stdin: bytes, out_of: tuple[IO[bytes], IO[bytes]], deadline: float
) -> tuple[bytes, bytes] | None:
    """Give it what it reads, and read what it says until nobody holds its pipes any more; None past the deadline."""
    said = {end: bytearray() for end in out_of}
    os.set_blocking(into.fileno(), False)
    with selectors.DefaultSelector() as waiting:
        waiting.register(into, selectors.EVENT_WRITE)
        for end in out_of:
            waiting.register(end, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            for key, _ in ready:
                end = key.fileobj
                assert not isinstance(end, int)
                if end is into:
                    with contextlib.suppress(BrokenPipeError):
                        stdin = stdin[into.write(stdin) :] if stdin else b""
                    if not stdin:
                        waiting.unregister(into)
                        into.close()
                elif some := end.read(65536):
                    said[end] += some
                else:
                    waiting.unregister(end)
    return bytes(said[out_of[0]]), bytes(said[out_of[1]])


class _Forked:
    """A command under way. A context manager that lets go of what is told about it."""

    def __init__(self, request: Mapping[str, object], stdio: Sequence[IO[bytes]]) -> None:
        self._told, theirs = socket.socketpair()
        with theirs, os.fdopen(os.memfd_create("request"), "wb", buffering=0) as file:
            file.write(json.dumps(request).encode())
            socket.send_fds(_asker(), [b"!"], [file.fileno(), theirs.fileno(), *(end.fileno() for end in stdio)])
        self.pid = int(self._told.recv(16))

    def __enter__(self) -> _Forked:
        return self

    def __exit__(self, *_: object) -> None:
        self._told.close()

    def wait(self) -> int:
        """Its exit code; negative where a signal ended it."""
        return int(self._told.recv(16))

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


_askers: list[socket.socket] = []


def _asker() -> socket.socket:
    """The way to this process's own warm one, which ends when this process does."""
    if not _askers:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # in a session of its own: what a test does to its group does not end the next test's commands
            subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            ).returncode = 0  # nobody waits for it
        _askers.append(ours)
        atexit.register(ours.close)  # which ends it
    return _askers[0]


def _serve(listener: socket.socket) -> None:
    """Fork a command whenever one is asked for, and tell of each how it ended; over when nobody can ask any more."""
    living: dict[int, tuple[int, socket.socket]] = {}
    with selectors.DefaultSelector() as waiting:
        waiting.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is listener:
                    _, descriptors, _, _ = socket.recv_fds(listener, 1, 5)
                    if not descriptors:
                        return
                    request, told, *stdio = descriptors
                    pid = os.fork()
                    if pid == 0:
                        waiting.close()
                        listener.close()
                        for _, other in living.values():
                            other.close()
                        os.close(told)
                        _become(request, stdio)
                    for descriptor in (request, *stdio):
                        os.close(descriptor)
                    watched = os.pidfd_open(pid)
                    living[watched] = (pid, socket.socket(fileno=told))
                    living[watched][1].send(str(pid).ljust(16).encode())
                    waiting.register(watched, selectors.EVENT_READ)
                else:
                    watched = key.fd
                    waiting.unregister(watched)
                    os.close(watched)
                    pid, asker = living.pop(watched)
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with asker, contextlib.suppress(BrokenPipeError):
                        asker.send(str(code).encode())


def _become(request: int, stdio: Sequence[int]) -> NoReturn:
    """In the child: be the command."""
    with os.fdopen(request, "rb") as file:
        file.seek(0)
        asked = json.load(file)
    for number, descriptor in enumerate(stdio):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", buffering=1 if number == 2 else -1, closefd=False)
        for number, mode in enumerate(("r", "w", "w"))
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    if asked["code"]:
        sys.argv = ["-c", *asked["args"]]
        exec(asked["code"], {"__name__": "__main__"})
        sys.exit(0)
    sys.argv = ["cosmos", *asked["args"]]
    from cosmos_core.__main__ import main

    main()


if __name__ == "__main__":
    sys.path[0] = ""  # as `python -m` has it, in place of this file's folder
    for each in IMPORTS:
        importlib.import_module(each)
    gc.collect()
    gc.freeze()  # what is loaded is garbage in no fork, and is shared by all
    _serve(socket.socket(fileno=int(sys.argv[1])))
