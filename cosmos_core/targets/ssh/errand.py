"""A script in a channel of its own, with whatever goes in and comes out while it runs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import paramiko

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Completed
from cosmos_core.targets.ssh.channels import BROKEN, close, pieces
from cosmos_core.targets.ssh.connection import Connection
from cosmos_core.targets.ssh.frames import Framed
from cosmos_core.targets.ssh.shell import cut_off, never_begun

_SILENCE_S = 30.0  # after which the connection under a quiet channel is looked at
_STUCK_S = 60.0
_BEGIN_S = 60.0  # how long a login shell may take to come to the script
_INLINE = 1 << 20  # a server takes at least this much before it must be read from
_MOST_SAID = 64 << 20
_PIECE = 32_000  # a packet's worth: larger ones are copied again and again


class Errand:
    """Begins when it is made. `look` is asked when nothing moves; it raises TargetUnusable if the line is dead."""

    def __init__(
        self, channel: paramiko.Channel, framed: Framed, connection: Connection, look: Callable[[], None]
    ) -> None:
        self._channel = channel
        self._framed = framed
        self._connection = connection
        self._look = look
        self._begins_by = time.monotonic() + _BEGIN_S
        channel.settimeout(_SILENCE_S)
        self.send(framed.once)

    def send(self, data: bytes | memoryview) -> bool:
        """Give it input. False if it takes no more; it then has said why, or is gone."""
        view = memoryview(data)
        at = 0
        with _Watch(self._connection) if len(view) > _PIECE else contextlib.nullcontext() as watch:
            while at < len(view):
                if watch:
                    watch.beat = time.monotonic()
                try:
                    sent = self._channel.send(bytes(view[at : at + _PIECE]))
                except TimeoutError:
                    self._look()
                    continue
                except BROKEN:
                    return False
                if not sent:
                    return False
                at += sent
        return True

    def end_input(self) -> None:
        """There is no more to come."""
        with contextlib.suppress(*BROKEN):  # it is gone; reading from it tells
            self._channel.shutdown_write()

    @property
    def exit_code(self) -> int:
        """What it ended with."""
        return self._framed.exit_code

    def pieces(self) -> Iterator[tuple[bytes, bytes]]:
        """What it says on standard output and standard error, as it comes, to its end."""
        yield from pieces(
            self._channel,
            self._framed,
            begins_by=self._begins_by,
            on_late=self._late,
            silence=_SILENCE_S,
            on_silence=self._look,
        )
        if not self._framed.ended:
            raise cut_off(self._connection, self._framed)

    def _late(self) -> None:
        raise never_begun(self._connection, self._framed)

    def finish(self, stdin: bytes = b"", *, ends_input: bool = True, most: int = _MOST_SAID) -> Completed:
        """Give it all its input and wait for its end; TargetUnusable once it says more than so many bytes.

        A script that takes the end of its input for ours gets none.
        """
        writer = threading.Thread(target=self._write, args=(stdin,), daemon=True)
        if len(stdin) > _INLINE:
            writer.start()  # it may want to be read from before it takes all
        elif ends_input:
            self._write(stdin)
        out, err = bytearray(), bytearray()
        for more_out, more_err in self.pieces():
            out += more_out
            err += more_err
            if len(out) + len(err) > most:
                raise TargetUnusable(
                    f"{self._connection.label} says more than {most >> 20} MiB where a few lines were asked for",
                    hint="look at what it runs there",
                )
        close(self._channel)
        if writer.is_alive():
            writer.join()
        return Completed(exit_code=self.exit_code, out=bytes(out), err=bytes(err))

    def _write(self, stdin: bytes) -> None:
        with contextlib.suppress(TargetUnusable):  # whoever reads is told so, too
            self.send(stdin)
            self.end_input()


class _Watch:
    """Hangs up where the network takes nothing more: paramiko waits for it without end, and everybody for paramiko."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._done = threading.Event()
        self.beat = time.monotonic()

    def __enter__(self) -> _Watch:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(_STUCK_S / 4):
            if time.monotonic() - self.beat > _STUCK_S:
                self._connection.close()
                return
