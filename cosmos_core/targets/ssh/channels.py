"""Reading from channels and closing them, whatever state they are in."""

from __future__ import annotations

import contextlib
import math
import select
import time
from collections.abc import Callable, Iterator

import paramiko

from cosmos_core.targets.ssh.frames import Framed, Question

BROKEN = (paramiko.SSHException, EOFError, OSError)
"""What paramiko raises from anything on a connection that breaks."""

_MOST = 1 << 24


def pieces(
    channel: paramiko.Channel,
    framed: Framed | Question,
    *,
    begins_by: float,
    on_late: Callable[[], None],
    silence: float,
    on_silence: Callable[[], None],
) -> Iterator[tuple[bytes, bytes]]:
    """Output and complaints of a script as they come, until its answer or the channel ends.

    Both are read together: a program that waits until one is read never ends the other. `on_late` is told where a
    login shell has not come to the script by then, whatever it says meanwhile; `on_silence` where nothing comes.
    """
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    while not framed.ended:
        left = math.inf if framed.begun else begins_by - time.monotonic()
        if left <= 0:
            on_late()
        over = channel.eof_received or channel.closed
        try:
            out = channel.recv(_MOST) if channel.recv_ready() else b""
            err = channel.recv_stderr(_MOST) if channel.recv_stderr_ready() else b""
        except BROKEN:
            return
        if out or err:
            yield framed.feed(out, err)
        elif over:
            return
        elif not poll.poll(min(silence, left) * 1000) and silence < left:
            on_silence()


def close(channel: paramiko.Channel) -> None:
    """Close a channel, also one whose connection is gone."""
    with contextlib.suppress(*BROKEN):
        channel.close()
