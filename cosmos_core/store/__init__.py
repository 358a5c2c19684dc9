"""Remembering: prompts, runs, jobs and what came of them. No other room writes SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cosmos_core.store.ids import new_id

if TYPE_CHECKING:
    from cosmos_core.store.store import Store

__all__ = ["Store", "new_id"]


def __getattr__(name: str) -> Any:
    if name != "Store":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cosmos_core.store.store import Store  # SQLAlchemy: a quarter second that the records do not cost

    return Store
