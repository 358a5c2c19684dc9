"""A laptop for each test, a clip for all, and the helpers of the tests of hosts and of the command line."""

from __future__ import annotations

import sys
from pathlib import Path

for _neighbour in ("hosts", "cli", "targets"):
    sys.path.append(str(Path(__file__).resolve().parents[1] / _neighbour))

from lab import clip, laptop  # noqa: E402

__all__ = ["clip", "laptop"]
