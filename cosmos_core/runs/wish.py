"""What a user asks for, before anything is known to be right about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen


def _by_slot(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {} if said is None else {"": said}


@frozen(kw_only=True)
class Wish:
    """A prompt, a run, or both, in the user's own words; None means not said.

    `source` is the id of a stored prompt (executed as it is) or run (done again, with whatever else is said here
    changed). Parameter values may be text: they are read by the parameter's declared type.
    """

    model: str | None = None
    text: str | None = None
    name: str | None = None
    source: str | None = None
    inputs: tuple[tuple[str, str], ...] = ()  # (slot, REF)
    input_fps: Mapping[str, Any] = field(factory=dict, converter=_by_slot)  # slot -> rate of its frames; "": of all
    parameters: Mapping[str, Any] = field(factory=dict)  # nested or dotted keys
    tags: tuple[str, ...] = ()
    toolkit: str | None = None
    target: str | None = None
    gpus: int | None = None
    timeout_s: float | None = None
    if_busy: Literal["wait", "fail"] | None = None
    fetch: Literal["all", "results", "none"] | None = None
    copy_to: str | None = None  # also copy the main result there
    strict: bool = False  # warnings refuse
