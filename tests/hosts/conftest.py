"""A laptop for each test, and a clip for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import empty_store
import pytest
from lab import Laptop, clip
from lab import laptop as bare_laptop

__all__ = ["bare_laptop", "clip"]


@pytest.fixture
def laptop(bare_laptop: Callable[..., Laptop]) -> Callable[..., Laptop]:
    """A maker of laptops, each with an empty store."""

    def make(*hosts: Any, **more: Any) -> Laptop:
        mine = bare_laptop(*hosts, **more)
        empty_store.put_into(mine.folder / "home")
        return mine

    return make
