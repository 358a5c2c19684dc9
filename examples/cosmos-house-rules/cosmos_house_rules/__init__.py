"""Rules of the house, for every model: no huge videos, and a quiet log."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from attrs import evolve

from cosmos_core import Command, Problem, Request, hookimpl

PIXELS = 1920 * 1080


@hookimpl
def validate_inputs(request: Request[Any]) -> Iterator[Problem]:
    for item in request.inputs:
        media = item.media
        if media and (media.width or 0) * (media.height or 0) > PIXELS:
            yield Problem(
                field=item.slot,
                message=f"{item.name} is {media.width}x{media.height}; the house allows 1920x1080",
                hint="scale it down first",
                code="house_too_large",
            )


@hookimpl(wrapper=True)
def choose_script() -> Generator[None, Command, Command]:
    command = yield
    return evolve(command, env={"TQDM_DISABLE": "1", **command.env})
