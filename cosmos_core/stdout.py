"""Standard output is a command's answer and nothing else: whatever plugins print goes to standard error."""

from __future__ import annotations

from contextvars import ContextVar

ours: ContextVar[bool] = ContextVar("ours", default=False)
"""Whether what is printed now is a part of the answer.

The `cosmos` command says so for its own code, and a call of a plugin's code takes it back for as long as it lasts.
Threads that a plugin starts are never taken for ours.
"""
