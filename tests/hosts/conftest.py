"""A laptop for each test, and a clip for all."""

from __future__ import annotations

from lab import clip, laptop

__all__ = ["clip", "laptop"]
