"""Folders and files for us alone, whatever the umask says."""

from __future__ import annotations

import os
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder (0700), and those above it that are missing. One that is there stays as it is. Raises OSError."""
    try:
        folder.mkdir(mode=0o700)
    except FileNotFoundError:
        make_folder(folder.parent)
        make_folder(folder)
    except FileExistsError:
        if not folder.is_dir():
            raise


def make_file(file: Path) -> None:
    """Make an empty file (0600) where there is none. Raises OSError.

    One that is there is not opened: closing it again would take away this process's locks on it (POSIX, fcntl).
    """
    if not file.exists():
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
