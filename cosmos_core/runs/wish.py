"""What a user asks for, before anything is known to be right about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from attrs import field, frozen

from cosmos_core.errors import UsageError


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
    overwrite: bool = False  # whether that may replace a file
    strict: bool = False  # warnings refuse

    def __attrs_post_init__(self) -> None:
        """Refuse what no reader of a wish could understand; whether it is right is seen when it is planned."""
        for name, wanted, fits in _KINDS:
            value = getattr(self, name)
            if value is not None and not fits(value):
                raise UsageError(f"{name} wants {wanted}, not {value!r:.60}")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_texts(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(map(_is_text, value))


def _are_pairs(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(_are_texts(pair) and len(pair) == 2 for pair in value)


_KINDS: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    *((name, "text", _is_text) for name in ("model", "text", "name", "source", "toolkit", "target", "copy_to")),
    ("inputs", "pairs of an input's name and a file", _are_pairs),
    ("input_fps", "a number, or numbers by input", lambda value: all(map(_is_text, value))),
    ("parameters", "values by name", lambda value: isinstance(value, Mapping) and all(map(_is_text, value))),
    ("tags", 'a list of texts, such as ["rain"]', _are_texts),
    ("gpus", "a number of GPUs", lambda value: type(value) is int),
    ("timeout_s", "seconds, more than 0", lambda value: _is_number(value) and value > 0),
    ("if_busy", "wait or fail", lambda value: value in ("wait", "fail")),
    ("fetch", "all, results or none", lambda value: value in ("all", "results", "none")),
    *((name, "True or False", lambda value: isinstance(value, bool)) for name in ("overwrite", "strict")),
)
