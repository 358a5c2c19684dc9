"""A store in which nothing is, as a copy of one that was made once: migrations take a sixth of a second each time."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from uuid import uuid4

from cosmos_core.private import make_file, make_folder
from cosmos_core.store import Store


def put_into(home: Path) -> None:
    """Make a data folder whose database holds nothing but an id of its own."""
    file = home / "cosmos.db"
    make_folder(home)
    make_file(file)
    file.write_bytes(_made_once())
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE store SET id = ?", (str(uuid4()),))


@cache
def _made_once() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cosmos.db"
        Store.open(f"sqlite:///{file}").close()
        return file.read_bytes()
