"""Ids: a kind, and ten characters that fit file names, container names and fingers."""

from __future__ import annotations

import secrets

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_id(kind: str) -> str:
    """A new id of a kind: `ps` prompt, `rs` run, `jb` job, `gr` group."""
    return f"{kind}_" + "".join(secrets.choice(_ALPHABET) for _ in range(10))
