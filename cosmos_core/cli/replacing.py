"""Asking before a file is replaced."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import click
from attrs import evolve

from cosmos_core.errors import Refused
from cosmos_core.runs.copying import FILE_EXISTS
from cosmos_core.runs.wish import Wish

T = TypeVar("T")


def asking(act: Callable[[Sequence[Wish]], T], wishes: Sequence[Wish], *, as_json: bool) -> T:
    """What `act` makes of the wishes. Where only files are in its way, and somebody can be asked, they are asked."""
    try:
        return act(wishes)
    except Refused as refused:
        errors = [problem for problem in refused.problems if problem.severity == "error"]
        somebody = not as_json and sys.stdin.isatty() and sys.stderr.isatty()
        if not somebody or not errors or any(problem.code != FILE_EXISTS for problem in errors):
            raise
        for words in dict.fromkeys(problem.message for problem in errors):
            if not click.confirm(f"{words}. Replace it", default=False, err=True):
                raise
    return act([evolve(wish, overwrite=True) for wish in wishes])
