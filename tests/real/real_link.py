"""A network link between a client and a server on this machine: late, narrow, still or cut, as it is told.

As a program, `real_link.py PORT SECONDS`, it is a link that is that late each way, and prints its own port.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import sys
import threading
import time

_PIECE = 1 << 20
_NARROW_S = 0.01  # a link that is told a rate lets pass as much at a time as takes that long
_FULL = 1 << 26  # what may be on its way; a real link of so many bytes would be a fast one


class Link:
    """Passes on what comes to its `port`, and counts it. Settings hold for what passes from then on."""

    def __init__(self, to_port: int, *, delay: float = 0.0, rate: float | None = None) -> None:
        self.delay = delay  # seconds each way
        self.rate = rate  # bytes a second each way
        self.sent = 0  # by clients, in all
        self.fetched = 0
        self.breaks_at: int | None = None  # bytes sent or fetched; it breaks once, whatever else is on its way
        self._to_port = to_port
        self._moving = threading.Event()
        self._moving.set()
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def idle(self) -> bool:
        """Whether all connections have ended, and all that was on its way has come to its end."""
        return not any(connection.is_alive() for connection in self._connections)

    def freeze(self) -> None:
        """Nothing moves any more, and nobody is told."""
        self._moving.clear()

    def thaw(self) -> None:
        """What waited goes on."""
        self._moving.set()

    def cut(self) -> None:
        """Break all connections."""
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)
        self._listener.close()
        self.thaw()
        self.cut()
        for connection in self._connections:
            connection.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to_port))
            except OSError:
                client.close()
                continue
            self._ends += [client, server]
            self._connections.append(threading.Thread(target=self._serve, args=(client, server), daemon=True))
            self._connections[-1].start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            threads: list[threading.Thread] = []
            for source, to, name in ((client, server, "sent"), (server, client, "fetched")):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                late: queue.Queue[tuple[float, bytes]] = queue.Queue(_FULL // _PIECE)
                threads.append(threading.Thread(target=self._read, args=(source, late), daemon=True))
                threads.append(threading.Thread(target=self._write, args=(late, to, name), daemon=True))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self._ends = [end for end in self._ends if end not in (client, server)]

    def _read(self, source: socket.socket, late: queue.Queue[tuple[float, bytes]]) -> None:
        piece = b"..."
        while piece:
            try:
                piece = source.recv(_PIECE if self.rate is None else max(int(self.rate * _NARROW_S), 1))
            except OSError:
                piece = b""
            late.put((time.monotonic() + self.delay, piece))

    def _write(self, late: queue.Queue[tuple[float, bytes]], to: socket.socket, name: str) -> None:
        clear = 0.0  # until then the link is full
        piece, broken = b"...", False
        while piece:
            due, piece = late.get()
            if broken:
                continue  # whoever reads must not wait for us
            if self.rate is not None:
                clear = max(clear, due) + len(piece) / self.rate
                due = clear
            while (left := due - time.monotonic()) > 0:
                time.sleep(left)
            self._moving.wait()
            try:
                if piece:
                    to.sendall(piece)
                else:
                    to.shutdown(socket.SHUT_RDWR)
            except OSError:
                broken = True
            setattr(self, name, getattr(self, name) + len(piece))
            if self.breaks_at is not None and getattr(self, name) >= self.breaks_at:
                self.breaks_at = None
                self.cut()


def main(to_port: str, delay: str) -> None:
    """Be a link until somebody ends it."""
    print(Link(int(to_port), delay=float(delay)).port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
