"""`python -m cosmos_core` is the `cosmos` command, which begins here: nothing is loaded yet."""

from __future__ import annotations

import atexit
import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_INTERRUPTED = 130
_GARBAGE_AFTER = 250_000  # allocations; Python's own 700 suit programs that make rings of objects


def main() -> NoReturn:
    """Be the command that this process was started for, and end with its exit code."""
    # Most of a command is loading code: looking for garbage all the while costs it a tenth of its time.
    gc.set_threshold(_GARBAGE_AFTER)
    try:
        _take_words_as_utf8()
        from cosmos_core.cli.main import main as command

        code = command()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    _end(code)


def _end(code: int) -> NoReturn:
    """What `sys.exit` does for others: wait for threads, call who wants to be called, write what is not written yet.

    Python would then take all the code there is apart, piece by piece; the system takes 20 ms less for it.
    """
    from contextlib import suppress

    if threading := sys.modules.get("threading"):
        threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # its reader is gone; it is closed; there is none
            stream.flush()
    os._exit(code)


def _take_words_as_utf8() -> None:
    """Start once more where the locale would misread the command line.

    A Latin-1 locale makes two characters of each `ü` that a UTF-8 terminal or script sends. Bytes that are UTF-8 are
    hardly ever meant as anything else; where there are none, the locale is taken at its word.
    """
    if sys.getfilesystemencoding() == "utf-8" or all(map(str.isascii, sys.argv)):
        return
    try:
        for word in sys.argv:
            os.fsencode(word).decode("utf-8")
    except UnicodeDecodeError:
        return
    os.execv(sys.executable, [sys.orig_argv[0], "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606  ourselves


if __name__ == "__main__":
    main()
