"""A laptop for each test, a clip for all, and the helpers of the tests of hosts and of the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

for _neighbour in ("hosts", "cli", "targets"):
    sys.path.append(str(Path(__file__).resolve().parents[1] / _neighbour))

from lab import clip, laptop  # noqa: E402

__all__ = ["clip", "laptop"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These look at whole folders and at memory, and cannot share a machine with other tests: `-m long` runs them."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.long)
