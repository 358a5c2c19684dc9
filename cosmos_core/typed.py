"""One value read by its declared type, from text or from JSON, never guessed.

Supported types: `int float str bool`, `Literal`, `PurePosixPath`, `tuple[X, ...]`, `tuple[X, Y]`,
`Mapping[str, X]` and unions of them, with or without None.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NONES = ("none", "null")
_LARGEST_DRAWN = 2**31 - 1
_N = TypeVar("_N", int, float)


class Limits(NamedTuple):
    """What the declaration says beside the type; in a tuple or mapping, of each item."""

    ge: float | None = None
    le: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def range(self) -> str:
        """`1..`, `0..1`, `..5`, or nothing."""
        if self.ge is None and self.le is None:
            return ""
        return "..".join("" if bound is None else _plain(bound) for bound in (self.ge, self.le))


class WrongValue(Exception):  # noqa: N818  it says what the value is, and never leaves these two modules
    """A value that its declaration does not take."""

    def __init__(self, message: str, *, code: str = "wrong_type", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint


def closest(name: str, names: Sequence[str]) -> str | None:
    """The name most like `name`, also when only its last dotted word was given."""
    import difflib  # 5 ms, and most calls never get here

    plain = {n.lower().replace("-", "_"): n for n in reversed(names)}
    wanted = name.lower().replace("-", "_")
    match = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.6)
    if match:
        return plain[match[0]]
    return next((n for n in names if n.lower().rpartition(".")[2] == wanted), None)


def nearest(name: str, names: Sequence[str]) -> str:
    """The beginning of a hint: `did you mean 'x'? `, or nothing."""
    match = closest(name, names)
    return f"did you mean {match!r}? " if match else ""


def members(declared: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself; None's type among them."""
    return get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)


def is_supported(declared: Any) -> bool:
    """Whether `read_value` understands this type."""
    if declared in _READERS or declared is NoneType or get_origin(declared) is Literal:
        return True
    args = get_args(declared)
    if get_origin(declared) in (Union, UnionType):
        return all(map(is_supported, args))
    if get_origin(declared) is tuple:
        return bool(args) and all(is_supported(arg) for arg in args if arg is not Ellipsis)
    return is_mapping(declared) and args[0] is str and is_supported(args[1])


def is_mapping(declared: Any) -> bool:
    """Whether the type is `Mapping[str, X]` or `dict[str, X]`."""
    return get_origin(declared) in (Mapping, dict)


def metavar(declared: Any, limits: Limits = Limits()) -> str:  # noqa: B008  an immutable value
    """How the type is shown to a reader: `INTEGER`, `TEXT`, `edge|depth`, `FLOAT,FLOAT,...`, `JSON`."""
    if get_origin(declared) is Literal or limits.choices:
        return "|".join(map(text_form, limits.choices or get_args(declared)))
    shown = tuple(m for m in members(declared) if m is not NoneType)
    if len(shown) > 1:
        return " or ".join(metavar(m) for m in shown)
    if get_origin(shown[0]) is tuple:
        return ",".join("..." if arg is Ellipsis else metavar(arg) for arg in _repeated(shown[0]))
    return _READERS[shown[0]][0] if shown[0] in _READERS else "JSON"


def _repeated(declared: Any) -> tuple[Any, ...]:
    args = get_args(declared)
    return (args[0], args[0], ...) if args[-1] is Ellipsis else args


def text_form(value: Any) -> str:
    """`value` as text that `read_value` reads back to the same."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple) and value and all(type(item) in (int, float) for item in value):
        return ",".join(map(repr, value))
    if isinstance(value, (tuple, list, Mapping)):
        return json.dumps(to_json(value), ensure_ascii=False)
    return str(value)


def to_json(value: Any) -> Any:
    """`value` in JSON's own types."""
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return str(value) if isinstance(value, PurePosixPath) else value


def read_value(declared: Any, value: Any, limits: Limits = Limits()) -> Any:  # noqa: B008  an immutable value
    """`value` as the declared type; raises WrongValue with words."""
    origin = get_origin(declared)
    if origin in (Union, UnionType):
        return _union(declared, value, limits)
    if origin is Literal:
        return _one_of(get_args(declared), value)
    if origin is tuple:
        return _tuple(declared, value, limits)
    if is_mapping(declared):
        items = from_json(value, Mapping, "a JSON object") if isinstance(value, str) else value
        if not isinstance(items, Mapping):
            raise WrongValue(f"wants a JSON object, not {_shown(value)}")
        return {str(k): read_value(get_args(declared)[1], v, limits) for k, v in items.items()}
    if limits.choices:
        return _one_of(limits.choices, value)
    read: Callable[[Any, Limits], Any] = _READERS[declared][1]
    return read(value, limits)


def from_json(text: str, kind: type, words: str) -> Any:
    """The JSON value in `text`, which has to be a `kind`."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise WrongValue(f"wants {words}, not {_shown(text)}", hint=f"as JSON: {error}") from None
    except RecursionError:
        raise WrongValue(f"is nested too deep: {_shown(text)}") from None
    if not isinstance(value, kind):
        raise WrongValue(f"wants {words}, not {_shown(text)}")
    return value


def _union(declared: Any, value: Any, limits: Limits) -> Any:
    kinds = [m for m in get_args(declared) if m is not NoneType]
    optional = len(kinds) < len(get_args(declared))
    if value is None and optional:
        return None
    # where text is wanted, the words `none` and `null` are text like any other
    if optional and str not in kinds and isinstance(value, str) and value.lower() in _NONES:
        return None
    faults = []
    for kind in sorted(kinds, key=lambda k: k is str):  # everything is text: ask the others first
        try:
            return read_value(kind, value, limits)
        except WrongValue as fault:
            faults.append(fault)
    telling = [fault for fault in faults if fault.code != "wrong_type"] or faults
    if len(kinds) == 1 or telling is not faults:
        raise telling[0]
    raise WrongValue(f"wants {metavar(declared)}, not {_shown(value)}")


def _one_of(choices: tuple[Any, ...], value: Any) -> Any:
    for choice in choices:
        same_type = type(choice) is type(value)  # True is 1, and "1" may be meant as 1
        if (same_type and choice == value) or (isinstance(value, str) and text_form(choice) == value):
            return choice
    if all(type(choice) is int for choice in choices):  # 1.0 and "1.0" are whole numbers here as elsewhere
        with suppress(WrongValue):
            if (number := _integer(value, Limits())) in choices:
                return number
    names = [text_form(choice) for choice in choices]
    if not isinstance(value, str) and text_form(value) in names and str in map(type, choices):
        quoted = json.dumps(text_form(value))
        raise WrongValue(f"wants a text, not the number {_shown(value)}", hint=f"write it in quotes: {quoted}")
    raise WrongValue(
        f"must be one of {', '.join(names)}, not {_shown(value)}",
        code="not_a_choice",
        hint=nearest(str(value), names).strip(),
    )


def _tuple(declared: Any, value: Any, limits: Limits) -> tuple[Any, ...]:
    args = get_args(declared)
    items: list[Any]
    if isinstance(value, str) and value.strip().startswith("["):
        items = from_json(value, list, "a JSON list")
    elif isinstance(value, str):
        items = [part.strip() for part in value.split(",")] if value.strip() else []
    elif isinstance(value, (list, tuple)):
        items = list(value)
    else:
        raise WrongValue(f"wants {metavar(declared)}, not {_shown(value)}")
    if args[-1] is Ellipsis:
        return tuple(read_value(args[0], item, limits) for item in items)
    if len(items) != len(args):
        raise WrongValue(f"wants {len(args)} values, {metavar(declared)}, not {len(items)}")
    return tuple(read_value(arg, item, limits) for arg, item in zip(args, items, strict=True))


def _integer(value: Any, limits: Limits) -> int:
    if value == "random" and isinstance(value, str):
        return _drawn(limits)
    number = value
    if isinstance(value, str):
        text = value.strip()
        if _INTEGER.fullmatch(text):
            try:
                number = int(text)
            except ValueError:  # Python's own limit is 4300 digits
                raise WrongValue(f"has too many digits: {_shown(value)}") from None
        else:
            number = _as_float(value, "a whole number")
    if isinstance(number, float):
        _finite(number)
        if number.is_integer():
            number = int(number)
    if type(number) is not int:
        raise WrongValue(f"wants a whole number, not {_shown(value)}")
    return _in_range(number, limits)


def _drawn(limits: Limits) -> int:
    import secrets  # needed for this one word only

    low = max(0, math.ceil(limits.ge)) if limits.ge is not None else 0
    high = min(_LARGEST_DRAWN, math.floor(limits.le)) if limits.le is not None else _LARGEST_DRAWN
    if low > high:
        raise WrongValue(f"cannot be drawn at random: its range is {limits.range}")
    return low + secrets.randbelow(high - low + 1)


def _float(value: Any, limits: Limits) -> float:
    if isinstance(value, str):
        number = _as_float(value, "a number")
    elif type(value) in (int, float):
        try:
            number = float(value)
        except OverflowError:
            raise WrongValue(f"is too large: {_shown(value)}") from None
    else:
        raise WrongValue(f"wants a number, not {_shown(value)}")
    return _in_range(_finite(number), limits)


def _as_float(text: str, wanted: str) -> float:
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped) and not _NOT_FINITE.fullmatch(stripped):
        raise WrongValue(f"wants {wanted}, not {_shown(text)}")
    return float(stripped)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise WrongValue(f"wants a finite number, not {number}", code="not_finite")
    return number


def _in_range(number: _N, limits: Limits) -> _N:
    low, high = limits.ge, limits.le
    if (low is None or number >= low) and (high is None or number <= high):
        return number
    if high is None:
        wanted = f"at least {_plain(low)}"
    else:
        wanted = f"at most {_plain(high)}" if low is None else f"from {_plain(low)} to {_plain(high)}"
    raise WrongValue(f"must be {wanted}, not {_shown(number)}", code="out_of_range")


def _text(value: Any, _: Limits) -> str:
    if isinstance(value, str):
        return value
    hint = f'as text it is written "{text_form(value)}"' if type(value) in (int, float, bool) else ""
    raise WrongValue(f"wants text, not {_shown(value)}", hint=hint)


def _boolean(value: Any, _: Limits) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _BOOLEANS:
        return _BOOLEANS[value.strip().lower()]
    raise WrongValue(f"wants true or false, not {_shown(value)}")


def _path(value: Any, _: Limits) -> PurePosixPath:
    if isinstance(value, PurePosixPath):
        return value
    if isinstance(value, str) and value and "\0" not in value:
        return PurePosixPath(value)
    raise WrongValue(f"wants a path, not {_shown(value)}")


def _plain(number: float | None) -> str:
    """A bound as a person writes it: 4294967295, not 4.29497e+09."""
    return str(int(number)) if number is not None and float(number).is_integer() else str(number)


def _shown(value: Any) -> str:
    try:
        text = repr(value) if isinstance(value, str) else text_form(value)
    except RecursionError:
        return "what is nested too deep"
    return text if len(text) <= 60 else text[:57] + "..."


_READERS: dict[Any, tuple[str, Callable[[Any, Limits], Any]]] = {
    int: ("INTEGER", _integer),
    float: ("FLOAT", _float),
    str: ("TEXT", _text),
    bool: ("BOOLEAN", _boolean),
    PurePosixPath: ("PATH", _path),
}
