"""Remembering: prompts, runs, jobs and what came of them. No other room writes SQL."""

from __future__ import annotations

from cosmos_core.store.ids import new_id
from cosmos_core.store.store import Store

__all__ = ["Store", "new_id"]
