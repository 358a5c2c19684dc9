"""A network link of our own between a client and a host's sshd: it can be slow, late, still, or cut."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

_PIECE = 16384


class Link:
    """A TCP proxy in a thread of its own. Its settings may be changed at any time and hold for what passes then."""

    def __init__(self, to_port: int, rate: float) -> None:
        self.to_port = to_port
        self.rate = rate  # bytes a second, each way
        self.delay = 0.0  # seconds, each way
        self.frozen = False
        self.port = 0
        self._ends: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_host = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, to_host[1]}
        self._ends |= ends
        ways = [asyncio.create_task(self._way(reader, to_host[1])), asyncio.create_task(self._way(to_host[0], writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.ALL_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in ends:
                end.transport.abort()
            self._ends -= ends

    async def _way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: pieces wait for their time, for a link that is not frozen, and for their share of the rate."""
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=256)

        async def read() -> None:
            piece = b"..."
            while piece:
                try:
                    piece = await reader.read(_PIECE)
                except OSError:
                    piece = b""
                await late.put((time.monotonic() + self.delay, piece))

        reading = asyncio.create_task(read())
        try:
            while True:
                due, piece = await late.get()
                while self.frozen or time.monotonic() < due:
                    await asyncio.sleep(0.01 if self.frozen else max(due - time.monotonic(), 0))
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
                if len(piece) > 2048:
                    await asyncio.sleep(len(piece) / self.rate)
            with contextlib.suppress(OSError):
                writer.write_eof()
        except OSError:  # the other end is gone; so is this one
            writer.transport.abort()
        finally:
            reading.cancel()

    def cut(self) -> int:
        """Break all connections at once; how many there were."""

        async def abort() -> int:
            ends = list(self._ends)
            for end in ends:
                end.transport.abort()
            return len(ends) // 2

        return asyncio.run_coroutine_threadsafe(abort(), self._loop).result(10)

    def close(self) -> None:
        """Let go of everything."""

        async def end() -> None:
            if self._server is not None:
                self._server.close()
            for way in asyncio.all_tasks():
                if way is not asyncio.current_task():
                    way.cancel()

        self.cut()
        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
