"""`python -m cosmos_core` is the `cosmos` command, which begins here: nothing is loaded yet."""

from __future__ import annotations

import gc
import os
import sys

_INTERRUPTED = 130
_GARBAGE_AFTER = 250_000  # allocations; Python's own 700 suit programs that make rings of objects


def main() -> int:
    """Run the command that this process was started for; its exit code."""
    # Most of a command is loading code: looking for garbage all the while costs it a tenth of its time.
    gc.set_threshold(_GARBAGE_AFTER)
    try:
        _take_words_as_utf8()
        from cosmos_core.cli.main import main as command

        return command()
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        # The process ends now. Its last search for garbage would walk through all the code there is, for 60 ms.
        gc.freeze()


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
    sys.exit(main())
