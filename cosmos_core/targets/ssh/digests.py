"""SHA-256 of what passes by, computed beside the work and not after it."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Digests:
    """One thread that digests one piece while the next one is moved. hashlib lets go of the interpreter meanwhile."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None
        self._digest = hashlib.sha256()

    def __enter__(self) -> Digests:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(self, piece: bytes | memoryview) -> None:
        """The next piece of the current file."""
        if self._pending:
            self._pending.result()
        self._pending = self._pool.submit(self._digest.update, piece)

    def end(self) -> str:
        """The digest of the current file; the next piece begins another one."""
        if self._pending:
            self._pending.result()
        digest, self._digest, self._pending = self._digest, hashlib.sha256(), None
        return digest.hexdigest()
